"""Bits by layer: the least error of all choices within a budget, and what no choice can do."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from edgekit.bit_search import MOST_FIRST, within
from edgekit.errors import DoesNotFit, OverBudget, TooSlow
from edgekit.integer_program import MOST_FACTOR
from edgekit.quant.allocation import CYCLES, FLASH, Allocation, Budgets, Choices, Costs, allocate, in_units

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
    return Choices(errors, {FLASH: Costs(sizes, {8: 0, 4: 300, 3: 450, 2: 200}, others=1000)})


def _timed(seed: int, layers: int = 5) -> Choices:
    """The same with cycles: of some layers fewer bits take more, of others (weights that are waited for) less."""
    choices, rng = _random(seed, layers), np.random.default_rng(seed + 100)
    cycles = {}
    for name in choices.errors:
        most, slope = int(rng.integers(10_000, 3_000_000)), float(rng.uniform(-0.3, 0.3))
        cycles[name] = {b: most * (1.0 + slope * (8 - b) / 6 + rng.uniform(0, 0.02)) for b in WIDTHS}
    times = Costs(in_units(cycles), dict.fromkeys(WIDTHS, 0), others=123_457)
    return Choices(choices.errors, {**choices.costs, CYCLES: times})


def _every(choices: Choices) -> list[dict[str, int]]:
    """All choices."""
    names = list(choices.errors)
    return [dict(zip(names, row, strict=True)) for row in itertools.product(WIDTHS, repeat=len(names))]


def _kept(taken: Mapping[str, int], budgets: Budgets) -> bool:
    return all(taken[kind] <= limit for kind, limit in budgets.limits.items())


def _best(choices: Choices, budgets: Budgets) -> float:
    """The least error by trying all choices."""
    kept = (bits for bits in _every(choices) if _kept(choices.of(bits), budgets))
    return min((choices.error(bits) for bits in kept), default=math.inf)


@pytest.mark.parametrize("seed", range(6))
def test_no_choice_within_the_budget_is_better(seed: int) -> None:
    choices = _random(seed)
    most = choices.flash.of(dict.fromkeys(choices.errors, 8))
    for share in (1.0, 0.8, 0.6, 0.5):
        budgets = Budgets(int(share * most))
        best = _best(choices, budgets)
        if math.isinf(best):
            continue
        found = allocate(choices, budgets)
        assert found.error == pytest.approx(best, rel=1e-9, abs=1e-15)
        assert found.takes == choices.of(found.bits) and found.takes[FLASH] <= budgets.flash
        assert found.proven and found.bound <= found.error
        assert allocate(choices, budgets) == found


@pytest.mark.parametrize("seed", range(8))
def test_no_choice_within_both_budgets_is_better(seed: int) -> None:
    choices = _timed(seed)
    taken = [choices.of(bits) for bits in _every(choices)]
    flash, cycles = (sorted(t[kind] for t in taken) for kind in (FLASH, CYCLES))
    outcomes = set()
    for a, b in itertools.product((0.0, 0.02, 0.2, 0.5, 0.9), repeat=2):
        # What some choice takes, and what another does.
        milliseconds = Budgets(0, 0.0, 100.0).milliseconds(cycles[int(b * (len(cycles) - 1))])
        budgets = Budgets(flash[int(a * (len(flash) - 1))], milliseconds, 100.0)
        best = _best(choices, budgets)
        outcomes.add(math.isinf(best))
        if math.isinf(best):
            with pytest.raises(OverBudget, match="no choice of bits keeps both") as error:
                allocate(choices, budgets)
            fastest = min(t[CYCLES] for t in taken if t[FLASH] <= budgets.flash)
            smallest = min(t[FLASH] for t in taken if t[CYCLES] <= budgets.limits[CYCLES])
            assert f"takes {budgets.milliseconds(fastest):g} ms" in str(error.value)
            assert f"takes {smallest} B" in str(error.value) and not isinstance(error.value, TooSlow)
            continue
        found = allocate(choices, budgets)
        assert found.error == pytest.approx(best, rel=1e-9, abs=1e-15)
        assert found.takes == choices.of(found.bits) and _kept(found.takes, budgets)
        assert found.proven and found.bound <= found.error
    assert outcomes == {True, False} or seed not in (0, 1)


def test_the_least_that_any_choice_takes_is_named_where_none_fits() -> None:
    choices = _random(0)
    least = min(choices.flash.of(bits) for bits in _every(choices))
    assert isinstance(allocate(choices, Budgets(least)), Allocation)
    with pytest.raises(DoesNotFit, match="raise --budget-flash") as error:
        allocate(choices, Budgets(least - 1))
    assert (error.value.need, error.value.have, len(error.value.costliest)) == (least, least - 1, 3)


def test_the_least_time_that_any_choice_takes_is_named_where_none_is_fast_enough() -> None:
    choices = _timed(0)
    times = choices.costs[CYCLES]
    fastest = min(_every(choices), key=times.of)
    least = times.of(fastest) / 100_000
    with pytest.raises(TooSlow, match="raise --budget-latency") as error:
        allocate(choices, Budgets(1 << 30, round(least - 0.01, 4), 100.0))
    assert (error.value.need, error.value.have) == (round(least, 4), round(least - 0.01, 4))
    slowest = max(fastest, key=lambda name: times.layers[name][fastest[name]])
    assert error.value.slowest[0][0] == slowest and len(error.value.slowest) == 3
    assert f"slowest layers: {slowest}" in str(error.value)


def test_cycles_are_numbers_that_the_solver_adds_exactly() -> None:
    layers = {"a": {8: 3_000_000_000.4, 4: 17.0}, "b": {8: 0.0, 4: 2_999_999_999.0}}
    units = in_units(layers)
    numbers = {number for row in units.values() for number in row.values() if number}
    unit = math.gcd(*numbers)
    assert max(numbers) // unit <= MOST_FACTOR
    assert all(abs(units[n][b] - layers[n][b]) <= unit for n in layers for b in layers[n])
    assert in_units({"a": {8: 1000.2, 4: 70_001.0}}) == {"a": {8: 1000, 4: 70_000}}


def test_fifty_layers_take_no_time() -> None:
    choices = _timed(7, 50)
    uniform = choices.of(dict.fromkeys(choices.errors, 8)), choices.of(dict.fromkeys(choices.errors, 4))
    budgets = Budgets(int(0.45 * uniform[0][FLASH]), 0.99 * uniform[1][CYCLES] / 1000.0)
    found = allocate(choices, budgets)
    assert found.proven and len(set(found.bits.values())) > 1 and _kept(found.takes, budgets)


Whole = Callable[[Mapping[str, int]], dict[str, int]]


def _whole(choices: Choices, more: int) -> Whole:
    """What is measured: what is counted, more or less, and a little by the layers that are narrow."""
    return lambda bits: {k: v + more + sum(b < 8 for b in bits.values()) for k, v in choices.of(bits).items()}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("more", [-700, -20, 0, 20, 700])
def test_what_a_choice_takes_as_a_whole_keeps_to_the_budget(seed: int, more: int) -> None:
    """Where more was counted than is taken, the room is used."""
    choices = _random(seed)
    whole = _whole(choices, more)
    budget = int(0.6 * whole(dict.fromkeys(choices.errors, 8))[FLASH])
    found = within(choices, Budgets(budget), whole)
    assert found.allocation.takes == whole(found.allocation.bits) and found.allocation.takes[FLASH] <= budget
    # A layer's byte is counted as every layer's, so a choice within that of the budget may be missed.
    for bits in _every(choices):
        assert choices.error(bits) >= found.allocation.error or whole(bits)[FLASH] > budget - len(choices.errors)


def _interacting(choices: Choices, base: Mapping[str, int]) -> tuple[Whole, list[dict[str, int]]]:
    """What is measured, other by widths and choice than its layers by themselves, and the choices that were."""
    measured: list[dict[str, int]] = []

    def whole(bits: Mapping[str, int]) -> dict[str, int]:
        measured.append(dict(bits))
        kinds, key = len(set(bits.values())), tuple(bits.values())
        return {
            kind: number + (kinds - 2) * base[kind] // 10 + hash((key, kind == CYCLES)) % (base[kind] // 50)
            for kind, number in choices.of(bits).items()
        }

    return whole, measured


@pytest.mark.parametrize("seed", range(8))
def test_overheads_that_differ_by_choice_leave_little_room_unused(seed: int) -> None:
    """As code does, whose size depends on which kernels a mixture needs."""
    choices = _random(seed, 6)
    base = choices.of(dict.fromkeys(choices.errors, 4))
    whole, measured = _interacting(choices, base)
    for share in (0.8, 1.0, 1.2):
        measured.clear()
        budgets = Budgets(int(share * base[FLASH]))
        _check_found(choices, budgets, whole, measured)


@pytest.mark.parametrize("seed", range(8))
def test_both_budgets_are_kept_where_layers_act_on_each_other(seed: int) -> None:
    choices = _timed(seed, 6)
    base, most = (choices.of(dict.fromkeys(choices.errors, bits)) for bits in (4, 8))
    whole, measured = _interacting(choices, base)
    kept = 0
    for flash, time in itertools.product((0.85, 1.0, 1.3), (0.95, 1.05, 1.2)):
        budgets = Budgets(int(flash * base[FLASH]), time * max(base[CYCLES], most[CYCLES]) / 1000.0)
        # As of builds with the same bits in all layers, which were measured to count with.
        uniform = [dict.fromkeys(choices.errors, bits) for bits in WIDTHS]
        likely = [bits for bits in uniform if _kept(whole(bits), budgets)]
        measured.clear()
        try:
            _check_found(choices, budgets, whole, measured, likely)
            kept += 1
        except (DoesNotFit, OverBudget):
            assert not any(_kept(whole(bits), budgets) for bits in _every(choices))
    assert kept >= 7


def _check_found(
    choices: Choices,
    budgets: Budgets,
    whole: Whole,
    measured: list[dict[str, int]],
    likely: Sequence[Mapping[str, int]] = (),
) -> None:
    """The found choice keeps to the budgets, of few that were measured, once each, and none of those is better."""
    found = within(choices, budgets, whole, likely).allocation
    tried = measured[:]
    assert found.takes == whole(found.bits) and _kept(found.takes, budgets)
    assert len(tried) == len({tuple(bits.items()) for bits in tried}) <= 16
    assert found.bound <= found.error
    for bits in tried:
        assert choices.error(bits) >= found.error or not _kept(whole(bits), budgets)


def test_a_side_that_was_counted_too_high_does_not_keep_out_what_fits() -> None:
    """The first choice that is measured is too slow, and says that there is room for the fast one."""
    flash, cycles = Costs({"a": {8: 1000, 4: 500}}, {8: 0, 4: 0}, 1000), Costs({"a": {8: 100, 4: 150}}, {8: 0, 4: 0})
    choices = Choices({"a": {4: 0.1}}, {FLASH: flash, CYCLES: cycles})
    measured = choices.beside({FLASH: 0, CYCLES: 0})
    found = within(choices, Budgets(1100, 0.12, 1.0), measured.of).allocation
    assert found.bits == {"a": 8} and found.takes == {FLASH: 1000, CYCLES: 100}


def test_what_was_counted_exactly_and_cannot_be_kept_is_told() -> None:
    choices = _timed(2)
    least = {kind: min(choices.of(bits)[kind] for bits in _every(choices)) for kind in (FLASH, CYCLES)}
    fast, slow = ((least[CYCLES] + more) / 1000.0 for more in (-1, 1 << 30))
    small, large = least[FLASH] - 1, 1 << 30
    with pytest.raises(
        DoesNotFit, match=rf"needs {least[FLASH]} B.*as counted.*that were built takes {least[FLASH]} B"
    ):
        within(choices, Budgets(small, slow), choices.of)
    with pytest.raises(
        TooSlow, match=rf"needs {least[CYCLES] / 1000:g} ms.*as counted.*that were built takes \d+ B and"
    ):
        within(choices, Budgets(large, fast), choices.of)
    both = rf"keeps either budget.*smallest takes {least[FLASH]} B of {small} B.* {least[CYCLES] / 1000:g} ms of"
    with pytest.raises(OverBudget, match=both) as error:
        within(choices, Budgets(small, fast), choices.of)
    assert not isinstance(error.value, TooSlow)


def test_choices_that_are_measured_before_one_keeps_to_the_budgets_are_bounded() -> None:
    """What is counted fits, and nothing does that is measured: each choice turns out to be over it by a byte."""
    choices, calls = _random(3, 8), []
    budgets = Budgets(int(0.8 * choices.flash.of(dict.fromkeys(choices.errors, 8))))

    def whole(bits: Mapping[str, int]) -> dict[str, int]:
        calls.append(bits)
        return {FLASH: max(choices.flash.of(bits), budgets.flash + 1)}

    with pytest.raises(OverBudget, match=f"none of {MOST_FIRST} choices.*nearest.*takes {budgets.flash + 1} B"):
        within(choices, budgets, whole)
    assert len(calls) == MOST_FIRST


def test_likely_choices_are_measured_until_one_keeps_to_the_budgets() -> None:
    """Those whose mixtures would all take too much are found nevertheless."""
    choices, calls = _random(4), []
    uniform = [dict.fromkeys(choices.errors, bits) for bits in WIDTHS]
    budgets = Budgets(choices.flash.of(uniform[1]))

    def whole(bits: Mapping[str, int]) -> dict[str, int]:
        calls.append(bits)
        if bits == uniform[0]:
            raise DoesNotFit("sram", 2000, 1000, [])
        return {FLASH: choices.flash.of(bits) + (1 << 20 if len(set(bits.values())) > 1 else 0)}

    found = within(choices, budgets, whole, uniform[::-1]).allocation
    assert calls[:2] == uniform[:2] and uniform[2] not in calls and found.bits == uniform[1]
    with pytest.raises(DoesNotFit, match="sram"):
        within(choices, Budgets(1 << 20), whole)


def test_time_that_was_counted_wrongly_is_found_out() -> None:
    """With one budget roomy, the other alone decides, from whichever side its count is wrong."""
    choices = _timed(3)
    uniform = choices.costs[CYCLES].of(dict.fromkeys(choices.errors, 8))
    unit = math.gcd(*(n for row in choices.costs[CYCLES].layers.values() for n in row.values()))
    for more in (-uniform // 5, uniform // 5):

        def whole(bits: Mapping[str, int], more: int = more) -> dict[str, int]:
            taken = choices.of(bits)
            return taken | {CYCLES: taken[CYCLES] + more}

        budgets = Budgets(1 << 30, (0.93 * uniform + more) / 1000.0)
        found = within(choices, budgets, whole).allocation
        exact = {kind: limit - (more if kind == CYCLES else 0) - unit for kind, limit in budgets.limits.items()}
        best = min(choices.error(b) for b in _every(choices) if choices.of(b)[CYCLES] <= exact[CYCLES])
        assert found.error <= best and found.takes == whole(found.bits) and _kept(found.takes, budgets)


def test_a_later_choice_without_an_image_leaves_the_one_that_fits() -> None:
    choices, calls = _random(1), []

    def whole(bits: Mapping[str, int]) -> dict[str, int]:
        calls.append(bits)
        if len(calls) > 1:
            raise DoesNotFit("sram", 2000, 1000, [])
        return {FLASH: choices.flash.of(bits) - 500}

    budgets = Budgets(int(0.6 * choices.flash.of(dict.fromkeys(choices.errors, 8))))
    found = within(choices, budgets, whole)
    assert len(calls) > 1 and found.allocation.bits == calls[0] and not found.allocation.proven
    with pytest.raises(DoesNotFit, match="sram"):
        within(choices, budgets, whole)


def test_nothing_within_the_budget_as_a_whole_is_told() -> None:
    choices = _random(0)
    least = choices.flash.of(dict.fromkeys(choices.errors, 2))
    with pytest.raises(DoesNotFit, match="raise --budget-flash"):
        within(choices, Budgets(least), _whole(choices, 1))


@pytest.mark.parametrize("mhz", [72.0, 216.0, 125.0, 0.5])
def test_the_milliseconds_that_a_report_says_are_a_budget_that_is_kept(mhz: float) -> None:
    for cycles in range(1_000_000, 1_000_400):
        exact = Budgets(0, Budgets(0, 1.0, mhz).milliseconds(cycles), mhz)
        limit = exact.limits[CYCLES]
        assert limit >= cycles and exact.latency is not None
        assert exact.milliseconds(limit) <= exact.latency < exact.milliseconds(limit + 2)


def test_records_have_milliseconds() -> None:
    choices = _timed(1)
    uniform = dict.fromkeys(choices.errors, 8)
    budgets = Budgets(1 << 20, choices.of(uniform)[CYCLES] / 72_000 + 0.00001, 72.0)
    mixed = within(choices, budgets, choices.of)
    assert mixed.allocation.bits == uniform
    record = mixed.record()
    assert record["budget_latency_ms"] == budgets.latency
    assert record["forecast_latency_ms"] == round(choices.of(uniform)[CYCLES] / 72_000, 4)
    assert mixed.layer_record("layer 0")["cycles"] == {
        str(b): n for b, n in choices.costs[CYCLES].layers["layer 0"].items()
    }
    plain = within(_random(1), Budgets(1 << 20), _random(1).of)
    assert plain.record()["forecast_latency_ms"] is None and "cycles" not in plain.layer_record("layer 0")
