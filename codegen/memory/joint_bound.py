"""What must move off the chip and back whatever the order of steps is: a bound to hold orders against."""

from __future__ import annotations

from math import gcd

import numpy as np

from edgekit.codegen.memory.joint import JointProblem
from edgekit.codegen.memory.replacement_solver import EFFORT, Effort
from edgekit.integer_program import at_most, cheapest_choice, unit_of

# Beyond so many steps that may run before or after another one, only what must wait in any order counts; fewer where
# the integer program would have more than so many numbers in its constraints.
MOST_LOOSE, MOST_NUMBERS = (40, 24, 12, 0), 40_000


def bound_over_orders(problem: JointProblem, effort: int = EFFORT) -> int:
    """A lower bound on the cost of moves, for every order.

    While a step runs, what ran before it is a set that holds with a step all that it needs; a tensor that
    something in the set touches, and something outside reads, is there: on the chip or off it. Being off it takes a
    store, once, and a fetch. Two steps need fetches of their own where a touch of the tensor must come between
    them. Which set it is, is for the integer program to choose, apart for each step.

    Args:
        effort: of the integer program, see `Effort`.
    """
    models = (_Model(problem, loose) for loose in MOST_LOOSE)
    model = next(model for model in models if model.numbers <= MOST_NUMBERS or not model.most_loose)
    if not model.rows:
        return 0
    unit = gcd(*model.costs) or 1
    costs = np.array(model.costs, np.float64) / unit
    nodes = Effort(effort).nodes(model.numbers)
    outcome = cheapest_choice(costs, at_most(model.rows, len(costs)), nodes)
    return 0 if outcome.mip_dual_bound is None else int(np.ceil(outcome.mip_dual_bound - 0.01)) * unit


class _Model:
    """Variables: a tensor is stored; fetched in one of its gaps; off the chip while a step runs; a step that may run
    before or after another runs before it.
    """

    def __init__(self, problem: JointProblem, most_loose: int) -> None:
        self.costs: list[int] = []
        self.rows: list[tuple[dict[int, float], float]] = []
        self._problem, steps = problem, len(problem.reads)
        self.most_loose = most_loose
        self._touches: dict[int, int] = {}
        self._reads: dict[int, int] = {}
        for index, tensors in enumerate(problem.touches):
            for tensor in problem.reads[index]:
                self._reads[tensor] = self._reads.get(tensor, 0) | 1 << index
            for tensor in tensors:
                self._touches[tensor] = self._touches.get(tensor, 0) | 1 << index
        self._stored = {tensor: self._variable(problem.stores[tensor]) for tensor in self._touches}
        self._fetched: dict[tuple[int, int], int] = {}
        self._anywhere: list[tuple[int, int]] = []
        self._before = _ancestors(problem)
        after = [0] * len(self._before)
        for index, mask in enumerate(self._before):
            for other in _bits(mask):
                after[other] |= 1 << index
        for index in range(steps):
            self._limit(index, self._before[index], after[index])
        for off, tensor in self._anywhere:
            fetches = [variable for (other, _), variable in self._fetched.items() if other == tensor]
            self.rows.append(({off: 1.0, **dict.fromkeys(fetches, -1.0)}, 0.0))

    @property
    def numbers(self) -> int:
        """How many numbers the constraints have."""
        return sum(len(row) for row, _ in self.rows)

    def _variable(self, cost: int) -> int:
        self.costs.append(cost)
        return len(self.costs) - 1

    def _limit(self, index: int, before: int, after: int) -> None:
        """While a step runs, what it touches and what waits on the chip must fit."""
        sizes, own = self._problem.sizes, self._problem.touches[index]
        loose = ((1 << len(self._before)) - 1) & ~before & ~after & ~(1 << index)
        if loose.bit_count() > self.most_loose:
            # Those that must wait in any order.
            loose = 0
        waiting = [
            t for t, touches in self._touches.items()
            if t not in own and touches & (before | loose) and self._reads.get(t, 0) & (after | loose)
        ]  # fmt: skip
        room = self._problem.capacity - sum(sizes[t] for t in own)
        if sum(sizes[t] for t in waiting) <= room:
            return
        # Sizes rounded down, so that whatever fits still does.
        unit = unit_of(sizes[t] for t in waiting)
        ran = {other: self._variable(0) for other in _bits(loose)}
        for other, variable in ran.items():
            for needed in _bits(self._before[other] & loose):
                self.rows.append(({variable: 1.0, ran[needed]: -1.0}, 0.0))
        staying: dict[int, float] = {}
        fixed = 0
        for tensor in waiting:
            off = self._variable(0)
            size = sizes[tensor] // unit
            staying[off] = -float(size)
            fixed += self._wait(tensor, size, before, after, ran, staying)
            self.rows.append(({off: 1.0, self._stored[tensor]: -1.0}, 0.0))
            self._need_fetch(tensor, off, before, after)
        self.rows.append((staying, float(room // unit - fixed)))

    def _wait(
        self, tensor: int, size: int, before: int, after: int, ran: dict[int, int], staying: dict[int, float]
    ) -> int:
        """The size of a tensor that waits in any order; else a variable that says whether it does, and 0."""
        touches, reads = self._touches[tensor], self._reads.get(tensor, 0)
        if touches & before and reads & after:
            return size
        waits = self._variable(0)
        staying[waits] = float(size)
        starts = [None] if touches & before else [ran[o] for o in _bits(touches) if o in ran]
        ends = [None] if reads & after else [ran[o] for o in _bits(reads) if o in ran]
        for start in starts:
            for end in ends:
                # waits >= start ran - end ran; a start before in any order counts as 1, an end after as 0
                row = {waits: -1.0}
                if start is not None:
                    row[start] = row.get(start, 0.0) + 1.0
                if end is not None:
                    row[end] = row.get(end, 0.0) - 1.0
                self.rows.append((row, 0.0 if start is not None else -1.0))
        return 0

    def _need_fetch(self, tensor: int, off: int, before: int, after: int) -> None:
        touches = self._touches[tensor]
        # Where all touches are before or after, those before tell the gap; else it may be any.
        known = not touches & ~before & ~after
        gap = touches & before if known else -1
        if (tensor, gap) not in self._fetched:
            self._fetched[tensor, gap] = self._variable(self._problem.fetches[tensor])
        if known:
            self.rows.append(({off: 1.0, self._fetched[tensor, gap]: -1.0}, 0.0))
        else:
            self._anywhere.append((off, tensor))


def _ancestors(problem: JointProblem) -> list[int]:
    """Per step, the set of those that must come before it, a bit each."""
    found: list[int] = []
    for before in problem.before:
        mask = 0
        for other in before:
            mask |= found[other] | 1 << other
        found.append(mask)
    return found


def _bits(mask: int) -> list[int]:
    return [index for index in range(mask.bit_length()) if mask >> index & 1]
