"""Tensor replacement: what stands on the chip at which step, what is moved off it and fetched again, at least cost.

After COSMA (arXiv 2311.18246), for a given order, with one decision per gap between two uses of a tensor (keep it, or
drop it and fetch it again), one per version of a tensor that is dropped (store it off the chip before) and one per
tensor that may live off the chip. Nothing here knows programs or kernels: a build and benchmarks.cosma share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

# Nodes of the integer program's search tree: an effort that is the same on every computer.
NODES = 20_000


@dataclass(frozen=True)
class Gap:
    """Steps from `first` to `last`, both included and maybe none, in which a tensor is needed but not used.

    Attributes:
        fetch: cost of not keeping it: of fetching it afterwards.
        version: how often the tensor has been written before; each version is stored once at most.
    """

    first: int
    last: int
    fetch: int
    version: int


@dataclass(frozen=True)
class Tensor:
    """One tensor and what its moves cost.

    Attributes:
        size: bytes on the chip.
        uses: steps that touch it, ascending, at least one; it stands on the chip in each unless it lives outside.
        writes: those of them that write it.
        store: cost of a copy off the chip; 0 where there is one anyway.
        fetch: cost of bringing that copy back.
        outside: cost of living off the chip for good, or None where it cannot.
        given: whether it is there before the first step: off the chip if the gap before its first use is dropped.
        result: whether it is read after the last step, on the chip or off it.
    """

    size: int
    uses: tuple[int, ...]
    writes: tuple[int, ...]
    store: int
    fetch: int
    outside: int | None = None
    given: bool = False
    result: bool = False

    def gaps(self, steps: int) -> list[Gap]:
        """Before the first use where it is `given`, between uses, and after the last where it is a `result`."""
        found = [Gap(0, self.uses[0] - 1, self.fetch, 0)] if self.given else []
        found += [Gap(before + 1, after - 1, self.fetch, self._version(after)) for before, after in pairwise(self.uses)]
        return [*found, Gap(self.uses[-1] + 1, steps, 0, self._version(steps))] if self.result else found

    def _version(self, step: int) -> int:
        return sum(write < step for write in self.writes)

    def copies(self, dropped: frozenset[int], steps: int) -> set[int]:
        """The versions that have to be stored where gaps are dropped; not the one that is given off the chip."""
        gaps = self.gaps(steps)
        return {gaps[n].version for n in dropped} - ({0} if self.given and 0 in dropped else set())


@dataclass(frozen=True)
class ReplacementProblem:
    """Tensors over `steps` steps (results stand at step number `steps` too), and bytes on the chip."""

    tensors: tuple[Tensor, ...]
    steps: int
    capacity: int


@dataclass(frozen=True)
class Residence:
    """A tensor on the chip from step `first` to `last`; `fetched` at its start, `stored` at its end where that needs a
    copy."""

    tensor: int
    first: int
    last: int
    fetched: bool
    stored: bool


@dataclass(frozen=True)
class Replacement:
    """A solution.

    Attributes:
        dropped: per tensor, the numbers of the gaps that it is not kept through.
        outside: per tensor, whether it lives off the chip.
        cost: of all moves and lives outside; lower_bound: no solution costs less.
    """

    dropped: tuple[frozenset[int], ...]
    outside: tuple[bool, ...]
    cost: int
    lower_bound: int

    @property
    def proven(self) -> bool:
        """Whether no solution costs less."""
        return self.cost <= self.lower_bound


Kept = frozenset[tuple[int, int]]


def solve(problem: ReplacementProblem, refused: Sequence[Kept] = (), nodes: int = NODES) -> Replacement | None:
    """The cheapest replacement whose live bytes fit the capacity at every step; None where there is none.

    Args:
        refused: sets of (tensor, number of a gap, or -1 for the tensor's own uses) that cannot all be on the chip.
        nodes: effort; where it ends the search, the best solution so far comes with the lower bound reached.
    """
    model = _Model(problem, refused)
    if not model.costs:
        return _solution(problem, model, np.zeros(0), 0) if model.fits else None
    if not model.fits:
        return None
    unit = gcd(*model.costs) or 1
    outcome = milp(
        np.array(model.costs, np.float64) / unit,
        integrality=np.ones(len(model.costs)),
        bounds=Bounds(0, 1),
        constraints=model.constraints() or None,
        options={"node_limit": nodes, "mip_rel_gap": 0.0},
    )
    if outcome.x is None:
        return None
    # Costs are whole units, the solver's bound is a float.
    return _solution(problem, model, np.round(outcome.x), int(np.ceil(outcome.mip_dual_bound - 0.01)) * unit)


class _Model:
    """The integer program: a variable per gap (dropped), per tensor that can be stored, and per tensor outside.

    Only steps where not all fits have constraints; only gaps over them, or in a refused set, have variables.
    """

    def __init__(self, problem: ReplacementProblem, refused: Sequence[Kept]) -> None:
        self.problem, self.costs = problem, list[int]()
        self.drop: dict[tuple[int, int], int] = {}
        self.out: dict[int, int] = {}
        self._rows: list[tuple[dict[int, float], float]] = []
        self.fits = True
        full = _full_steps(problem)
        asked = frozenset[tuple[int, int]]().union(*refused)
        for index, tensor in enumerate(problem.tensors):
            self._add(index, tensor, full, asked)
        self._limit(full)
        for kept in refused:
            self._refuse(kept)

    def _add(self, index: int, tensor: Tensor, full: np.ndarray, asked: Kept) -> None:
        crowded = (index, -1) in asked or any(full[step] for step in _span(tensor, self.problem.steps))
        if tensor.outside is not None and crowded:
            self.out[index] = self._variable(tensor.outside)
        gaps = tensor.gaps(self.problem.steps)
        wanted = [n for n, gap in enumerate(gaps) if full[gap.first : gap.last + 1].any() or (index, n) in asked]
        if not wanted:
            return
        if tensor.given and 0 not in wanted:
            # Not to save memory, but to have a copy off the chip without storing one.
            wanted.insert(0, 0)
        for number in wanted:
            self.drop[index, number] = self._variable(gaps[number].fetch)
        versions = dict.fromkeys(gaps[number].version for number in wanted)
        stored = {version: self._variable(tensor.store) for version in versions}
        for number in wanted:
            # dropped <= stored (or given off the chip), and dropped + outside <= 1
            row = {self.drop[index, number]: 1.0, stored[gaps[number].version]: -1.0}
            if tensor.given and gaps[number].version == 0 and (index, 0) in self.drop:
                row[self.drop[index, 0]] = row.get(self.drop[index, 0], 0.0) - 1.0
            self._rows.append((row, 0.0))
            if index in self.out:
                self._rows.append(({self.drop[index, number]: 1.0, self.out[index]: 1.0}, 1.0))

    def _variable(self, cost: int) -> int:
        self.costs.append(cost)
        return len(self.costs) - 1

    def _limit(self, full: np.ndarray) -> None:
        """At every step where not all fits: what can leave must make up for the excess."""
        steps = self.problem.steps
        leaving: dict[int, dict[int, float]] = {int(step): {} for step in np.flatnonzero(full)}
        for index, tensor in enumerate(self.problem.tensors):
            if index in self.out:
                for step in _span(tensor, steps):
                    if full[step]:
                        leaving[step][self.out[index]] = -float(tensor.size)
            for number, gap in enumerate(tensor.gaps(steps)):
                if (index, number) in self.drop:
                    for step in range(gap.first, gap.last + 1):
                        if full[step]:
                            leaving[step][self.drop[index, number]] = -float(tensor.size)
        for step, row in leaving.items():
            excess = float(full[step])
            if not row:
                self.fits = False
            else:
                self._rows.append((row, -excess))

    def _refuse(self, kept: Kept) -> None:
        row: dict[int, float] = {}
        for index, number in kept:
            if (index, number) in self.drop:
                row[self.drop[index, number]] = -1.0
            if index in self.out:
                row[self.out[index]] = -1.0
        if row:
            self._rows.append((row, -1.0))
        else:
            self.fits = False

    def constraints(self) -> list[LinearConstraint]:
        if not self._rows:
            return []
        at = [(r, c, v) for r, (row, _) in enumerate(self._rows) for c, v in row.items()]
        rows, columns, values = zip(*at, strict=True)
        matrix = coo_array((values, (rows, columns)), shape=(len(self._rows), len(self.costs)))
        return [LinearConstraint(matrix.tocsr(), -np.inf, np.array([limit for _, limit in self._rows]))]


def _span(tensor: Tensor, steps: int) -> range:
    """The steps from its arrival to its end."""
    return range(0 if tensor.given else tensor.uses[0], (steps if tensor.result else tensor.uses[-1]) + 1)


def _full_steps(problem: ReplacementProblem) -> np.ndarray:
    """[steps + 1] bytes beyond the capacity where all tensors stay, 0 where they fit."""
    live = np.zeros(problem.steps + 2, np.int64)
    for tensor in problem.tensors:
        span = _span(tensor, problem.steps)
        live[span.start] += tensor.size
        live[span.stop] -= tensor.size
    return np.maximum(np.cumsum(live)[:-1] - problem.capacity, 0)


def _solution(problem: ReplacementProblem, model: _Model, values: np.ndarray, bound: int) -> Replacement:
    dropped, outside, cost = [], [], 0
    for index, tensor in enumerate(problem.tensors):
        out = index in model.out and bool(values[model.out[index]])
        gaps = tensor.gaps(problem.steps)
        gone = frozenset(n for n in range(len(gaps)) if (index, n) in model.drop and values[model.drop[index, n]])
        gone = frozenset() if out else gone
        outside.append(out)
        dropped.append(gone)
        moved = sum(gaps[n].fetch for n in gone) + tensor.store * len(tensor.copies(gone, problem.steps))
        cost += (tensor.outside or 0) if out else moved
    return Replacement(tuple(dropped), tuple(outside), cost, min(bound, cost))


def residences(problem: ReplacementProblem, solution: Replacement) -> list[Residence]:
    """Every tensor's times on the chip, in order of tensor and time; tensors that live outside have none."""
    found = []
    for index, tensor in enumerate(problem.tensors):
        if solution.outside[index]:
            continue
        dropped = solution.dropped[index]
        stores = tensor.copies(dropped, problem.steps)
        start, fetched = 0 if tensor.given else tensor.uses[0], False
        for number, gap in enumerate(tensor.gaps(problem.steps)):
            if number not in dropped:
                continue
            if gap.first > start:
                found.append(Residence(index, start, gap.first - 1, fetched, gap.version in stores))
            stores.discard(gap.version)
            start, fetched = gap.last + 1, True
        end = problem.steps if tensor.result else tensor.uses[-1]
        if start <= end:
            found.append(Residence(index, start, end, fetched, False))
    return found
