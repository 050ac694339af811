"""Hot lifetimes in the fast banks of a region: another placement of the same size that costs fewer accesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgekit.codegen.memory.block import Block, peak_of
from edgekit.codegen.memory.liveness import Lifetime
from edgekit.codegen.memory.region import PlanRegion
from edgekit.codegen.memory.solver import EFFORT, Placement, place
from edgekit.codegen.memory.traffic import bytes_moved, heat
from edgekit.codegen.program import Buffer

# How often fewer hot lifetimes are held at the start where all of them leave no placement; each may take a search.
TRIES = 4


def bank_cost(
    lives: Sequence[Lifetime], offsets: Sequence[int], region: PlanRegion, traffic: Mapping[Buffer, int]
) -> float:
    """Modelled cycles (per word) of all accesses, each byte of a lifetime read and written as often as the others."""
    total = 0.0
    for life, offset in zip(lives, offsets, strict=True):
        start, end, cost = offset, offset + life.size, 0.0
        for bank_end, access in region.banks:
            cost += max(0, min(end, bank_end) - start) * access
            start = max(start, min(end, bank_end))
        total += bytes_moved(life, traffic) * cost / life.size
    return total


def in_fast_banks(
    lives: Sequence[Lifetime], placement: Placement, region: PlanRegion, traffic: Mapping[Buffer, int]
) -> Placement:
    """The placement, or a cheaper one that is not larger, where the region's first bank does not hold all.

    The hottest lifetimes that are never live together are held at the start, where the first bank is, and the search
    places the others around them.
    """
    if not region.banks or placement.peak <= region.banks[0][0] or region.banks[0][1] >= region.access_cost:
        return placement
    hottest = _apart(sorted(range(len(lives)), key=lambda i: (-heat(lives[i], traffic), i)), lives)
    best = placement
    for part in range(TRIES):
        held = set(hottest[: len(hottest) >> part])
        blocks: list[Block] = [replace(life, fixed=0) if i in held else life for i, life in enumerate(lives)]
        found = place(blocks, placement.peak, EFFORT // TRIES)
        if held and found.peak <= placement.peak:
            costs = [bank_cost(lives, p.offsets, region, traffic) for p in (best, found)]
            if costs[1] < costs[0]:
                best = Placement(found.offsets, peak_of(lives, found.offsets), placement.lower_bound)
            break
    return best


def _apart(order: Sequence[int], lives: Sequence[Lifetime]) -> list[int]:
    """Those of an order that are not live together with an earlier one."""
    chosen: list[int] = []
    for index in order:
        if not any(lives[index].overlaps(lives[other]) for other in chosen):
            chosen.append(index)
    return chosen
