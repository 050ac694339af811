"""Bits for every layer: the least error within budgets of bytes and of time, by an exact integer program (HiGHS)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import LinearConstraint

from edgekit.errors import DoesNotFit, EdgekitError, InternalError, OverBudget, TooSlow
from edgekit.integer_program import cheapest_choice, unit_of
from edgekit.ir import Array

# Errors become numbers up to this, so that the solver's absolute tolerance of 1e-6 is far below any difference.
_LARGEST_ERROR = 1e6
_TOLERANCE = 1e-5
# scipy's status of a program without a solution.
_INFEASIBLE = 2
# Of milliseconds, as of the latency model's.
_DECIMALS = 4
# What a choice takes: bytes of code and weights, and cycles of one inference.
FLASH, CYCLES = "flash", "cycles"


@dataclass(frozen=True)
class Budgets:
    """What a choice may take.

    Attributes:
        flash: bytes of code and weights, in whatever flash they stand.
        latency: milliseconds of one inference as modelled; None for any number.
        mhz: of the core that they are counted at.
        room: bytes of flash that the board has in all; None where that is not known.
    """

    flash: int
    latency: float | None = None
    mhz: float = 1.0
    room: int | None = None

    @property
    def limits(self) -> dict[str, int]:
        """The most of FLASH, and of CYCLES where time is limited: those that are no more milliseconds as rounded."""
        if self.latency is None:
            return {FLASH: self.flash}
        cycles = math.floor((self.latency + 0.5 / 10**_DECIMALS) * self.mhz * 1000.0) + 1
        while self.milliseconds(cycles) > self.latency:
            cycles -= 1
        return {FLASH: self.flash, CYCLES: cycles}

    @property
    def more_flash(self) -> str:
        """What to do where this much flash is too little."""
        if self.room is None or self.flash < self.room:
            return "raise --budget-flash"
        return "choose a board with more flash, as this one has no more"

    def milliseconds(self, cycles: int) -> float:
        """Of so many cycles, as the latency model rounds them."""
        return round(cycles / (self.mhz * 1000.0), _DECIMALS)


@dataclass(frozen=True)
class Costs:
    """What choices take of bytes or of cycles.

    Attributes:
        layers: by layer and bits.
        once: what a width takes once, whatever number of layers have it (kernels).
        others: what no choice changes.
    """

    layers: Mapping[str, Mapping[int, int]]
    once: Mapping[int, int]
    others: int = 0

    def of(self, bits: Mapping[str, int]) -> int:
        """All that a choice takes."""
        layers = sum(self.layers[name][b] for name, b in bits.items())
        return self.others + layers + sum(self.once[b] for b in set(bits.values()))


@dataclass(frozen=True)
class Choices:
    """What may be chosen from.

    Attributes:
        errors: by layer and bits, of the network's answer.
        costs: of FLASH, and of CYCLES where time is limited; all have the same layers and widths.
    """

    errors: Mapping[str, Mapping[int, float]]
    costs: Mapping[str, Costs]

    @property
    def flash(self) -> Costs:
        """Bytes."""
        return self.costs[FLASH]

    def error(self, bits: Mapping[str, int]) -> float:
        """The sum of the layers' errors."""
        return sum(self.errors[name].get(b, 0.0) for name, b in bits.items())

    def of(self, bits: Mapping[str, int]) -> dict[str, int]:
        """What a choice takes of everything."""
        return {kind: costs.of(bits) for kind, costs in self.costs.items()}

    def beside(self, others: Mapping[str, int]) -> Choices:
        """The same with other numbers that no choice changes."""
        return replace(self, costs={k: replace(costs, others=others[k]) for k, costs in self.costs.items()})


@dataclass(frozen=True)
class Allocation:
    """Bits by layer.

    Attributes:
        bits: by the layer's name.
        takes: of FLASH and CYCLES, as of `Choices.of`.
        error: sum of the layers' errors.
        bound: no choice within the budgets has less error than this.
        proven: whether that is the choice's own error.
    """

    bits: dict[str, int]
    takes: Mapping[str, int]
    error: float
    bound: float
    proven: bool


@dataclass(frozen=True)
class MixedChoice:
    """Bits by layer within budgets, with what they were chosen from; the allocation takes what was measured of it."""

    allocation: Allocation
    choices: Choices
    budgets: Budgets

    def record(self) -> dict[str, Any]:
        """As report.json has it, less the layers."""
        takes, budgets = self.allocation.takes, self.budgets
        return {
            "budget_flash": budgets.flash,
            "forecast_flash": takes[FLASH],
            "budget_latency_ms": budgets.latency,
            "forecast_latency_ms": budgets.milliseconds(takes[CYCLES]) if CYCLES in takes else None,
            "proven": self.allocation.proven,
            "error": self.allocation.error,
            "error_bound": self.allocation.bound,
        }

    def layer_record(self, name: str) -> dict[str, dict[str, Any]]:
        """What a layer was chosen from, by bits."""
        costs = self.choices.costs
        options: dict[str, Mapping[int, float]] = {"bytes": costs[FLASH].layers[name]}
        options |= {"cycles": costs[CYCLES].layers[name]} if CYCLES in costs else {}
        options["error"] = self.choices.errors[name]
        return {key: {str(bits): value for bits, value in row.items()} for key, row in options.items()}


def allocate(choices: Choices, budgets: Budgets) -> Allocation:
    """The choice with the least sum of errors within the budgets.

    A multiple-choice knapsack, solved by branch and bound: the same input gives the same choice. Raises DoesNotFit,
    TooSlow, or OverBudget where only both budgets together are too little, with the least that any choice takes.
    """
    program, limits = _Program(choices), budgets.limits
    largest = max((error for row in choices.errors.values() for error in row.values()), default=0.0)
    factor = _LARGEST_ERROR / max(largest, np.finfo(np.float64).tiny)
    errors = [factor * choices.errors[name].get(bits, 0.0) for name, bits in program.columns]
    found = program.least(np.array([*errors, *(0.0 for _ in program.widths)]), limits)
    if found is None:
        raise _problem(program, budgets)
    takes, error = choices.of(found.bits), choices.error(found.bits)
    for kind, limit in limits.items():
        if takes[kind] > limit:
            raise InternalError(f"the chosen bits take {takes[kind]} of {limit}: {kind}")
    bound = min(max(0.0, found.bound / factor), error)
    return Allocation(found.bits, takes, error, bound, (error - bound) * factor <= _TOLERANCE)


def nearest(choices: Choices, budgets: Budgets) -> dict[str, int]:
    """Where no choice keeps to the budgets, that which takes least of what is lacking."""
    program = _Program(choices)
    lacking = _lacking(program, budgets)
    return next(iter(lacking.values())) if lacking else program.leanest(CYCLES, {FLASH: budgets.flash})


def _lacking(program: _Program, budgets: Budgets) -> dict[str, dict[str, int]]:
    """What there is too little of for any choice, with that which takes least of it; nothing where each budget can be
    kept by itself.
    """
    limits = budgets.limits
    least = {kind: program.leanest(kind, {}) for kind in limits}
    found = {kind: bits for kind, bits in least.items() if program.choices.costs[kind].of(bits) > limits[kind]}
    if len(limits) == 1 and not found:
        raise InternalError(f"no choice of bits, although one takes no more than {limits}")
    return found


def _problem(program: _Program, budgets: Budgets) -> EdgekitError:
    """What to say where no choice is counted to keep to the budgets."""
    lacking = _lacking(program, budgets)
    if not lacking:
        fastest = program.choices.of(program.leanest(CYCLES, {FLASH: budgets.flash}))[CYCLES]
        smallest = program.choices.flash.of(program.leanest(FLASH, {CYCLES: budgets.limits[CYCLES]}))
        return OverBudget(
            f"no choice of bits keeps both budgets: as counted, the fastest within {budgets.flash} B of flash takes "
            f"{budgets.milliseconds(fastest):g} ms, and the smallest within {budgets.latency:g} ms takes {smallest} B; "
            f"raise --budget-latency, or {budgets.more_flash}"
        )
    if len(lacking) > 1:
        smallest, fastest = (program.choices.costs[kind].of(lacking[kind]) for kind in (FLASH, CYCLES))
        return OverBudget(
            f"no choice of bits keeps either budget: as counted, the smallest takes {smallest} B of {budgets.flash} B, "
            f"and the fastest {budgets.milliseconds(fastest):g} ms of {budgets.latency:g} ms; raise --budget-latency "
            f"and {budgets.more_flash}"
        )
    ((kind, bits),) = lacking.items()
    costs = program.choices.costs[kind]
    need = costs.of(bits)
    costly = sorted(((n, costs.layers[n][b]) for n, b in bits.items()), key=lambda item: -item[1])[:3]
    remedy = budgets.more_flash if kind == FLASH else "raise --budget-latency"
    advice = f"as counted, no choice of bits takes less: {remedy}"
    if kind == FLASH or budgets.latency is None:
        return DoesNotFit("flash", need, budgets.flash, costly, advice)
    slowest = [(name, budgets.milliseconds(cycles)) for name, cycles in costly]
    return TooSlow(budgets.milliseconds(need), budgets.latency, slowest, advice)


@dataclass(frozen=True)
class _Solution:
    bits: dict[str, int]
    bound: float


class _Program:
    """The integer program: one column for every layer and number of bits, and one for every width that is used."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.columns = [(name, bits) for name, row in choices.flash.layers.items() for bits in row]
        self.widths = list(choices.flash.once)
        names, count = list(choices.flash.layers), len(self.columns)
        one_each = np.zeros((len(names), count + len(self.widths)))
        used = np.zeros((count, count + len(self.widths)))
        for index, (name, bits) in enumerate(self.columns):
            one_each[names.index(name), index] = 1.0
            used[index, index], used[index, count + self.widths.index(bits)] = 1.0, -1.0
        self._rules = [LinearConstraint(one_each, 1.0, 1.0), LinearConstraint(used, -np.inf, 0.0)]

    def _row(self, costs: Costs) -> Array:
        """Costs by column."""
        layers = [costs.layers[name][bits] for name, bits in self.columns]
        return np.array([*layers, *(costs.once[bits] for bits in self.widths)], np.float64)

    def leanest(self, kind: str, limits: Mapping[str, int]) -> dict[str, int]:
        """The choice within limits of others that takes least of one kind."""
        found = self.least(self._row(self.choices.costs[kind]), limits)
        if found is None:
            raise InternalError(f"no choice of bits within {limits}, although there was one")
        return found.bits

    def least(self, objective: Array, limits: Mapping[str, int]) -> _Solution | None:
        """The choice with the least sum of `objective` by column that takes at most `limits` of each kind, if any."""
        rules = [*self._rules, *(self._limit(self.choices.costs[kind], limit) for kind, limit in limits.items())]
        found = cheapest_choice(objective, rules, None)
        if found.status == _INFEASIBLE:
            return None
        if found.x is None:
            raise InternalError(f"no bits for {len(self.choices.errors)} layers: {found.message}")
        taken = found.x[: len(self.columns)]
        chosen = {name: bits for (name, bits), take in zip(self.columns, taken, strict=True) if take > 0.5}
        bound = found.mip_dual_bound
        return _Solution(chosen, float(found.fun if bound is None else bound))

    def _limit(self, costs: Costs, limit: int) -> LinearConstraint:
        """In the largest unit that all are whole numbers of: the solver lets a sum be wrong by a part of its terms."""
        row = self._row(costs)
        unit = math.gcd(*(int(number) for number in row)) or 1
        return LinearConstraint(row[None] / unit, -np.inf, float((limit - costs.others) // unit))


def in_units(layers: Mapping[str, Mapping[int, float]]) -> dict[str, dict[int, int]]:
    """Costs by layer and bits as whole numbers of one unit, so coarse that the integer program is exact with them."""
    unit = unit_of({round(cost) for row in layers.values() for cost in row.values()})
    return {name: {bits: unit * round(cost / unit) for bits, cost in row.items()} for name, row in layers.items()}
