"""From a program and the board's memories to a plan: which region, which offset, for every buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.codegen.memory.block import lower_bound
from edgekit.codegen.memory.liveness import Lifetime, lifetimes, live_bytes
from edgekit.codegen.memory.solver import EFFORT, Placement, place
from edgekit.codegen.program import Buffer, Program
from edgekit.errors import DoesNotFit

# Each search may take a second; where many lifetimes must move out, the first-fit placement decides.
SOLVED_TRIES = 4


@dataclass(frozen=True)
class Place:
    """Where a buffer stands: the region's name and the offset within that region's arena."""

    region: str
    offset: int


@dataclass(frozen=True)
class PlanRegion:
    """A memory that may hold an arena, fastest first in the list given to `plan_memory`.

    Attributes:
        capacity: bytes left for the arena.
    """

    name: str
    capacity: int


@dataclass(frozen=True)
class MemoryPlan:
    """A placed program.

    Attributes:
        capacity: bytes of each region; arena: bytes used of each; lower_bound: live bytes at the worst step.
        proven: no smaller arena exists for these lifetimes, per region.
    """

    lives: tuple[Lifetime, ...]
    places: dict[Buffer, Place]
    capacity: dict[str, int]
    arena: dict[str, int]
    lower_bound: dict[str, int]
    proven: dict[str, bool]

    @property
    def arenas(self) -> list[str]:
        """The regions that hold an arena, as `ctx->arena` lists them: the first always, others where used."""
        names = list(self.capacity)
        return names[:1] + [name for name in names[1:] if self.arena[name]]


def plan_memory(program: Program, regions: Sequence[PlanRegion]) -> MemoryPlan:
    """Place every buffer in the first region where all fits; else move the coldest bytes to the slower region.

    Raises DoesNotFit naming the first region where even that does not fit.
    """
    lives = lifetimes(program)
    traffic = _traffic(program)
    remaining, chosen = list(lives), {}
    for position, region in enumerate(regions):
        last = position == len(regions) - 1
        here, there = _split(remaining, region.capacity, traffic, keep_all=last)
        placement, tries = place(here), 0
        while placement.peak > region.capacity and here and not last:
            coldest = min(here, key=lambda life: _heat(life, traffic))
            here = [life for life in here if life is not coldest]
            there.append(coldest)
            tries += 1
            placement = place(here, effort=EFFORT if tries < SOLVED_TRIES else 0)
        if placement.peak > region.capacity:
            raise DoesNotFit(region.name, placement.peak, region.capacity, _costliest(program, here))
        chosen[region.name] = (here, placement)
        remaining = there
    return _assemble(lives, chosen, regions)


def _assemble(
    lives: Sequence[Lifetime], chosen: dict[str, tuple[list[Lifetime], Placement]], regions: Sequence[PlanRegion]
) -> MemoryPlan:
    places = {
        buffer: Place(name, offset)
        for name, (here, placement) in chosen.items()
        for life, offset in zip(here, placement.offsets, strict=True)
        for buffer in life.buffers
    }
    placements = {name: placement for name, (_, placement) in chosen.items()}
    return MemoryPlan(
        tuple(lives),
        places,
        {r.name: r.capacity for r in regions},
        {name: p.peak for name, p in placements.items()},
        {name: p.lower_bound for name, p in placements.items()},
        {name: p.proven for name, p in placements.items()},
    )


def _traffic(program: Program) -> dict[Buffer, int]:
    """How many kernel arguments touch each buffer."""
    counts: dict[Buffer, int] = {}
    for step in program.steps:
        for buffer in step.buffers():
            # Scratch is read again for every output, so it never leaves fast memory before anything else.
            counts[buffer] = counts.get(buffer, 0) + (1000 if buffer.kind == "scratch" else 1)
    return counts


def _heat(life: Lifetime, traffic: dict[Buffer, int]) -> float:
    return sum(traffic.get(b, 0) for b in life.buffers) / life.size


def _split(
    lives: Sequence[Lifetime], capacity: int, traffic: dict[Buffer, int], keep_all: bool
) -> tuple[list[Lifetime], list[Lifetime]]:
    """Drop the coldest of the worst step's lifetimes until the live bytes fit the capacity."""
    here, there = list(lives), []
    while not keep_all and lower_bound(here) > capacity:
        live = live_bytes(here)
        worst = live.index(max(live))
        coldest = min((x for x in here if x.first <= worst <= x.last), key=lambda x: _heat(x, traffic))
        here = [life for life in here if life is not coldest]
        there.append(coldest)
    return here, there


def _costliest(program: Program, lives: Sequence[Lifetime]) -> list[tuple[str, int]]:
    """The three steps with most live bytes."""
    live = live_bytes(lives)
    totals = [(size, step.name) for size, step in zip(live, program.steps, strict=False)]
    return [(name, size) for size, name in sorted(totals, reverse=True)[:3]]


def plan_report(program: Program, plan: MemoryPlan) -> dict[str, Any]:
    """The plan as plan.json holds it: regions, steps, and every buffer with its life and place."""
    buffers = []
    for life in plan.lives:
        for buffer in life.buffers:
            place = plan.places[buffer]
            buffers.append({
                "name": buffer.label, "kind": buffer.kind, "region": place.region, "offset": place.offset,
                "size": buffer.size, "first": life.first, "last": min(life.last, len(program.steps)),
                "shared_with": [b.label for b in life.buffers if b is not buffer],
            })  # fmt: skip
    return {
        "schema": 1,
        "regions": [
            {"name": n, "capacity": c, "arena": plan.arena[n], "lower_bound": plan.lower_bound[n],
             "proven": plan.proven[n]}
            for n, c in plan.capacity.items()
        ],
        "order": _order_report(program),
        "steps": [{"index": s.index, "name": s.name, "op": s.op, "rounds": s.rounds} for s in program.steps],
        "buffers": buffers,
    }  # fmt: skip


def _order_report(program: Program) -> dict[str, Any] | None:
    """Live bytes of the order of steps, and whether no order has fewer; None where it was not looked at."""
    if program.order is None:
        return None
    peak, bound = program.order.peak, program.order.lower_bound
    return {"peak": peak, "lower_bound": bound, "proven": peak == bound}
