"""Operators that got a form on int8 codes: quantized from float, and read from QDQ models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from edgekit.codegen.lowering import Target, lower
from edgekit.errors import UnsupportedModel
from edgekit.ops.supported import require_supported_graph
from edgekit.passes import optimise
from edgekit.quant.affine import quantize_graph
from edgekit.quant.error import layer_errors
from tests.importers.onnx.helpers import import_model, make_model, node
from tests.importers.onnx.test_qdq import Builder, codes, compare

Constants = dict[str, npt.NDArray[Any]]
RNG = np.random.default_rng(11)
AXIS = np.array(2)
CUBE = RNG.normal(0, 0.3, (4, 3, 2, 2, 3)).astype(np.float32)
BIAS = RNG.normal(0, 0.3, 4).astype(np.float32)


def float_model(name: str) -> onnx.ModelProto:
    """A small float model around one operator."""
    nodes, constants, shape = {
        "CumSum": ([node("CumSum", "x a", "y", reverse=1)], {"a": AXIS}, [2, 3, 8]),
        "Pow": (
            [node("Abs", "x", "b"), node("Tanh", "x", "e"), node("Pow", "b e", "y")], {}, [2, 3, 8]
        ),
        "Hardmax": ([node("Hardmax", "x", "y", axis=-1)], {}, [2, 3, 8]),
        "Conv": (
            [node("Conv", "x w b", "c", pads=[0, 1, 0, 1, 0, 1]), node("Relu", "c", "r"),
             node("MaxPool", "r", "m", kernel_shape=[2, 2, 2]), node("GlobalAveragePool", "m", "y")],
            {"w": CUBE, "b": BIAS}, [1, 3, 4, 5, 6],
        ),
        "ReduceProd": ([node("ReduceProd", "x", "y", axes=[2])], {}, [2, 3, 4]),
    }[name]  # fmt: skip
    return make_model(nodes, shape, constants)


@pytest.mark.parametrize(
    ("name", "least_db"), [("CumSum", 30), ("Pow", 28), ("Hardmax", 80), ("Conv", 25), ("ReduceProd", 20)]
)
def test_quantized_from_float(tmp_path: Path, name: str, least_db: float) -> None:
    graph = optimise(import_model(float_model(name), tmp_path))
    rng = np.random.default_rng(1)
    samples = [[rng.normal(0, 1, v.shape).astype(np.float32) for v in graph.inputs] for _ in range(12)]
    quantized = optimise(quantize_graph(graph, samples))
    require_supported_graph(quantized)
    lower(quantized, Target(dsp=True))
    rows = layer_errors(graph, quantized, samples[:4])
    assert rows and rows[-1].sqnr_db > least_db, rows


def _cum_sum(b: Builder, x: str) -> str:
    b.constants["a"] = AXIS
    return b.qdq(b.add("CumSum", f"{x} a", "p", exclusive=1), 0.2, 9)


def _pow(b: Builder, x: str) -> str:
    base, exponent = b.qdq(b.add("Abs", x, "a"), 0.03, -128), b.qdq(b.add("Tanh", x, "t"), 1 / 128, 0)
    return b.qdq(b.add("Pow", f"{base} {exponent}", "p"), 0.05, -100)


def _constant_pow(b: Builder, x: str) -> str:
    b.constants["e"] = np.array(3, np.float32)
    return b.qdq(b.add("Pow", f"{x} e", "p"), 2.0, 4)


def _hardmax(b: Builder, x: str) -> str:
    return b.qdq(b.add("Hardmax", x, "p", axis=1), 0.02, -100)


def _conv(b: Builder, x: str) -> str:
    w = b.weights("w", codes(4, 2, 2, 3, 2), [0.01, 0.02, 0.005, 0.015])
    bias = b.weights("b", np.array([3, -400, 50, 900], np.int32), [0.05 * s for s in (0.01, 0.02, 0.005, 0.015)])
    conv = b.add("Conv", f"{x} {w} {bias}", "c", pads=[1, 0, 1, 0, 2, 0], strides=[1, 2, 1], dilations=[1, 1, 2])
    return b.qdq(b.add("MaxPool", b.qdq(conv, 0.1, -7), "p", kernel_shape=[2, 1, 1]), 0.1, -7)


def _prod(b: Builder, x: str) -> str:
    return b.qdq(b.add("ReduceProd", x, "p", axes=[2], keepdims=0), 0.5, 0)


def _where(b: Builder, x: str) -> str:
    b.constants["low"] = np.array(-0.25, np.float32)
    condition = b.add("Less", f"{x} {x}", "l")
    return b.qdq(b.add("Where", f"{condition} {x} low", "p"), 0.05, 3)


def _concat(b: Builder, x: str) -> str:
    b.constants["more"] = np.linspace(-2, 2, 6, dtype=np.float32).reshape(1, 2, 3)
    return b.qdq(b.add("Concat", f"{x} more", "p", axis=1), 0.05, 3)


@pytest.mark.parametrize(("make", "shape"), [
    (_cum_sum, [1, 4, 9]), (_pow, [2, 33]), (_constant_pow, [2, 33]), (_hardmax, [2, 5, 3]), (_conv, [1, 2, 3, 4, 6]),
    (_prod, [2, 3, 3]), (_where, [2, 9]), (_concat, [1, 4, 3]),
])  # fmt: skip
def test_qdq(tmp_path: Path, make: Any, shape: list[int]) -> None:
    builder = Builder(np.int8)
    compare(builder.model(shape, make(builder, builder.qdq("x", 0.05, 3))), tmp_path)


def test_products_and_determinants_stay_refused(tmp_path: Path) -> None:
    model = make_model([node("CumProd", "x a", "y")], [2, 3, 8], {"a": AXIS}, opset=26)
    graph = optimise(import_model(model, tmp_path))
    samples = [[np.ones(v.shape, np.float32) for v in graph.inputs]]
    with pytest.raises(UnsupportedModel, match=r"cum_prod.*--precision float32"):
        require_supported_graph(quantize_graph(graph, samples))
