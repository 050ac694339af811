"""Which region each lifetime stands in: the cheapest choice by modelled accesses whose live bytes fit, then placed.

An integer program with a variable per lifetime and region. Live bytes are less than a placement may need: where the
placement of a region fails, the program is solved again with less room there. Its first solution bounds the cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import LinearConstraint
from scipy.sparse import coo_array

from edgekit.codegen.memory.liveness import Lifetime
from edgekit.codegen.memory.region import PlanRegion
from edgekit.codegen.memory.sections import sections_of
from edgekit.codegen.memory.solver import EFFORT, Placement, place
from edgekit.codegen.memory.traffic import bytes_moved
from edgekit.codegen.program import Buffer
from edgekit.integer_program import cheapest_choice

# Nodes of the search tree, and how often the room may be reduced.
NODES = 2_000
ROUNDS = 6


@dataclass(frozen=True)
class Assignment:
    """Lifetimes by region, with their placements.

    Attributes:
        regions: by name, in the order of the regions given.
        cost: modelled cycles (per word) of all accesses; lower_bound: no assignment costs less.
    """

    regions: dict[str, tuple[list[Lifetime], Placement]]
    cost: int
    lower_bound: int


def may_stand(life: Lifetime, region: PlanRegion) -> bool:
    """Whether a lifetime may be assigned to a region: copies off the chip only there."""
    return region.external or not any(buffer.outside for buffer in life.buffers)


def access_cost(lives: Sequence[Lifetime], region: PlanRegion, traffic: Mapping[Buffer, int]) -> int:
    """Modelled cycles (per word) of all accesses to lifetimes in a region."""
    return sum(round(bytes_moved(life, traffic) * region.access_cost) for life in lives)


def assign(
    lives: Sequence[Lifetime], regions: Sequence[PlanRegion], traffic: Mapping[Buffer, int]
) -> Assignment | None:
    """The cheapest assignment found that has placements; None where none was found."""
    room = [region.capacity for region in regions]
    bound: int | None = None
    for _ in range(ROUNDS):
        solved = _choose(lives, regions, room, traffic)
        if solved is None:
            return None
        chosen, reached = solved
        bound = reached if bound is None else bound
        here = {r.name: [x for x, c in zip(lives, chosen, strict=True) if c == n] for n, r in enumerate(regions)}
        placed = {region.name: _placed(here[region.name], region.capacity) for region in regions}
        over = [placed[region.name].peak - region.capacity for region in regions]
        if max(over) <= 0:
            cost = sum(access_cost(here[region.name], region, traffic) for region in regions)
            return Assignment({r.name: (here[r.name], placed[r.name]) for r in regions}, cost, min(bound, cost))
        room = [left - max(0, excess) for left, excess in zip(room, over, strict=True)]
    return None


def _placed(lives: Sequence[Lifetime], capacity: int) -> Placement:
    """The smallest placement found; where that is too large, one within the capacity if that is found."""
    smallest = place(lives, effort=EFFORT)
    return smallest if smallest.peak <= capacity else place(lives, capacity)


def _choose(
    lives: Sequence[Lifetime], regions: Sequence[PlanRegion], room: Sequence[int], traffic: Mapping[Buffer, int]
) -> tuple[list[int], int] | None:
    """The number of the region of each lifetime, and a lower bound on the cost; None where nothing fits."""
    count = len(regions)
    costs = [round(bytes_moved(life, traffic) * region.access_cost) for life in lives for region in regions]
    allowed = [float(may_stand(life, region)) for life in lives for region in regions]
    limits = _capacities(lives, room)
    each = coo_array((np.ones(len(costs)), (np.arange(len(costs)) // count, np.arange(len(costs)))))
    constraints = [LinearConstraint(each.tocsr(), 1, 1), *limits]
    outcome = cheapest_choice(costs, constraints, NODES, allowed)
    if outcome.x is None:
        return None
    chosen = [int(row.argmax()) for row in outcome.x.reshape(len(lives), count)]
    return chosen, int(np.ceil(outcome.mip_dual_bound - 0.01))


def _capacities(lives: Sequence[Lifetime], room: Sequence[int]) -> list[LinearConstraint]:
    """In every region, what is live together must fit; regions with room for everything have no limit."""
    sections = sections_of(lives)
    rows, columns, values, limits = list[int](), list[int](), list[float](), list[int]()
    for number, capacity in enumerate(room):
        if sum(life.size for life in lives) <= capacity:
            continue
        for life, (first, last) in enumerate(zip(sections.first, sections.last, strict=True)):
            for section in range(first, last + 1):
                rows.append(len(limits) + section)
                columns.append(life * len(room) + number)
                values.append(float(lives[life].size))
        limits += [capacity] * sections.count
    if not limits:
        return []
    matrix = coo_array((values, (rows, columns)), shape=(len(limits), len(lives) * len(room)))
    return [LinearConstraint(matrix.tocsr(), -np.inf, np.array(limits, np.float64))]
