"""The cheapest replacement, by an integer program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import gcd

import numpy as np

from edgekit.codegen.memory.replacement import Replacement, ReplacementProblem, cost_of
from edgekit.integer_program import at_most, cheapest_choice, unit_of

# What a build may spend, some minutes' worth; see `Effort`.
EFFORT = 4_000_000_000
# What it takes to bound an integer program before the first node of its search tree, in nodes.
_ROOT = 12
_MOST_NODES = 1_000_000
# Stands for a number of a tensor in a set of what is kept: the other number is that of a remake.
REMADE = -1
# Stands for the number of a gap there: the tensor's own uses.
USES = -1

Kept = frozenset[tuple[int, int]]


class Effort:
    """What integer programs may spend together: nodes of their search trees, the same on every computer. A node takes
    as long as the square of the program's numbers; forty million are about a second.
    """

    def __init__(self, left: int) -> None:
        self.left = left

    def nodes(self, numbers: int) -> int:
        """How many nodes are left for a program, at least one."""
        return min(_MOST_NODES, max(1, self.left // max(1, numbers) ** 2 - _ROOT))

    def spend(self, numbers: int, nodes: int) -> None:
        """Nodes of a program that has so many numbers in its constraints."""
        self.left -= (nodes + _ROOT) * numbers**2


def solve(
    problem: ReplacementProblem, refused: Sequence[Kept] = (), effort: Effort | None = None
) -> Replacement | None:
    """The cheapest replacement; None where there is none, or none was found.

    Args:
        refused: sets of (tensor, number of a gap or USES) and (REMADE, number of a remake) that cannot all be on the
            chip.
        effort: where it ends the search, the best solution so far comes with the lower bound reached; it has less
            afterwards.
    """
    model, effort = _Model(problem, refused), effort or Effort(EFFORT)
    if not model.fits:
        return None
    if not model.costs:
        return _solution(problem, model, np.zeros(0), 0)
    values, bound = _cheapest(model, effort)
    if values is None:
        return None
    if not model.exact:
        _, bound = _cheapest(_Model(problem, refused, rounded=True), effort)
    return _solution(problem, model, values, bound)


def _cheapest(model: _Model, effort: Effort) -> tuple[np.ndarray | None, int]:
    """The values of a model's variables, None where none were found, and a lower bound on the costs."""
    unit = gcd(*model.costs) or 1
    # Less than half a unit together.
    works = np.array(model.works) / (2.0 * sum(model.works) + 1.0)
    costs, constraints = np.array(model.costs, np.float64) / unit + works, at_most(model.rows, len(model.costs))
    outcome = cheapest_choice(costs, constraints, effort.nodes(model.numbers))
    effort.spend(model.numbers, outcome.mip_node_count or 0)
    # Costs are whole units, the solver's bound is a float.
    least = 0 if outcome.mip_dual_bound is None else outcome.mip_dual_bound - 0.5 * works.any() - 0.01
    return None if outcome.x is None else np.round(outcome.x), max(0, int(np.ceil(least))) * unit


def full_steps(problem: ReplacementProblem) -> np.ndarray:
    """[steps + 1] bytes beyond the capacity where all tensors stay, also to be sources, 0 where they fit."""
    live = np.zeros(problem.steps + 2, np.int64)
    for tensor, points in zip(problem.tensors, problem.points, strict=True):
        span = tensor.span(problem.steps)
        live[span.start] += tensor.size
        live[max(span.stop, points[-1] + 1)] -= tensor.size
    for remake in problem.remakes:
        live[remake.step] += remake.scratch
        live[remake.step + 1] -= remake.scratch
    return np.maximum(np.cumsum(live)[:-1] - problem.capacity, 0)


class _Model:
    """The integer program, with a variable

    - per gap: dropped; only gaps over steps where not all fits, in a refused set, or beside a visit have one,
    - per point after such a gap: fetched, unless that follows,
    - per visit: away; per remake: made; per version of a tensor that may be fetched: stored; per tensor: outside.

    Only steps where not all fits have constraints; `exact` where the solver's tolerance is less than a byte of them.
    Else a model whose sizes are `rounded`, so that whatever fits still does, has a bound that holds.
    """

    def __init__(self, problem: ReplacementProblem, refused: Sequence[Kept], rounded: bool = False) -> None:
        self.problem, self.costs, self.works = problem, list[int](), list[float]()
        self.drop: dict[tuple[int, int], int] = {}
        self.out: dict[int, int] = {}
        self.away: dict[tuple[int, int], int] = {}
        self.rows: list[tuple[dict[int, float], float]] = []
        self.fits, self.exact, self._rounded = True, True, rounded
        full = full_steps(problem)
        asked = frozenset[tuple[int, int]]().union(*refused)
        self.made = [self._variable(remake.cost, remake.work) for remake in problem.remakes]
        self._makers: dict[tuple[int, int], list[int]] = {}
        for variable, remake in zip(self.made, problem.remakes, strict=True):
            self._makers.setdefault((remake.tensor, remake.step), []).append(variable)
        for index in range(len(problem.tensors)):
            self._add(index, full, asked)
        for number in range(len(problem.remakes)):
            self._need_sources(number)
        self._limit(full)
        for kept in refused:
            self._refuse(kept)

    def _variable(self, cost: int, work: float = 0.0) -> int:
        self.costs.append(cost)
        self.works.append(work)
        return len(self.costs) - 1

    def _add(self, index: int, full: np.ndarray, asked: Kept) -> None:
        problem, tensor = self.problem, self.problem.tensors[index]
        crowded = (index, USES) in asked or any(full[step] for step in tensor.span(problem.steps))
        if tensor.outside is not None and crowded:
            self.out[index] = self._variable(tensor.outside)
        visits, gaps = set(problem.visits[index]), problem.gaps[index]
        wanted = [
            n for n, gap in enumerate(gaps)
            if visits or (index, n) in asked or full[gap.first : gap.last + 1].any()
        ]  # fmt: skip
        if wanted and tensor.given and 0 not in wanted:
            # Not to save memory, but to have a copy off the chip without storing one.
            wanted.insert(0, 0)
        for number in wanted:
            fetched = self._only_fetched(index) and gaps[number].before is not None
            self.drop[index, number] = self._variable(tensor.fetch if fetched else 0)
        for visit in visits:
            self._may_be_away(index, visit)
        stored = dict[int, int]()
        for number in wanted:
            self._dropped(index, number, stored)

    def _only_fetched(self, index: int) -> bool:
        """Whether a tensor that was dropped has to be fetched."""
        return self.problem.movable and not self.problem.visits[index]

    def _may_be_away(self, index: int, visit: int) -> None:
        """What is away at a visit is away before and after."""
        away = self.away[index, visit] = self._variable(0)
        for number, gap in enumerate(self.problem.gaps[index]):
            if visit in (gap.before, gap.first - 1):
                self.rows.append(({away: 1.0, self.drop[index, number]: -1.0}, 0.0))

    def _dropped(self, index: int, number: int, stored: dict[int, int]) -> None:
        """After a gap that is dropped, a tensor is fetched, made, or away; a result needs a copy."""
        tensor, gap = self.problem.tensors[index], self.problem.gaps[index][number]
        drop = self.drop[index, number]
        if index in self.out:
            self.rows.append(({drop: 1.0, self.out[index]: 1.0}, 1.0))
        row = {drop: 1.0}
        if gap.before is not None:
            for variable in (*self._makers.get((index, gap.before), []), self.away.get((index, gap.before))):
                if variable is not None:
                    row[variable] = -1.0
        if not self.problem.movable:
            self.rows.append((row, 0.0))
            return
        moved = drop
        if gap.before is not None and not self._only_fetched(index):
            moved = self._variable(tensor.fetch)
            self.rows.append(({**row, moved: -1.0}, 0.0))
        if gap.version not in stored:
            stored[gap.version] = self._variable(tensor.store)
        # moved <= stored, or given off the chip
        copied = {moved: 1.0, stored[gap.version]: -1.0}
        if tensor.given and gap.version == 0 and (index, 0) in self.drop:
            first = self.drop[index, 0]
            copied[first] = copied.get(first, 0.0) - 1.0
        self.rows.append((copied, 0.0))

    def _need_sources(self, number: int) -> None:
        """What is made again was dropped; it and its sources are not away, and off the chip they cost more."""
        remake, made = self.problem.remakes[number], self.made[number]
        gap = next(n for n, gap in enumerate(self.problem.gaps[remake.tensor]) if gap.before == remake.step)
        self.rows.append(({made: 1.0, self.drop[remake.tensor, gap]: -1.0}, 0.0))
        for tensor in (remake.tensor, *remake.sources):
            if (tensor, remake.step) in self.away:
                self.rows.append(({made: 1.0, self.away[tensor, remake.step]: 1.0}, 1.0))
        for source, far in zip(remake.sources, remake.far, strict=True):
            if source in self.out and far:
                both = self._variable(far)
                self.rows.append(({made: 1.0, self.out[source]: 1.0, both: -1.0}, 1.0))

    def _limit(self, full: np.ndarray) -> None:
        """At every step where not all fits: what is not there must make up for the excess."""
        problem = self.problem
        leaving: dict[int, dict[int, int]] = {int(step): {} for step in np.flatnonzero(full)}
        excess = {step: int(full[step]) for step in leaving}

        def leave(variable: int, steps: range, size: int) -> None:
            for step in steps:
                if step in leaving:
                    leaving[step][variable] = leaving[step].get(variable, 0) - size

        for index, tensor in enumerate(problem.tensors):
            if index in self.out:
                end = max(tensor.span(problem.steps).stop, problem.points[index][-1] + 1)
                leave(self.out[index], range(tensor.span(problem.steps).start, end), tensor.size)
            for number, gap in enumerate(problem.gaps[index]):
                if (index, number) in self.drop:
                    leave(self.drop[index, number], range(gap.first, gap.last + 1), tensor.size)
            for visit in problem.visits[index]:
                leave(self.away[index, visit], range(visit, visit + 1), tensor.size)
        for number, remake in enumerate(problem.remakes):
            if remake.scratch and remake.step in leaving:
                leaving[remake.step][self.made[number]] = remake.scratch
                excess[remake.step] -= remake.scratch
        for step, row in leaving.items():
            if row:
                unit, rough = gcd(*row.values()), unit_of(row.values())
                self.exact &= unit == rough
                unit = rough if self._rounded else unit
                self.rows.append(({v: float(size // unit) for v, size in row.items()}, float(-excess[step] // unit)))
            else:
                self.fits = False

    def _refuse(self, kept: Kept) -> None:
        row: dict[int, float] = {}
        limit = -1.0
        for index, number in kept:
            if index == REMADE:
                row[self.made[number]] = 1.0
                limit += 1.0
                continue
            if (index, number) in self.drop:
                row[self.drop[index, number]] = -1.0
            if index in self.out:
                row[self.out[index]] = -1.0
        if row:
            self.rows.append((row, limit))
        else:
            self.fits = False

    @property
    def numbers(self) -> int:
        """How many numbers the constraints have."""
        return sum(len(row) for row, _ in self.rows)


def _solution(problem: ReplacementProblem, model: _Model, values: np.ndarray, bound: int) -> Replacement:
    dropped, outside = [], []
    for index, gaps in enumerate(problem.gaps):
        out = index in model.out and bool(values[model.out[index]])
        gone = frozenset(n for n in range(len(gaps)) if (index, n) in model.drop and values[model.drop[index, n]])
        outside.append(out)
        dropped.append(frozenset() if out else gone)
    remade = frozenset(number for number, variable in enumerate(model.made) if values[variable])
    found = Replacement(tuple(dropped), tuple(outside), 0, 0, remade)
    cost = cost_of(problem, found)
    return replace(found, cost=cost, lower_bound=min(bound, cost))
