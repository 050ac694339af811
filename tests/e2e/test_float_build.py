"""`build --precision float32`: on cores with and without an FPU, equal to the reference bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from edgekit.cli import group
from edgekit.errors import BadUsage, EdgekitError


def _build(*arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(group, ["build", *arguments, "--json"])
    if isinstance(result.exception, EdgekitError):
        raise result.exception
    assert result.exit_code == 0, result.output
    report: dict[str, object] = json.loads(result.stdout)
    return report


@pytest.mark.parametrize("board", ["stm32f746", "stm32u585", "stm32l152", "rp2040"])
def test_packaged_model(tmp_path: Path, board: str) -> None:
    report = _build("--precision", "float32", "--board", board, "-o", str(tmp_path / "out"), "--samples", "1")
    validation, ram = report["validation"], report["ram"]
    assert isinstance(validation, dict) and isinstance(ram, dict)
    assert report["precision"] == "float32" and validation["bit_exact"]
    assert validation["runtimes"][0]["name"] == "onnxruntime" and validation["runtimes"][0]["differing"] == 0
    assert ram["stack_measured"] <= ram["stack_bound"]


def test_transformer_block_with_token_numbers(tmp_path: Path) -> None:
    """An embedding, attention and normalization; its input is whole numbers."""
    rng = np.random.default_rng(1)
    weights = {k: rng.normal(0, 0.4, (8, 8)).astype(np.float32) for k in ("wq", "wk", "wv")}
    weights |= {"table": rng.normal(0, 1, (20, 8)).astype(np.float32), "one": np.ones(8, np.float32)}
    nodes = [
        helper.make_node("Gather", ["table", "x"], ["e"]),
        *[helper.make_node("MatMul", ["e", f"w{k}"], [k]) for k in "qkv"],
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "kt"], ["s"]),
        helper.make_node("Softmax", ["s"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "v"], ["o"]),
        helper.make_node("Add", ["e", "o"], ["r"]),
        helper.make_node("LayerNormalization", ["r", "one"], ["n"]),
        helper.make_node("Gelu", ["n"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "block", [helper.make_tensor_value_info("x", TensorProto.INT64, [1, 6])],
        [helper.make_empty_tensor_value_info("y")], [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), tmp_path / "m.onnx")
    np.savez(tmp_path / "tokens.npz", x=rng.integers(0, 20, (5, 1, 6)))
    report = _build(
        str(tmp_path / "m.onnx"), "--precision", "float32", "--board", "stm32f411", "-o", str(tmp_path / "out"),
        "--data", str(tmp_path / "tokens.npz"),
    )  # fmt: skip
    validation = report["validation"]
    assert isinstance(validation, dict)
    assert validation["bit_exact"] and validation["runtimes"][0]["differing"] == 0


def test_quantized_models_are_refused(data_dir: Path, tmp_path: Path) -> None:
    path = data_dir / "models" / "tinymaix" / "mnist_dw_q.tflite"
    with pytest.raises(BadUsage, match="quantized already"):
        _build(str(path), "--precision", "float32", "--board", "stm32f746", "-o", str(tmp_path / "out"))
