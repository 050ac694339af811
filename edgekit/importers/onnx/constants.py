"""Operators on constants, computed at import: shape arithmetic, and weights that the file keeps in another form."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from onnx import TensorProto

from edgekit.importers.onnx.builder import Constant, Layer
from edgekit.importers.onnx.movement import permutation, slice_ranges, target_shape
from edgekit.importers.onnx.reductions import reduced_axes
from edgekit.importers.onnx.tensors import MAX_ELEMENTS, MAX_GROWN_ELEMENTS, dense
from edgekit.ir import Array

Folder = Callable[[Layer, Sequence[Array]], Array]

_CASTS = {
    TensorProto.FLOAT: np.float32,
    TensorProto.DOUBLE: np.float64,
    TensorProto.INT8: np.int8,
    TensorProto.UINT8: np.uint8,
    TensorProto.INT32: np.int32,
    TensorProto.INT64: np.int64,
    TensorProto.BOOL: np.bool_,
}


def fold(layer: Layer) -> Constant | None:
    """The result of an operator whose operands are all constants, or None where it is not folded here."""
    operands = [layer.constant(i) for i in range(len(layer.record.inputs)) if layer.has(i)]
    name = layer.record.outputs[0]
    if layer.op == "Transpose" and operands:
        moved = operands[0].transposed(permutation(layer, operands[0].array.ndim))
        return Constant(name, moved.array, moved.quant)
    if layer.op in ("Identity", "Dropout") and operands and len(layer.record.outputs) == 1:
        return Constant(name, operands[0].array, operands[0].quant)
    if layer.op not in FOLDERS:
        return None
    if layer.op != "Reshape":
        layer.spend(sum(o.array.size for o in operands))
    try:
        with np.errstate(all="ignore"):
            result = FOLDERS[layer.op](layer, [o.real() for o in operands])
    except (ValueError, IndexError, TypeError, OverflowError) as error:
        raise layer.bad(f"cannot be computed from its constant inputs: {error}") from None
    if result.size > MAX_ELEMENTS:
        raise layer.bad(f"makes {result.size} elements")
    # np.ascontiguousarray would turn a scalar into a vector.
    result = dense(result)
    if any(result.strides):
        layer.claim(result.nbytes)
    return Constant(name, result)


def shape_of(layer: Layer, shape: tuple[int, ...]) -> Constant:
    """Shape or Size of any tensor: all shapes are known at import."""
    if layer.op == "Size":
        return Constant(layer.record.outputs[0], np.array(math.prod(shape), np.int64))
    part = slice(layer.int_attr("start", 0), layer.int_attr("end", len(shape)))
    return Constant(layer.record.outputs[0], np.array(shape[part], np.int64))


def constant_node(layer: Layer) -> Constant:
    """The Constant operator."""
    for key in ("value_float", "value_floats", "value_int", "value_ints"):
        if key in layer.record.attrs:
            dtype = np.float32 if "float" in key else np.int64
            return Constant(layer.record.outputs[0], np.array(layer.record.attrs[key], dtype))
    value = layer.record.attrs.get("value")
    if not isinstance(value, np.ndarray):
        raise layer.unsupported("a constant that is no dense tensor of numbers", "export dense constants")
    return Constant(layer.record.outputs[0], value)


def _grown(layer: Layer, shape: Sequence[int]) -> tuple[int, ...]:
    if any(d < 0 for d in shape) or math.prod(shape) > MAX_GROWN_ELEMENTS or len(shape) > 8:
        raise layer.bad(f"makes the shape {list(shape)[:9]}, over the limit of {MAX_GROWN_ELEMENTS} elements")
    return tuple(shape)


def _binary(function: Callable[[Array, Array], Array]) -> Folder:
    def folded(layer: Layer, xs: Sequence[Array]) -> Array:
        a, b = xs
        _grown(layer, [int(d) for d in np.broadcast_shapes(a.shape, b.shape)])
        return np.asarray(function(a, b), np.result_type(a, b))

    return folded


def _comparison(function: Callable[[Array, Array], Array]) -> Folder:
    def folded(layer: Layer, xs: Sequence[Array]) -> Array:
        a, b = xs
        _grown(layer, [int(d) for d in np.broadcast_shapes(a.shape, b.shape)])
        return np.asarray(function(a, b), np.bool_)

    return folded


def _extreme(function: Callable[[Array, Array], Array]) -> Folder:
    def folded(layer: Layer, xs: Sequence[Array]) -> Array:
        result = xs[0]
        for x in xs[1:]:
            result = _binary(function)(layer, (result, x))
        return result

    return folded


def _power(layer: Layer, xs: Sequence[Array]) -> Array:
    # The result has the type of the base, whatever the exponent's.
    return _binary(np.power)(layer, xs).astype(xs[0].dtype)


def _remainder(layer: Layer, xs: Sequence[Array]) -> Array:
    return _binary(np.fmod if layer.int_attr("fmod", 0) else np.mod)(layer, xs)


def _where(layer: Layer, xs: Sequence[Array]) -> Array:
    condition, a, b = xs
    _grown(layer, [int(d) for d in np.broadcast_shapes(condition.shape, a.shape, b.shape)])
    return np.where(condition, a, b)


def _unary(function: Callable[[Array], Array]) -> Folder:
    return lambda layer, xs: np.asarray(function(xs[0]), xs[0].dtype)


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind in "iu" and b.dtype.kind in "iu":
        if not b.all():
            raise ValueError("division by zero")
        # ONNX truncates towards zero, numpy's // rounds down.
        quotient: Array = np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))
        return quotient
    return np.asarray(a / b)


def _cast(layer: Layer, xs: Sequence[Array]) -> Array:
    target = layer.int_attr("to")
    if target not in _CASTS:
        raise layer.unsupported(f"a cast to ONNX type {target}", "use float32 or integers")
    return xs[0].astype(_CASTS[target])


def _gather(layer: Layer, xs: Sequence[Array]) -> Array:
    data, indices = xs
    axis = layer.axis(layer.int_attr("axis", 0), data.ndim)
    _grown(layer, [*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :]])
    return np.take(data, indices.astype(np.int64), axis=axis)


def _slice(layer: Layer, xs: Sequence[Array]) -> Array:
    return xs[0][np.ix_(*slice_ranges(layer, xs[0].shape))]


def _concat(layer: Layer, xs: Sequence[Array]) -> Array:
    _grown(layer, [sum(x.size for x in xs)])
    return np.concatenate(list(xs), axis=layer.axis(layer.int_attr("axis"), xs[0].ndim))


def _range(layer: Layer, xs: Sequence[Array]) -> Array:
    start, limit, delta = (x.item() for x in xs)
    if not delta:
        raise layer.bad("has a step of zero")
    _grown(layer, [max(0, math.ceil((limit - start) / delta))])
    result: Array = np.arange(start, limit, delta).astype(xs[0].dtype)
    return result


def _constant_of_shape(layer: Layer, xs: Sequence[Array]) -> Array:
    value = layer.record.attrs.get("value", np.zeros(1, np.float32))
    if not isinstance(value, np.ndarray) or value.size != 1:
        raise layer.bad("attribute 'value' must be a tensor of one element")
    shape = layer.integers(0)
    if any(d < 0 for d in shape) or math.prod(shape) > MAX_ELEMENTS or len(shape) > 8:
        raise layer.bad(f"makes the shape {list(shape)[:9]}, over the limit of {MAX_ELEMENTS} elements")
    return np.broadcast_to(value.reshape(()), shape)


def _expand(layer: Layer, xs: Sequence[Array]) -> Array:
    shape = np.broadcast_shapes(xs[0].shape, _grown(layer, layer.integers(1)))
    return np.broadcast_to(xs[0], _grown(layer, [int(d) for d in shape]))


def _reduce(function: Callable[..., Array]) -> Folder:
    def folded(layer: Layer, xs: Sequence[Array]) -> Array:
        axes = reduced_axes(layer, xs[0].ndim)
        if axes is None:
            return xs[0]
        return np.asarray(function(xs[0], axis=axes, keepdims=bool(layer.int_attr("keepdims", 1))), xs[0].dtype)

    return folded


def _reshaped(layer: Layer, xs: Sequence[Array]) -> Array:
    return xs[0].reshape(target_shape(layer, xs[0].shape))


FOLDERS: dict[str, Folder] = {
    "Add": _binary(np.add),
    "Sub": _binary(np.subtract),
    "Mul": _binary(np.multiply),
    "Div": _binary(_divide),
    "Pow": _power,
    "Min": _extreme(np.minimum),
    "Max": _extreme(np.maximum),
    "Mod": _remainder,
    "Equal": _comparison(np.equal),
    "Less": _comparison(np.less),
    "Greater": _comparison(np.greater),
    "Floor": _unary(np.floor),
    "Ceil": _unary(np.ceil),
    "Sqrt": _unary(np.sqrt),
    "Reciprocal": _unary(np.reciprocal),
    "Exp": _unary(np.exp),
    "Neg": _unary(np.negative),
    "Abs": _unary(np.abs),
    "Not": _unary(np.logical_not),
    "Where": _where,
    "Cast": _cast,
    "Gather": _gather,
    "Slice": _slice,
    "Concat": _concat,
    "Range": _range,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "ReduceMean": _reduce(np.mean),
    "Reshape": _reshaped,
    "Flatten": _reshaped,
    "Squeeze": _reshaped,
    "Unsqueeze": _reshaped,
}
