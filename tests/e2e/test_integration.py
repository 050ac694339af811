"""Integrated layers: vision transformers of several shapes run block by block, bit for bit, and images stream in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from benchmarks.transformer_memory import random_vit
from edgekit.cli import group
from edgekit.codegen.attention import Attention
from edgekit.codegen.fitting import lower_and_plan
from edgekit.codegen.integration import RowChain, integrate, layers_of
from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.memory import PlanRegion
from edgekit.codegen.rows import is_row_wise
from edgekit.codegen.streaming.choice import Chooser
from edgekit.codegen.streaming.stream import Stream
from edgekit.host import build_host_model
from edgekit.importers import import_model
from edgekit.ir import DType, Graph, Node, Value
from edgekit.ops.reference import run_reference
from edgekit.passes import optimise
from edgekit.quant.affine import quantize_graph
from edgekit.quant.prepare import prepared

# image, channels, patch, embed, depth, heads: odd widths, tokens that fill no block, a class token, thin layers.
SHAPES: list[dict[str, Any]] = [
    {"image": 32, "channels": 3, "patch": 8, "embed": 24, "depth": 1, "heads": 3},
    {"image": 35, "channels": 1, "patch": 5, "embed": 20, "depth": 2, "heads": 2, "class_token": True, "head_width": 7},
    {"image": 28, "channels": 3, "patch": 4, "embed": 16, "depth": 1, "heads": 1, "rank_ratio": 0.5},
]

# More tokens than an arena may grow by to keep them all normalized.
LONG: dict[str, Any] = {"image": 36, "channels": 1, "patch": 4, "embed": 64, "depth": 1, "heads": 2}


def _samples(shape: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    size = (2, shape["channels"], shape["image"], shape["image"])
    return np.random.default_rng(0).uniform(0, 1, size).astype(np.float32)


def _quantized(folder: Path, shape: dict[str, Any]) -> Graph:
    onnx.save(random_vit(shape), folder / "vit.onnx")
    graph = prepared(optimise(import_model(folder / "vit.onnx", {})))
    return quantize_graph(graph, [[x[None]] for x in _samples(shape)])


def _build(folder: Path, shape: dict[str, Any], board: str, *arguments: str) -> dict[str, Any]:
    onnx.save(random_vit(shape), folder / "vit.onnx")
    np.savez(folder / "x.npz", x=_samples(shape))
    command = ["build", str(folder / "vit.onnx"), "--board", board, "--data", str(folder / "x.npz"), "--json"]
    result = CliRunner().invoke(group, [*command, "-o", str(folder / "out"), *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def test_attention_and_chains_are_found(tmp_path: Path) -> None:
    graph = _quantized(tmp_path, SHAPES[1])
    choice = Chooser(graph, Target(dsp=True), 1 << 30, fed=True, streaming=False).cheapest(1 << 30)
    assert choice is not None
    layers = layers_of(graph, choice.groups)
    kinds = [type(layer) for layer in layers]
    assert kinds.count(Attention) == SHAPES[1]["depth"] and kinds.count(Stream) == 1
    attention = next(layer for layer in layers if isinstance(layer, Attention))
    assert attention.norm is not None and attention.query.columns.shape == (2, 7)
    assert any(isinstance(layer, RowChain) and layer.last.op == "add" for layer in layers)
    assert not any(isinstance(layer, Node) and layer.op in ("softmax", "layer_norm", "int_matmul") for layer in layers)


def test_what_is_read_elsewhere_is_not_integrated(tmp_path: Path) -> None:
    graph = _quantized(tmp_path, SHAPES[0])
    softmax = next(node for node in graph.nodes if node.op == "softmax")
    graph.outputs.append(softmax.output)
    assert not any(isinstance(layer, Attention) for layer in layers_of(graph, integrate(graph)))
    assert any(step.op == "softmax" for step in lower(graph, Target(dsp=True)).steps)


@pytest.mark.parametrize("shape", SHAPES, ids=["plain", "class_token", "low_rank"])
@pytest.mark.parametrize("board", ["stm32f746", "rp2040"])
def test_transformers_equal_the_reference(tmp_path: Path, shape: dict[str, Any], board: str) -> None:
    report = _build(tmp_path, shape, board, "--feed", "rows")
    assert report["validation"]["bit_exact"] and report["ram"]["stack_measured"] <= report["ram"]["stack_bound"]
    assert any("attention" in layer["op"] for layer in report["instructions"]["per_layer"])


@pytest.mark.parametrize(("shape", "stored"), [(SHAPES[0], True), (LONG, False)], ids=["stored", "recomputed"])
def test_rows_are_normalized_once_where_there_is_room(tmp_path: Path, shape: dict[str, Any], stored: bool) -> None:
    program, _ = lower_and_plan(_quantized(tmp_path, shape), Target(dsp=True), [PlanRegion("ram", 300 * 1024)])
    (attention,) = (step for step in program.steps if "attention" in step.op)
    norms = [call for call in attention.calls if call.kernel.startswith("ek_norm")]
    assert len(norms) == (1 if stored else 2 * shape["heads"] * 2)
    assert _build(tmp_path, shape, "stm32f746")["validation"]["bit_exact"]


def test_streamed_and_whole_images_give_the_same(tmp_path: Path) -> None:
    outputs = []
    for feed in ("whole", "rows"):
        folder = tmp_path / feed
        folder.mkdir()
        report = _build(folder, SHAPES[0], "stm32f746", "--feed", feed)
        streams = "FEED" in report["instructions"]["per_layer"][0]["op"].upper()
        assert streams == (feed == "rows") and report["validation"]["bit_exact"]
        np.save(folder / "one.npy", _samples(SHAPES[0])[:1])
        run = CliRunner().invoke(
            group, ["run", str(folder / "out"), "--input", str(folder / "one.npy"), "--json"], catch_exceptions=False
        )
        assert run.exit_code == 0, run.output
        outputs.append(json.loads(run.stdout)["outputs"])
    assert outputs[0] == outputs[1]


def test_rows_with_scales_of_their_own_are_no_chain() -> None:
    """An instance normalization: a scale for each row of all of a channel's pixels."""
    rng = np.random.default_rng(0)
    values = [Value(name, (1, 16, 64), DType.FLOAT32) for name in "xyzo"]
    constants = [Value.constant(name, rng.uniform(0.5, 2, (16, 1)).astype(np.float32)) for name in ("scale", "bias")]
    attrs = {"axis": 2, "epsilon": 1e-5, "centred": True}
    nodes = [
        Node("sigmoid", "first", values[:1], values[1:2], {}),
        Node("layer_norm", "norm", [values[1], *constants], values[2:3], attrs),
        Node("tanh", "last", values[2:3], values[3:], {}),
    ]
    graph = quantize_graph(
        Graph("g", values[:1], values[3:], nodes), [[rng.normal(0, 1, (1, 16, 64)).astype(np.float32)]]
    )
    assert not any(node.op == "layer_norm" and is_row_wise(node) for node in graph.nodes)
    assert not any(isinstance(layer, RowChain) for layer in layers_of(graph, integrate(graph)))
    model = build_host_model(graph)
    codes = rng.integers(-128, 128, (1, 16, 64)).astype(np.int8)
    assert (model([codes])[0] == run_reference(graph, [codes])[graph.outputs[0]]).all()
