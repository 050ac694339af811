"""A program and its plan together: which layers run by rows, and as much scratch memory as the plan leaves them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

from edgekit.codegen.integration import USUAL_TRICKS, Group, Tricks
from edgekit.codegen.lowering import Lowering, Target
from edgekit.codegen.memory import MemoryPlan, PlanRegion, live_bytes, plan_memory
from edgekit.codegen.memory.aim import Aim, moved_cost
from edgekit.codegen.memory.moves import with_moves
from edgekit.codegen.memory.order import as_lowered, in_order, order_steps
from edgekit.codegen.memory.overlap import overlapped
from edgekit.codegen.memory.validate_moves import validate_moves
from edgekit.codegen.program import Program
from edgekit.codegen.streaming.choice import Chooser
from edgekit.codegen.streaming.choosers import Choosers
from edgekit.codegen.streaming.costs import Costs
from edgekit.codegen.streaming.far_weights import WeightMemory, far_waits
from edgekit.codegen.streaming.feeding import fed_by
from edgekit.errors import BadUsage, DoesNotFit
from edgekit.ir import Graph, Node

# By how much the arena may grow over the smallest one, for speed: a twelfth, but from 4 to 6 KB.
SPARE_PART = 12
SPARE_BYTES = (4096, 6144)
_SHARES = (1.0, 0.5, 0.25)
# By how much streams may raise the cycles, as estimated, for an arena that is smaller, or on the chip.
MOST_FOR_STREAMS = 1.2
# The same for an arena that is smaller yet by stripes, where streams without them take no more anyway.
MOST_FOR_STRIPES = 1.1
_UNLIMITED = 1 << 40
# What part of the chip's memory is so little that the best order of steps is not worth half a minute's search.
PLENTY = 16
# Of a capacity, what streams are chosen for, where a placement needs more than what is live at once.
_TRIES = (1.0, 0.97, 0.93, 0.88)
# Of several memories, what may be live together where moves, or layers that run again, shall make it fit them.
_LIVE = (1.0, 0.9, 0.8, 0.7, 0.6)

# `lower_and_plan`, or a partial of it.
Planner: TypeAlias = "Callable[..., tuple[Program, MemoryPlan]]"


def lower_and_plan(
    graph: Graph,
    target: Target,
    regions: Sequence[PlanRegion],
    floats: bool = False,
    feed: str = "auto",
    tricks: Tricks = USUAL_TRICKS,
    optimize: str = "balanced",
    objective: str = "time",
    dma: bool = False,
    weights: WeightMemory | None = None,
    choosers: Choosers | None = None,
) -> tuple[Program, MemoryPlan]:
    """The program with the fewest instructions within an arena, and its plan.

    Layers are lowered with the least scratch first. What a step then leaves free below the ceiling is offered to its
    kernels in a second lowering; where the placement cannot use all of that, a part of it.

    Args:
        tricks: how memory is saved.
        feed: "whole" keeps images whole in memory, "rows" streams in all that can be, "auto" those that do not fit on
            the chip.
        optimize: "balanced" takes an arena a little above the smallest one of whole tensors, "ram" the smallest one
            with streams, as far as cycles may grow for them (MOST_FOR_STREAMS, MOST_FOR_STRIPES), "speed" all that
            there is, and the fewest cycles, where those are not the fewest instructions.
        objective: what copies off the chip and back shall save; dma: whether they are made while layers run, see `Aim`.
        weights: where they may stand beside the program flash, for the cost of streams that read them again.
        choosers: of the graph, where it is planned for several boards.

    Raises UnsupportedModel (see `lower`), DoesNotFit (see `plan_memory`), and BadUsage where images are to come in by
    rows and none can.
    """
    if feed == "rows" and (floats or not any(fed_by(graph, value) for value in graph.inputs)):
        raise BadUsage(
            "--feed rows: no input can come in by rows, as one image of integer codes can that a convolution or a pool "
            "reads, and nothing else: leave the option out"
        )
    aim, choosers = Aim(objective, dma), choosers or Choosers(graph)
    fitter = _Fitter(graph, target, regions, floats, tricks, optimize, aim, weights, choosers)
    attempt = fitter.usual(feed)
    if isinstance(attempt.plan, DoesNotFit):
        raise attempt.plan
    first = regions[0]
    ceiling = attempt.ceiling or ceiling_of(on_chip(attempt.plan, regions))
    if optimize == "ram" and tricks.streaming and not floats:
        attempt, ceiling = fitter.smaller(attempt, ceiling)
    return _with_scratch(attempt, regions, first.capacity if optimize == "speed" else ceiling)


@dataclass(frozen=True)
class _Attempt:
    """A lowering, its program with the least scratch, and the plan of that or what does not fit.

    Attributes:
        lowered: the program before anything is moved or made again.
        ceiling: the arena for which its streams were chosen, or 0.
        cycles: of its layers, as estimated, where streams were chosen or some run again, or 0.
        aim: what it was planned for.
    """

    lowering: Lowering
    lowered: Program
    program: Program
    plan: MemoryPlan | DoesNotFit
    ceiling: int = 0
    cycles: float = 0.0
    aim: Aim = field(default_factory=Aim)

    @property
    def is_inside(self) -> bool:
        """Whether all stands on the chip."""
        return not isinstance(self.plan, DoesNotFit) and not self.plan.external

    @property
    def feeds(self) -> bool:
        """Whether an image streams in by rows."""
        return any(port.row_axis for port in self.program.inputs)


class _Fitter:
    """Lowerings of one graph with different streams."""

    def __init__(
        self, graph: Graph, target: Target, regions: Sequence[PlanRegion], floats: bool, tricks: Tricks,
        optimize: str, aim: Aim, weights: WeightMemory | None, choosers: Choosers,
    ) -> None:  # fmt: skip
        self._graph, self._target, self._regions, self._floats, self._tricks = graph, target, regions, floats, tricks
        self._fewest_cycles, self._aim, self._weights, self._choosers = optimize == "speed", aim, weights, choosers
        inside = sorted((region.capacity for region in regions if not region.external), reverse=True)
        # Of all memories on the chip together, then of each: what is live at once may not stand in parts.
        self._capacities = [sum(inside), *inside] if len(inside) > 1 else inside
        limited = optimize != "ram" and inside and self._capacities[0] < _UNLIMITED
        self._plenty = self._capacities[0] // PLENTY if limited else 0

    @cached_property
    def _waits(self) -> dict[str, float]:
        return {} if self._weights is None else far_waits(self._graph, self._target, self._weights, self._floats)

    @cached_property
    def _costs(self) -> Costs:
        return Costs(self._target, self._waits)

    @property
    def _has_outside(self) -> bool:
        return any(region.external for region in self._regions)

    def usual(self, feed: str) -> _Attempt:
        """The first of these that stands on the chip: whole tensors, streams, a fed image, both. Where there is memory
        outside, streams may not cost too much; else what fits with that, or streams at any cost.
        """
        whole = self._attempt(None) if feed != "rows" else self._feeding()
        if whole.is_inside:
            return whole
        again = self._replacing(whole)
        found = again if self._floats else self._by_rows(whole, again, feed)
        better = not found.is_inside or again.cycles <= found.cycles
        return again if again.is_inside and better else found

    def _by_rows(self, whole: _Attempt, again: _Attempt, feed: str) -> _Attempt:
        """The best with streams and fed images, given what whole tensors lead to, also where layers run again."""
        fed = {"whole": (False,), "rows": (True,), "auto": (False, True)}[feed]
        limit = MOST_FOR_STREAMS * self._least(_UNLIMITED, fed[0]) if self._has_outside else math.inf
        feeding = whole
        for feeds in fed:
            if feeds and feed == "auto":
                feeding = self._feeding()
                if feeding.is_inside:
                    return feeding
            if (found := self._streaming(feeds, limit)) is not None:
                return found
        best = again if isinstance(feeding.plan, DoesNotFit) or not feeding.feeds else feeding
        if not isinstance(best.plan, DoesNotFit):
            return best
        costly = (self._streaming(feeds, math.inf) for feeds in fed)
        return next((found for found in costly if found is not None), best)

    def smaller(self, usual: _Attempt, ceiling: int) -> tuple[_Attempt, int]:
        """The smallest arena that costs few more cycles than `usual` in a ceiling, and its size with scratch."""
        whole, chooser = self._least(ceiling, usual.feeds), self._chooser(ceiling, usual.feeds)
        lines = chooser.smallest(ceiling, MOST_FOR_STREAMS * whole, stripes=False)
        limit = MOST_FOR_STRIPES * whole if lines is None else max(MOST_FOR_STRIPES * whole, lines[1].cycles)
        found = chooser.smallest(ceiling, limit) or lines
        if found is None:
            return usual, ceiling
        least, choice = found
        attempt = self._attempt(choice.groups)
        return (attempt, least) if attempt.is_inside else (usual, ceiling)

    def _attempt(self, groups: Sequence[Group] | None, ceiling: int = 0, cycles: float = 0.0) -> _Attempt:
        lowering = Lowering(self._graph, self._target, self._floats, self._tricks, groups, self._fewest_cycles)
        lowered = order_steps(lowering.program(), plenty=self._plenty)
        _, program, plan = cheapest([lowered], self._regions, self._aim)
        return _Attempt(lowering, lowered, program, plan, ceiling, cycles, self._aim)

    def _replacing(self, whole: _Attempt) -> _Attempt:
        """The same, but layers may run again if it is cheaper or fits in no other way, in the order with the fewest
        live bytes or in that of the graph, whichever costs less."""
        cycles = self._cycles(whole.lowering)
        aim = replace(self._aim, cycles=cycles, again=self._tricks.recomputation)
        lowered, program, plan = cheapest(_orders(whole), self._regions, aim)
        again = [cycles[step.node] for step in program.steps if step.again]
        least = self._least(_UNLIMITED, whole.feeds) if again else 0.0
        return replace(whole, lowered=lowered, program=program, plan=plan, cycles=least + sum(again), aim=aim)

    def _cycles(self, lowering: Lowering) -> dict[int, float]:
        """Cycles of each layer with the least scratch, as estimated, by the position of its last node."""
        positions = {node: position for position, node in enumerate(self._graph.nodes)}
        return {
            positions[nodes[-1]]: sum(self._costs.whole(node).cycles[0] for node in nodes)
            for layer in lowering.layers
            for nodes in [(layer,) if isinstance(layer, Node) else layer.nodes]
        }

    def _feeding(self) -> _Attempt:
        """Images stream in, and nothing else does."""
        choice = self._chooser(_UNLIMITED, fed=True, streaming=False).cheapest(_UNLIMITED)
        return self._attempt(None if choice is None else choice.groups)

    def _streaming(self, fed: bool, limit: float) -> _Attempt | None:
        """All on the chip by streams of at most so many cycles, or None."""
        if not self._tricks.streaming:
            return None
        for capacity in self._capacities:
            chooser = self._chooser(capacity, fed)
            for share in _TRIES:
                choice = chooser.cheapest(int(share * capacity))
                if choice is None or choice.cycles > limit:
                    break
                attempt = self._attempt(choice.groups, capacity, choice.cycles)
                if attempt.is_inside:
                    return attempt
        return None

    def _chooser(self, capacity: int, fed: bool, streaming: bool = True) -> Chooser:
        return self._choosers.of(self._target, capacity, fed, streaming, self._tricks, self._waits)

    def _least(self, capacity: int, fed: bool) -> float:
        """The fewest cycles of whole tensors, as estimated, within a capacity if that is enough."""
        chooser = self._chooser(_UNLIMITED, fed, streaming=False)
        choice = chooser.cheapest(capacity) or chooser.cheapest(_UNLIMITED)
        return math.inf if choice is None else choice.cycles


def _orders(whole: _Attempt) -> list[Program]:
    """Its program, and the same in the order of the graph where that is another one."""
    order = whole.lowered.order
    if order is None or list(order.positions) == sorted(order.positions):
        return [whole.lowered]
    return [whole.lowered, as_lowered(whole.lowering.program(), order.lower_bound)]


def _with_scratch(attempt: _Attempt, regions: Sequence[PlanRegion], ceiling: int) -> tuple[Program, MemoryPlan]:
    """An attempt that fits with more scratch, as far as an arena of `ceiling` bytes in the first region has room."""
    first, *others = regions
    ceiling = min(first.capacity, ceiling)
    program, plan = attempt.program, attempt.plan
    assert isinstance(plan, MemoryPlan)
    if not any(step.flexible for step in program.steps):
        return program, plan
    used = [region for region in others if plan.arena[region.name]]
    room = _room(program, plan, first.name, ceiling)
    for share in _SHARES:
        faster = attempt.lowering.program([int(share * left) for left in room])
        if program.order is not None:
            faster = in_order(faster, program.order)
        with suppress(DoesNotFit):
            found, placed = _planned(faster, [replace(first, capacity=ceiling), *used], attempt.aim)
            # Scratch is worth neither copies nor layers that run again.
            if all(more <= less for more, less in zip(_beyond(found), _beyond(program), strict=True)):
                return found, placed
    return program, plan


def _beyond(program: Program) -> tuple[int, int]:
    """Copied bytes, and multiplications that run again: what a program does because memory is short."""
    return sum(move.bytes for move in program.moves), sum(step.macs for step in program.steps if step.again)


def cheapest(
    programs: Sequence[Program], regions: Sequence[PlanRegion], aim: Aim
) -> tuple[Program, Program, MemoryPlan | DoesNotFit]:
    """Of programs that compute the same the one whose plan costs least, as it is and with what it moves and makes
    again, and its plan or what does not fit."""
    best: tuple[Program, Program, MemoryPlan | DoesNotFit] | None = None
    least = math.inf
    for program in programs:
        try:
            planned, plan = _planned(program, regions, aim)
        except DoesNotFit as error:
            best = best or (program, program, error)
            continue
        if (cost := moved_cost(planned, plan, aim)) < least:
            best, least = (program, planned, plan), cost
    assert best is not None
    return best


def _planned(program: Program, regions: Sequence[PlanRegion], aim: Aim) -> tuple[Program, MemoryPlan]:
    """A plan; where not all fits on the chip, with copies off it and back, and steps that run again, if that is cheaper
    than to let all stand."""
    try:
        plan = plan_memory(program, regions)
    except DoesNotFit:
        several = sum(not region.external for region in regions) > 1
        for share in _LIVE if several else _LIVE[:1]:
            moving = with_moves(program, regions, aim, share)
            with suppress(DoesNotFit):
                if moving is not program:
                    return _moving(program, moving, regions)
        raise
    moving = with_moves(program, regions, aim) if plan.external else program
    if moving is program:
        return program, plan
    try:
        moving, moved = _moving(program, moving, regions)
    except DoesNotFit:
        return program, plan
    return (moving, moved) if moved_cost(moving, moved, aim) < moved_cost(program, plan, aim) else (program, plan)


def _moving(program: Program, moving: Program, regions: Sequence[PlanRegion]) -> tuple[Program, MemoryPlan]:
    """A plan for a program with moves, which are made while its steps run."""
    moving, plan = overlapped(moving, plan_memory(moving, regions))
    validate_moves(program, moving)
    return moving, plan


def on_chip(plan: MemoryPlan, regions: Sequence[PlanRegion]) -> int:
    """Bytes of a plan's arenas that stand on the chip."""
    return sum(plan.arena[region.name] for region in regions if not region.external)


def ceiling_of(least: int) -> int:
    """How large an arena may be for speed, where its smallest size is `least` bytes."""
    return least + min(max(SPARE_BYTES[0], least // SPARE_PART), SPARE_BYTES[1])


def _room(program: Program, plan: MemoryPlan, region: str, ceiling: int) -> list[int]:
    """Per step as lowered, the bytes of a region below the ceiling that no live buffer but its scratch takes."""
    lives = [life for life in plan.lives if plan.places[life.buffers[0]].region == region]
    live = live_bytes([life for life in lives if life.buffers[0].kind != "scratch"])
    taken = live + [0] * (len(program.steps) - len(live))
    # What runs again has the scratch of its first run.
    room = [max(0, ceiling - taken[step.index]) for step in program.steps if not step.again]
    if program.order is None:
        return room
    lowered = [0] * len(room)
    for left, position in zip(room, program.order.positions, strict=True):
        lowered[position] = left
    return lowered
