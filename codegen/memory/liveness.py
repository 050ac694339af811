"""Lifetimes of buffers over the steps of a program, with in-place merging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from edgekit.codegen.memory.block import Block
from edgekit.codegen.program import Buffer, Program


@dataclass(frozen=True)
class Lifetime(Block):
    """The bytes of one buffer, or of several that share them in order because steps work in place."""

    buffers: tuple[Buffer, ...] = ()


def lifetimes(program: Program) -> list[Lifetime]:
    """One lifetime per buffer or in-place group, in order of first use.

    Inputs live from step 0 and may be overwritten once read; outputs live to the end.
    """
    end = len(program.steps)
    spans: dict[Buffer, tuple[int, int]] = {}
    for step in program.steps:
        for buffer in step.buffers():
            first, _ = spans.get(buffer, (step.index, step.index))
            spans[buffer] = (first, step.index)
    for port in program.inputs:
        if port.row_axis:
            continue
        spans[port.buffer] = (0, spans.get(port.buffer, (0, 0))[1])
    for port in program.outputs:
        spans[port.buffer] = (spans.get(port.buffer, (0, 0))[0], end)
    groups = _in_place_groups(program, spans)
    result = [
        Lifetime(
            size=max(b.size for b in group),
            alignment=max(b.alignment for b in group),
            first=min(spans[b][0] for b in group),
            last=max(spans[b][1] for b in group),
            buffers=tuple(group),
        )
        for group in groups
    ]
    return sorted(result, key=lambda life: (life.first, life.buffers[0].index))


def live_bytes(lives: Sequence[Block]) -> list[int]:
    """Bytes alive at every step, from 0 to the last one of any lifetime."""
    changes = [0] * (max((life.last for life in lives), default=-1) + 2)
    for life in lives:
        changes[life.first] += life.size
        changes[life.last + 1] -= life.size
    return list(accumulate(changes))[:-1]


def _in_place_groups(program: Program, spans: dict[Buffer, tuple[int, int]]) -> list[list[Buffer]]:
    """Buffers joined where a step may write its output over an input of the same size that dies there."""
    group_of: dict[Buffer, list[Buffer]] = {buffer: [buffer] for buffer in spans}
    for step in program.steps:
        done: set[Buffer] = set()
        for source, target in step.in_place:
            dies_here = spans[source][1] == step.index and spans[target][0] == step.index
            if dies_here and source.size == target.size and target not in done and source is not target:
                joined, added = group_of[source], group_of[target]
                joined += added
                # Only the added ones: a long chain of steps in place would otherwise take time by its square.
                for buffer in added:
                    group_of[buffer] = joined
                done.add(target)
    return [list(group) for group in {id(g): g for g in group_of.values()}.values()]
