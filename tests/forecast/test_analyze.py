"""edgekit analyze: what it lists, in which order, and what it says of models that cannot be built."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from edgekit.boards import board_names
from edgekit.cli import group
from edgekit.errors import BadUsage, EdgekitError, UnsupportedModel
from edgekit.forecast import CoreSizes, core_sizes
from edgekit.forecast.problems import Problem, problems_of


def small_model(folder: Path, extra: list[onnx.NodeProto] | None = None, side: int = 8) -> Path:
    """A convolution and a matrix product; `extra` nodes take "y" and make "z"."""
    rng = np.random.default_rng(0)
    inner = (side - 2) ** 2 * 4
    weights = [
        numpy_helper.from_array(rng.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32), "filters"),
        numpy_helper.from_array(rng.normal(0, 0.3, (inner, 5)).astype(np.float32), "matrix"),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "filters"], ["c"], "first", kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c"], ["r"], "middle"),
        helper.make_node("Flatten", ["r"], ["f"], "flat"),
        helper.make_node("MatMul", ["f", "matrix"], ["y"], "last"),
        *(extra or []),
    ]
    shapes = (("x", [1, 3, side, side]), ("z" if extra else "y", [1, 5]))
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes]
    graph = helper.make_graph(nodes, "small", ports[:1], ports[1:], weights)
    path = folder / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def analyze(*arguments: str, exit_code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(group, ["analyze", *arguments, "--json"])
    if isinstance(result.exception, EdgekitError):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def test_layers_with_their_types_and_sums(tmp_path: Path) -> None:
    report = analyze(str(small_model(tmp_path)))
    rows = {row["name"]: row for row in report["layers"]}
    assert (rows["first"]["type"], rows["first"]["op"]) == ("Conv", "conv2d")
    assert rows["first"]["macs"] == 36 * 4 * 27 and rows["first"]["shape"] == [1, 6, 6, 4]
    assert (rows["last"]["type"], rows["last"]["parameters"]) == ("MatMul", 720)
    assert rows["last"]["weight_bytes"] >= 720
    assert report["macs"] == 36 * 4 * 27 + 720
    assert report["inputs"] == [{"name": "x", "shape": [1, 3, 8, 8], "dtype": "int8"}]
    assert report["unsupported"] == []


def test_boards_come_smallest_first(tmp_path: Path) -> None:
    report = analyze(str(small_model(tmp_path)))
    boards = report["boards"]
    assert sorted(row["board"] for row in boards) == board_names()
    sizes = [(row["ram"]["budget"], row["flash"]["budget"]) for row in boards]
    assert [ram for ram, _ in sizes] == sorted(ram for ram, _ in sizes)
    assert report["smallest_board"] == boards[0]["board"]
    # 117 KB of input alone: no room on the first boards, and the answer is the first that has some.
    large = analyze(str(small_model(tmp_path, side=200)))
    fitting = [row["board"] for row in large["boards"] if row["fits"]]
    assert not large["boards"][0]["fits"] and large["smallest_board"] == fitting[0]
    assert all(
        (row["ram"]["headroom"] >= 0 and row["flash"]["headroom"] >= 0) == row["fits"] for row in large["boards"]
    )


def test_one_board_with_its_parts(tmp_path: Path) -> None:
    result = CliRunner().invoke(group, ["analyze", str(small_model(tmp_path)), "--board", "stm32f746"])
    assert result.exit_code == 0, result.output
    assert "forecast for stm32f746 (cortex-m7): fits" in result.output
    assert "arena" in result.output and "most weights in last" in result.output
    report = analyze(str(small_model(tmp_path, side=200)), "--board", "stm32f103", exit_code=1)
    (row,) = report["boards"]
    assert not row["fits"] and report["smallest_board"] is None
    assert row["ram"]["headroom"] == row["ram"]["budget"] - row["ram"]["arena"] - 3072
    assert row["ram"]["costliest"][0] == {"layer": "first", "bytes": row["ram"]["arena"]}


def test_float32_takes_four_times_the_weights(tmp_path: Path) -> None:
    path = str(small_model(tmp_path))
    codes, numbers = analyze(path), analyze(path, "--precision", "float32")
    assert numbers["precision"] == "float32" and numbers["inputs"][0]["dtype"] == "float32"
    assert numbers["weight_bytes"] == 4 * (108 + 720)
    # Beside its activations the convolution of codes holds up to two windows of 27.
    arenas = [report["boards"][0]["ram"]["arena"] for report in (codes, numbers)]
    assert 4 * (arenas[0] - 2 * 27) <= arenas[1] <= 4 * arenas[0]


def test_nothing_is_run_and_nothing_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("analyze must be quick")

    monkeypatch.setattr("edgekit.ops.reference.run_reference", refuse)
    monkeypatch.setattr("edgekit.quant.calibrate.run_reference", refuse)
    monkeypatch.setattr("subprocess.run", refuse)
    analyze(str(small_model(tmp_path)))


def test_kernel_that_was_not_measured_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(small_model(tmp_path))
    before = analyze(path, "--board", "stm32f103")["boards"][0]

    def without(key: str) -> CoreSizes:
        sizes = core_sizes(key)
        return replace(
            sizes, functions={k: v for k, v in sizes.functions.items() if k != "ek_conv2d_s8_any"}, _depth={}
        )

    monkeypatch.setattr("edgekit.forecast.boards.core_sizes", without)
    row = analyze(path, "--board", "stm32f103")["boards"][0]
    assert before["unmeasured_kernels"] == [] and row["unmeasured_kernels"] == ["ek_conv2d_s8_any"]
    assert row["fits"] and row["flash"]["code"] != before["flash"]["code"]
    text = CliRunner().invoke(group, ["analyze", path]).output
    assert "note: the size of ek_conv2d_s8_any is not known" in text


def test_all_unsupported_layers_are_named_with_their_rewrites(tmp_path: Path) -> None:
    extra = [
        helper.make_node("Unique", ["y"], ["h"], "memory"),
        helper.make_node("NonMaxSuppression", ["y", "y"], ["n"], "boxes"),
        helper.make_node("Relu", ["y"], ["z"], "end"),
    ]
    path = str(small_model(tmp_path, extra))
    report = analyze(path, exit_code=2)
    named = [(problem["layer"], problem["op"]) for problem in report["unsupported"]]
    assert named == [("memory", "Unique"), ("boxes", "NonMaxSuppression")]
    assert all(problem["why"] and problem["rewrite"] for problem in report["unsupported"])
    assert report["boards"] == [] and report["smallest_board"] is None
    text = CliRunner().invoke(group, ["analyze", path])
    assert text.exit_code == 2
    assert text.output.count("not supported: layer") == 2 and text.output.count("instead: ") == 2


def test_quantized_model_has_no_float32_form(data_dir: Path) -> None:
    path = str(data_dir / "models/tflm/hello_world_int8.tflite")
    assert [row["type"] for row in analyze(path)["layers"]] == ["FULLY_CONNECTED"] * 3
    with pytest.raises(BadUsage, match="quantized already"):
        analyze(path, "--precision", "float32")


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "m uses what edgekit does not build:\n  layer 'a' (LSTM): the operator is not supported; unroll it"
            "\n  layer \"it's\": CUSTOM is not supported; see edgekit ops\n  layer 'c' (add): inputs differ",
            [
                Problem("a", "LSTM", "the operator is not supported", "unroll it"),
                Problem("it's", None, "CUSTOM is not supported", "see edgekit ops"),
                Problem("c", "add", "inputs differ", None),
            ],
        ),
        ("input 'x' is int64: use float32", [Problem(None, None, "input 'x' is int64: use float32", None)]),
    ],
)
def test_problems_of_an_error(text: str, problems: list[Problem]) -> None:
    assert problems_of(UnsupportedModel(text)) == problems
