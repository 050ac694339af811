"""Bits by layer: the least error of all choices within a budget, and what no choice can do."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from edgekit.errors import DoesNotFit
from edgekit.mixed import within
from edgekit.quant.allocation import Allocation, Choices, allocate

WIDTHS = (8, 4, 3, 2)


def _random(seed: int, layers: int = 5) -> Choices:
    """Layers of random sizes whose errors grow, by powers of ten between layers, as bits become fewer."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(10, 3000, layers)
    sizes = {f"layer {i}": {b: int(w) * b // 8 + 40 for b in WIDTHS} for i, w in enumerate(weights.tolist())}
    scale = 10.0 ** rng.uniform(-6, 0, layers)
    errors = {
        name: {8: 0.0} | {b: float(s * 4.0 ** (4 - b) * rng.uniform(0.5, 1.5)) for b in WIDTHS[1:]}
        for name, s in zip(sizes, scale.tolist(), strict=True)
    }
    return Choices(errors, sizes, {8: 0, 4: 300, 3: 450, 2: 200}, others=1000)


def _best(choices: Choices, budget: int) -> float:
    """The least error by trying all choices."""
    every = (dict(zip(choices.sizes, row, strict=True)) for row in itertools.product(WIDTHS, repeat=len(choices.sizes)))
    return min(
        (sum(choices.errors[n][b] for n, b in bits.items()) for bits in every if choices.size(bits) <= budget),
        default=math.inf,
    )


@pytest.mark.parametrize("seed", range(6))
def test_no_choice_within_the_budget_is_better(seed: int) -> None:
    choices = _random(seed)
    most = choices.size(dict.fromkeys(choices.sizes, 8))
    for share in (1.0, 0.8, 0.6, 0.5):
        budget = int(share * most)
        best = _best(choices, budget)
        if math.isinf(best):
            continue
        found = allocate(choices, budget)
        assert found.error == pytest.approx(best, rel=1e-9, abs=1e-15)
        assert found.size == choices.size(found.bits) <= budget
        assert found.proven and found.bound <= found.error
        assert allocate(choices, budget) == found


def test_the_least_that_any_choice_takes_is_named_where_none_fits() -> None:
    choices = _random(0)
    every = (dict(zip(choices.sizes, row, strict=True)) for row in itertools.product(WIDTHS, repeat=5))
    least = min(choices.size(bits) for bits in every)
    assert isinstance(allocate(choices, least), Allocation)
    with pytest.raises(DoesNotFit, match="raise --budget-flash") as error:
        allocate(choices, least - 1)
    assert (error.value.need, error.value.have, len(error.value.costliest)) == (least, least - 1, 3)


def test_fifty_layers_take_no_time() -> None:
    choices = _random(7, 50)
    most = choices.size(dict.fromkeys(choices.sizes, 8))
    found = allocate(choices, int(0.45 * most))
    assert found.proven and len(set(found.bits.values())) > 1


def _whole(choices: Choices, more: int) -> Callable[[Mapping[str, int]], int]:
    """What is measured: what is counted, more or less, and a little by the layers that are narrow."""
    return lambda bits: choices.size(bits) + more + sum(b < 8 for b in bits.values())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("more", [-700, -20, 0, 20, 700])
def test_what_a_choice_takes_as_a_whole_keeps_to_the_budget(seed: int, more: int) -> None:
    """Where more was counted than is taken, the room is used."""
    choices = _random(seed)
    whole = _whole(choices, more)
    budget = int(0.6 * whole(dict.fromkeys(choices.sizes, 8)))
    found = within(choices, budget, whole)
    assert found.forecast == whole(found.allocation.bits) <= budget
    every = (dict(zip(choices.sizes, row, strict=True)) for row in itertools.product(WIDTHS, repeat=len(choices.sizes)))
    # A layer's byte is counted as every layer's, so a choice within that of the budget may be missed.
    for bits in every:
        error = sum(choices.errors[n][b] for n, b in bits.items())
        assert error >= found.allocation.error or whole(bits) > budget - len(choices.sizes)


def test_nothing_within_the_budget_as_a_whole_is_told() -> None:
    choices = _random(0)
    least = choices.size(dict.fromkeys(choices.sizes, 2))
    with pytest.raises(DoesNotFit, match="raise --budget-flash"):
        within(choices, least, _whole(choices, 1))
