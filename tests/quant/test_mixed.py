"""Bits by layer within budgets of flash and time: what is chosen by what builds are said to take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edgekit import boards, mixed, pipeline, quantize_file
from edgekit.boards import load_board
from edgekit.cli import group
from edgekit.errors import BadUsage, DoesNotFit, OverBudget, TooSlow
from edgekit.forecast import Forecaster
from edgekit.ir import Graph
from edgekit.mixed import Measured, choose_bits
from edgekit.models import packaged_model
from edgekit.progress import Progress
from edgekit.quant.allocation import Budgets
from edgekit.quant.bits import products_of
from edgekit.quant.calibrate import calibrate
from tests.quant.chains import Chain, linear_chain

QUIET = Progress(quiet=True)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return linear_chain(tmp_path_factory.mktemp("chain"))


def _chosen(chain: Chain, budgets: Budgets, measure: Any, progress: Progress = QUIET, board: str = "stm32f411") -> Any:
    graph, samples = chain
    ranges, known = calibrate(graph, samples), load_board(board)
    return choose_bits(graph, ranges, samples, "mse", known, budgets, progress, Forecaster, measure=measure)


def _bits(graph: Graph) -> dict[str, int]:
    books = {n.name: n.input(1).quant.codebook for n in products_of(graph)}  # type: ignore[union-attr]
    return {name: 8 if book is None else book.bits for name, book in books.items()}


def _faked(graph: Graph, inside: bool = False, refused: int = 0) -> Measured:
    """Narrow weights are slow, and 3 bits slowest, each twice as much as in the layer before."""
    bits = _bits(graph)
    if refused in bits.values():
        raise DoesNotFit("sram", 2000, 1000, [])
    each: Mapping[int, float] = {8: 100.0, 4: 150.0, 3: 200.0, 2: 120.0}
    layers = {name: each[b] * 2**i for i, (name, b) in enumerate(bits.items())}
    return Measured(20_000 + sum(1024 * b for b in bits.values()), round(sum(layers.values())) + 500, layers)


def test_time_decides_which_layers_are_narrow(chain: Chain) -> None:
    flash = 20_000 + 1024 * 26
    free = _chosen(chain, Budgets(flash), _faked)
    # 1 MHz: a thousand cycles a millisecond.
    tight = _chosen(chain, Budgets(flash, 2.2, 1.0), _faked)
    assert tight.allocation.takes["cycles"] <= 2200 and tight.allocation.takes["flash"] <= flash
    assert tight.allocation.error >= free.allocation.error
    cycles = tight.choices.costs["cycles"].layers
    assert [row[8] for row in cycles.values()] == [100, 200, 400, 800]
    names = list(tight.allocation.bits)
    assert tight.allocation.bits[names[3]] in (8, 2)
    with pytest.raises(TooSlow, match=r"needs 2 ms, the budget is 1.9 ms; slowest layers: .* \(0.8 ms\)"):
        _chosen(chain, Budgets(flash, 1.9, 1.0), _faked)
    with pytest.raises(
        OverBudget, match="no choice of bits keeps both budgets: as counted, the fastest within 36384 B"
    ):
        _chosen(chain, Budgets(20_000 + 1024 * 16, 2.05, 1.0), _faked)


def test_a_width_with_which_no_image_comes_of_it_is_left_out(chain: Chain, capsys: pytest.CaptureFixture[str]) -> None:
    budgets = Budgets(20_000 + 1024 * 18, 10.0, 1.0)
    assert 4 in _chosen(chain, budgets, _faked).allocation.bits.values()
    without = _chosen(chain, budgets, partial(_faked, refused=4), Progress())
    assert 4 not in without.allocation.bits.values()
    assert "no layer gets 4 bits" in capsys.readouterr().err
    assert set(without.layer_record(next(iter(without.allocation.bits)))["cycles"]) == {"8", "3", "2"}

    def never(graph: Graph, inside: bool = False) -> Measured:
        raise DoesNotFit("sram", 2000, 1000, [])

    with pytest.raises(DoesNotFit, match="sram"):
        _chosen(chain, budgets, never)
    with pytest.raises(BadUsage, match="nothing builds here"):
        _chosen(chain, budgets, None)


def test_uniform_builds_stand_where_the_budget_leaves_them(chain: Chain) -> None:
    """With a budget that goes beyond the flash of the chip, weights may stand elsewhere."""
    asked: list[tuple[bool, tuple[int, ...]]] = []

    def measure(graph: Graph, inside: bool = False) -> Measured:
        asked.append((inside, tuple(_bits(graph).values())))
        return _faked(graph)

    size = load_board("stm32f746").flash_internal.size
    for flash, builds in ((size, [True] * 4), (size + 1, [True] * 4 + [False] * 4)):
        asked.clear()
        _chosen(chain, Budgets(flash, 2.0, 1.0), measure, board="stm32f746")
        inside = [stand for stand, _ in asked]
        assert inside[: len(builds)] == builds and not any(inside[len(builds) :])
        assert len(asked) == len(set(asked)) >= len(builds)
    # Where there is no flash outside, there is nothing to be told apart, and no build is made twice.
    for flash in (20_000 + 1024 * 26, size, 1 << 30):
        asked.clear()
        found = _chosen(chain, Budgets(flash, 2.2, 1.0), measure)
        assert len(asked) == len(set(asked)) >= 4 and not any(stand for stand, _ in asked)
        assert found.budgets.flash == found.record()["budget_flash"] == flash
    asked.clear()
    with pytest.raises(TooSlow, match=r"needs 2 ms, the budget is 1.9 ms") as error:
        _chosen(chain, Budgets(1 << 30, 1.9, 1.0), measure)
    assert "outside" not in str(error.value) and len(asked) == 4


def test_the_same_bits_in_all_layers_are_not_refused_for_what_mixtures_take(chain: Chain) -> None:
    def measure(graph: Graph, inside: bool = False) -> Measured:
        found, mixture = _faked(graph), len(set(_bits(graph).values())) > 1
        return replace(found, flash=found.flash + 30_000 * mixture, cycles=found.emulated + 1000 * mixture)

    four = 20_000 + 1024 * 16
    assert set(_chosen(chain, Budgets(four, 2.75, 1.0), measure).allocation.bits.values()) == {4}
    with pytest.raises(
        OverBudget, match=r"was found that keeps both budgets: .* the nearest of those that were built takes"
    ):
        _chosen(chain, Budgets(four, 2.2, 1.0), measure)


def test_two_searches_that_lack_the_same_say_so_once(chain: Chain) -> None:
    size = load_board("stm32f746").flash_internal.size
    with pytest.raises(TooSlow, match=r"needs 2 ms, the budget is 1.9 ms"):
        _chosen(chain, Budgets(size + 1, 1.9, 1.0), _faked, board="stm32f746")

    def large(graph: Graph, inside: bool = False) -> Measured:
        found = _faked(graph)
        return replace(found, flash=found.flash + (1 << 30))

    with pytest.raises(DoesNotFit, match=f"has {size + 1} B.*: raise --budget-flash"):
        _chosen(chain, Budgets(size + 1, 10.0, 1.0), large, board="stm32f746")
    # All that the board has, and more than that.
    outside = load_board("stm32f746").external_flash
    assert outside is not None
    for budget in (size + outside.size, 1 << 40):
        with pytest.raises(DoesNotFit, match=f"has {size + outside.size} B.*: choose a board with more flash"):
            _chosen(chain, Budgets(budget, 10.0, 1.0), large, board="stm32f746")
    other = mixed._neither(DoesNotFit("flash", 2, 1, []), TooSlow(2.0, 1.0, []))
    assert "with all weights in the program flash: does not fit" in str(other)
    assert "with some outside: too slow" in str(other) and type(other) is OverBudget


def test_a_choice_that_leaves_all_weights_on_the_chip_may_be_the_faster_one(chain: Chain) -> None:
    """With weights in two flashes, what a layer takes depends on what the others leave of the faster one."""
    size = load_board("stm32f746").flash_internal.size

    def measure(graph: Graph, inside: bool = False) -> Measured:
        bits = _bits(graph)
        weights = {name: size * b // 16 for name, b in bits.items()}
        left, layers = size, {}
        for name, b in bits.items():
            near = min(left, weights[name])
            left -= 0 if inside else near
            away = 0 if inside else weights[name] - near
            layers[name] = (200.0 if b == 8 else 330.0) + 1000.0 * away / size
        return Measured(20_000 + sum(weights.values()), round(sum(layers.values())), layers)

    # Two layers of 4 bits would still leave a half outside: only narrow ones are fast enough.
    found = _chosen(chain, Budgets(3 * size, 1.5, 1.0), measure, board="stm32f746")
    assert found.allocation.takes["cycles"] <= 1500 and found.budgets.flash == 3 * size
    assert found.allocation.bound <= found.allocation.error
    with pytest.raises(TooSlow, match=r"needs 0.8 ms, the budget is 0.7 ms"):
        _chosen(chain, Budgets(3 * size, 0.7, 1.0), measure, board="stm32f746")


def test_what_makes_no_sense_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*arguments: str) -> Any:
        return CliRunner().invoke(group, [*arguments, "-o", str(tmp_path / "m.onnx")])

    wrong = run("build", "--board", "stm32f103", "--budget-latency", "10")
    assert isinstance(wrong.exception, BadUsage) and "--budget-latency chooses the bits" in str(wrong.exception)
    mixture = ["--board", "stm32f103", "--precision", "mixed", "--quantizer", "mse", "--budget-latency"]
    assert "number of milliseconds" in str(run("build", *mixture, "nan").exception)
    assert run("build", *mixture, "0").exit_code == 2
    load = boards.load_board
    monkeypatch.setattr(pipeline, "load_board", lambda name: replace(load(name), core="cortex-a72"))
    unknown = run("build", *mixture, "10")
    assert isinstance(unknown.exception, BadUsage)
    assert "there is none of cortex-a72 (stm32f103): leave it out" in str(unknown.exception)
    monkeypatch.setattr(quantize_file, "load_board", lambda name: replace(load(name), core="cortex-a72"))
    unknown = run("quantize", str(packaged_model(small=True).model_path), *mixture, "10")
    assert isinstance(unknown.exception, BadUsage) and "none of cortex-a72" in str(unknown.exception)
