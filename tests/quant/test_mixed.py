"""Bits by layer within budgets of flash and time: what builds are measured, and what the command line makes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from edgekit import boards, mixed, pipeline, quantize_file, trial
from edgekit.boards import Board, load_board
from edgekit.cli import group
from edgekit.codegen.lowering import Target, lower
from edgekit.errors import BadUsage, DoesNotFit, OverBudget, TooSlow
from edgekit.forecast import Forecaster
from edgekit.importers import import_model
from edgekit.ir import Graph
from edgekit.latency import product_cycles
from edgekit.mixed import Measured, choose_bits
from edgekit.models import packaged_model
from edgekit.ops import spec_of
from edgekit.passes import optimise
from edgekit.progress import Progress
from edgekit.quant.affine import quantize_ranges
from edgekit.quant.allocation import Budgets
from edgekit.quant.bits import products_of
from edgekit.quant.calibrate import calibrate
from edgekit.quantization import Quantization
from edgekit.source import BuildOptions
from edgekit.toolchains import get_toolchain
from edgekit.trial import Trials
from tests.importers.onnx import helpers

QUIET = Progress(quiet=True)


Chain = tuple[Graph, list[list[Any]]]


def _model() -> onnx.ModelProto:
    """Four linear layers of 8 KB each."""
    rng = np.random.default_rng(0)
    weights = {f"w{i}": rng.normal(0, 0.1, (64, 128) if i % 2 == 0 else (128, 64)).astype(np.float32) for i in range(4)}
    nodes = []
    for i in range(4):
        nodes.append(helpers.node("MatMul", f"{'x' if i == 0 else f'r{i - 1}'} w{i}", f"m{i}"))
        nodes.append(helpers.node("Relu", f"m{i}", "y" if i == 3 else f"r{i}"))
    return helpers.make_model(nodes, [1, 64], weights)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """The graph of them, with samples."""
    rng = np.random.default_rng(1)
    graph = optimise(helpers.import_model(_model(), tmp_path_factory.mktemp("chain")))
    return graph, [[rng.normal(0, 1, (1, 64)).astype(np.float32)] for _ in range(4)]


def _integers(chain: Chain) -> Graph:
    graph, samples = chain
    return quantize_ranges(graph, calibrate(graph, samples), None)


def _trials(board: Board, **budgets: Any) -> Trials:
    options = BuildOptions(board.name, Path("out"), quantization=Quantization("mixed", **budgets))
    return Trials(options, board, get_toolchain("zig"))


def _with_flash(board: Board, size: int) -> Board:
    flash = board.flash_internal
    return replace(board, regions=tuple(replace(r, size=size) if r.name == flash.name else r for r in board.regions))


def test_an_image_that_flash_has_no_room_for_is_timed_all_the_same(chain: Chain) -> None:
    graph, (sample, *_) = _integers(chain), chain[1]
    board = load_board("stm32f411")
    usual = _trials(board, budget_latency=10.0).measure("chain", sample, graph)
    small = _trials(_with_flash(board, 16 * 1024), budget_latency=10.0).measure("chain", sample, graph)
    assert usual.cycles is not None and 32 * 1024 < usual.flash < 64 * 1024
    assert (small.cycles, small.layers) == (usual.cycles, usual.layers)
    # What overflows counts with the padding between sections.
    assert usual.flash <= small.flash <= usual.flash + 64
    assert sum(usual.layers.values()) <= usual.cycles and len(usual.layers) == 4 and min(usual.layers.values()) > 0
    # Where nobody asks for the time, nothing is emulated; a budget that is larger than the flash makes no room there.
    untimed = _trials(_with_flash(board, 16 * 1024), budget_flash=1 << 20).measure("chain", sample, graph)
    assert untimed == Measured(untimed.flash) and 16 * 1024 < untimed.flash <= small.flash


def test_another_memory_right_behind_the_flash_leaves_no_room_for_more(chain: Chain) -> None:
    board = _with_flash(load_board("stm32f411"), 16 * 1024)
    flash = board.flash_internal
    behind = replace(flash, name="behind", address=flash.end + 1024, size=1024, kind="ram", external=True)
    board = replace(board, regions=tuple(sorted((*board.regions, behind), key=lambda region: region.address)))
    with pytest.raises(DoesNotFit, match="flash"):
        _trials(board, budget_latency=10.0).measure("chain", chain[1][0], _integers(chain))


def test_weights_off_the_chip_take_their_time_unless_they_are_to_stand_inside(
    chain: Chain,
) -> None:
    graph, (sample, *_) = _integers(chain), chain[1]
    board = _with_flash(load_board("stm32f746"), 24 * 1024)
    trials = _trials(board, budget_latency=10.0)
    outside, inside = (trials.measure("chain", sample, graph, inside=inside) for inside in (False, True))
    usual = _trials(load_board("stm32f746"), budget_latency=10.0).measure("chain", sample, graph)
    assert inside.cycles == usual.cycles and inside.layers == usual.layers
    assert outside.cycles is not None and usual.cycles is not None and outside.cycles > usual.cycles + 10_000
    # Only layers whose tables left the flash take longer.
    assert any(outside.layers[name] == pytest.approx(usual.layers[name], rel=0.01) for name in usual.layers)
    assert any(outside.layers[name] > 1.5 * usual.layers[name] for name in usual.layers)


def test_cycles_of_a_step_are_shared_by_multiplications() -> None:
    graph = optimise(import_model(packaged_model(small=True).model_path, {}))
    graph = quantize_ranges(graph, calibrate(graph, packaged_model(small=True).calibration.samples[:1]), None)
    program = lower(graph, Target(False))
    cycles = [1000.0 + step.index for step in program.steps]
    found = product_cycles(graph, program, cycles)
    products = {node.name: spec_of(node.op).macs(node) for node in products_of(graph)}
    assert set(products) <= set(found)
    assert any(sum(name in found for name in step.names) > 1 for step in program.steps)
    for step, spent in zip(program.steps, cycles, strict=True):
        inside = [name for name in step.names if name in found]
        assert sum(found[name] for name in inside) == pytest.approx(spent if inside else 0.0)
        for name in inside:
            assert found[name] / found[inside[0]] == pytest.approx(products[name] / products[inside[0]])
    assert sorted(name for step in program.steps for name in step.names if name in found) == sorted(found)


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

    with pytest.raises(DoesNotFit, match=f"has {size + 1} B"):
        _chosen(chain, Budgets(size + 1, 10.0, 1.0), large, board="stm32f746")
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


def test_boards_whose_cycles_are_assumed_say_so() -> None:
    for board, says in (("stm32n657", True), ("stm32f103", False)):
        for budget in (10.0, None):
            options = BuildOptions(board, Path("out"), quantization=Quantization("mixed", budget_latency=budget))
            assert any("NOT CALIBRATED" in note for note in options.notes) == (says and budget is not None)


def test_a_build_that_learned_to_be_slower_fails() -> None:
    """The image is held to the budgets as it is, not as it was expected to be."""
    layers = [{"name": name, "cycles": cycles, "flash": 10} for name, cycles in (("a", 300), ("b", 600))]
    report: dict[str, Any] = {
        "validation": {"first_mismatch": None},
        "ram": {"stack_measured": 1, "stack_bound": 2},
        "flash": {"code": 10, "weights": 20},
        "instructions": {"per_layer": layers},
        "latency_ms": {"model": 1.0, "cycles": 1000},
        "low_bits": {"mixed": {"budget_flash": 30, "forecast_flash": 29, "budget_latency_ms": 1.0,
                               "forecast_latency_ms": 0.98}},
    }  # fmt: skip
    pipeline._raise_failures(report)
    report["low_bits"]["mixed"]["budget_latency_ms"] = 0.9999
    expected = r"needs 1 ms, the budget is 0.9999 ms; slowest layers: b \(0.6 ms\), a \(0.3 ms\); expected were 0.98 ms"
    with pytest.raises(TooSlow, match=expected):
        pipeline._raise_failures(report)
    # Where cycles per instruction are assumed, layers have none.
    report["instructions"] = {"total": 500, "per_layer": [la | {"cycles": None, "instructions": n} for la, n in
                                                          zip(layers, (150, 300), strict=True)]}  # fmt: skip
    with pytest.raises(TooSlow, match=expected):
        pipeline._raise_failures(report)
    report["low_bits"]["mixed"]["budget_latency_ms"] = None
    pipeline._raise_failures(report)


@pytest.fixture
def model(chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The file of the four layers, with samples, as arguments of a command that chooses bits of it."""
    monkeypatch.setattr(mixed, "SENSITIVITY_SAMPLES", 2)
    onnx.save(_model(), tmp_path / "m.onnx")
    np.savez(tmp_path / "x.npz", x=np.concatenate([sample[0] for sample in chain[1]]))
    arguments = [str(tmp_path / "m.onnx"), "--data", str(tmp_path / "x.npz"), "--samples", "2", "--json"]
    return [*arguments, "--board", "stm32f103", "--precision", "mixed", "--quantizer", "mse"]


def _built(tmp_path: Path, *arguments: str) -> Any:
    return CliRunner().invoke(group, ["build", *arguments, "-o", str(tmp_path / "out")])


def test_a_build_keeps_both_budgets(model: list[str], tmp_path: Path) -> None:
    """Between what int8 takes and what 4 bits do: the report is that of the choice as it was measured."""
    uniform = {}
    for precision in ("int8", "w4"):
        plain = [*model[:-4], "--precision", precision, *(model[-2:] if precision == "w4" else [])]
        report = json.loads(_built(tmp_path, *plain).stdout)
        uniform[precision] = report["latency_ms"]["model"], report["flash"]["total"]
    (fast, large), (slow, small) = uniform["int8"], uniform["w4"]
    assert fast < slow and large > small
    time, flash = fast + 0.8 * (slow - fast), (small + 0.65 * (large - small)) / 1024
    budgets = ["--budget-flash", f"{flash:.3f}", "--budget-latency"]
    result = _built(tmp_path, *model, *budgets, f"{time:.4f}")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    choice = report["low_bits"]["mixed"]
    assert report["validation"]["bit_exact"] and choice["budget_latency_ms"] == round(time, 4)
    assert choice["forecast_latency_ms"] == report["latency_ms"]["model"] <= time
    assert choice["forecast_flash"] == report["flash"]["code"] + report["flash"]["weights"] <= flash * 1024
    layers = report["low_bits"]["layers"]
    assert len({layer["bits"] for layer in layers}) > 1
    for layer in layers:
        assert set(layer["cycles"]) == set(layer["bytes"]) == {"8", "4", "3", "2"}
    # What all layers take together at 8 bits is what int8 takes, but for what is beside them.
    assert 0.8 * fast < sum(layer["cycles"]["8"] for layer in layers) / 72_000 < fast
    assert "ms an inference" in (tmp_path / "out" / "report.html").read_text()
    # Narrow weights save flash and cost time: not both of these.
    narrow = _built(tmp_path, *model, *budgets, f"{1.02 * fast:.4f}")
    assert isinstance(narrow.exception, OverBudget) and "keeps both budgets" in str(narrow.exception)
    assert not isinstance(narrow.exception, TooSlow)
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report


def test_a_quantized_file_keeps_budgets_of_a_build(
    model: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Measured] = []
    measure = Trials.measure

    def recorded(self: Trials, *arguments: Any, **more: Any) -> Measured:
        found.append(measure(self, *arguments, **more))
        return found[-1]

    monkeypatch.setattr(trial.Trials, "measure", recorded)
    samples = []
    timed = quantize_file.timed_as_built

    def seen(measure: Any, model: Path, floats: Any) -> Any:
        samples.append(floats[-1][0])
        return timed(measure, model, floats)

    monkeypatch.setattr(quantize_file, "timed_as_built", seen)
    arguments = ["quantize", *model, "-o", str(tmp_path / "q.onnx"), "--budget-flash", "36"]
    result = CliRunner().invoke(group, arguments)
    assert result.exit_code == 0, result.output
    taken = [(m.flash, m.cycles) for m in found]
    choice = json.loads(result.stdout)["low_bits"]["mixed"]
    assert (choice["forecast_flash"], None) in taken and choice["forecast_flash"] <= 36 * 1024
    found.clear()
    timed = CliRunner().invoke(group, [*arguments, "--budget-latency", "5.2"])
    assert timed.exit_code == 0, timed.output
    choice = json.loads(timed.stdout)["low_bits"]["mixed"]
    times = {(m.flash, round(m.emulated / 72_000, 4)) for m in found}
    assert (choice["forecast_flash"], choice["forecast_latency_ms"]) in times and choice["forecast_latency_ms"] <= 5.2
    # The last of those that a build would emulate.
    assert all(np.array_equal(sample, np.load(tmp_path / "x.npz")["x"][3:4]) for sample in samples)
