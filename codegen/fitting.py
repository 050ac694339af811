"""A program and its plan together: layers get as much scratch memory as the plan leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgekit.codegen.integration import USUAL_TRICKS, Tricks
from edgekit.codegen.lowering import Lowering, Target
from edgekit.codegen.memory import MemoryPlan, PlanRegion, live_bytes, plan_memory
from edgekit.codegen.memory.moves import moved_cost, with_moves
from edgekit.codegen.memory.order import in_order, order_steps
from edgekit.codegen.memory.validate_moves import validate_moves
from edgekit.codegen.program import Program
from edgekit.errors import DoesNotFit
from edgekit.ir import Graph

# By how much the arena may grow over the smallest one, for speed: a twelfth, but from 4 to 6 KB.
SPARE_PART = 12
SPARE_BYTES = (4096, 6144)
_SHARES = (1.0, 0.5, 0.25)


def lower_and_plan(
    graph: Graph,
    target: Target,
    regions: Sequence[PlanRegion],
    floats: bool = False,
    feed: str = "auto",
    tricks: Tricks = USUAL_TRICKS,
    objective: str = "time",
) -> tuple[Program, MemoryPlan]:
    """The program with the fewest instructions whose arena is a little above the smallest at most, and its plan.

    Layers are lowered with the least scratch first. What a step then leaves free below the ceiling is offered to its
    kernels in a second lowering; where the placement cannot use all of that, a part of it.

    Args:
        tricks: how memory is saved; whether images stream in is for `feed` to say.
        feed: "whole" keeps images whole in memory, "rows" streams in all that can be, "auto" those that do not fit on
            the chip.
        objective: what copies off the chip and back shall save, see `with_moves`.

    Raises UnsupportedModel (see `lower`) and DoesNotFit (see `plan_memory`).
    """
    first, *others = regions
    lowering = Lowering(graph, target, floats, replace(tricks, decomposition=feed == "rows"))
    program, plan = _smallest(lowering, regions, objective)
    if feed == "auto" and (isinstance(plan, DoesNotFit) or plan.external):
        # An image that does not fit on the chip with all else streams in by rows, if it can.
        streaming = Lowering(graph, target, floats, replace(tricks, decomposition=True))
        streamed, streamed_plan = _smallest(streaming, regions, objective)
        if not isinstance(streamed_plan, DoesNotFit) and any(port.row_axis for port in streamed.inputs):
            program, plan, lowering = streamed, streamed_plan, streaming
    if isinstance(plan, DoesNotFit):
        raise plan
    if not any(step.flexible for step in program.steps):
        return program, plan
    ceiling = min(first.capacity, ceiling_of(plan.arena[first.name]))
    used = [region for region in others if plan.arena[region.name]]
    room = _room(program, plan, first.name, ceiling)
    for share in _SHARES:
        faster = lowering.program([int(share * left) for left in room])
        if program.order is not None:
            faster = in_order(faster, program.order)
        try:
            return _planned(faster, [replace(first, capacity=ceiling), *used], objective)
        except DoesNotFit:
            continue
    return program, plan


def _smallest(
    lowering: Lowering, regions: Sequence[PlanRegion], objective: str
) -> tuple[Program, MemoryPlan | DoesNotFit]:
    """The program with the least scratch, and its plan, or what does not fit."""
    program = order_steps(lowering.program())
    try:
        return _planned(program, regions, objective)
    except DoesNotFit as error:
        return program, error


def _planned(program: Program, regions: Sequence[PlanRegion], objective: str) -> tuple[Program, MemoryPlan]:
    """A plan; where not all fits on the chip, with copies off it and back if that is cheaper than to let all stand."""
    plan = plan_memory(program, regions)
    moving = with_moves(program, regions, objective) if plan.external else program
    if not moving.moves:
        return program, plan
    validate_moves(program, moving)
    try:
        moved = plan_memory(moving, regions)
    except DoesNotFit:
        return program, plan
    better = moved_cost(moving, moved, objective) < moved_cost(program, plan, objective)
    return (moving, moved) if better else (program, plan)


def ceiling_of(least: int) -> int:
    """How large an arena may be for speed, where its smallest size is `least` bytes."""
    return least + min(max(SPARE_BYTES[0], least // SPARE_PART), SPARE_BYTES[1])


def _room(program: Program, plan: MemoryPlan, region: str, ceiling: int) -> list[int]:
    """Per step as lowered, the bytes of a region below the ceiling that no live buffer but its scratch takes."""
    lives = [life for life in plan.lives if plan.places[life.buffers[0]].region == region]
    live = live_bytes([life for life in lives if life.buffers[0].kind != "scratch"])
    taken = live + [0] * (len(program.steps) - len(live))
    room = [max(0, ceiling - taken[index]) for index in range(len(program.steps))]
    if program.order is None:
        return room
    lowered = [0] * len(room)
    for left, position in zip(room, program.order.positions, strict=True):
        lowered[position] = left
    return lowered
