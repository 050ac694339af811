"""Attention, normalization and activations as exporters write them: one node per operator, and the same results."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edgekit.importers import import_model
from edgekit.ir import Graph
from edgekit.ops.reference import run_reference
from edgekit.passes import optimise
from edgekit.quant.affine import quantize_graph

FOLDER = Path(__file__).parents[1] / "data" / "vision_transformers"
FILES = sorted(FOLDER.glob("*.onnx"))

# One pre-norm block; a transpose per q, k, v and one that joins the heads again.
BLOCK = {"layer_norm": 2, "fully_connected": 6, "transpose": 4, "matmul": 2, "softmax": 1, "add": 2}
VIT = {**BLOCK, "conv2d": 1, "layer_norm": 3, "fully_connected": 7, "transpose": 5, "add": 3, "gelu": 1}
EXPECTED = {
    "multi_head": {**BLOCK, "gelu": 1},
    "fused_qkv": {**BLOCK, "gelu_tanh": 1},
    "sdpa": {**BLOCK, "silu": 1},
    "chunked_qkv": {**BLOCK, "silu": 1},
    "plain_norm": {**BLOCK, "gelu": 1},
    "vit_class_token": {**VIT, "concat": 1, "slice": 1},
    "vit_mean": {**VIT, "mean": 1},
    "convnext": {
        "transpose": 3,
        "depthwise_conv2d": 1,
        "layer_norm": 1,
        "fully_connected": 2,
        "gelu": 1,
        "add": 1,
        "mean": 1,
    },
}


def operators(graph: Graph) -> Counter[str]:
    return Counter(node.op for node in graph.nodes if node.op != "reshape")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_exported_module(file: Path) -> None:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    info = session.get_inputs()[0]
    samples = [np.random.default_rng(seed).normal(size=info.shape).astype(np.float32) for seed in range(3)]
    wanted = [session.run(None, {info.name: x})[0] for x in samples]
    graph = optimise(import_model(file, {}))
    for x, y in zip(samples, wanted, strict=True):
        np.testing.assert_allclose(run_reference(graph, [x])[graph.outputs[0]], y, rtol=1e-4, atol=2e-6)
    expected = EXPECTED[file.stem.rsplit("_", 1)[0]]
    assert operators(graph) == Counter(expected)

    integers = quantize_graph(graph, [[x] for x in samples])
    assert operators(integers) == Counter({op.replace("matmul", "int_matmul"): n for op, n in expected.items()})
    x, y = integers.inputs[0], integers.outputs[0]
    assert x.quant is not None and y.quant is not None
    for sample, real in zip(samples, wanted, strict=True):
        codes = run_reference(integers, [x.quant.quantize(sample, x.dtype)])[y]
        assert np.abs(y.quant.dequantize(codes) - real).max() < 0.04 * np.abs(real).max() + 0.01


def test_all_modules_are_there() -> None:
    assert {file.stem.rsplit("_", 1)[0] for file in FILES} == set(EXPECTED)
