"""Bits for every layer: the least error within a budget of bytes, by an exact integer program (HiGHS)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import LinearConstraint

from edgekit.errors import DoesNotFit, InternalError
from edgekit.integer_program import cheapest_choice
from edgekit.ir import Array

# Errors become numbers up to this, so that the solver's absolute tolerance of 1e-6 is far below any difference.
_LARGEST_ERROR = 1e6
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Allocation:
    """Bits by layer.

    Attributes:
        bits: by the layer's name.
        size: bytes of all.
        error: sum of the layers' errors.
        bound: no choice within the budget has less error than this.
        proven: whether that is the choice's own error.
    """

    bits: dict[str, int]
    size: int
    error: float
    bound: float
    proven: bool


@dataclass(frozen=True)
class Choices:
    """What may be chosen from.

    Attributes:
        errors, sizes: by layer and bits, the error of the network's answer, and bytes.
        once: bytes that a width takes once, whatever number of layers have it (kernels).
        others: bytes that no choice changes.
    """

    errors: Mapping[str, Mapping[int, float]]
    sizes: Mapping[str, Mapping[int, int]]
    once: Mapping[int, int]
    others: int = 0

    def size(self, bits: Mapping[str, int]) -> int:
        """Bytes of all with a choice."""
        layers = sum(self.sizes[name][b] for name, b in bits.items())
        return self.others + layers + sum(self.once[b] for b in set(bits.values()))


@dataclass(frozen=True)
class MixedChoice:
    """Bits by layer for a budget of flash, with what they were chosen from.

    Attributes:
        budget: bytes of code and weights that were allowed.
        forecast: bytes of code and weights that the choice is forecast to take.
    """

    allocation: Allocation
    choices: Choices
    budget: int
    forecast: int

    def record(self) -> dict[str, Any]:
        """As report.json has it, less the layers."""
        return {
            "budget_flash": self.budget,
            "forecast_flash": self.forecast,
            "proven": self.allocation.proven,
            "error": self.allocation.error,
            "error_bound": self.allocation.bound,
        }

    def layer_record(self, name: str) -> dict[str, dict[str, Any]]:
        """What a layer was chosen from, by bits."""
        options = {"bytes": self.choices.sizes[name], "error": self.choices.errors[name]}
        return {key: {str(bits): value for bits, value in row.items()} for key, row in options.items()}


def allocate(choices: Choices, budget: int) -> Allocation:
    """The choice with the least sum of errors that takes at most `budget` bytes.

    A multiple-choice knapsack, solved by branch and bound: the same input gives the same choice. Raises DoesNotFit with
    the least number of bytes that any choice takes where that is more.
    """
    columns = [(name, bits) for name, row in choices.sizes.items() for bits in row]
    errors = np.array([choices.errors[name].get(bits, 0.0) for name, bits in columns])
    sizes = np.array([choices.sizes[name][bits] for name, bits in columns], np.float64)
    least = _solve(choices, columns, sizes, np.array([float(v) for v in choices.once.values()]), None)
    smallest = choices.size(least.bits)
    if smallest > budget:
        costly = sorted(((n, choices.sizes[n][b]) for n, b in least.bits.items()), key=lambda item: -item[1])[:3]
        raise DoesNotFit(
            "flash", smallest, budget, costly, "that is the least with any choice of bits: raise --budget-flash"
        )
    factor = _LARGEST_ERROR / max(float(errors.max(initial=0.0)), np.finfo(np.float64).tiny)
    found = _solve(choices, columns, errors * factor, np.zeros(len(choices.once)), budget)
    size = choices.size(found.bits)
    if size > budget:
        raise InternalError(f"the chosen bits take {size} B of {budget}")
    error = sum(choices.errors[name].get(bits, 0.0) for name, bits in found.bits.items())
    bound = min(max(0.0, found.bound / factor), error)
    return Allocation(found.bits, size, error, bound, (error - bound) * factor <= _TOLERANCE)


@dataclass(frozen=True)
class _Solution:
    bits: dict[str, int]
    bound: float


def _solve(
    choices: Choices, columns: list[tuple[str, int]], costs: Array, once_costs: Array, budget: int | None
) -> _Solution:
    """The choice with the least sum of `costs`, and of `once_costs` of the used widths."""
    names, widths = list(choices.sizes), list(choices.once)
    count, total = len(columns), len(columns) + len(widths)
    one_each = np.zeros((len(names), total))
    used = np.zeros((count, total))
    for index, (name, bits) in enumerate(columns):
        one_each[names.index(name), index] = 1.0
        used[index, index], used[index, count + widths.index(bits)] = 1.0, -1.0
    rules = [LinearConstraint(one_each, 1.0, 1.0), LinearConstraint(used, -np.inf, 0.0)]
    if budget is not None:
        row = [*(choices.sizes[name][bits] for name, bits in columns), *choices.once.values()]
        rules.append(LinearConstraint(np.array(row, np.float64)[None], -np.inf, float(budget - choices.others)))
    found = cheapest_choice(np.concatenate([costs, once_costs]), rules, None)
    if found.x is None:
        raise InternalError(f"no bits for {len(names)} layers: {found.message}")
    chosen = {name: bits for (name, bits), take in zip(columns, found.x[:count], strict=True) if take > 0.5}
    bound = found.mip_dual_bound
    return _Solution(chosen, float(found.fun if bound is None else bound))
