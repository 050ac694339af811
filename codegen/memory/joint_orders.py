"""A cheaper order of steps, soon: exact for some steps at a time, then for all of them with few ways followed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgekit.codegen.memory.joint import JointProblem, Part, search
from edgekit.codegen.memory.replacement import Residence, residences
from edgekit.codegen.memory.replacement_solver import solve

# Positions of a window; the next one starts half of them later.
WINDOW = 24
# States that are tried for a window, and for all steps; those followed of all together.
EFFORT = 100_000
BEAM_EFFORT, BEAM = 4_000_000, 40_000


def cheaper_order(problem: JointProblem, orders: Iterable[Sequence[int]]) -> tuple[int, ...] | None:
    """An order no dearer by live bytes than any of these; None where no solution was found for any of them."""
    walks = [_improved(problem, order) for order in dict.fromkeys(map(tuple, orders))]
    best = min((walk for walk in walks if walk is not None), key=lambda walk: walk.cost, default=None)
    if best is not None and best.cost:
        steps = len(problem.reads)
        found = search(problem, Part(range(steps)), best.cost, BEAM_EFFORT, width=max(1, BEAM // steps))
        if found.order is not None:
            best = _improved(problem, found.order) or best
    return None if best is None else best.order


@dataclass(frozen=True)
class _Walk:
    """An order with what moves in it."""

    problem: JointProblem
    order: tuple[int, ...]
    stays: Sequence[Residence]
    cost: int

    def part(self, first: int, last: int) -> Part:
        """The steps from position `first` to `last`, the latter not included."""
        near, copied = self._state(first)
        near_after, copied_after = self._state(last)
        return Part(self.order[first:last], self.order[:first], near, copied, near_after, copied_after)

    def _state(self, position: int) -> tuple[set[int], set[int]]:
        """What stands on the chip between a position and the one before, and what has a copy then."""
        alive = {t for step in self.order[:position] for t in self.problem.touches[step]}
        alive &= {t for step in self.order[position:] for t in self.problem.touches[step]}
        near = {stay.tensor for stay in self.stays if stay.first < position <= stay.last}
        copied = {stay.tensor for stay in self.stays if stay.stored and stay.last < position}
        copied |= {t for t in alive if self.problem.writer[t] < 0}
        return near, copied & alive

    def cost_between(self, first: int, last: int) -> int:
        """Of the moves between the two positions."""
        inside = range(first, last)
        fetched = sum(self.problem.fetches[s.tensor] for s in self.stays if s.fetched and s.first in inside)
        return fetched + sum(self.problem.stores[s.tensor] for s in self.stays if s.stored and s.last in inside)


def _improved(problem: JointProblem, order: tuple[int, ...]) -> _Walk | None:
    """Reordered window by window until none has a cheaper order; None where no solution was found."""
    walk, again = _walk(problem, order), True
    while again and walk is not None:
        again = False
        for first in range(0, len(order), WINDOW // 2):
            last = min(first + WINDOW, len(order))
            below = walk.cost_between(first, last)
            found = search(problem, walk.part(first, last), below, EFFORT) if below else None
            if found is None or found.order is None:
                continue
            next_walk = _walk(problem, (*walk.order[:first], *found.order, *walk.order[last:]))
            if next_walk is not None and next_walk.cost < walk.cost:
                walk, again = next_walk, True
    return walk


def _walk(problem: JointProblem, order: tuple[int, ...]) -> _Walk | None:
    ordered = problem.ordered(order)
    solution = solve(ordered)
    return None if solution is None else _Walk(problem, order, residences(ordered, solution), solution.cost)
