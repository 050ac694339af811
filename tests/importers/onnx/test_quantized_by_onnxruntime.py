"""Float models quantized by onnxruntime, as QDQ and as operators on codes: edgekit's integers against its floats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.codegen.lowering import Target, lower
from edgekit.importers import import_model
from edgekit.ops.reference import run_reference
from edgekit.ops.supported import require_supported_graph

onnxruntime = pytest.importorskip("onnxruntime")
quantization = pytest.importorskip("onnxruntime.quantization")

RNG = np.random.default_rng(11)
IMAGE = [1, 4, 6, 6]
TOKENS = [1, 5, 8]


def node(op: str, inputs: str, output: str, **attrs: Any) -> onnx.NodeProto:
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(op, names, output.split(), name=f"{op}_{output.split()[0]}", **attrs)


def numbers(*shape: int) -> np.ndarray:
    return RNG.normal(0, 0.4, shape).astype(np.float32)


def conv(x: str, y: str) -> onnx.NodeProto:
    return node("Conv", f"{x} w", y, pads=[1, 1, 1, 1])


def between(op: str, **attrs: Any) -> list[onnx.NodeProto]:
    """A function between two convolutions."""
    return [conv("x", "c"), node(op, "c", "a", **attrs), conv("a", "y")]


Model = tuple[list[onnx.NodeProto], list[int]]
CONSTANTS = {
    "w": numbers(4, 4, 3, 3), "wg": numbers(4, 2, 3, 3), "w1": numbers(8, 8), "w2": numbers(8, 8), "w3": numbers(8, 8),
    "gamma": np.abs(numbers(8)) + 0.5, "beta": numbers(8), "gc": np.abs(numbers(4)) + 0.5, "bc": numbers(4),
    "rows": np.array([0, 3]), "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "sizes": np.array([1, 1, 2, 2], np.float32),
    "k": np.float32(0.37), "low": np.float32(-0.5), "high": np.float32(0.7),
}  # fmt: skip
MODELS: dict[str, Callable[[], Model]] = {
    **{op: (lambda op=op: (between(op), IMAGE)) for op in ("Sigmoid", "Tanh", "HardSwish", "LeakyRelu", "Elu", "Abs")},
    "swish": lambda: ([conv("x", "c"), node("Sigmoid", "c", "s"), node("Mul", "c s", "y")], IMAGE),
    "squeeze": lambda: (
        [conv("x", "c"), node("GlobalAveragePool", "c", "g"), node("Sigmoid", "g", "s"), node("Mul", "c s", "y")],
        IMAGE,
    ),
    "broadcast": lambda: ([conv("x", "c"), node("GlobalAveragePool", "c", "g"), node("Add", "c g", "y")], IMAGE),
    "concat": lambda: ([conv("x", "c"), node("Relu", "x", "r"), node("Concat", "c r", "y", axis=1)], IMAGE),
    "groups": lambda: ([node("Conv", "x wg", "y", group=2, pads=[1, 1, 1, 1])], IMAGE),
    "pad": lambda: ([node("Pad", "x pads", "p"), node("Conv", "p w", "y")], IMAGE),
    "reflect": lambda: ([node("Pad", "x pads", "p", mode="reflect"), node("Conv", "p w", "y")], IMAGE),
    "resize": lambda: ([conv("x", "c"), node("Resize", "c - sizes", "y", mode="linear")], IMAGE),
    "transposed": lambda: ([node("ConvTranspose", "x w", "y", strides=[2, 2])], IMAGE),
    "scale": lambda: ([conv("x", "c"), node("Mul", "c k", "y")], IMAGE),
    "clip": lambda: ([conv("x", "c"), node("Clip", "c low high", "y")], IMAGE),
    "maximum": lambda: ([conv("x", "c"), node("Max", "c x", "y")], IMAGE),
    "gather": lambda: ([node("MatMul", "x w1", "h"), node("Gather", "h rows", "y", axis=1)], TOKENS),
    "layer norm": lambda: ([node("LayerNormalization", "x gamma beta", "y", axis=-1)], TOKENS),
    "instance norm": lambda: ([node("InstanceNormalization", "x gc bc", "y")], IMAGE),
    "attention": lambda: (
        [
            node("MatMul", "x w1", "q"), node("MatMul", "x w2", "k0"), node("MatMul", "x w3", "v"),
            node("Transpose", "k0", "kt", perm=[0, 2, 1]), node("MatMul", "q kt", "s"),
            node("Softmax", "s", "p", axis=-1), node("MatMul", "p v", "y"),
        ], TOKENS,
    ),
}  # fmt: skip
# What onnxruntime's quantizer makes operators on codes of.
ON_CODES = ["Sigmoid", "LeakyRelu", "swish", "squeeze", "broadcast", "concat", "groups", "attention"]


class Samples(quantization.CalibrationDataReader):  # type: ignore[name-defined, misc]
    def __init__(self, shape: list[int]) -> None:
        self.left = iter([{"x": RNG.normal(0, 1, shape).astype(np.float32)} for _ in range(16)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.left, None)


def quantized(name: str, form: str, folder: Path) -> tuple[Path, list[int]]:
    nodes, shape = MODELS[name]()
    used = {i for n in nodes for i in n.input}
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in CONSTANTS.items() if k in used],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    source, target = folder / "float.onnx", folder / "quantized.onnx"
    onnx.save(onnx.shape_inference.infer_shapes(model), source)
    quantization.quantize_static(
        str(source), str(target), Samples(shape), quant_format=quantization.QuantFormat[form], per_channel=True,
        activation_type=quantization.QuantType.QInt8, weight_type=quantization.QuantType.QInt8,
    )  # fmt: skip
    return target, shape


def steps_apart(path: Path, shape: list[int]) -> float:
    """The largest difference from onnxruntime without fusions, in steps of the output."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    graph = import_model(path, {})
    require_supported_graph(graph)
    lower(graph, Target(dsp=True))
    (x,), (y,) = graph.inputs, graph.outputs
    assert x.quant is not None and y.quant is not None
    worst = 0.0
    for _ in range(6):
        sample = x.quant.dequantize(x.quant.quantize(RNG.normal(0, 1, shape).astype(np.float32), x.dtype))
        want = session.run(None, {"x": sample})[0]
        got = y.quant.dequantize(run_reference(graph, [np.asarray(x.quant.quantize(sample, x.dtype))])[y])
        worst = max(worst, float(np.abs(got - want).max()) / y.quant.scale[0])
    return worst


@pytest.mark.parametrize("name", list(MODELS))
def test_qdq(name: str, tmp_path: Path) -> None:
    # Every layer is within half a step; where several follow, their rounding adds up.
    assert steps_apart(*quantized(name, "QDQ", tmp_path)) <= 2.01


@pytest.mark.parametrize("name", ON_CODES)
def test_operators_on_codes(name: str, tmp_path: Path) -> None:
    path, shape = quantized(name, "QOperator", tmp_path)
    assert any(n.op_type.startswith("QLinear") for n in onnx.load(path).graph.node)
    assert steps_apart(path, shape) <= 2.01
