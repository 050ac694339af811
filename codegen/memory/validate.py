"""An independent check of a memory plan: it replays the program on symbolic bytes and trusts nothing of the planner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

from edgekit.codegen.memory.plan import MemoryPlan
from edgekit.codegen.memory.validate_flights import Flights
from edgekit.codegen.program import Buffer, BufferArg, Program, Step
from edgekit.errors import InternalError


def validate_plan(program: Program, plan: MemoryPlan) -> None:
    """Raise InternalError where a step reads bytes that something else has overwritten, or a buffer leaves its region.

    Memory is replayed as intervals owned by buffers: writing claims the interval and evicts every owner it meets;
    reading demands that the reader's own claim is whole. Within one step, outputs and scratch must be disjoint from
    each other and from inputs, except in-place pairs at one address. What is copied meanwhile is left alone.
    """
    owners: dict[str, dict[Buffer, tuple[int, int]]] = {}

    def claim(buffer: Buffer) -> None:
        region, start, end = _place(plan, buffer)
        held = owners.setdefault(region, {})
        for other in [b for b, (s, e) in held.items() if s < end and start < e]:
            del held[other]
        held[buffer] = (start, end)

    flights = Flights(plan)
    whole = [port for port in program.inputs if not port.row_axis]
    for port in whole:
        claim(port.buffer)
    for port in whole:
        if port.buffer not in owners[plan.places[port.buffer].region]:
            raise InternalError(f"plan: input {port.name!r} overlaps another input")
    for step in program.steps:
        _check_step(step, plan)
        _replay(step, owners, plan, claim)
        flights.run(step)
    for port in program.outputs:
        if port.buffer not in owners.get(plan.places[port.buffer].region, {}):
            raise InternalError(f"plan: output {port.name!r} is overwritten before the end")


def _replay(
    step: Step, owners: dict[str, dict[Buffer, tuple[int, int]]], plan: MemoryPlan, claim: Callable[[Buffer], None]
) -> None:
    by_rows = {target for source, target in step.in_place if _row_by_row(step, source, target)}
    for call in step.calls:
        args = [a for a in call.args if isinstance(a, BufferArg)]
        for arg in args:
            if not arg.writes and arg.buffer not in owners.get(plan.places[arg.buffer].region, {}):
                raise InternalError(f"plan: {step.name!r} reads {arg.buffer.label!r} after it was overwritten")
        for buffer in dict.fromkeys(a.buffer for a in args if a.writes and a.buffer not in by_rows):
            claim(buffer)
    for buffer in by_rows:
        claim(buffer)


def _row_by_row(step: Step, source: Buffer, target: Buffer) -> bool:
    """Whether a step of several calls writes one buffer part behind part, and reads of the other only what stands
    behind all that is written: what a call overwrites, no later one reads.

    A part ends where the next one begins. A call may read where it writes.
    """
    accesses = list(_accesses(step, source, target))
    starts = [start for _, start, writes in accesses if writes]
    if len(starts) < 2 or starts != sorted(set(starts)):
        return False
    ends, written, last = [*starts[1:], target.size], 0, -1
    for call, start, writes in accesses:
        if writes:
            written, last = written + 1, call
        elif written and start < (starts[written - 1] if call == last else ends[written - 1]):
            return False
    return True


def _accesses(step: Step, source: Buffer, target: Buffer) -> Iterator[tuple[int, int, bool]]:
    """(call, first byte, whether it writes) as a step runs: reads of one buffer, writes of another, reads first."""
    number = 0
    for loop, calls in groupby(step.calls, key=lambda call: call.loop):
        body = list(calls)
        for turn in range(1 if loop is None else loop.times):
            for call in body:
                number += 1
                args = [a for a in call.args if isinstance(a, BufferArg)]
                for buffer, writes in ((source, False), (target, True)):
                    for arg in args:
                        if arg.buffer is buffer and arg.writes == writes:
                            yield number, arg.offset + turn * arg.advance, writes


def _place(plan: MemoryPlan, buffer: Buffer) -> tuple[str, int, int]:
    place = plan.places[buffer]
    region = plan.regions[place.region]
    if buffer.outside and not region.external:
        raise InternalError(f"plan: {buffer.label!r} stands in region {place.region}, on the chip")
    capacity = region.capacity
    if place.offset < 0 or place.offset % buffer.alignment or place.offset + buffer.size > capacity:
        raise InternalError(f"plan: {buffer.label!r} at {place.offset} leaves region {place.region} ({capacity} B)")
    return place.region, place.offset, place.offset + buffer.size


def _check_step(step: Step, plan: MemoryPlan) -> None:
    buffers, written = step.buffers(), step.written()
    allowed = {frozenset(pair) for pair in step.in_place}
    for index, one in enumerate(buffers):
        for other in buffers[index + 1 :]:
            if one not in written and other not in written:
                continue
            (region, start, end), (region2, start2, end2) = _place(plan, one), _place(plan, other)
            meet = region == region2 and start < end2 and start2 < end
            if meet and not (frozenset((one, other)) in allowed and (start, end) == (start2, end2)):
                raise InternalError(f"plan: {one.label!r} and {other.label!r} overlap while {step.name!r} runs")
