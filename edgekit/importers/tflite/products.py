"""Convolutions, fully connected layers and matrix products."""

from __future__ import annotations

from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgekit.importers.tflite.layer import Layer
from edgekit.ir import DType, QuantType, Value
from edgekit.ops.window import same_padding

MAX_WINDOW = 1 << 16


def window(layer: Layer, kernel: tuple[int, int], dilation: tuple[int, int]) -> dict[str, Any]:
    """Attributes stride and padding of an operator that slides over its first input."""
    options, shape = layer.options, layer.value(0).shape
    stride = (options.StrideH(), options.StrideW())
    if len(shape) != 4 or min(*stride, *dilation, *kernel) < 1 or max(*stride, *dilation, *kernel) > MAX_WINDOW:
        raise layer.bad(f"input {list(shape)}, kernel {kernel}, stride {stride} make no window")
    padding = (0, 0, 0, 0)
    if options.Padding() == schema.Padding.SAME:
        (top, bottom), (left, right) = (same_padding(shape[1 + a], kernel[a], stride[a], dilation[a]) for a in range(2))
        padding = (top, left, bottom, right)
    return {"stride": stride, "padding": padding}


def _bias(layer: Layer, index: int = 2) -> Value | None:
    bias = layer.optional(index)
    # A bias of zeros that the file only declares has no elements.
    return None if bias is None or not bias.elements else bias


def _rounding(layer: Layer) -> dict[str, Any]:
    """How TFLite's reference convolutions round: twice, and legacy uint8 multiplies its scales in float32."""
    return {"double_rounding": True, "single_precision_scale": layer.legacy_uint8}


def _dilation(layer: Layer) -> tuple[int, int]:
    return layer.options.DilationHFactor(), layer.options.DilationWFactor()


def conv_2d(layer: Layer) -> Value:
    """CONV_2D, in groups where the weights have fewer input channels."""
    x, weights = layer.value(0), layer.value(1)
    if len(weights.shape) != 4 or len(x.shape) != 4 or not weights.elements:
        raise layer.bad(f"weights of shape {list(weights.shape)}, needs 4 axes")
    dilation = _dilation(layer)
    attrs = window(layer, (weights.shape[1], weights.shape[2]), dilation)
    if x.shape[3] % weights.shape[3]:
        raise layer.bad(f"weights {list(weights.shape)} do not go with input {list(x.shape)}")
    groups = x.shape[3] // weights.shape[3]
    attrs |= {"dilation": dilation, "activation": layer.activation()} | _rounding(layer)
    return layer.result("conv2d", [x, weights, _bias(layer)], attrs | ({"groups": groups} if groups > 1 else {}))


def depthwise_conv_2d(layer: Layer) -> Value:
    """DEPTHWISE_CONV_2D; its weights lose their axis of length 1."""
    weights, dilation = layer.value(1), _dilation(layer)
    shape = weights.shape
    if len(shape) != 4 or shape[0] != 1:
        raise layer.bad(f"depthwise weights of shape {list(shape)}, needs [1,KH,KW,C]")
    attrs = window(layer, (shape[1], shape[2]), dilation)
    attrs |= {"dilation": dilation, "activation": layer.activation()} | _rounding(layer)
    quant = weights.quant
    if quant is not None and quant.axis is not None:
        if quant.axis != 3:
            raise layer.bad(f"depthwise weights are quantized along axis {quant.axis}, needs 3")
        quant = QuantType(quant.scale, quant.zero_point, 2)
    flat = Value(weights.name, shape[1:], weights.dtype, quant, layer.constant(1).reshape(shape[1:]))
    return layer.result("depthwise_conv2d", [layer.value(0), flat, _bias(layer)], attrs)


def fully_connected(layer: Layer) -> Value:
    """FULLY_CONNECTED: rows of any input, with constant weights; computed weights make it a matrix product."""
    if layer.options.WeightsFormat() != schema.FullyConnectedOptionsWeightsFormat.DEFAULT:
        raise layer.unsupported("shuffled weights", "convert without the shuffled format")
    x, weights = layer.value(0), layer.value(1)
    if len(weights.shape) != 2 or not weights.elements or x.elements % weights.shape[1]:
        raise layer.bad(f"input {list(x.shape)} does not go with weights {list(weights.shape)}")
    outputs, inputs = weights.shape
    if x.shape[-1:] != (inputs,) or (len(x.shape) != 2 and not layer.options.KeepNumDims()):
        x = layer.reshaped(x, (x.elements // inputs, inputs))
    if not weights.is_constant:
        return _computed_weights(layer, x, weights)
    attrs = {"activation": layer.activation(), "single_precision_scale": layer.legacy_uint8}
    y = layer.outputs[0].shape
    if y == (*x.shape[:-1], outputs):
        return layer.result("fully_connected", [x, weights, _bias(layer)], attrs)
    rows = layer.emit("fully_connected", [x, weights, _bias(layer)], attrs, "rows", layer.output_quant())
    return layer.result("reshape", [rows], {"shape": y})


def _computed_weights(layer: Layer, x: Value, weights: Value) -> Value:
    if _bias(layer) is not None or layer.activation() != "none":
        raise layer.unsupported("computed weights with a bias or activation", "use BATCH_MATMUL and ADD")
    if x.quant is not None:
        raise layer.unsupported("computed weights of codes", "use BATCH_MATMUL")
    return layer.result("matmul", [x, weights], {"transpose_a": False, "transpose_b": True})


def batch_matmul(layer: Layer) -> Value:
    """BATCH_MATMUL of two tensors; a constant int8 operand of a float one is dequantized."""
    a, b = (_real(layer, layer.value(i), layer.value(1 - i)) for i in range(2))
    attrs = {"transpose_a": bool(layer.options.AdjX()), "transpose_b": bool(layer.options.AdjY())}
    return layer.result("matmul" if a.quant is None else "int_matmul", [a, b], attrs)


def _real(layer: Layer, value: Value, other: Value) -> Value:
    if value.quant is not None and other.dtype is DType.FLOAT32 and value.is_constant:
        return Value.constant(value.name, value.quant.dequantize(value.array))
    return value


def transpose_conv(layer: Layer) -> Value:
    """TRANSPOSE_CONV: inputs output shape, weights [O,KH,KW,I], x, optional bias."""
    shape, weights, x = layer.ints(0), layer.value(1), layer.value(2)
    if len(weights.shape) != 4 or len(x.shape) != 4 or len(shape) != 4 or min(weights.shape) < 1:
        raise layer.bad(f"input {list(x.shape)}, weights {list(weights.shape)} and output {list(shape)} need 4 axes")
    options, kernel = layer.options, weights.shape[1:3]
    stride = (options.StrideH(), options.StrideW())
    if min(stride) < 1 or max(*stride, *kernel) > MAX_WINDOW:
        raise layer.bad(f"stride {stride} makes no window")
    before = [0, 0]
    for axis in range(2):
        # The convolution that this one undoes reads `size` and makes the input's extent.
        size, reach = shape[1 + axis], kernel[axis]
        same = options.Padding() == schema.Padding.SAME
        extent = -(-size // stride[axis]) if same else -(-(size - reach + 1) // stride[axis])
        if extent != x.shape[1 + axis]:
            raise layer.bad(f"output {list(shape)} does not go with input {list(x.shape)}")
        before[axis] = max(0, (extent - 1) * stride[axis] + reach - size) // 2 if same else 0
    activation = layer.activation()
    attrs = {
        "stride": stride, "before": tuple(before), "size": tuple(shape[1:3]), "activation": activation,
    } | _rounding(layer)  # fmt: skip
    return layer.result("transpose_conv2d", [x, weights, _bias(layer, 3)], attrs)
