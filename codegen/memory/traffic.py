"""How many bytes of each buffer an inference reads and writes: a model, to weigh memories that are not equally fast."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.codegen.memory.liveness import Lifetime
from edgekit.codegen.program import COPY, WAIT, Buffer, BufferArg, Program, Step


def traffic(program: Program) -> dict[Buffer, int]:
    """Bytes by buffer: each step passes over what it touches once, and every multiplication reads a byte of an operand.

    The operands are a step's scratch, where it has some, else what it reads; each takes part by its size.
    """
    return _total(program, operands=True)


def passes(program: Program) -> dict[Buffer, int]:
    """Bytes by buffer where each step passes over what it touches once: what crosses the bus if caches do well."""
    return _total(program, operands=False)


def bytes_moved(life: Lifetime, moved: Mapping[Buffer, int]) -> int:
    """Bytes of all buffers of a lifetime."""
    return sum(moved.get(buffer, 0) for buffer in life.buffers)


def heat(life: Lifetime, moved: Mapping[Buffer, int]) -> float:
    """Bytes moved for each byte of a lifetime."""
    return bytes_moved(life, moved) / life.size


def _total(program: Program, operands: bool) -> dict[Buffer, int]:
    bytes_of: dict[Buffer, int] = {}
    for step in program.steps:
        for moved in (_passes(step), _copies(step), _operands(step) if operands else {}):
            for buffer, size in moved.items():
                bytes_of[buffer] = bytes_of.get(buffer, 0) + size
    return bytes_of


def _args(step: Step) -> list[BufferArg]:
    calls = [call for call in step.calls if call.kernel not in (COPY, WAIT)]
    return [arg for call in calls for arg in call.args if isinstance(arg, BufferArg)]


def _passes(step: Step) -> dict[Buffer, int]:
    return {arg.buffer: arg.buffer.size for arg in _args(step)}


def _copies(step: Step) -> dict[Buffer, int]:
    """Both ends of what the step copies off the chip and back."""
    moved: dict[Buffer, int] = {}
    for call in step.calls:
        if call.kernel == COPY:
            ends = [arg.buffer for arg in call.args if isinstance(arg, BufferArg)]
            for buffer in ends:
                moved[buffer] = moved.get(buffer, 0) + min(end.size for end in ends)
    return moved


def _operands(step: Step) -> dict[Buffer, int]:
    buffers, written = list(_passes(step)), {arg.buffer for arg in _args(step) if arg.writes}
    found = [b for b in buffers if b.kind == "scratch"] or [b for b in buffers if b not in written] or buffers
    total = sum(buffer.size for buffer in found)
    return {buffer: step.macs * buffer.size // total for buffer in found}
