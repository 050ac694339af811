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


@pytest.mark.parametrize("seed", range(8))
def test_overheads_that_differ_by_choice_leave_little_room_unused(seed: int) -> None:
    """As code does, whose size depends on which kernels a mixture needs."""
    choices, measured = _random(seed, 6), []
    base = choices.size(dict.fromkeys(choices.sizes, 4))

    def whole(bits: Mapping[str, int]) -> int:
        measured.append(dict(bits))
        kinds = len(set(bits.values()))
        return choices.size(bits) + (kinds - 2) * base // 10 + hash(tuple(bits.values())) % (base // 50)

    for share in (0.8, 1.0, 1.2):
        measured.clear()
        found = within(choices, int(share * base), whole)
        calls = len(measured)
        assert found.forecast == whole(found.allocation.bits) <= share * base
        assert calls == len({tuple(bits.items()) for bits in measured[:calls]}) <= 16
        assert found.allocation.bound <= found.allocation.error
        # No measured choice that fits is better.
        for bits in measured[:calls]:
            error = sum(choices.errors[n][b] for n, b in bits.items())
            assert error >= found.allocation.error or whole(bits) > share * base


def test_a_later_choice_without_an_image_leaves_the_one_that_fits() -> None:
    choices, calls = _random(1), []

    def whole(bits: Mapping[str, int]) -> int:
        calls.append(bits)
        if len(calls) > 1:
            raise DoesNotFit("sram", 2000, 1000, [])
        return choices.size(bits) - 500

    budget = int(0.6 * choices.size(dict.fromkeys(choices.sizes, 8)))
    found = within(choices, budget, whole)
    assert len(calls) > 1 and found.allocation.bits == calls[0] and not found.allocation.proven
    with pytest.raises(DoesNotFit, match="sram"):
        within(choices, budget, whole)


def test_nothing_within_the_budget_as_a_whole_is_told() -> None:
    choices = _random(0)
    least = choices.size(dict.fromkeys(choices.sizes, 2))
    with pytest.raises(DoesNotFit, match="raise --budget-flash"):
        within(choices, least, _whole(choices, 1))
