"""Weights of fewer than 8 bits from the command line's options: which layers, which quantizer, what the report says."""

from __future__ import annotations

import importlib.util
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from edgekit import mixed, quantization, source
from edgekit.boards import load_board
from edgekit.cli import group
from edgekit.data import Dataset
from edgekit.errors import BadUsage, DoesNotFit, MissingPackage
from edgekit.forecast import Forecaster
from edgekit.importers import import_model
from edgekit.ir import Array, Graph, Value
from edgekit.models import packaged_model
from edgekit.passes import optimise
from edgekit.progress import Progress
from edgekit.quant.affine import quantize_ranges
from edgekit.quant.bits import products_of, uniform_bits
from edgekit.quant.calibrate import calibrate
from edgekit.quant.low_bits import LEARNED, QUANTIZERS, LowBits, WeightOptions, check_weight_options, choose_weights
from edgekit.quant.observers import Range
from edgekit.quant.prepare import prepared
from edgekit.quantization import Quantization
from edgekit.source import BuildOptions, load_source
from tests.importers.onnx import helpers


@pytest.fixture(scope="module")
def calibrated() -> tuple[Graph, dict[Value, Range], list[list[Array]]]:
    """The small packaged model, the ranges of its values, and the samples that they come from."""
    packaged = packaged_model(small=True)
    graph, samples = optimise(import_model(packaged.model_path, {})), packaged.calibration.samples[:40]
    return graph, calibrate(graph, samples[:4]), samples


Calibrated = tuple[Graph, dict[Value, Range], list[list[Array]]]


def test_all_products_but_the_first_and_the_last_are_narrow() -> None:
    graph = optimise(import_model(packaged_model(small=True).model_path, {}))
    names = [node.name for node in products_of(graph)]
    bits = uniform_bits(graph, 3)
    assert list(bits) == names and len(names) > 10
    assert [name for name in names if bits[name] == 8] == [names[0], names[-1]]
    assert {bits[name] for name in names[1:-1]} == {3}


def _chosen(calibrated: Calibrated, width: int, options: WeightOptions) -> LowBits:
    graph, ranges, samples = calibrated
    return choose_weights(graph, uniform_bits(graph, width), options, ranges, samples, Progress(quiet=True))


@pytest.mark.parametrize("width", [4, 3, 2])
def test_weights_are_levels_of_a_codebook(calibrated: Calibrated, width: int) -> None:
    graph, ranges, _ = calibrated
    chosen = _chosen(calibrated, width, WeightOptions("mse"))
    for node in products_of(quantize_ranges(graph, ranges, chosen.coded)):
        weights = node.input(1)
        book = None if weights.quant is None else weights.quant.codebook
        assert (book is None) == (chosen.bits[node.name] == 8)
        if book is not None:
            assert book.bits == width and len(np.unique(np.abs(weights.array))) <= 1 << (width - 1)


@pytest.mark.parametrize("quantizer", LEARNED)
def test_learning_follows_its_options(calibrated: Calibrated, quantizer: str) -> None:
    pytest.importorskip("torch", reason="learning of weights needs torch: pip install 'edgekit[search]'")
    first, other = (_chosen(calibrated, 3, WeightOptions(quantizer, 2, seed)) for seed in (1, 2))
    assert any((first.coded[name].codes != other.coded[name].codes).any() for name in first.coded)
    record = first.record()
    assert [record[key] for key in ("quantizer", "iterations", "seed", "device", "samples")] == [
        quantizer, 2, 1, "cpu", 40
    ]  # fmt: skip


def test_the_record_has_the_exponents_of_each_layer(calibrated: Calibrated) -> None:
    for channels in (None, 4):
        chosen = _chosen(calibrated, 4, WeightOptions("powerquant", group=channels))
        for layer in chosen.record()["layers"]:
            assert ("exponents" in layer) == (layer["bits"] < 8)
            if layer["bits"] < 8:
                coded = chosen.coded[layer["name"]]
                assert tuple(layer["exponents"]) == coded.exponents and layer["group"] == (channels or len(coded.codes))
                assert len(coded.exponents) == -(-len(coded.codes) // layer["group"])


@pytest.mark.parametrize("quantizer", ["powerquant", "nupes"])
def test_groups_that_no_layer_takes_are_told(quantizer: str, tmp_path: Path) -> None:
    rng, shape = np.random.default_rng(0), [1, 8, 4, 4]
    constants = {f"w{i}": rng.normal(size=(8, 1, 3, 3)).astype(np.float32) for i in range(3)}
    names = ["x", "a", "b", "y"]
    layers = [
        helpers.node("Conv", f"{x} w{i}", y, group=8, pads=[1, 1, 1, 1])
        for i, (x, y) in enumerate(itertools.pairwise(names))
    ]
    graph = prepared(optimise(helpers.import_model(helpers.make_model(layers, shape, constants), tmp_path)))
    samples = [[rng.normal(size=graph.inputs[0].shape).astype(np.float32)] for _ in range(2)]
    told, steps = [], 2 if quantizer == "nupes" else None
    for channels in (0, 4):
        progress, options = Progress(quiet=True), WeightOptions(quantizer, steps, group=channels)
        choose_weights(graph, uniform_bits(graph, 4), options, calibrate(graph, samples), samples, progress)
        told.append(progress.warnings)
    assert told[0] == [] and len(told[1]) == 1 and "--exponent-groups 4 has no effect" in told[1][0]


def test_options_that_go_with_nothing_are_refused(data_dir: Path, tmp_path: Path) -> None:
    for precision, options, text in (
        ("int8", WeightOptions("mse"), "--quantizer is for weights of fewer than 8 bits"),
        ("float32", WeightOptions(seed=1), "--seed is for weights of fewer than 8 bits"),
        ("w4", WeightOptions("powerquant", iterations=5), "--iterations is for quantizers that learn"),
        ("mixed", WeightOptions("uniform", resume=tmp_path), "--resume is for quantizers that learn"),
        ("w4", WeightOptions("mse", device="cpu"), "--learn-on is for quantizers that learn"),
        ("int8", WeightOptions(device="cpu"), "--learn-on is for weights of fewer than 8 bits"),
        ("int8", WeightOptions(group=8), "--exponent-groups is for weights of fewer than 8 bits"),
        ("w4", WeightOptions("mse", group=8), "--exponent-groups is for quantizers that choose exponents"),
        ("w4", WeightOptions("powerquant", group=12), "a power of two, 4 channels or more: 12 is none"),
        ("w4", WeightOptions("powerquant", group=2), "a power of two, 4 channels or more: 2 is none"),
        ("w2", WeightOptions("powerquant", group=8), "those of 2 bits have one for a layer"),
        ("mixed", WeightOptions("powerquant", group=8), "leave it out with --precision mixed"),
    ):
        with pytest.raises(BadUsage, match=text):
            Quantization(precision, weights=options).check()
    with pytest.raises(BadUsage, match="--budget-flash chooses the bits"):
        Quantization("w4", budget_flash=1).check()
    quantized = data_dir / "models/tinymaix/mnist_valid_q.tflite"
    options = BuildOptions("stm32f746", tmp_path / "out", model=quantized, quantization=Quantization("w4"))
    with pytest.raises(BadUsage, match="quantized already: build it with --precision int8"):
        load_source(options, Progress(quiet=True))


@pytest.mark.parametrize("quantizer", LEARNED)
def test_learning_without_torch_says_what_to_install(quantizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"pip install 'edgekit\[search\]'"):
        check_weight_options("w4", WeightOptions(quantizer))
    for name in set(QUANTIZERS) - set(LEARNED):
        check_weight_options("w4", WeightOptions(name))


def test_a_build_with_narrow_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "CALIBRATION_SAMPLES", 4)
    arguments = ["build", "--board", "stm32f103", "--precision", "w4", "--quantizer", "powerquant", "--samples", "2"]
    result = CliRunner().invoke(group, [*arguments, "-o", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["precision"] == "w4" and report["validation"]["bit_exact"]
    assert report["low_bits"]["quantizer"] == "powerquant" and report["low_bits"]["seed"] is None
    bits = [layer["bits"] for layer in report["low_bits"]["layers"]]
    assert (bits[0], set(bits[1:-1]), bits[-1]) == (8, {4}, 8)


def test_bits_of_a_mixture_follow_sensitivity_and_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all may have 8 bits, all have; with less than any choice takes, nothing is built."""
    monkeypatch.setattr(quantization, "CALIBRATION_SAMPLES", 4)
    monkeypatch.setattr(mixed, "SENSITIVITY_SAMPLES", 2)
    arguments = ["build", "--board", "stm32f103", "--precision", "mixed", "--quantizer", "mse", "--samples", "2"]
    arguments += ["-o", str(tmp_path / "out"), "--json"]
    roomy = CliRunner().invoke(group, arguments)
    assert roomy.exit_code == 0, roomy.output
    low_bits = json.loads(roomy.stdout)["low_bits"]
    assert low_bits["mixed"]["proven"] and low_bits["mixed"]["error"] == 0.0
    assert low_bits["mixed"]["forecast_flash"] <= low_bits["mixed"]["budget_flash"] == 128 * 1024
    for layer in low_bits["layers"]:
        assert layer["bits"] == 8 and layer["error"]["8"] == 0.0 < layer["error"]["4"] < layer["error"]["2"]
    tight = CliRunner().invoke(group, [*arguments, "--budget-flash", "20"])
    assert isinstance(tight.exception, DoesNotFit) and tight.exception.have == 20 * 1024
    assert not (tmp_path / "out.learning").exists()


def test_sizes_of_a_mixture_are_those_of_the_build_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantization, "CALIBRATION_SAMPLES", 4)
    monkeypatch.setattr(mixed, "SENSITIVITY_SAMPLES", 2)
    planners: list[Any] = []

    class Recorded(Forecaster):
        def __init__(self, graph: Graph, planner: Any, external: bool) -> None:
            planners.append(planner)
            assert not external
            super().__init__(graph, planner=planner, external=external)

    monkeypatch.setattr(source, "Forecaster", Recorded)
    arguments = ["build", "--board", "stm32f103", "--precision", "mixed", "--quantizer", "mse", "--samples", "1"]
    arguments += ["--optimize", "ram", "--disable", "overwriting", "--internal-only", "-o", str(tmp_path / "out")]
    assert CliRunner().invoke(group, arguments).exit_code == 0
    assert planners and {planner.keywords["optimize"] for planner in planners} == {"ram"}
    assert not any(planner.keywords["tricks"].overwriting for planner in planners)


def test_a_model_of_two_layers_keeps_8_bits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = np.ones((4, 4), np.float32)
    nodes = [helpers.node("MatMul", "x w", "m"), helpers.node("Relu", "m", "r"), helpers.node("MatMul", "r w", "y")]
    graph = optimise(helpers.import_model(helpers.make_model(nodes, [1, 4], {"w": weights}), tmp_path))
    calibration = Dataset([[np.ones((1, 4), np.float32)]], None)
    progress = Progress()
    made = quantization.quantize_model(graph, calibration, Quantization("w2"), None, progress)
    assert made.low_bits is None and "all weights keep 8 bits" in capsys.readouterr().err
    assert progress.warnings == ["all weights keep 8 bits"]
    with pytest.raises(BadUsage, match="give --board"):
        quantization.quantize_model(graph, calibration, Quantization("mixed"), None, Progress(quiet=True))
    flat = optimise(helpers.import_model(helpers.make_model([helpers.node("Relu", "x", "y")], [1, 4]), tmp_path))
    with pytest.raises(BadUsage, match="no weights whose bits"):
        quantization.quantize_model(flat, calibration, Quantization("mixed"), load_board("stm32f103"), Progress())
