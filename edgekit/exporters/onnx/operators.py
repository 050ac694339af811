"""One function per kind of layer of an integer graph: the ONNX operators that compute it on real numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgekit.errors import UnsupportedModel
from edgekit.exporters.onnx.normalization import write_normalization
from edgekit.exporters.onnx.weights import write_bias, write_weights
from edgekit.exporters.onnx.writer import OnnxWriter
from edgekit.ir import Node

# Functions of one tensor whose attributes are ONNX's own, by name.
_FUNCTIONS = {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "leaky_relu": "LeakyRelu", "elu": "Elu", "selu": "Selu",
    "celu": "Celu", "mish": "Mish", "hard_sigmoid": "HardSigmoid", "hard_swish": "HardSwish", "softplus": "Softplus",
    "softsign": "Softsign", "thresholded_relu": "ThresholdedRelu", "abs": "Abs", "neg": "Neg", "sign": "Sign",
    "floor": "Floor", "ceil": "Ceil", "round": "Round", "exp": "Exp", "log": "Log", "sqrt": "Sqrt",
    "reciprocal": "Reciprocal", "erf": "Erf", "sin": "Sin", "cos": "Cos", "gelu": "Gelu",
    "tan": "Tan", "asin": "Asin", "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "asinh": "Asinh",
    "acosh": "Acosh", "atanh": "Atanh",
}  # fmt: skip
_REDUCTIONS = {
    "mean": "ReduceMean", "int_mean": "ReduceMean", "reduce_max": "ReduceMax", "reduce_min": "ReduceMin",
    "int_reduce_sum": "ReduceSum", "int_reduce_prod": "ReduceProd",
}  # fmt: skip
_BINARY = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "min": "Min", "max": "Max", "pow": "Pow",
    "int_prelu": "PRelu",
}  # fmt: skip
_LIMITS = {"relu6": (0.0, 6.0), "relu_n1_to_1": (-1.0, 1.0)}


def write_node(writer: OnnxWriter, node: Node) -> None:
    """Append what computes a node; raises UnsupportedModel where ONNX, or onnxruntime, has nothing for it."""
    if node.op in _FUNCTIONS:
        _function(writer, node, _FUNCTIONS[node.op], dict(node.attrs))
    elif node.op in _BINARY:
        _binary(writer, node)
    elif node.op in _REDUCTIONS:
        _reduction(writer, node)
    elif node.op in _WRITERS:
        _WRITERS[node.op](writer, node)
    else:
        raise UnsupportedModel(
            f"layer {node.name!r} ({node.op}): has no form in ONNX here; remove it before the export"
        )


def _convolution(writer: OnnxWriter, node: Node) -> None:
    x, weights, bias = node.input(0), node.input(1), node.optional_input(2)
    groups = node.attrs.get("groups", 1)
    if node.op == "depthwise_conv2d":
        integers, groups = weights.array.transpose(2, 0, 1)[:, None], x.shape[3]
    else:
        integers = weights.array.transpose(0, 3, 1, 2)
    operands = [writer.channels_first(x), write_weights(writer, weights, integers, 0)]
    operands += [] if bias is None else [write_bias(writer, bias)]
    attrs = {
        "kernel_shape": integers.shape[2:], "strides": node.attrs["stride"], "pads": node.attrs["padding"],
        "dilations": node.attrs["dilation"], "group": groups,
    }  # fmt: skip
    y = writer.emit("Conv", node.name, operands, attrs)
    writer.quantized(node, node.output, _activated(writer, node, y), channels_first=True)


def _transposed_convolution(writer: OnnxWriter, node: Node) -> None:
    """ONNX cuts off or adds at the end what the size of the output says."""
    x, weights, bias = node.input(0), node.input(1), node.optional_input(2)
    integers, stride, before = weights.array.transpose(3, 0, 1, 2), node.attrs["stride"], node.attrs["before"]
    whole = [(n - 1) * s + k for n, s, k in zip(x.shape[1:3], stride, integers.shape[2:], strict=True)]
    after = [w - b - size for w, b, size in zip(whole, before, node.attrs["size"], strict=True)]
    added = [max(0, -a) for a in after]
    if any(a >= s for a, s in zip(added, stride, strict=True)):
        raise UnsupportedModel(
            f"layer {node.name!r} ({node.op}): ONNX adds less than a stride of {list(stride)} behind what the input "
            f"reaches, but its output of {list(node.attrs['size'])} ends {added} behind; pad its output instead"
        )
    operands = [writer.channels_first(x), write_weights(writer, weights, integers, 1)]
    operands += [] if bias is None else [write_bias(writer, bias)]
    attrs = {
        "kernel_shape": integers.shape[2:], "strides": stride, "pads": (*before, *(max(0, a) for a in after)),
        "output_padding": added,
    }  # fmt: skip
    y = writer.emit("ConvTranspose", node.name, operands, attrs)
    writer.quantized(node, node.output, _activated(writer, node, y), channels_first=True)


def _fully_connected(writer: OnnxWriter, node: Node) -> None:
    weights, bias = node.input(1), node.optional_input(2)
    operands = [writer.own(node.input(0)), write_weights(writer, weights, weights.array.T, 1)]
    y = writer.emit("MatMul", node.name if bias is None else f"{node.name} product", operands)
    if bias is not None:
        y = writer.emit("Add", node.name, [y, write_bias(writer, bias)])
    writer.quantized(node, node.output, _activated(writer, node, y))


def _activated(writer: OnnxWriter, node: Node, y: str) -> str:
    """A result with the activation that the node applies to it."""
    activation = node.attrs.get("activation", "none")
    if activation == "none":
        return y
    if activation == "relu":
        return writer.emit("Relu", f"{node.name} relu", [y])
    return _clipped(writer, f"{node.name} {activation}", y, *_LIMITS[activation])


def _clipped(writer: OnnxWriter, name: str, x: str, low: float, high: float) -> str:
    limits = [writer.constant(f"{name} limit", np.array(v, np.float32)) for v in (low, high)]
    return writer.emit("Clip", name, [x, *limits])


def _function(writer: OnnxWriter, node: Node, op: str, attrs: dict[str, Any]) -> None:
    """A function of one tensor, in whichever layout that is there."""
    x = node.input(0)
    first = writer.has_first(x)
    y = writer.emit(op, node.name, [writer.channels_first(x) if first else writer.own(x)], attrs)
    writer.quantized(node, node.output, y, first)


def _gelu_tanh(writer: OnnxWriter, node: Node) -> None:
    _function(writer, node, "Gelu", {"approximate": "tanh"})


def _silu(writer: OnnxWriter, node: Node) -> None:
    x = writer.own(node.input(0))
    alpha = writer.constant(f"{node.name} alpha", np.array(node.attrs["alpha"], np.float32))
    inner = x if node.attrs["alpha"] == 1.0 else writer.emit("Mul", f"{node.name} scaled", [x, alpha])
    gate = writer.emit("Sigmoid", f"{node.name} gate", [inner])
    writer.quantized(node, node.output, writer.emit("Mul", node.name, [x, gate]))


def _power(writer: OnnxWriter, node: Node) -> None:
    exponent = writer.constant(f"{node.name} exponent", np.array(node.attrs.get("exponent", 2.0), np.float32))
    y = writer.emit("Pow", node.name, [writer.own(node.input(0)), exponent])
    writer.quantized(node, node.output, y)


def _clip(writer: OnnxWriter, node: Node) -> None:
    low, high = _LIMITS["relu6"] if node.op == "relu6" else (node.attrs["low"], node.attrs["high"])
    writer.quantized(node, node.output, _clipped(writer, node.name, writer.own(node.input(0)), low, high))


def _binary(writer: OnnxWriter, node: Node) -> None:
    operands = [node.input(0), node.input(1)]
    first = all(writer.has_first(v) and v.shape == node.output.shape for v in operands)
    names = [writer.channels_first(v) if first else writer.own(v) for v in operands]
    y = writer.emit(_BINARY[node.op], node.name, names)
    writer.quantized(node, node.output, _activated(writer, node, y), first)


def _softmax(writer: OnnxWriter, node: Node) -> None:
    x = writer.own(node.input(0))
    if node.attrs.get("beta", 1.0) != 1.0:
        beta = writer.constant(f"{node.name} beta", np.array(node.attrs["beta"], np.float32))
        x = writer.emit("Mul", f"{node.name} scaled", [x, beta])
    op = "Softmax" if node.op == "softmax" else "LogSoftmax"
    writer.quantized(node, node.output, writer.emit(op, node.name, [x], {"axis": -1}))


def _matmul(writer: OnnxWriter, node: Node) -> None:
    operands = []
    for index, key in enumerate(("transpose_a", "transpose_b")):
        value = node.input(index)
        name = writer.own(value)
        if node.attrs[key]:
            perm = [*range(len(value.shape) - 2), len(value.shape) - 1, len(value.shape) - 2]
            name = writer.emit("Transpose", f"{node.name} {key}", [name], {"perm": perm})
        operands.append(name)
    writer.quantized(node, node.output, writer.emit("MatMul", node.name, operands))


def _pool(writer: OnnxWriter, node: Node) -> None:
    if tuple(node.attrs.get("dilation", (1, 1))) != (1, 1):
        raise UnsupportedModel(
            f"layer {node.name!r} ({node.op}): onnxruntime has no dilated pooling of codes; use one without dilation"
        )
    op = "MaxPool" if node.op == "max_pool2d" else "AveragePool"
    attrs = {"kernel_shape": node.attrs["kernel"], "strides": node.attrs["stride"], "pads": node.attrs["padding"]}
    y = writer.emit(op, node.name, [writer.channels_first(node.input(0))], attrs)
    writer.quantized(node, node.output, _activated(writer, node, y), channels_first=True)


def _reduction(writer: OnnxWriter, node: Node) -> None:
    axes = writer.constant(f"{node.name} axes", np.array(node.attrs["axes"], np.int64))
    keep = {"keepdims": int(node.attrs["keep_dims"]), "noop_with_empty_axes": 1}
    y = writer.emit(_REDUCTIONS[node.op], node.name, [writer.own(node.input(0)), axes], keep)
    writer.quantized(node, node.output, y)


def _reshape(writer: OnnxWriter, node: Node) -> None:
    shape = writer.constant(f"{node.name} shape", np.array(node.output.shape, np.int64))
    _moved(writer, node, writer.emit("Reshape", node.name, [writer.own(node.input(0)), shape]))


def _transpose(writer: OnnxWriter, node: Node) -> None:
    perm = {"perm": node.attrs["perm"]}
    _moved(writer, node, writer.emit("Transpose", node.name, [writer.own(node.input(0))], perm))


def _slice(writer: OnnxWriter, node: Node) -> None:
    rows = zip(node.attrs["starts"], node.attrs["steps"], node.attrs["sizes"], strict=True)
    # A negative end would count from the back: this one is before every start.
    bounds = [(start, end if (end := start + step * size) >= 0 else -(2**31), step) for start, step, size in rows]
    starts, ends, steps = (
        writer.constant(f"{node.name} {part}", np.array(column, np.int64))
        for part, column in zip(("starts", "ends", "steps"), zip(*bounds, strict=True), strict=True)
    )
    axes = writer.constant(f"{node.name} axes", np.arange(len(bounds)))
    _moved(writer, node, writer.emit("Slice", node.name, [writer.own(node.input(0)), starts, ends, axes, steps]))


def _concat(writer: OnnxWriter, node: Node) -> None:
    names = [writer.own(value) for value in node.inputs if value is not None]
    _moved(writer, node, writer.emit("Concat", node.name, names, {"axis": node.attrs["axis"]}))


def _pad(writer: OnnxWriter, node: Node) -> None:
    pads = writer.constant(f"{node.name} pads", np.array([*node.attrs["before"], *node.attrs["after"]], np.int64))
    fill = writer.constant(f"{node.name} value", np.array(node.attrs["value"], np.float32))
    _moved(writer, node, writer.emit("Pad", node.name, [writer.own(node.input(0)), pads, fill]))


def _expand(writer: OnnxWriter, node: Node) -> None:
    shape = writer.constant(f"{node.name} shape", np.array(node.output.shape, np.int64))
    _moved(writer, node, writer.emit("Expand", node.name, [writer.own(node.input(0)), shape]))


def _tile(writer: OnnxWriter, node: Node) -> None:
    repeats = writer.constant(f"{node.name} repeats", np.array(node.attrs["repeats"], np.int64))
    _moved(writer, node, writer.emit("Tile", node.name, [writer.own(node.input(0)), repeats]))


def _gather(writer: OnnxWriter, node: Node) -> None:
    x, indices = node.input(0), node.input(1)
    if not indices.is_constant:
        raise UnsupportedModel(f"layer {node.name!r} (gather): computed indices have no QDQ form; remove the layer")
    places = writer.constant(f"{node.name} indices", indices.array.astype(np.int64))
    _moved(writer, node, writer.emit("Gather", node.name, [writer.own(x), places], {"axis": node.attrs["axis"]}))


def _resize_nearest(writer: OnnxWriter, node: Node) -> None:
    scales = writer.constant(f"{node.name} scales", np.array([1, 1, *node.attrs["factors"]], np.float32))
    attrs = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    y = writer.emit("Resize", node.name, [writer.channels_first(node.input(0)), "", scales], attrs)
    writer.quantized(node, node.output, y, channels_first=True)


def _moved(writer: OnnxWriter, node: Node, y: str) -> None:
    """A result whose numbers stand in the operands: they are rounded already where the quantization is one."""
    if all(value is None or value.quant == node.output.quant for value in node.inputs):
        writer.put(node.output, y)
    else:
        writer.quantized(node, node.output, y)


def _requantize(writer: OnnxWriter, node: Node) -> None:
    writer.quantized(node, node.output, writer.own(node.input(0)))


_WRITERS: dict[str, Callable[[OnnxWriter, Node], None]] = {
    "avg_pool2d": _pool,
    "clip": _clip,
    "concat": _concat,
    "conv2d": _convolution,
    "depthwise_conv2d": _convolution,
    "expand": _expand,
    "fully_connected": _fully_connected,
    "gather": _gather,
    "gelu_tanh": _gelu_tanh,
    "int_log_softmax": _softmax,
    "int_matmul": _matmul,
    "layer_norm": write_normalization,
    "max_pool2d": _pool,
    "pad": _pad,
    "power": _power,
    "relu6": _clip,
    "requantize": _requantize,
    "reshape": _reshape,
    "resize_nearest": _resize_nearest,
    "silu": _silu,
    "slice": _slice,
    "softmax": _softmax,
    "square": _power,
    "tile": _tile,
    "transpose": _transpose,
    "transpose_conv2d": _transposed_convolution,
}
