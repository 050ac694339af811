"""Quantization as the arithmetic on plain numbers that it is: QuantizeLinear, integer products and the like."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from edgekit.importers.onnx.builder import Layer
from edgekit.importers.onnx.elementwise import TYPES, converted
from edgekit.importers.onnx.products import matrix_product
from edgekit.ir import DType, Value

_NONE = {"activation": "none"}
_CODES = (DType.INT8, DType.UINT8, DType.INT16, DType.UINT16, DType.INT32)
_REWRITE = "use codes of 8 or 16 bits and float32 scales"
_QDQ = "quantize in QDQ format (QuantizeLinear / DequantizeLinear pairs)"


def quantize(layer: Layer) -> Value:
    """round(x / scale) + zero point, half to even, saturated to the codes' type."""
    x, scale = layer.value(0), _parameter(layer, 1)
    if layer.int_attr("precision", TensorProto.FLOAT) not in (0, TensorProto.FLOAT) or scale.dtype is not DType.FLOAT32:
        raise layer.unsupported("another precision than float32", _REWRITE)
    zero = _parameter(layer, 2) if layer.has(2) else None
    code = layer.int_attr("output_dtype", 0) or TensorProto.UINT8
    target = zero.dtype if zero is not None else TYPES.get(code)
    if target not in _CODES:
        raise layer.unsupported(f"codes of ONNX type {code if zero is None else zero.dtype.value}", _REWRITE)
    assert target is not None
    ratio = layer.emit("div", [converted(layer, x, DType.FLOAT32, "number"), scale], _NONE, "ratio")
    return _rounded(layer, ratio, zero, target)


def _rounded(layer: Layer, ratio: Value, zero: Value | None, target: DType) -> Value:
    codes = layer.emit("round", [ratio], {}, "round")
    if zero is not None:
        codes = layer.emit("add", [codes, converted(layer, zero, DType.FLOAT32, "zero point")], _NONE, "offset")
    return layer.emit("cast", [codes], {"to": target.value})


def dequantize(layer: Layer) -> Value:
    """(x - zero point) * scale."""
    x, scale = layer.value(0), _parameter(layer, 1)
    if x.dtype not in _CODES or scale.dtype is not DType.FLOAT32:
        raise layer.unsupported(f"codes of type {x.dtype.value} with scales of {scale.dtype.value}", _REWRITE)
    zero = _parameter(layer, 2) if layer.has(2) else None
    real = converted(layer, _centred(layer, x, zero, "x"), DType.FLOAT32, "number")
    return layer.emit("mul", [real, scale], _NONE)


def _centred(layer: Layer, x: Value, zero: Value | None, part: str) -> Value:
    """x - zero in int32."""
    wide = converted(layer, x, DType.INT32, f"{part} wide")
    if zero is None:
        return wide
    return layer.emit(
        "sub", [wide, converted(layer, zero, DType.INT32, f"{part} zero point")], _NONE, f"{part} centred"
    )


def _parameter(layer: Layer, index: int) -> Value:
    """A scale or zero point as it broadcasts with input 0: of one number, along an axis, or of blocks along it."""
    value, shape = layer.value(index), layer.value(0).shape
    if value.elements == 1:
        return layer.reshape(value, (), f"operand {index}") if value.shape else value
    axis = layer.axis(layer.int_attr("axis", 1), len(shape))
    block = layer.int_attr("block_size", 0)
    if len(value.shape) == 1 and not block:
        if value.shape[0] != shape[axis]:
            raise layer.bad(f"{value.shape[0]} scales or zero points do not fit axis {axis} of {list(shape)}")
        return layer.reshape(value, [d if a == axis else 1 for a, d in enumerate(shape)])
    blocks = [-(-d // block) if a == axis and block > 0 else d for a, d in enumerate(shape)]
    if block < 1 or list(value.shape) != blocks:
        raise layer.bad(f"scales or zero points of shape {list(value.shape)} do not fit {list(shape)} in blocks")
    places = Value.constant(f"{layer.name} blocks", np.arange(shape[axis]) // block)
    return layer.emit("gather", [value, places], {"axis": axis}, f"operand {index}")


def _refuse_codes(layer: Layer) -> None:
    if layer.builder.quantized:
        raise layer.unsupported("the operator is not supported in a QDQ model", _QDQ)


def matmul_integer(layer: Layer) -> Value:
    """The product of integer matrices less their zero points, in int32."""
    _refuse_codes(layer)
    return matrix_product(layer, *_integer_operands(layer, (0, 2), (1, 3)))


def _integer_operands(layer: Layer, left: tuple[int, int], right: tuple[int, int]) -> list[Value]:
    operands = []
    for (index, zero_index), rows in ((left, True), (right, False)):
        x = layer.value(index)
        if x.dtype not in (DType.INT8, DType.UINT8):
            raise layer.unsupported(f"input {index} is {x.dtype.value}", "use int8 or uint8")
        zero = _per_line(layer, zero_index, rows, len(x.shape)) if layer.has(zero_index) else None
        operands.append(_centred(layer, x, zero, "left" if rows else "right"))
    return operands


def _per_line(layer: Layer, index: int, rows: bool, rank: int) -> Value:
    """A scale or zero point of a matrix: one number, or one per row of the left, per column of the right one."""
    value = layer.value(index)
    if value.elements == 1:
        return layer.reshape(value, (), f"operand {index}") if value.shape else value
    if rows and len(value.shape) == 1 and rank > 1:
        return layer.reshape(value, (value.elements, 1), f"operand {index}")
    return value


def qlinear_matmul(layer: Layer) -> Value:
    """The integer product times a_scale * b_scale / y_scale, rounded half to even, plus the zero point, saturated."""
    _refuse_codes(layer)
    rank = max(layer.rank(0), layer.rank(3))
    product = matrix_product(layer, *_integer_operands(layer, (0, 2), (3, 5)))
    scales = [_per_line(layer, 1, True, rank), _per_line(layer, 4, False, rank), _per_line(layer, 6, True, rank)]
    if any(s.dtype is not DType.FLOAT32 for s in scales):
        raise layer.unsupported("scales that are not float32", _REWRITE)
    factor = layer.emit("mul", scales[:2], _NONE, "scales")
    factor = layer.emit("div", [factor, scales[2]], _NONE, "scale")
    real = layer.emit("mul", [converted(layer, product, DType.FLOAT32, "number"), factor], _NONE, "scaled")
    zero = _per_line(layer, 7, True, rank)
    return _rounded(layer, real, zero, zero.dtype)
