"""A cheaper order of steps, by the exact search for some of them at a time: the others stay where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.codegen.memory.joint import JointProblem, Part, search
from edgekit.codegen.memory.replacement import Replacement, Residence, residences
from edgekit.codegen.memory.replacement_solver import solve

# Positions of a window; the next one starts half of them later.
WINDOW = 48
# States that are tried for a window.
EFFORT = 100_000


@dataclass(frozen=True)
class _Walk:
    """An order with what moves in it."""

    problem: JointProblem
    order: Sequence[int]
    stays: Sequence[Residence]

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

    def cost(self, first: int, last: int) -> int:
        """Of the moves between the two positions."""
        inside = range(first, last)
        fetched = sum(self.problem.fetches[s.tensor] for s in self.stays if s.fetched and s.first in inside)
        return fetched + sum(self.problem.stores[s.tensor] for s in self.stays if s.stored and s.last in inside)


def improved(problem: JointProblem, order: Sequence[int], window: int = WINDOW, effort: int = EFFORT) -> tuple[int, ...]:
    """An order that costs no more than one that fits; as it is where no window has a cheaper one."""
    best, walk = _walk(problem, order)
    again = True
    while again and best:
        again = False
        for first in range(0, len(order), window // 2):
            last = min(first + window, len(order))
            below = walk.cost(first, last)
            found = search(problem, walk.part(first, last), below, effort) if below else None
            if found is None or found.order is None:
                continue
            best, walk = _walk(problem, (*walk.order[:first], *found.order, *walk.order[last:]))
            again = True
    return tuple(walk.order)


def _walk(problem: JointProblem, order: Sequence[int]) -> tuple[int, _Walk]:
    ordered = problem.ordered(order)
    solution = solve(ordered)
    assert solution is not None
    return solution.cost, _Walk(problem, order, residences(ordered, solution))
