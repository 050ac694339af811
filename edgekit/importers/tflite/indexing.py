"""Operators that follow indices or make them: the best along an axis, gathers and scatters, and those made of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgekit.importers.tflite.layer import MAX_FOLDED_ELEMENTS, Layer
from edgekit.ir import Array, DType, Value

Translator = Callable[[Layer], "Value | list[Value]"]


def arg(op: str) -> Translator:
    """ARG_MAX and ARG_MIN: the first of equal numbers."""

    def translate(layer: Layer) -> Value:
        x = layer.value(0)
        attrs = {"axis": _axis_operand(layer, len(x.shape)), "keep_dims": False, "last": False}
        if x.dtype is DType.BOOL:
            x = layer.emit("cast", [x], {"to": DType.UINT8.value}, "as numbers")
        return _as_output(layer, layer.emit(op, [x], attrs, "index"))

    return translate


def top_k(layer: Layer) -> list[Value]:
    """TOPK_V2 along the last axis, and the places of what it chose."""
    x, k = layer.value(0), layer.ints(1)
    if not x.shape or len(k) != 1:
        raise layer.bad(f"has no {list(k)} best of an input {list(x.shape)}")
    attrs = {"axis": len(x.shape) - 1, "k": k[0], "largest": True}
    values, indices = layer.emit_several("top_k", [x], attrs, [x.quant, None])
    same = layer.result("reshape", [values], {"shape": values.shape})
    return [same, _as_output(layer, indices, 1)]


def gather_nd(layer: Layer) -> Value:
    """GATHER_ND: rows by tuples of indices."""
    x, indices = layer.value(0), _indices(layer, 1)
    _check(layer, indices, x.shape)
    return layer.result("gather_nd", [x, indices], {"batch_dims": 0})


def scatter_nd(layer: Layer) -> Value:
    """SCATTER_ND of plain numbers: zeros to which every row of updates is added."""
    layer.float_only()
    indices, updates, shape = _indices(layer, 0), layer.value(1), layer.ints(2)
    if any(d < 0 for d in shape) or math.prod(shape) > MAX_FOLDED_ELEMENTS:
        raise layer.bad(f"makes the shape {list(shape)[:9]}, over the limit of {MAX_FOLDED_ELEMENTS} elements")
    _check(layer, indices, shape)
    zeros = Value.constant(f"{layer.name} zeros", np.zeros(shape, updates.dtype.numpy))
    return layer.result("scatter_nd", [zeros, indices, updates], {"reduction": "add"})


def one_hot(layer: Layer) -> Value:
    """ONE_HOT: the value `on` where the place along a new axis equals the index, `off` elsewhere."""
    indices, depth, on, off = layer.value(0), layer.ints(1), layer.value(2), layer.value(3)
    if len(depth) != 1 or not 0 < depth[0] <= MAX_FOLDED_ELEMENTS or on.elements != 1 or off.elements != 1:
        raise layer.bad(f"depth {list(depth)} or values of {on.elements} and {off.elements} elements do not fit")
    axis = layer.axis(layer.options.Axis(), len(indices.shape) + 1)
    column = layer.reshaped(indices, (*indices.shape[:axis], 1, *indices.shape[axis:]), "column")
    line = np.arange(depth[0]).astype(indices.dtype.numpy).reshape((-1,) + (1,) * (len(indices.shape) - axis))
    chosen = layer.emit("equal", [Value.constant(f"{layer.name} line", line), column], {}, "chosen")
    return layer.result("where", [chosen, layer.reshaped(on, (1,), "on"), layer.reshaped(off, (1,), "off")], {})


def reverse_sequence(layer: Layer) -> Value:
    """REVERSE_SEQUENCE of constant lengths: rows by constant indices, both axes moved to the front and back."""
    x, options, rank = layer.value(0), layer.options, len(layer.value(0).shape)
    batch, time = layer.axis(options.BatchDim(), rank), layer.axis(options.SeqDim(), rank)
    if not layer.value(1).is_constant:
        raise layer.unsupported("computed lengths", "make the lengths constants, or use REVERSE_V2")
    lengths = layer.constant(1)
    if batch == time or lengths.shape != (x.shape[batch],) or ((lengths < 0) | (lengths > x.shape[time])).any():
        raise layer.bad(f"lengths {list(lengths.shape)} of axis {time} do not fit {list(x.shape)}")
    if len(lengths) * x.shape[time] > MAX_FOLDED_ELEMENTS:
        raise layer.unsupported(f"{len(lengths)} sequences of {x.shape[time]} steps", "reverse shorter sequences")
    indices = Value.constant(f"{layer.name} indices", _reversed_places(lengths.astype(np.int64), x.shape[time]))
    if (batch, time) == (0, 1):
        return layer.result("gather_nd", [x, indices], {"batch_dims": 0})
    perm = (batch, time, *(a for a in range(rank) if a not in (batch, time)))
    front = layer.emit("transpose", [x], {"perm": perm}, "in front", x.quant)
    rows = layer.emit("gather_nd", [front, indices], {"batch_dims": 0}, "reversed", x.quant)
    return layer.result("transpose", [rows], {"perm": tuple(int(a) for a in np.argsort(perm))})


def _reversed_places(lengths: Array, steps: int) -> Array:
    """(sequence, step) that each step of each sequence comes from, int64 [sequences, steps, 2]."""
    step, count = np.arange(steps)[None, :], lengths[:, None]
    places = np.where(step < count, count - 1 - step, step)
    return np.stack([np.broadcast_to(np.arange(len(lengths))[:, None], places.shape), places], axis=-1)


def cum_sum(layer: Layer) -> Value:
    """CUMSUM of plain numbers along a constant axis."""
    layer.float_only()
    x, options = layer.value(0), layer.options
    axis = _axis_operand(layer, len(x.shape))
    attrs = {"axis": axis, "exclusive": bool(options.Exclusive()), "reverse": bool(options.Reverse())}
    return layer.result("cum_sum", [x], attrs)


def bitcast(layer: Layer) -> Value:
    """BITCAST to a type of the same size."""
    layer.float_only()
    x, target = layer.value(0), layer.outputs[0].dtype
    if x.dtype is target:
        return layer.result("reshape", [x], {"shape": x.shape})
    if x.dtype.size != target.size:
        raise layer.unsupported(f"{x.dtype.value} as {target.value}", "use types of the same size")
    return layer.result("bitcast", [x], {"to": target.value})


def _axis_operand(layer: Layer, rank: int) -> int:
    axes = layer.ints(1)
    if len(axes) != 1:
        raise layer.bad(f"has {len(axes)} axes")
    return layer.axis(axes[0], rank)


def _as_output(layer: Layer, value: Value, index: int = 0) -> Value:
    """Whole numbers in the type of the file's output."""
    target = layer.outputs[index].dtype
    if value.dtype is target:
        return layer.result("reshape", [value], {"shape": value.shape}, index)
    return layer.result("cast", [value], {"to": target.value}, index)


def _indices(layer: Layer, index: int) -> Value:
    """Operand `index` as int32 or int64."""
    value = layer.value(index)
    if not value.shape:
        raise layer.bad("has indices without axes")
    if value.dtype is DType.INT16 and value.quant is None:
        return layer.emit("cast", [value], {"to": DType.INT32.value}, "indices")
    return value


def _check(layer: Layer, indices: Value, shape: tuple[int, ...]) -> None:
    """Raise BadModel where the tuples of constant indices leave a tensor of this shape."""
    depth = indices.shape[-1]
    if depth > len(shape):
        raise layer.bad(f"tuples of {depth} indices do not fit {list(shape)}")
    if indices.is_constant and ((indices.array < 0) | (indices.array >= np.array(shape[:depth]))).any():
        raise layer.bad(f"indices leave a tensor of {list(shape)}")
