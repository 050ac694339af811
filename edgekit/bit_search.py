"""The search for bits that keep to their budgets as a whole, where what layers take by themselves is nearly right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeAlias

from edgekit.errors import DoesNotFit, OverBudget
from edgekit.quant.allocation import CYCLES, FLASH, Allocation, Budgets, Choices, MixedChoice, allocate, nearest

# Choices that are measured as a whole after the first that keeps to the budgets, to make use of them: each is planned,
# and where there is a toolchain linked, and emulated where time is limited.
MOST_SIZES = 6
# Choices that are measured at most until one keeps to the budgets.
MOST_FIRST = 20
# Choices that are made at most until then, and again after it: with two budgets, each may undo what was found for the
# other.
MOST_TRIES = 100
# One in so many bytes, or cycles, of a budget is too little to look for.
LEAST_PART = 1 << 14

# What bits take as a whole, of every kind that has a budget.
Taken: TypeAlias = "Callable[[Mapping[str, int]], Mapping[str, int]]"


def within(choices: Choices, budgets: Budgets, taken: Taken, likely: Sequence[Mapping[str, int]] = ()) -> MixedChoice:
    """The choice of least error that as a whole takes no more than the budgets.

    What all layers together take more or less than was counted (kernels of two widths, weights in another memory) is
    another number for every choice, and counts with what no choice changes. It is looked for, by itself for each
    budget, between what was too little, as the choice made with it did not keep to the budget, and what was enough; at
    most MOST_SIZES choices are measured beyond the first that keeps to all. The bound on the error is that of the least
    that any measured choice took.

    Args:
        taken: may raise DoesNotFit for bits of which no image comes.
        likely: choices that are measured before any other, in the order of their errors, until one keeps to all.

    Raises DoesNotFit, TooSlow or OverBudget, as `allocate`, where nothing is counted to keep to the budgets, with what
    was measured; OverBudget where none of MOST_FIRST choices did.
    """
    search = _Search(choices, budgets, taken)
    search.start(likely)
    sides = {kind: _Others(choices.costs[kind].others, limit // LEAST_PART) for kind, limit in budgets.limits.items()}
    while search.best is None or search.goes_on:
        others, outcomes = search.tried({kind: side.now for kind, side in sides.items()})
        for kind, side in sides.items():
            side.now = others[kind]
            # Where it is not known of the choice, it is not what was wrong with it.
            side.learn(*outcomes.get(kind, (True, side.now)))
        # Before anything was found, the same once more is what cannot be kept: it is said to be.
        if not _moved(list(sides.values()), search.best is not None) and search.best is not None:
            break
    return search.choice()


def _moved(sides: Sequence[_Others], found: bool) -> bool:
    """Go on to what is to be tried next: more of what was too little, else less of all; whether anything changes.

    As long as nothing was found, what was counted too high goes down with that: it may be all that was in the way.
    """
    failed = any(side.failed for side in sides)
    before = [side.now for side in sides]
    for side in sides:
        if side.failed:
            side.now = side.raised()
        elif not failed or (not found and side.too_little is None):
            side.now = side.lowered()
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
        tries: how many choices were made, before it or since then.
    """

    def __init__(self, choices: Choices, budgets: Budgets, taken: Taken) -> None:
        self._choices, self._budgets, self._taken, self._limits = choices, budgets, taken, budgets.limits
        self.whole: dict[tuple[tuple[str, int], ...], Mapping[str, int]] = {}
        self.best: Allocation | None = None
        self.first = self.tries = 0

    @property
    def goes_on(self) -> bool:
        """Whether another choice may be made after one that keeps to the budgets."""
        return len(self.whole) <= self.first + MOST_SIZES and self.tries < MOST_TRIES

    def start(self, likely: Sequence[Mapping[str, int]]) -> None:
        """Measure choices, that of least error first, until one keeps to the budgets."""
        for bits in sorted(likely, key=self._choices.error):
            # What no image comes of says nothing of other choices.
            with suppress(DoesNotFit):
                self._outcome(dict(bits))
            if self.best is not None:
                return

    def tried(self, others: Mapping[str, int]) -> tuple[Mapping[str, int], dict[str, tuple[bool, int]]]:
        """Numbers, and by kind whether the choice that they lead to keeps to the budget, and that number as it has it.

        They are the given ones, but where nothing keeps to all budgets yet and with those no choice would. What comes
        nearest is measured then, or what may keep to them by what another took; raises where all that was already, or
        enough were. Once something was found, numbers that leave room for no choice are enough, and those of the best
        leave it room. A kind is left out where it is not known of the choice.
        """
        self.tries += 1
        choices = self._choices.beside(others)
        try:
            bits = allocate(choices, self._budgets).bits
        except (DoesNotFit, OverBudget) as error:
            if self.best is not None:
                return others, {kind: (True, number) for kind, number in self._others(self.best.bits).items()}
            bits = nearest(choices, self._budgets)
            if tuple(bits.items()) in self.whole or len(self.whole) > MOST_SIZES:
                bits, others = self._another(error)
        if self.best is None and (len(self.whole) >= MOST_FIRST or self.tries > MOST_TRIES):
            raise OverBudget(
                f"none of {len(self.whole)} choices of bits that were built keeps to the budgets, and no more are "
                f"tried: {self._nearest()}; raise --budget-latency, or {self._budgets.more_flash}"
            )
        return others, self._outcome(bits)

    def _another(self, problem: DoesNotFit | OverBudget) -> tuple[dict[str, int], Mapping[str, int]]:
        """A choice that was not measured and is counted to keep to the budgets with what measured ones took beside
        their layers, with that; raises where there is none, or all that takes is bytes, which differ little.
        """
        known = [self._leanest(), *(self._others(dict(bits)) for bits in self.whole)] if CYCLES in self._limits else []
        if known:
            problem = OverBudget(
                "no choice of bits was found that keeps both budgets: raise --budget-latency, or "
                f"{self._budgets.more_flash}"
            )
        for others in known:
            try:
                bits = allocate(self._choices.beside(others), self._budgets).bits
            except (DoesNotFit, OverBudget) as error:
                # What cannot be kept with the leanest numbers cannot be with any.
                if others is known[0]:
                    problem = error
                    break
                continue
            if tuple(bits.items()) not in self.whole:
                return bits, others
        problem.say(self._nearest())
        raise problem

    def _nearest(self) -> str:
        """What the choice takes that is least over any of its budgets, of those that were measured."""
        takes = min(self.whole.values(), key=lambda whole: max(n / max(1, self._limits[k]) for k, n in whole.items()))
        time = f" and {self._budgets.milliseconds(takes[CYCLES]):g} ms" if CYCLES in takes else ""
        return f"the nearest of those that were built takes {takes[FLASH]} B{time}"

    def _outcome(self, bits: dict[str, int]) -> dict[str, tuple[bool, int]]:
        """Measure a choice and keep it if it is the best."""
        counted, limits, error = self._choices.of(bits), self._limits, self._choices.error(bits)
        whole = self._measured(bits)
        kept = all(kind in whole and whole[kind] <= limit for kind, limit in limits.items())
        if kept and (self.best is None or error < self.best.error):
            if self.best is None:
                self.first, self.tries = len(self.whole), 0
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
        proven = least.proven and least.error >= self.best.error
        best = replace(self.best, bound=min(least.bound, self.best.error), proven=proven)
        return MixedChoice(best, self._choices.beside(self._others(best.bits)), self._budgets)

    def _others(self, bits: Mapping[str, int]) -> dict[str, int]:
        """By kind, what a measured choice took beside its layers."""
        whole, counted = self.whole[tuple(bits.items())], self._choices.of(bits)
        return {k: costs.others + whole[k] - counted[k] for k, costs in self._choices.costs.items()}

    def _leanest(self) -> dict[str, int]:
        """By kind, what no choice changes with the measured one that had least of it."""
        least = {}
        for kind, costs in self._choices.costs.items():
            known = [(dict(bits), whole[kind]) for bits, whole in self.whole.items() if kind in whole]
            least[kind] = costs.others + min(number - costs.of(bits) for bits, number in known)
        return least
