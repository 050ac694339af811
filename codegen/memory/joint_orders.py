"""A cheaper order of steps, soon: exact for some steps at a time, then for all of them with few ways followed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgekit.codegen.memory.joint import JointProblem, Part, search
from edgekit.codegen.memory.replacement import Replacement, Residence, residences
from edgekit.codegen.memory.replacement_solver import Effort, solve

# Positions of a window; the next one starts half of them later. How often all windows are gone through at most.
WINDOW, ROUNDS = 24, 20
# States that are tried for a window at most.
EFFORT = 100_000
# One unit of effort: of integer programs (`Effort`), states of all windows together, and, for the search over all
# steps, states that are tried and that are followed. Some seconds each.
SOLVER_EFFORT, WINDOWS_EFFORT = 400_000_000, 1_000_000
BEAM_EFFORT, BEAM = 1_000_000, 40_000


def cheaper_order(problem: JointProblem, orders: Iterable[Sequence[int]], effort: int) -> Walk | None:
    """An order no dearer by live bytes than any of these; None where no solution was found for any of them.

    Args:
        effort: how much may be searched, in units; where the integer programs have spent theirs, the orders that are
            left are not looked at.
    """
    left = _Left(Effort(effort * SOLVER_EFFORT), effort * WINDOWS_EFFORT)
    walks = [walk for order in dict.fromkeys(map(tuple, orders)) if (walk := _walk(problem, order, left)) is not None]
    walks = [_improved(walk, left) for walk in sorted(walks, key=lambda walk: walk.cost)]
    best = min(walks, key=lambda walk: walk.cost, default=None)
    if best is not None and best.cost and left.programs.left > 0:
        steps = len(problem.reads)
        width = max(1, effort * BEAM // steps)
        found = search(problem, Part(range(steps)), best.cost, effort * BEAM_EFFORT, width=width)
        walk = None if found.order is None else _walk(problem, found.order, left)
        best = best if walk is None else min(best, _improved(walk, left), key=lambda walk: walk.cost)
    return best


@dataclass
class _Left:
    """Effort that is left, of integer programs and in states of windows."""

    programs: Effort
    states: int


@dataclass(frozen=True)
class Walk:
    """An order with what moves in it, and when what is on the chip."""

    problem: JointProblem
    order: tuple[int, ...]
    solution: Replacement
    stays: Sequence[Residence]

    @property
    def cost(self) -> int:
        """Of all moves."""
        return self.solution.cost

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


def _improved(walk: Walk, left: _Left) -> Walk:
    """Reordered window by window until none has a cheaper order, or the effort is spent."""
    problem, steps = walk.problem, len(walk.order)
    for _ in range(ROUNDS):
        before = walk
        for first in range(0, steps, WINDOW // 2):
            last = min(first + WINDOW, steps)
            below = walk.cost_between(first, last)
            if not below or left.states <= 0 or left.programs.left <= 0:
                continue
            found = search(problem, walk.part(first, last), below, min(EFFORT, left.states))
            left.states -= found.tries
            if found.order is None:
                continue
            next_walk = _walk(problem, (*walk.order[:first], *found.order, *walk.order[last:]), left)
            if next_walk is not None and next_walk.cost < walk.cost:
                walk = next_walk
        if walk is before:
            break
    return walk


def _walk(problem: JointProblem, order: tuple[int, ...], left: _Left) -> Walk | None:
    """None where there is no solution, or no effort left to look for one."""
    if left.programs.left <= 0:
        return None
    ordered = problem.ordered(order)
    solution = solve(ordered, effort=left.programs)
    return None if solution is None else Walk(problem, order, solution, residences(ordered, solution))
