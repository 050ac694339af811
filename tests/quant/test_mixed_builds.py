"""What builds of a choice of bits measure, and what the command line makes of budgets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from edgekit import mixed, pipeline, quantize_file, trial
from edgekit.boards import Board, load_board
from edgekit.cli import group
from edgekit.codegen.lowering import Target, lower
from edgekit.errors import DoesNotFit, OverBudget, TooSlow
from edgekit.importers import import_model
from edgekit.ir import Graph
from edgekit.latency import product_cycles
from edgekit.mixed import Measured
from edgekit.models import packaged_model
from edgekit.ops import spec_of
from edgekit.passes import optimise
from edgekit.quant.affine import quantize_ranges
from edgekit.quant.bits import products_of
from edgekit.quant.calibrate import calibrate
from edgekit.quantization import Quantization
from edgekit.source import BuildOptions
from edgekit.toolchains import get_toolchain
from edgekit.trial import Trials
from tests.quant.chains import Chain, chain_model, linear_chain


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return linear_chain(tmp_path_factory.mktemp("chain"))


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
    onnx.save(chain_model(), tmp_path / "m.onnx")
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
