"""Quantized (QDQ) models: integer graphs whose results are those of onnxruntime to one step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from onnxruntime.quantization import QuantType as QType

from edgekit.errors import BadModel, UnsupportedModel
from edgekit.importers.onnx import import_onnx
from edgekit.ir import DType, Graph, QuantType
from edgekit.models import packaged_model
from edgekit.ops import spec_of
from edgekit.ops.conv2d import is_product
from edgekit.ops.reference import run_reference
from edgekit.ops.spec import check_constraints
from edgekit.ops.verify import verify_graph
from edgekit.passes import optimise
from tests.importers.onnx.helpers import import_model, make_model, node, run_onnxruntime, save

Array = npt.NDArray[Any]


class Builder:
    """Nodes and constants of a QDQ model in the making."""

    def __init__(self, dtype: type[np.generic] = np.uint8) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}
        self.dtype = dtype

    def qdq(self, name: str, scale: float, zero: int) -> str:
        """A pair behind tensor `name`; returns the name of its result."""
        self.constants |= {f"{name}_s": np.array(scale, np.float32), f"{name}_z": np.array(zero, self.dtype)}
        self.nodes.append(node("QuantizeLinear", f"{name} {name}_s {name}_z", f"{name}_q"))
        self.nodes.append(node("DequantizeLinear", f"{name}_q {name}_s {name}_z", f"{name}_d"))
        return f"{name}_d"

    def weights(self, name: str, codes: Array, scale: Any, axis: int = 0) -> str:
        """Dequantized constant codes."""
        scales = np.array(scale, np.float32)
        zeros = np.zeros(scales.shape, codes.dtype)
        self.constants |= {f"{name}_c": codes, f"{name}_s": scales, f"{name}_z": zeros}
        attrs = {"axis": axis} if scales.ndim else {}
        self.nodes.append(node("DequantizeLinear", f"{name}_c {name}_s {name}_z", f"{name}_d", **attrs))
        return f"{name}_d"

    def add(self, op: str, inputs: str, output: str, **attrs: Any) -> str:
        self.nodes.append(node(op, inputs, output, **attrs))
        return output

    def model(self, shape: list[int], output: str, **kinds: int) -> onnx.ModelProto:
        return make_model(self.nodes, shape, self.constants, outputs=[output], **kinds)


RNG = np.random.default_rng(5)


def codes(*shape: int) -> npt.NDArray[np.int8]:
    return RNG.integers(-127, 128, shape).astype(np.int8)


def conv_net(dtype: type[np.generic]) -> onnx.ModelProto:
    """conv-relu, depthwise, residual sum, max pool, mean, gemm, softmax."""
    b = Builder(dtype)
    zero = 128 if dtype is np.uint8 else 0
    low = 0 if dtype is np.uint8 else -128
    x = b.qdq("x", 0.02, zero)
    w1 = b.weights("w1", codes(8, 3, 3, 3), [0.01 + 0.001 * i for i in range(8)])
    b1 = b.weights("b1", RNG.integers(-900, 900, 8).astype(np.int32), [0.02 * (0.01 + 0.001 * i) for i in range(8)])
    b.add("Conv", f"{x} {w1} {b1}", "c1", pads=[1, 1, 1, 1])
    a1 = b.qdq(b.add("Relu", "c1", "r1"), 0.05, low)
    w2 = b.weights("w2", codes(8, 1, 3, 3), 0.004)
    a2 = b.qdq(b.add("Conv", f"{a1} {w2}", "c2", pads=[1, 1, 1, 1], group=8), 0.04, zero + 7)
    a3 = b.qdq(b.add("Add", f"{a1} {a2}", "s"), 0.06, zero - 5)
    a4 = b.qdq(b.add("MaxPool", a3, "p", kernel_shape=[2, 2], strides=[2, 2]), 0.06, zero - 5)
    a5 = b.qdq(b.add("GlobalAveragePool", a4, "g"), 0.03, zero)
    f = b.add("Flatten", a5, "f")
    w3 = b.weights("w3", codes(8, 5), [0.01] * 5, axis=1)
    b3 = b.weights("b3", RNG.integers(-900, 900, 5).astype(np.int32), [0.03 * 0.01] * 5)
    a6 = b.qdq(b.add("Gemm", f"{f} {w3} {b3}", "h"), 0.04, zero)
    out = b.qdq(b.add("Softmax", a6, "o"), 1 / 256, low)
    return b.model([1, 3, 8, 8], out)


def compare(model: onnx.ModelProto, folder: Path, steps: float = 1.0) -> Graph:
    """Largest difference to onnxruntime in output steps is at most `steps`."""
    path = save(model, folder)
    graph = optimise(import_model(model, folder))
    verify_graph(graph, "test")
    assert not [text for n in graph.nodes for text in check_constraints(n, spec_of(n.op))]
    (x,), (y,) = graph.inputs, graph.outputs
    assert x.dtype is DType.INT8 and y.dtype is DType.INT8 and x.quant is not None and y.quant is not None
    for seed in range(3):
        real = np.random.default_rng(seed).normal(size=x.shape).astype(np.float32)
        (expected,) = run_onnxruntime(path, [real])
        result = run_reference(graph, [x.quant.quantize(real, x.dtype)])[y]
        difference = np.abs(y.quant.dequantize(result) - expected) / y.quant.scale[0]
        assert result.shape == expected.shape and difference.max() <= steps + 1e-3
    return graph


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_conv_net(dtype: type[np.generic], tmp_path: Path) -> None:
    graph = compare(conv_net(dtype), tmp_path, steps=2.0)
    kinds = [n.op for n in graph.nodes]
    assert kinds[:5] == ["transpose", "conv2d", "depthwise_conv2d", "add", "max_pool2d"]
    assert graph.inputs[0].quant == QuantType.per_tensor(0.02, 0)


def test_asymmetric_uint8_weights(tmp_path: Path) -> None:
    b = Builder()
    x = b.qdq("x", 0.02, 100)
    b.constants |= {
        "w_c": codes(4, 3, 2, 2).view(np.uint8),
        "w_s": np.array(0.01, np.float32),
        "w_z": np.array(120, np.uint8),
    }
    b.add("DequantizeLinear", "w_c w_s w_z", "w_d")
    graph = compare(b.model([1, 3, 5, 5], b.qdq(b.add("Conv", f"{x} w_d", "c"), 0.05, 90)), tmp_path)
    assert next(n for n in graph.nodes if n.op == "conv2d").input(1).quant == QuantType.per_tensor(0.01, -8)


def test_weights_quantized_from_float(tmp_path: Path) -> None:
    b = Builder(np.int8)
    x = b.qdq("x", 0.02, 0)
    b.constants |= {
        "w": RNG.normal(size=(6, 4)).astype(np.float32),
        "w_s": np.full(4, 0.02, np.float32), "w_z": np.zeros(4, np.int8)
    }  # fmt: skip
    b.add("QuantizeLinear", "w w_s w_z", "w_q", axis=1)
    b.add("DequantizeLinear", "w_q w_s w_z", "w_d", axis=1)
    b.constants["bias"] = np.array([0.5, -1, 2, 0.1], np.float32)
    compare(b.model([1, 6], b.qdq(b.add("Gemm", f"{x} w_d bias", "g"), 0.05, 3)), tmp_path)


def test_batch_norm_stays_integer(tmp_path: Path) -> None:
    b = Builder(np.int8)
    x = b.qdq("x", 0.02, 0)
    b.constants["c"] = np.array([0.5, -1.5, 2.0], np.float32).reshape(3, 1, 1)
    graph = compare(b.model([1, 3, 4, 4], b.qdq(b.add("Mul", f"{x} c", "m"), 0.05, 3)), tmp_path)
    assert "depthwise_conv2d" in [n.op for n in graph.nodes]


def test_concat_of_different_scales(tmp_path: Path) -> None:
    b = Builder(np.int8)
    x = b.qdq("x", 0.02, 0)
    left = b.qdq(b.add("Sigmoid", x, "l"), 1 / 256, -128)
    right = b.qdq(b.add("Relu", x, "r"), 0.015, -128)
    graph = compare(
        b.model([1, 2, 3, 4], b.qdq(b.add("Concat", f"{left} {right}", "c", axis=1), 0.015, -128)), tmp_path
    )
    assert sum(n.op == "requantize" for n in graph.nodes) == 1


@pytest.mark.parametrize(
    ("left", "right", "made"),
    [
        ((0.01, 0), (0.02, 0), (0.02, 0)),
        ((0.02, -128), (0.02, 127), (0.04, 0)),
        ((0.02, 127), (0.02, -128), (0.04, 0)),
        ((0.02, -128), (0.01, 127), (0.03, -43)),
    ],
)
def test_concat_that_says_nothing_holds_what_both_can_be(
    left: tuple[float, int], right: tuple[float, int], made: tuple[float, int], tmp_path: Path
) -> None:
    b = Builder(np.int8)
    x = b.qdq("x", 0.02, 0)
    sides = []
    for name, (scale, zero) in (("l", left), ("r", right)):
        b.constants |= {
            f"{name}_low": np.float32(scale * (-128 - zero)), f"{name}_high": np.float32(scale * (127 - zero))
        }  # fmt: skip
        sides.append(b.qdq(b.add("Clip", f"{x} {name}_low {name}_high", name), scale, zero))
    together = b.add("Concat", " ".join(sides), "c", axis=1)
    y = b.qdq(b.add("Conv", f"{together} {b.weights('w', codes(4, 4, 2, 2), 0.003)}", "k"), 0.05, 0)
    graph = compare(b.model([1, 2, 5, 5], y), tmp_path, steps=2.0)
    quant = next(n for n in graph.nodes if n.op == "concat").output.quant
    assert quant is not None and quant.zero_point[0] == made[1] and np.isclose(quant.scale[0], made[0])


@pytest.mark.parametrize(("op", "limit"), [("Min", 3e4), ("Max", -3e4), ("Where", -3e4)])
def test_limits_and_masks_far_out_leave_the_rest_its_steps(op: str, limit: float, tmp_path: Path) -> None:
    b = Builder(np.int8)
    x = b.qdq("x", 0.02, 0)
    far = b.weights("f", np.array([127 if limit > 0 else -127], np.int8), abs(limit) / 127)
    b.constants["c"] = np.array([[True, False, True]])
    b.add(op, f"c {x} {far}" if op == "Where" else f"{x} {far}", "l")
    y = b.qdq(b.add("MatMul", f"l {b.weights('w', codes(3, 4), 0.003)}", "m"), 0.05, 0)
    path = save(b.model([1, 3], y), tmp_path)
    graph = optimise(import_onnx(path, {}))
    product = next(n for n in graph.nodes if is_product(n))
    assert product.input(0).quant == QuantType.per_tensor(0.02, 0)


def test_transposes_vanish_with_their_scales(tmp_path: Path) -> None:
    b = Builder(np.int8)
    x = b.qdq("x", 0.02, 0)
    a = b.qdq(b.add("Conv", f"{x} {b.weights('w', codes(4, 3, 1, 1), 0.01)}", "c"), 0.03, 1)
    t = b.add("Transpose", a, "t", perm=[0, 2, 3, 1])
    b.constants["s"] = np.array([1, 16, 4], np.int64)
    graph = compare(b.model([1, 3, 4, 4], b.qdq(b.add("Reshape", f"{t} s", "r"), 0.03, 1)), tmp_path)
    assert [n.op for n in graph.nodes] == ["transpose", "conv2d", "reshape"]


def test_uint8_input_and_output_stay(tmp_path: Path) -> None:
    b = Builder(np.uint8)
    b.constants |= {"s": np.array(0.02, np.float32), "z": np.array(100, np.uint8)}
    b.add("DequantizeLinear", "x s z", "x_d")
    b.add("Sigmoid", "x_d", "a")
    b.constants |= {"t": np.array(1 / 256, np.float32), "o": np.array(0, np.uint8)}
    b.add("QuantizeLinear", "a t o", "y")
    model = b.model([1, 5], "y", input_type=TensorProto.UINT8, output_type=TensorProto.UINT8)
    graph = import_model(model, tmp_path)
    assert graph.inputs[0].dtype is DType.UINT8 and graph.outputs[0].dtype is DType.UINT8
    x = np.array([[0, 50, 100, 200, 255]], np.uint8)
    (expected,) = run_onnxruntime(save(model, tmp_path), [x])
    result = run_reference(graph, [x])[graph.outputs[0]]
    assert np.abs(result.astype(int) - expected.astype(int)).max() <= 1


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("dtype", [QType.QUInt8, QType.QInt8])
def test_onnxruntime_quantizer(per_channel: bool, dtype: QType, tmp_path: Path) -> None:
    model = packaged_model()

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.samples = iter([{"image": s[0]} for s in model.calibration.samples[:16]])

        def get_next(self) -> dict[str, Array] | None:
            return next(self.samples, None)

    path = tmp_path / "q.onnx"
    quantize_static(
        str(model.model_path), str(path), Reader(), quant_format=QuantFormat.QDQ,
        activation_type=dtype, weight_type=QType.QInt8, per_channel=per_channel,
    )  # fmt: skip
    graph = optimise(import_onnx(path, {}))
    (x,), (y,) = graph.inputs, graph.outputs
    assert x.quant is not None and y.quant is not None
    steps = []
    for sample in model.test.samples[:20]:
        (expected,) = run_onnxruntime(path, sample)
        result = y.quant.dequantize(run_reference(graph, [x.quant.quantize(sample[0], x.dtype)])[y])
        steps.append(np.abs(result - expected) / y.quant.scale[0])
    # Half a step in each of forty layers, onnxruntime's float between them: a few steps at the end.
    assert np.max(steps) < 8 and np.mean(steps) < 1


def test_unquantized_layer_is_named(tmp_path: Path) -> None:
    b = Builder(np.int8)
    x = b.qdq("x", 0.02, 0)
    b.add("Conv", f"{x} {b.weights('w', codes(4, 3, 1, 1), 0.01)}", "lonely")
    b.add("Sigmoid", "lonely", "s")
    with pytest.raises(UnsupportedModel, match=r"Conv_lonely.*not quantized"):
        import_model(b.model([1, 3, 4, 4], b.qdq("s", 1 / 256, -128)), tmp_path)


@pytest.mark.parametrize("fill", [np.nan, -np.inf])
def test_padding_with_nan_is_refused_and_with_infinity_saturates(fill: float, tmp_path: Path) -> None:
    b = Builder(np.int8)
    b.constants |= {"p": np.array([0, 1, 0, 1]), "f": np.array(fill, np.float32)}
    model = b.model([1, 6], b.qdq(b.add("Pad", f"{b.qdq('x', 0.02, 3)} p f", "padded"), 0.02, 3))
    if np.isnan(fill):
        with pytest.raises(BadModel, match=r"Pad_padded.*fills with NaN, which has no code"):
            import_model(model, tmp_path)
    else:
        graph = import_model(model, tmp_path)
        assert run_reference(graph, [codes(1, 6)])[graph.outputs[0]][0, [0, -1]].tolist() == [-128, -128]


def test_float_weights_are_named(tmp_path: Path) -> None:
    b = Builder(np.int8)
    x = b.qdq("x", 0.02, 0)
    b.constants["w"] = RNG.normal(size=(6, 4)).astype(np.float32)
    with pytest.raises(UnsupportedModel, match=r"MatMul_m.*weights are not int8"):
        import_model(b.model([1, 6], b.qdq(b.add("MatMul", f"{x} w", "m"), 0.1, 0)), tmp_path)
