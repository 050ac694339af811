"""Generated code: what a layer's function takes, from the arguments of its kernel calls.

A layer's bytes are a weighted sum of a few features, with weights fitted per core (`edgekit.forecast.measure`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edgekit.codegen.program import Arg, BufferArg, ConstantArg, KernelCall, Literal, ParamsArg, Step
from edgekit.codegen.repeats import Rounds, folded

# Arguments that travel in registers; the others go over the stack.
REGISTERS = 4
POINTER_BYTES = 4
Offset = Callable[[BufferArg], int]

FEATURES = (
    "layer", "call", "tail call", "buffer", "buffer offset", "far offset", "table", "table offset", "params",
    "number", "large number", "stacked",
)  # fmt: skip


def layer_features(step: Step, offset: Offset) -> dict[str, int]:
    """How often each of FEATURES occurs in a layer's code; `offset` gives where a buffer argument points in its arena.

    Going through a list of tables, or on in a buffer, costs about what an offset does, and a loop what a call does.
    """
    return _features_of(step, folded(step.calls), offset)


def _features_of(step: Step, parts: Sequence[Rounds], offset: Offset) -> dict[str, int]:
    counts = dict.fromkeys(FEATURES, 0)
    calls: list[KernelCall] = [call for rounds in parts for unit in rounds.units for call in unit.calls]
    changes = [change for rounds in parts for change in rounds.changes.values()]
    counts["layer"], counts["call"] = 1, len(calls) + sum(rounds.times > 1 for rounds in parts)
    counts["tail call"] = int(frame_key(step) == "tail call")
    counts["buffer offset"] = len(changes)
    for call in calls:
        counts["stacked"] += max(0, len(call.args) - REGISTERS)
        for arg in call.args:
            for name in _features(arg, offset):
                counts[name] += 1
    return counts


def _features(arg: Arg, offset: Offset) -> list[str]:
    if isinstance(arg, BufferArg):
        at = offset(arg)
        return ["buffer", *["buffer offset"] * (at > 0), *["far offset"] * (at > 4095)]
    if isinstance(arg, ConstantArg):
        return ["table", *["table offset"] * (arg.offset > 0)]
    if isinstance(arg, ParamsArg):
        return ["params"]
    assert isinstance(arg, Literal)
    small = isinstance(arg.value, int) and 0 <= arg.value < 256
    return ["number" if small else "large number"]


def layer_bytes(step: Step, offset: Offset, weights: Mapping[str, float]) -> float:
    """Bytes of a layer's function and of the call to it."""
    parts = folded(step.calls)
    lists = sum(len(tables) for rounds in parts for tables in rounds.pointers)
    counts = _features_of(step, parts, offset)
    return sum(weights[name] * count for name, count in counts.items()) + POINTER_BYTES * lists


def frame_key(step: Step) -> str:
    """What decides a layer function's frame: it ends in its only call, or how many words it hands over by stack."""
    stacked = max((len(call.args) - REGISTERS for call in step.calls), default=0)
    if len(step.calls) <= 1 and stacked <= 0:
        return "tail call"
    return f"{'one' if len(step.calls) == 1 else 'several'} {max(stacked, 0)}"


def layer_frame(step: Step, frames: Mapping[str, int]) -> int:
    """Bytes of a layer function's frame; the largest known one where its key was not measured."""
    return frames.get(frame_key(step), max(frames.values()))
