"""The search for bits that keep to their budgets as a whole, where what layers take by themselves is nearly right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from edgekit.errors import DoesNotFit, OverBudget
from edgekit.quant.allocation import FLASH, Allocation, Budgets, Choices, MixedChoice, allocate, nearest

# Choices that are measured as a whole to make use of the budgets: each is a plan, and where it is linked an image.
MOST_SIZES = 6
# Choices that are made after that first one at most: with two budgets, each may undo what was found for the other.
MOST_TRIES = 100
# Of a budget, what is too little to look for; at least a byte or a cycle.
LEAST_PART = 1 << 14

# What bits take as a whole, of every kind that has a budget.
Taken: TypeAlias = "Callable[[Mapping[str, int]], Mapping[str, int]]"


def within(choices: Choices, budgets: Budgets, taken: Taken) -> MixedChoice:
    """The choice of least error that as a whole takes no more than the budgets.

    What all layers together take more or less than was counted (kernels of two widths, weights in another memory) is
    another number for every choice, and counts with what no choice changes. It is looked for, by itself for each
    budget, between what was too little, as the choice made with it did not keep to the budget, and what was enough; at
    most MOST_SIZES choices are measured beyond the first that keeps to all. The bound on the error is that of the least
    that any measured choice took.

    Args:
        taken: may raise DoesNotFit for bits of which no image comes.

    Raises DoesNotFit, TooSlow or OverBudget, as `allocate`, where nothing keeps to the budgets.
    """
    search = _Search(choices, budgets, taken)
    sides = {kind: _Others(choices.costs[kind].others, limit // LEAST_PART) for kind, limit in budgets.limits.items()}
    while search.best is None or search.goes_on:
        outcomes = search.tried({kind: side.now for kind, side in sides.items()})
        for kind, side in sides.items():
            # Where it is not known of the choice, it is not what was wrong with it.
            side.learn(*outcomes.get(kind, (True, side.now)))
        # Before anything was found, the same once more is what cannot be kept: it is said to be.
        if not _moved(list(sides.values())) and search.best is not None:
            break
    return search.choice()


def _moved(sides: Sequence[_Others]) -> bool:
    """Go on to what is to be tried next: more of what was too little, else less of all; whether anything changes."""
    failed = [side for side in sides if side.failed]
    before = [side.now for side in sides]
    for side in failed or sides:
        side.now = side.raised() if failed else side.lowered()
    return before != [side.now for side in sides]


@dataclass
class _Others:
    """What no choice changes of one kind, as it is believed to be.

    Attributes:
        now: to be tried; part: what is too little to look for.
        too_little, enough: what was, where it was tried.
        believed: what the choice made with `now` took as a whole, less what was counted for its layers.
        failed: how often in a row `now` was too little.
    """

    now: int
    part: int
    too_little: int | None = None
    enough: int | None = None
    believed: int = 0
    failed: int = 0

    def learn(self, fits: bool, believed: int) -> None:
        """The choice made with `now` kept to the budget, or did not. Another choice may have done otherwise."""
        self.believed, self.failed = believed, 0 if fits else self.failed + 1
        if fits:
            self.enough = self.now
            self.too_little = None if self.too_little is not None and self.too_little >= self.now else self.too_little
        else:
            self.too_little = self.now
            self.enough = None if self.enough is not None and self.enough <= self.now else self.enough

    def raised(self) -> int:
        """More than was too little: what it was, or, where that was not enough either, half the way to what was."""
        if self.enough is None or (self.failed == 1 and self.believed < self.enough):
            return self.believed
        return (self.now + self.enough + 1) // 2

    def lowered(self) -> int:
        """Less than was enough, if that is worth it: what it was, or half the way to what was too little."""
        if self.too_little is None:
            return min(self.now, self.believed)
        return (self.too_little + self.now) // 2 if self.now - self.too_little > max(1, self.part) else self.now


class _Search:
    """Choices that were measured, by their bits.

    Attributes:
        best: the one of least error among those that keep to the budgets.
        whole: what each took; `first`: how many there were when the first one kept to the budgets.
        later: how many choices were made since then.
    """

    def __init__(self, choices: Choices, budgets: Budgets, taken: Taken) -> None:
        self._choices, self._budgets, self._taken = choices, budgets, taken
        self.whole: dict[tuple[tuple[str, int], ...], Mapping[str, int]] = {}
        self.best: Allocation | None = None
        self.first = self.later = 0

    @property
    def goes_on(self) -> bool:
        """Whether another choice may be made after one that keeps to the budgets."""
        return len(self.whole) <= self.first + MOST_SIZES and self.later < MOST_TRIES

    def tried(self, others: Mapping[str, int]) -> dict[str, tuple[bool, int]]:
        """By kind, whether the choice that such numbers lead to keeps to the budget, and that number as it has it.

        Numbers that leave room for no choice are enough: as good as those of one that keeps to all. As long as nothing
        has, what comes nearest is measured instead; raises where it was already, or enough were. A kind is left out
        where it is not known of the choice.
        """
        self.later += self.best is not None
        choices = self._choices.beside(others)
        try:
            bits = allocate(choices, self._budgets).bits
        except (DoesNotFit, OverBudget):
            if self.best is not None:
                return {kind: (True, number) for kind, number in others.items()}
            bits = nearest(choices, self._budgets)
            if tuple(bits.items()) in self.whole or len(self.whole) > MOST_SIZES:
                raise
        return self._outcome(bits)

    def _outcome(self, bits: dict[str, int]) -> dict[str, tuple[bool, int]]:
        """Measure a choice and keep it if it is the best."""
        counted, limits, error = self._choices.of(bits), self._budgets.limits, self._choices.error(bits)
        whole = self._measured(bits)
        kept = all(kind in whole and whole[kind] <= limit for kind, limit in limits.items())
        if kept and (self.best is None or error < self.best.error):
            self.first = self.first if self.best is not None else len(self.whole)
            # What is known of all choices is found at the end.
            self.best = Allocation(bits, whole, error, 0.0, False)
        return {
            kind: (number <= limits[kind], self._choices.costs[kind].others + number - counted[kind])
            for kind, number in whole.items()
        }

    def _measured(self, bits: Mapping[str, int]) -> Mapping[str, int]:
        """What all takes; more flash than the budget where no image comes of it, once something was found."""
        key = tuple(bits.items())
        if key not in self.whole:
            try:
                self.whole[key] = self._taken(bits)
            except DoesNotFit as error:
                if self.best is None:
                    raise
                self.whole[key] = {FLASH: self._budgets.flash + max(1, error.need - error.have)}
        return self.whole[key]

    def choice(self) -> MixedChoice:
        """The best one, with what no choice is counted to be better than."""
        assert self.best is not None
        least = allocate(self._choices.beside(self._leanest()), self._budgets)
        whole, counted = self.best.takes, self._choices.of(self.best.bits)
        proven = least.proven and least.error >= self.best.error
        best = replace(self.best, bound=min(least.bound, self.best.error), proven=proven)
        others = {k: costs.others + whole[k] - counted[k] for k, costs in self._choices.costs.items()}
        return MixedChoice(best, self._choices.beside(others), self._budgets)

    def _leanest(self) -> dict[str, int]:
        """By kind, what no choice changes with the measured one that had least of it."""
        least = {}
        for kind, costs in self._choices.costs.items():
            known = [(dict(bits), whole[kind]) for bits, whole in self.whole.items() if kind in whole]
            least[kind] = costs.others + min(number - costs.of(bits) for bits, number in known)
        return least
