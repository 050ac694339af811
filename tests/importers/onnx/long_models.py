"""Small ONNX files of very many layers, operands or ports, for test_hostile_limits.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.importers.onnx.helpers import make_model, node

# As many layers as a file may have, but one.
NODES = 11_999


def _chain(op: str, count: int = NODES, shape: Sequence[int] = (1, 4), **attrs: Any) -> onnx.ModelProto:
    second = " c" if op in ("Add", "Mul") else ""
    nodes = [
        node(op, ("x" if i == 0 else f"t{i - 1}") + second, "y" if i == count - 1 else f"t{i}", **attrs)
        for i in range(count)
    ]
    return make_model(nodes, shape, {"c": np.full(1, 1.0001, np.float32)}, 18)


def variadic(op: str, count: int, **attrs: Any) -> onnx.ModelProto:
    """One operator with so many operands."""
    return make_model([node(op, " ".join(["x"] * count), "y", **attrs)], [1, 4], None, 18)


def many_outputs(count: int) -> onnx.ModelProto:
    """So many layers, each an output."""
    nodes = [node("Relu", "x", f"t{i}") for i in range(count)]
    return make_model(nodes, [1, 4], None, 17, outputs=[f"t{i}" for i in range(count)])


def _one_output_often(count: int) -> onnx.ModelProto:
    return make_model([node("Relu", "x", "y")], [1, 4], None, 17, outputs=["y"] * count)


def _many_inputs(count: int) -> onnx.ModelProto:
    model = make_model([node("Relu", "x", "y")], [1, 4], None, 17)
    for i in range(count):
        model.graph.input.append(helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, [1, 4]))
    return model


def _many_constants(count: int) -> onnx.ModelProto:
    return make_model([node("Relu", "x", "y")], [1, 4], {f"c{i}": np.ones(1, np.float32) for i in range(count)}, 17)


# Each may be built, refused or found too large: but quickly, and in few words.
TINY: dict[str, Callable[[], onnx.ModelProto]] = {
    "axes": lambda: make_model([node("ReduceSum", "x", "y", axes=[0] * 1_000_000)], [1, 4, 8, 8], opset=11),
    "relus": lambda: _chain("Relu"),
    "sigmoids": lambda: _chain("Sigmoid"),
    "adds": lambda: _chain("Add"),
    "muls": lambda: _chain("Mul"),
    "identities": lambda: _chain("Identity"),
    "transposes": lambda: _chain("Transpose", perm=[1, 0]),
    "transposes_4d": lambda: _chain("Transpose", shape=(1, 2, 3, 4), perm=[0, 2, 3, 1]),
    "unsupported": lambda: _chain("NonZero"),
    "unknown": lambda: _chain("Nonsense"),
    "flattens": lambda: _chain("Flatten"),
    "softmaxes": lambda: _chain("Softmax"),
    "norms": lambda: _chain("MeanVarianceNormalization", shape=(1, 2, 2, 2)),
    "definitions": lambda: _chain("ReduceLogSumExp", shape=(1, 4)),
    "pools": lambda: _chain("MaxPool", shape=(1, 2, 4, 4), kernel_shape=[1, 1]),
    "sum_of_100_000": lambda: variadic("Sum", 100_000),
    "concat_of_100_000": lambda: variadic("Concat", 100_000, axis=1),
    "outputs": lambda: many_outputs(NODES),
    "one_output_often": lambda: _one_output_often(100_000),
    "inputs": lambda: _many_inputs(100_000),
    "constants": lambda: _many_constants(100_000),
    "too_many": lambda: _chain("Relu", 20_001),
    "top_k": lambda: make_model(
        [helper.make_node("TopK", ["x", "k"], ["y", "i"], name="top")], [1 << 24], {"k": np.array([1 << 24])}, 17
    ),
}
