"""ConvInteger and QLinearConv as the arithmetic on plain integers that ONNX defines."""

from __future__ import annotations

import numpy as np

from edgekit.importers.onnx.builder import Layer
from edgekit.importers.onnx.spatial import general_conv
from edgekit.ir import DType, Value

_CODES = (DType.INT8, DType.UINT8)
_NONE = {"activation": "none"}


def conv_integer(layer: Layer) -> Value:
    """The int32 convolution of codes less their zero points; the padding is the zero point."""
    x = _centred(layer, 0, 2, False)
    return general_conv(layer, x, _centred(layer, 1, 3, True), None)


def qlinear_conv(layer: Layer) -> Value:
    """The int32 convolution with bias, times the scales, rounded (halves to even), plus the zero point, saturated."""
    x, weights = _centred(layer, 0, 2, False), _centred(layer, 3, 5, True)
    acc = general_conv(layer, x, weights, layer.value(8) if layer.has(8) else None, "sums")
    scale = layer.emit("mul", [layer.value(1), _column(layer, layer.value(4), acc, "weight scale")], _NONE, "scales")
    scale = layer.emit("div", [scale, layer.value(6)], _NONE, "scale")
    real = layer.emit("cast", [acc], {"to": "float32"}, "numbers")
    if scale.dtype is not DType.FLOAT32:
        raise layer.unsupported(f"scales in {scale.dtype.value}", "use float32 scales")
    if not len(scale.shape) <= len(real.shape):
        raise layer.bad("scales must be one number, or one per output channel")
    rounded = layer.emit("round", [layer.emit("mul", [real, scale], _NONE, "scaled")], {}, "rounded")
    zero = layer.value(7)
    _check_codes(layer, 7, zero)
    shift = layer.emit("cast", [zero], {"to": "float32"}, "zero point")
    shifted = layer.emit("add", [rounded, shift], _NONE, "shifted")
    info = np.iinfo(zero.dtype.numpy)
    bounded = layer.emit("clip", [shifted], {"low": float(info.min), "high": float(info.max)}, "saturated")
    return layer.emit("cast", [bounded], {"to": zero.dtype.value})


def _centred(layer: Layer, index: int, zero_index: int, per_output: bool) -> Value:
    """An operand as int32 numbers, less its zero point where there is one."""
    if layer.builder.quantized:
        raise layer.unsupported("stands in a QDQ model", "quantize the whole model in QDQ format")
    codes = layer.value(index)
    _check_codes(layer, index, codes)
    wide = layer.emit("cast", [codes], {"to": "int32"}, f"wide {index}")
    if not layer.has(zero_index):
        return wide
    zero = layer.value(zero_index)
    if zero.dtype is not codes.dtype:
        raise layer.bad(f"input {zero_index} must have the type of input {index}")
    if zero.elements != 1 and not (per_output and zero.shape == codes.shape[:1]):
        raise layer.bad(f"input {zero_index} must be one number, or for weights one per output channel")
    zero = layer.emit("cast", [zero], {"to": "int32"}, f"wide {zero_index}")
    if zero.elements > 1:
        zero = layer.reshape(zero, (zero.elements, *(1,) * (len(codes.shape) - 1)), f"column {zero_index}")
    return layer.emit("sub", [wide, zero], _NONE, f"centred {index}")


def _column(layer: Layer, scale: Value, acc: Value, part: str) -> Value:
    """Scales per output channel in the layout of the result; a single one as it is."""
    if scale.elements == 1:
        return scale
    if scale.shape != acc.shape[1:2]:
        raise layer.bad(f"the {part} has shape {list(scale.shape)}, needs {[acc.shape[1]]}")
    return layer.reshape(scale, (scale.elements, *(1,) * (len(acc.shape) - 2)), part)


def _check_codes(layer: Layer, index: int, value: Value) -> None:
    if value.dtype not in _CODES:
        raise layer.unsupported(f"input {index} is {value.dtype.value}", "use int8 or uint8")
