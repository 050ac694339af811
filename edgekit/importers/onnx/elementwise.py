"""Functions of two or more tensors: arithmetic, comparisons, logic, Where, Cast."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from edgekit.importers.onnx.affine import affine
from edgekit.importers.onnx.builder import Constant, Layer, Operand
from edgekit.ir import Array, DType, Value
from edgekit.ops.spec import real_constant

_ONE = np.ones((), np.float32)
_ZERO = np.zeros((), np.float32)

_NAMES = {
    "Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Min": "min", "Max": "max", "Sum": "add",
    "Equal": "equal", "Less": "less", "LessOrEqual": "less_equal", "And": "logical_and", "Or": "logical_or",
    "Xor": "logical_xor", "BitwiseAnd": "bitwise_and", "BitwiseOr": "bitwise_or", "BitwiseXor": "bitwise_xor",
}  # fmt: skip
_SWAPPED = {"Greater": "less", "GreaterOrEqual": "less_equal"}

TYPES = {
    TensorProto.FLOAT: DType.FLOAT32, TensorProto.DOUBLE: DType.FLOAT64, TensorProto.INT8: DType.INT8,
    TensorProto.UINT8: DType.UINT8, TensorProto.INT16: DType.INT16, TensorProto.UINT16: DType.UINT16,
    TensorProto.INT32: DType.INT32, TensorProto.UINT32: DType.UINT32, TensorProto.INT64: DType.INT64,
    TensorProto.UINT64: DType.UINT64, TensorProto.BOOL: DType.BOOL,
}  # fmt: skip


def binary(layer: Layer) -> Value:
    """Any function of two tensors without attributes."""
    if layer.op in _SWAPPED:
        return layer.emit(_SWAPPED[layer.op], [layer.value(1), _second(layer, 0)], {})
    return _emit(layer, _NAMES[layer.op], layer.value(0), _second(layer, 1))


def _emit(layer: Layer, op: str, a: Value, b: Value, part: str = "") -> Value:
    attrs = {"activation": "none"} if op in ("add", "sub", "mul", "div") else {}
    return layer.emit(op, [a, b], attrs, part)


def _second(layer: Layer, index: int) -> Value:
    """The operand; before opset 7 the second one stands along attribute `axis` of the first."""
    b = layer.value(index)
    if layer.opset >= 7 or index == 0 or not layer.int_attr("broadcast", 0) or not layer.has_attr("axis"):
        return b
    rank = len(layer.value(0).shape)
    axis = layer.axis(layer.int_attr("axis"), rank)
    shape = (*b.shape, *(1,) * max(rank - axis - len(b.shape), 0))
    return Value.constant(b.name, b.array.reshape(shape)) if b.is_constant else layer.reshape(b, shape)


def add(layer: Layer) -> Value:
    """A sum of two tensors; a constant of one axis becomes an offset that the layer before can take in."""
    for variable, other in ((0, 1), (1, 0)):
        if _is_bias(layer, variable, other):
            return _with_bias(layer, layer.value(variable), layer.weights(layer.constant(other)))
        if _is_offset(layer, variable, other) and _along_one_axis(_numbers(layer, other)):
            return affine(layer, layer.value(variable), _ONE, _numbers(layer, other))
    return binary(layer)


def _is_bias(layer: Layer, variable: int, other: int) -> bool:
    """Whether a sum is that of a matrix product, not quantized yet, and int32 codes for each of its columns."""
    x, bias = layer.operand(variable), layer.operand(other)
    if isinstance(x, Constant) or not isinstance(bias, Constant) or bias.quant is None or bias.array.dtype != np.int32:
        return False
    node = x.producer
    product = node is not None and node.op == "fully_connected" and len(node.inputs) == 2 and x.quant is None
    return product and bias.array.shape == x.shape[-1:]


def _with_bias(layer: Layer, y: Value, bias: Value) -> Value:
    """The product that makes y, with a bias whose codes stay as they are; other readers of y have their own."""
    assert y.producer is not None
    return layer.emit("fully_connected", [*y.producer.inputs, bias], y.producer.attrs)


def sub(layer: Layer) -> Value:
    """A difference, with a constant on either side as an offset."""
    if _is_offset(layer, 0, 1):
        return affine(layer, layer.value(0), _ONE, -_numbers(layer, 1))
    if _is_offset(layer, 1, 0):
        return affine(layer, layer.value(1), -_ONE, _numbers(layer, 0))
    return binary(layer)


def mul(layer: Layer) -> Value:
    """A product; a constant becomes a scale that the layer before can take in."""
    for variable, other in ((0, 1), (1, 0)):
        if _is_offset(layer, variable, other):
            return affine(layer, layer.value(variable), _numbers(layer, other), _ZERO)
    return binary(layer)


def div(layer: Layer) -> Value:
    """A quotient; by a constant without zeros a scale."""
    if _is_offset(layer, 0, 1) and _numbers(layer, 1).all():
        return affine(layer, layer.value(0), (1.0 / _numbers(layer, 1).astype(np.float64)).astype(np.float32), _ZERO)
    return binary(layer)


def _is_offset(layer: Layer, variable: int, other: int) -> bool:
    """Whether a computed float operand keeps its shape beside a finite constant."""
    if layer.opset < 7 or not layer.is_constant(other) or layer.is_constant(variable):
        return False
    x, array = layer.value(variable), layer.constant(other).array
    if not layer.builder.quantized and (x.dtype is not DType.FLOAT32 or array.dtype != np.float32):
        return False
    try:
        fits = np.broadcast_shapes(x.shape, array.shape) == x.shape
    except ValueError:
        return False
    return fits and bool(x.shape) and x.elements > 0 and bool(np.isfinite(layer.constant(other).real()).all())


def _along_one_axis(array: Array) -> bool:
    """Position embeddings and the like vary along more, and stay sums."""
    return sum(int(size > 1) for size in array.shape) < 2


def _numbers(layer: Layer, index: int) -> Array:
    array = layer.constant(index).real()
    if array.dtype.kind != "f":
        raise layer.unsupported(f"input {index} is {array.dtype}", "use float32 arithmetic")
    return array.astype(np.float32)


def variadic(layer: Layer) -> Operand:
    """Sum, Min, Max of any number of tensors."""
    operands = [layer.value(i) for i in range(len(layer.record.inputs))]
    if not operands:
        raise layer.bad("has no inputs")
    if len(operands) == 2 and layer.op == "Sum":
        return add(layer)
    y = operands[0]
    for index, operand in enumerate(operands[1:]):
        y = _emit(layer, _NAMES[layer.op], y, operand, "" if index == len(operands) - 2 else f"part {index}")
    return y if len(operands) > 1 else layer.operand(0)


def mean(layer: Layer) -> Operand:
    """The mean of any number of tensors: their sum, divided by how many there are."""
    count = len(layer.record.inputs)
    y = layer.value(0)
    for index in range(1, count):
        y = _emit(layer, "add", y, layer.value(index), f"part {index}")
    return layer.operand(0) if count == 1 else _emit(layer, "div", y, layer.number(count, y))


def neg(layer: Layer) -> Value:
    """The negative: a scale of -1 for floats in a quantized model."""
    if layer.builder.quantized:
        return affine(layer, layer.value(0), -_ONE, _ZERO)
    return layer.emit("neg", [layer.value(0)], {})


def mod(layer: Layer) -> Value:
    """The remainder: the divisor's sign, or the dividend's with fmod 1."""
    fmod = layer.int_attr("fmod", 0)
    return layer.emit("fmod" if fmod else "mod", [layer.value(0), layer.value(1)], {})


def power(layer: Layer) -> Value:
    """x to the y in x's type; an integer to a real power goes through float."""
    quantized = layer.builder.quantized
    x, y = layer.codes(0), layer.value(1)
    real = quantized or x.dtype is DType.FLOAT32
    if real and y.is_constant and y.elements == 1 and len(y.shape) <= len(x.shape):
        exponent = float(real_constant(y).reshape(-1)[0])
        name = {2.0: "square", 0.5: "sqrt"}.get(exponent, "power")
        return layer.emit(name, [x], {"exponent": exponent} if name == "power" else {})
    if quantized:
        return layer.emit("pow", [x, layer.codes(1)], {})
    if x.dtype is y.dtype:
        return layer.emit("pow", [x, y], {})
    if x.dtype.is_float or y.dtype.is_integer:
        return layer.emit("pow", [x, converted(layer, y, x.dtype, "exponent")], {})
    result = layer.emit("pow", [converted(layer, x, y.dtype, "base"), y], {}, "float")
    return converted(layer, result, x.dtype, "")


def converted(layer: Layer, x: Value, dtype: DType, part: str) -> Value:
    """`x` in another type; itself where it has it."""
    return x if x.dtype is dtype else layer.emit("cast", [x], {"to": dtype.value}, part)


def shift(layer: Layer) -> Value:
    """BitShift of integers."""
    direction = layer.str_attr("direction")
    if direction not in ("LEFT", "RIGHT"):
        raise layer.bad(f"attribute 'direction' is {direction!r}")
    return layer.emit(f"shift_{direction.lower()}", [layer.value(0), layer.value(1)], {})


def where(layer: Layer) -> Value:
    """A choice between two tensors."""
    return layer.emit("where", [layer.value(0), layer.codes(1), layer.codes(2)], {})


def cast(layer: Layer) -> Operand:
    """Cast and CastLike; nothing where the type stays."""
    if layer.op == "CastLike":
        name = str(layer.dtype(1))
        known = {d.value: d for d in DType}
        if name not in known:
            raise layer.unsupported(f"a cast to {name}", "use float32 or integers")
        target = known[name]
    else:
        code = layer.int_attr("to")
        if code not in TYPES:
            raise layer.unsupported(f"a cast to ONNX type {code}", "use float32, float64, integers or bool")
        target = TYPES[code]
    operand = layer.operand(0)
    if not isinstance(operand, Constant) and operand.dtype is target:
        return operand
    if layer.builder.quantized:
        if target is DType.FLOAT32:
            return operand
        raise layer.unsupported("a computed tensor in another type", "compute in float32 throughout")
    return converted(layer, layer.value(0), target, "")
