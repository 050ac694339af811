"""`edgekit quantize`: the file, what is said of it, and that it builds the same firmware as the float model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgekit import quantization
from edgekit.cli import group
from edgekit.errors import BadUsage, UnsupportedModel
from edgekit.importers import import_model
from edgekit.ir import Array, Graph
from edgekit.models import packaged_model
from edgekit.passes import optimise
from edgekit.quant.power import CodedRows
from edgekit.quant.prepare import prepared
from tests.importers.onnx.helpers import make_model, node, save

MODEL = str(packaged_model(small=True).model_path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six labelled images."""
    test = packaged_model(small=True).test
    assert test.labels is not None
    path = tmp_path_factory.mktemp("data") / "test.npz"
    np.savez(path, x=np.stack([s[0] for s in test.samples[:6]]), y=test.labels[:6])
    return path


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(group, list(arguments))


def test_file_and_report(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "made" / "w3.onnx"
    options = ["--data", str(data), "--precision", "w3", "--quantizer", "powerquant", "-o", str(out)]
    result = _run("quantize", MODEL, *options, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["bytes"] == out.stat().st_size and report["precision"] == "w3"
    assert report["accuracy"]["samples"] == 6 and report["validation"]["runtimes"][0]["outputs"] == 60
    rows = {row["name"]: row for row in report["quantization"]}
    for layer in report["low_bits"]["layers"]:
        row = rows[layer["name"]]
        assert row["bits"] == layer["bits"] and (row["exponent"] is None) == (row["bits"] == 8)
    lines = _run("quantize", MODEL, *options).stdout.splitlines()
    assert " ".join(lines[0].split()) == "layer operator bits exponent output of weights of rounding loses most to"
    assert any("fully_connected" in line and " 3 " in line for line in lines)
    assert lines[-1].startswith("  onnxruntime: ") and sorted(p.name for p in out.parent.iterdir()) == ["w3.onnx"]


@pytest.mark.parametrize("shift", [-1, 5])
def test_labels_that_are_no_classes_give_no_accuracy_and_a_reason(data: Path, tmp_path: Path, shift: int) -> None:
    with np.load(data) as given:
        np.savez(tmp_path / "odd.npz", x=given["x"][:2], y=given["y"][:2] * 0 + [shift, 9 + shift])
    options = ["quantize", MODEL, "--data", str(tmp_path / "odd.npz"), "-o", str(tmp_path / "m.onnx")]
    result = _run(*options)
    assert result.exit_code == 0, result.output
    assert f"labels from {shift} to {9 + shift} do not say" in result.stderr and "top-1" not in result.stdout
    assert json.loads(_run(*options, "--json").stdout)["accuracy"] is None


def test_activations_of_a_power_are_shown_with_what_they_gain(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "a4.onnx"
    options = ["--data", str(data), "--activation-bits", "4", "--activation-quantizer", "power", "-o", str(out)]
    result = _run("quantize", MODEL, *options, "--json")
    assert result.exit_code == 0, result.output
    rows = [row for row in json.loads(result.stdout)["quantization"] if row["output_bits"] is not None]
    assert {row["output_bits"] for row in rows} == {4, 8}
    assert all((row["output_gain_db"] > 0.5) == (row["output_exponent"] < 1.0) for row in rows)
    assert {"softmax", "gelu", "requantize"} <= {row["op"] for row in rows}
    lines = _run("quantize", MODEL, *options).stdout.splitlines()
    assert lines[0].split()[:6] == ["layer", "operator", "bits", "exponent", "codes", "output"]
    assert any(" 4 ^0." in line for line in lines)


@pytest.mark.parametrize("bits", ["8", "4"])
def test_the_file_builds_the_firmware_of_the_float_model(data: Path, tmp_path: Path, bits: str) -> None:
    activations = ["--activation-bits", bits, "--activation-quantizer", "power" if bits == "4" else "uniform"]
    narrow = ["--precision", "w4", "--quantizer", "powerquant", "--data", str(data), *activations]
    exported = str(tmp_path / Path(MODEL).name)
    assert _run("quantize", MODEL, *narrow, "-o", exported).exit_code == 0
    for folder, arguments in (("direct", [MODEL, *narrow]), ("through", [exported, "--data", str(data)])):
        arguments += ["--board", "stm32f103", "--samples", "2", "-o", str(tmp_path / folder)]
        built = _run("build", *arguments)
        assert built.exit_code == 0, built.output
    direct, through = (tmp_path / folder for folder in ("direct", "through"))
    (weights,) = direct.glob("src/*weights*.c")
    assert weights.read_bytes() == (through / "src" / weights.name).read_bytes()
    a, b = (json.loads((folder / "report.json").read_text()) for folder in (direct, through))
    assert a["flash"] == b["flash"] and a["instructions"] == b["instructions"]
    assert a["accuracy"]["emulated"] == b["accuracy"]["emulated"]


def test_what_stands_beside_the_output_stays(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    beside = tmp_path / "m.onnx.learning"
    beside.mkdir()
    own = [beside / "own.txt", beside / "own.npz", beside / "0123456789-0.npz"]
    for file in own:
        file.write_text("kept")
    options = ["--precision", "w3", "--quantizer", "adaround", "--iterations", "1"]
    assert _run("quantize", MODEL, "--calibration", str(data), *options, "-o", str(tmp_path / "m.onnx")).exit_code == 0
    assert sorted(beside.iterdir()) == sorted(own) and all(file.read_text() == "kept" for file in own)


def test_without_data(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    out = tmp_path / "free.onnx"
    options = ["--data-free", "--input-range", "0", "255", "--precision", "w4", "--quantizer", "powerquant"]
    result = _run("quantize", MODEL, *options, "--samples", "3", "-o", str(out), "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["accuracy"] is None and report["validation"]["source"] == "generated inputs"
    assert report["validation"]["inputs"] == 3 and out.exists()


def test_learning_without_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from edgekit.quant.learning import learn
    from edgekit.quant.learning.distil import Distillation
    from edgekit.quant.learning.generate import generated_inputs

    monkeypatch.setattr(quantization, "GENERATED_SAMPLES", 4)
    monkeypatch.setattr(quantization, "LEARNED_GENERATED", 8)
    learned, seen = learn.learned_weights, []

    def observed(graph: Graph, samples: Sequence[Sequence[Array]], *rest: Any) -> dict[str, CodedRows]:
        seen.append(np.stack([x for (x,) in samples]))
        return learned(graph, samples, *rest)

    monkeypatch.setattr(learn, "learned_weights", observed)
    # The whole network would learn what it makes of these inputs alone.
    monkeypatch.setattr(Distillation, "learn", lambda *_: pytest.fail("the whole network learns"))
    options = ["--data-free", "--input-range", "0", "255", "--precision", "w4", "--quantizer", "nupes"]
    result = _run("quantize", MODEL, *options, "--iterations", "4", "-o", str(tmp_path / "free.onnx"))
    assert result.exit_code == 0, result.output
    assert "generating 8 inputs" in result.stderr and "towards the model's answers" in result.stderr
    graph = prepared(optimise(import_model(Path(MODEL), {})))
    noise = np.stack([x for (x,) in generated_inputs(graph, 8, 0, (0.0, 255.0))])
    (samples,) = seen
    assert (samples[1::2] == noise[1::2]).all() and (samples[::2] != noise[::2]).any()


def test_what_makes_no_sense_is_refused(data: Path, tmp_path: Path) -> None:
    for out, more, text in (
        ("m.tflite", [], "is no name of an .onnx file"),
        ("m.onnx", ["--precision", "mixed", "--quantizer", "mse"], "give --board"),
        ("m.onnx", ["--budget-flash", "10"], "give --precision mixed"),
        ("m.onnx", ["--quantizer", "mse"], "fewer than 8 bits"),
        ("m.onnx", ["--input-range", "0", "1"], "give --data-free"),
        ("m.onnx", ["--data-free", "--input-range", "1", "0"], "the lowest first"),
        ("m.onnx", ["--data-free", "--calibration", str(data)], "leave --calibration out"),
    ):
        result = _run("quantize", MODEL, "--data", str(data), "-o", str(tmp_path / out), *more)
        assert isinstance(result.exception, BadUsage) and text in str(result.exception)
    without = _run("quantize", MODEL, "-o", str(tmp_path / "m.onnx"))
    assert isinstance(without.exception, BadUsage) and "--data-free" in str(without.exception)
    itself = _run("quantize", MODEL, "--data", str(data), "-o", MODEL)
    assert isinstance(itself.exception, BadUsage) and "the model itself" in str(itself.exception)
    idle = _run("quantize", MODEL, "--data", str(data), "--board", "stm32f746", "-o", str(tmp_path / "m.onnx"))
    assert isinstance(idle.exception, BadUsage) and "leave it out" in str(idle.exception)
    assert not list(tmp_path.iterdir())
    quantized = tmp_path / "q.onnx"
    assert _run("quantize", MODEL, "--data", str(data), "-o", str(quantized)).exit_code == 0
    again = _run("quantize", str(quantized), "--data", str(data), "-o", str(tmp_path / "r.onnx"))
    assert isinstance(again.exception, BadUsage) and "quantized already" in str(again.exception)


def test_layers_without_a_form_are_refused_before_anything_is_calibrated(tmp_path: Path) -> None:
    model = save(make_model([node("CumSum", "x axis", "y")], [1, 4], {"axis": np.array(1)}), tmp_path)
    # Without samples, which are asked for where calibration begins.
    result = _run("quantize", str(model), "-o", str(tmp_path / "m.onnx"))
    assert isinstance(result.exception, UnsupportedModel) and "(cum_sum)" in str(result.exception)


def test_what_no_firmware_can_have_is_refused_before_anything_is_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def learned(*given: object) -> None:
        raise AssertionError

    monkeypatch.setattr("edgekit.quantization.choose_weights", learned)
    constants = {name: np.eye(4, dtype=np.float32) for name in ("a", "b", "c")}
    layers = [node("MatMul", "x a", "t"), node("MatMul", "t b", "u"), node("MatMul", "u c", "y")]
    model = save(make_model(layers, [1, 4], constants), tmp_path)
    np.savez(tmp_path / "d.npz", x=np.full((2, 1, 4), 1e34, np.float32))
    arguments = ["--data", str(tmp_path / "d.npz"), "--precision", "w4", "-o", str(tmp_path / "m.onnx")]
    result = _run("quantize", str(model), *arguments)
    assert isinstance(result.exception, UnsupportedModel) and "a scale no trained model has" in str(result.exception)


def _three_layers(folder: Path) -> Path:
    constants = {name: np.eye(4, dtype=np.float32) for name in ("a", "b", "c")}
    layers = [
        node("MatMul", "x a", "s"),
        node("Sqrt", "s", "t"),
        node("MatMul", "t b", "u"),
        node("MatMul", "u c", "y"),
    ]
    return save(make_model(layers, [1, 4], constants), folder)


def test_numbers_that_are_none_have_the_code_of_zero(tmp_path: Path) -> None:
    model = _three_layers(tmp_path)
    np.savez(tmp_path / "positive.npz", x=np.linspace(0, 1, 8, dtype=np.float32).reshape(2, 1, 4))
    np.savez(tmp_path / "negative.npz", x=np.full((1, 1, 4), -1, np.float32))
    data = ["--calibration", str(tmp_path / "positive.npz"), "--data", str(tmp_path / "negative.npz")]
    made = _run("quantize", str(model), *data, "--activation-bits", "4", "-o", str(tmp_path / "m.onnx"))
    assert made.exit_code == 0, made.output


def test_activations_that_keep_their_codes_are_told(tmp_path: Path) -> None:
    constants = {name: np.eye(4, dtype=np.float32) for name in ("a", "b")}
    model = save(make_model([node("MatMul", "x a", "t"), node("MatMul", "t b", "y")], [1, 4], constants), tmp_path)
    np.savez(tmp_path / "d.npz", x=np.ones((2, 1, 4), np.float32))
    options = ["--data", str(tmp_path / "d.npz"), "--activation-bits", "4", "-o", str(tmp_path / "m.onnx")]
    assert "all activations keep even codes of 8 bits" in _run("quantize", str(model), *options).stderr


def test_activations_of_a_quantized_model_are_its_own(data: Path, tmp_path: Path) -> None:
    exported = str(tmp_path / "q.onnx")
    assert _run("quantize", MODEL, "--data", str(data), "-o", exported).exit_code == 0
    for option in (["--activation-bits", "4"], ["--activation-quantizer", "power"]):
        built = _run("build", exported, "--board", "stm32f103", *option, "-o", str(tmp_path / "out"))
        assert isinstance(built.exception, BadUsage) and "is quantized already" in str(built.exception)
