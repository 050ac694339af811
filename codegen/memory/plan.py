"""From a program and the board's memories to a plan: which region, which offset, for every buffer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgekit.codegen.memory.assignment import Assignment, access_cost, assign, may_stand
from edgekit.codegen.memory.banks import in_fast_banks
from edgekit.codegen.memory.block import lower_bound
from edgekit.codegen.memory.liveness import Lifetime, lifetimes, live_bytes
from edgekit.codegen.memory.region import PlanRegion
from edgekit.codegen.memory.solver import EFFORT, Placement, place
from edgekit.codegen.memory.traffic import heat, traffic
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
class MemoryPlan:
    """A placed program.

    Attributes:
        regions: by name, as given.
        arena: bytes used of each; lower_bound: live bytes at the worst step.
        proven: no smaller arena exists for these lifetimes, per region.
        cost: modelled cycles (per word) of all accesses; cost_bound: no choice of regions has fewer.
    """

    lives: tuple[Lifetime, ...]
    places: dict[Buffer, Place]
    regions: dict[str, PlanRegion]
    arena: dict[str, int]
    lower_bound: dict[str, int]
    proven: dict[str, bool]
    cost: int
    cost_bound: int

    @property
    def arenas(self) -> list[str]:
        """The regions that hold an arena, as `ctx->arena` lists them: those that are used, at least one."""
        return [name for name in self.regions if self.arena[name]] or list(self.regions)[:1]

    @property
    def external(self) -> int:
        """Bytes of arenas off the chip."""
        return sum(self.arena[name] for name, region in self.regions.items() if region.external)


def plan_memory(program: Program, regions: Sequence[PlanRegion]) -> MemoryPlan:
    """Place every buffer, the ones with most accesses by their size in the fastest memory.

    All in the first region where that has room; else the cheaper of an exact choice of regions and a greedy one.

    Raises DoesNotFit naming the regions on the chip where neither finds room.
    """
    lives, moved = lifetimes(program), traffic(program)
    first = regions[0]
    if all(may_stand(life, first) for life in lives):
        whole = place(lives)
        if whole.peak <= first.capacity:
            cost = access_cost(lives, first, moved)
            rest = {region.name: (list[Lifetime](), place([])) for region in regions[1:]}
            return _assemble(lives, Assignment({first.name: (lives, whole), **rest}, cost, cost), regions, moved)
    found = [a for a in (_greedy(lives, regions, moved), assign(lives, regions, moved)) if a is not None]
    if not found:
        inside = [region for region in regions if not region.external] or list(regions)
        need, have = place(lives).peak, sum(region.capacity for region in inside)
        names = " + ".join(region.name for region in inside)
        raise DoesNotFit(names, max(need, have + 1), have, _costliest(program, lives))
    bound = max(assignment.lower_bound for assignment in found)
    best = min(found, key=lambda assignment: assignment.cost)
    return _assemble(lives, Assignment(best.regions, best.cost, bound), regions, moved)


def _assemble(
    lives: Sequence[Lifetime], chosen: Assignment, regions: Sequence[PlanRegion], moved: Mapping[Buffer, int]
) -> MemoryPlan:
    places, placements = dict[Buffer, Place](), dict[str, Placement]()
    for region in regions:
        here, placement = chosen.regions[region.name]
        placements[region.name] = placement = in_fast_banks(here, placement, region, moved)
        for life, offset in zip(here, placement.offsets, strict=True):
            places.update((buffer, Place(region.name, offset)) for buffer in life.buffers)
    return MemoryPlan(
        tuple(lives),
        places,
        {region.name: region for region in regions},
        {name: p.peak for name, p in placements.items()},
        {name: p.lower_bound for name, p in placements.items()},
        {name: p.proven for name, p in placements.items()},
        chosen.cost,
        chosen.lower_bound,
    )


def _greedy(lives: Sequence[Lifetime], regions: Sequence[PlanRegion], moved: Mapping[Buffer, int]) -> Assignment | None:
    """Region by region, moving the coldest bytes on to the next one until the rest has a placement there."""
    remaining, chosen = list(lives), {}
    for position, region in enumerate(regions):
        last = position == len(regions) - 1
        inside = [life for life in remaining if may_stand(life, region)]
        here, there = _split(inside, region.capacity, moved, keep_all=last)
        there += [life for life in remaining if not may_stand(life, region)]
        placement, tries = place(here), 0
        while placement.peak > region.capacity and here and not last:
            coldest = min(here, key=lambda life: heat(life, moved))
            here = [life for life in here if life is not coldest]
            there.append(coldest)
            tries += 1
            placement = place(here, effort=EFFORT if tries < SOLVED_TRIES else 0)
        if placement.peak > region.capacity:
            return None
        chosen[region.name] = (here, placement)
        remaining = there
    if remaining:
        return None
    cost = sum(access_cost(chosen[region.name][0], region, moved) for region in regions)
    return Assignment(chosen, cost, 0)


def _split(
    lives: Sequence[Lifetime], capacity: int, moved: Mapping[Buffer, int], keep_all: bool
) -> tuple[list[Lifetime], list[Lifetime]]:
    """Drop the coldest of the worst step's lifetimes until the live bytes fit the capacity."""
    here, there = list(lives), []
    while not keep_all and lower_bound(here) > capacity:
        live = live_bytes(here)
        worst = live.index(max(live))
        coldest = min((x for x in here if x.first <= worst <= x.last), key=lambda x: heat(x, moved))
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
            {"name": n, "capacity": r.capacity, "external": r.external, "arena": plan.arena[n],
             "lower_bound": plan.lower_bound[n], "proven": plan.proven[n]}
            for n, r in plan.regions.items()
        ],
        "accesses": {"cost": plan.cost, "lower_bound": plan.cost_bound, "proven": plan.cost == plan.cost_bound},
        "moves": [
            {"step": m.step, "buffer": m.label, "bytes": m.bytes, "kind": "fetch" if m.fetches else "store",
             "start": m.start, "end": m.end, "from": asdict(plan.places[m.source]), "to": asdict(plan.places[m.target])}
            for m in program.moves
        ],
        "order": _order_report(program),
        "steps": [
            {"index": s.index, "name": s.name, "op": s.op, "rounds": s.rounds, "halo_macs": s.halo_macs}
            for s in program.steps
        ],
        "buffers": buffers,
    }  # fmt: skip


def _order_report(program: Program) -> dict[str, Any] | None:
    """Live bytes of the order of steps, and whether no order has fewer; None where it was not looked at."""
    if program.order is None:
        return None
    peak, bound = program.order.peak, program.order.lower_bound
    return {"peak": peak, "lower_bound": bound, "proven": peak == bound}
