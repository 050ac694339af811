"""Operators that follow indices or make them: the best along an axis, gathers and scatters, and those made of them."""

from __future__ import annotations

import math

import numpy as np

from edgekit.importers.onnx.builder import Constant, Layer, Operand
from edgekit.importers.onnx.elementwise import TYPES, converted
from edgekit.ir import Array, DType, Value

_NONE = {"activation": "none"}


def arg(layer: Layer) -> Value:
    """ArgMax and ArgMin."""
    x = layer.value(0)
    attrs = {
        "axis": layer.axis(layer.int_attr("axis", 0), len(x.shape)),
        "keep_dims": bool(layer.int_attr("keepdims", 1)),
        "last": bool(layer.int_attr("select_last_index", 0)),
    }
    return layer.emit("arg_max" if layer.op == "ArgMax" else "arg_min", [x], attrs)


def top_k(layer: Layer) -> list[Value]:
    """TopK; without `sorted` any order will do, and this is one."""
    x = layer.value(0)
    k = layer.int_attr("k") if layer.opset < 10 else layer.integer(1)
    attrs = {
        "axis": layer.axis(layer.int_attr("axis", -1), len(x.shape)),
        "k": k,
        "largest": bool(layer.int_attr("largest", 1)),
    }
    return layer.builder.emit_several("top_k", layer.name, [x], attrs, 2)


def gather_elements(layer: Layer) -> Value:
    """Single elements along an axis."""
    x, indices = layer.value(0), layer.indices(1)
    axis = _checked_axis(layer, x, indices)
    return layer.emit("gather_elements", [x, indices], {"axis": axis})


def _checked_axis(layer: Layer, x: Value, indices: Value) -> int:
    """The layer's axis; raises BadModel where there is none, or constant indices leave it."""
    if not x.shape:
        raise layer.bad("its data have no axes")
    axis = layer.axis(layer.int_attr("axis", 0), len(x.shape))
    _check(layer, indices, [x.shape[axis]])
    return axis


def gather_nd(layer: Layer) -> Value:
    """Rows by tuples of indices."""
    x, indices, batch = layer.value(0), layer.indices(1), layer.int_attr("batch_dims", 0)
    if not indices.shape:
        raise layer.bad("the indices have no axes")
    _check(layer, indices, x.shape[max(batch, 0) :][: indices.shape[-1]])
    return layer.emit("gather_nd", [x, indices], {"batch_dims": batch})


def _check(layer: Layer, indices: Value, sizes: Array | tuple[int, ...] | list[int]) -> None:
    """Raise BadModel where constant indices, or the last axis of their tuples, leave axes of these sizes."""
    if not indices.is_constant or not indices.elements:
        return
    limit = np.array(sizes)
    if limit.size != 1 and indices.shape[-1:] != limit.shape:
        raise layer.bad(f"tuples of indices {list(indices.shape[-1:])} do not fit axes of {list(sizes)}")
    if ((indices.array < -limit) | (indices.array >= limit)).any():
        raise layer.bad(f"indices leave axes of {list(sizes)}")


def _reduction(layer: Layer) -> str:
    kind = layer.str_attr("reduction", "none")
    if kind not in ("none", "add", "mul", "max", "min"):
        raise layer.bad(f"attribute 'reduction' is {kind!r}")
    return kind


def scatter_elements(layer: Layer) -> Value:
    """ScatterElements, and Scatter before opset 11."""
    x, indices, updates = layer.value(0), layer.indices(1), layer.value(2)
    axis = _checked_axis(layer, x, indices)
    return layer.emit("scatter_elements", [x, indices, updates], {"axis": axis, "reduction": _reduction(layer)})


def scatter_nd(layer: Layer) -> Value:
    """Rows set or changed by tuples of indices."""
    x, indices, updates = layer.value(0), layer.indices(1), layer.value(2)
    if indices.shape:
        _check(layer, indices, x.shape[: indices.shape[-1]])
    return layer.emit("scatter_nd", [x, indices, updates], {"reduction": _reduction(layer)})


def tensor_scatter(layer: Layer) -> Value:
    """A cache with updates written from a computed position on, per batch: rows by tuples of indices."""
    cache, update = layer.value(0), layer.value(1)
    rank, mode = len(cache.shape), layer.str_attr("mode", "linear")
    axis = layer.axis(layer.int_attr("axis", -2), rank)
    if mode not in ("linear", "circular") or axis == 0 or len(update.shape) != rank:
        raise layer.bad(f"mode {mode!r} and axis {axis} do not fit {list(cache.shape)} and {list(update.shape)}")
    shape = update.shape[: axis + 1]
    layer.claim(16 * axis * math.prod(shape))
    start: Value = Value.constant(f"{layer.name} start", np.zeros(shape[:1], np.int64))
    if layer.has(2):
        start = converted(layer, layer.value(2), DType.INT64, "start")
    steps = Value.constant(f"{layer.name} steps", np.arange(shape[-1]).reshape((1,) * axis + (-1,)))
    places = layer.emit("add", [layer.reshape(start, (shape[0], *(1,) * axis), "starts"), steps], _NONE, "places")
    if mode == "circular":
        places = layer.emit("mod", [places, layer.number(cache.shape[axis], places)], {}, "around")
    columns = [Value.constant(f"{layer.name} {a}", np.indices(shape)[a][..., None]) for a in range(axis)]
    wide = layer.emit("expand", [layer.reshape(places, (*places.shape, 1), "column")], {"shape": (*shape, 1)}, "column")
    indices = layer.emit("concat", [*columns, wide], {"axis": axis + 1}, "indices")
    return layer.emit("scatter_nd", [cache, indices, update], {"reduction": "none"})


def one_hot(layer: Layer) -> Value:
    """values[1] where the place along a new axis equals the index, values[0] elsewhere."""
    indices, depth, values = layer.value(0), layer.integer(1), layer.value(2)
    if depth < 1 or values.shape != (2,):
        raise layer.bad(f"depth {depth} or values of shape {list(values.shape)} do not fit")
    axis = layer.axis(layer.int_attr("axis", -1), len(indices.shape) + 1)
    layer.claim(16 * depth)
    negative = layer.emit("less", [indices, layer.number(0, indices)], {}, "negative")
    moved = layer.emit("add", [indices, layer.number(depth, indices)], _NONE, "from the end")
    places = layer.emit("where", [negative, moved, indices], {}, "places")
    column = layer.reshape(places, (*indices.shape[:axis], 1, *indices.shape[axis:]), "column")
    line = np.arange(depth).astype(indices.dtype.numpy).reshape((-1,) + (1,) * (len(indices.shape) - axis))
    chosen = layer.emit("equal", [Value.constant(f"{layer.name} line", line), column], {}, "chosen")
    off, on = (
        layer.emit("slice", [values], {"starts": (i,), "steps": (1,), "sizes": (1,)}, name)
        for i, name in enumerate(("off", "on"))
    )
    return layer.emit("where", [chosen, on, off], {})


def trilu(layer: Layer) -> Value:
    """The upper or lower triangle, zero elsewhere: a choice by a constant mask."""
    x, k = layer.value(0), layer.integer(1) if layer.has(1) else 0
    if len(x.shape) < 2:
        raise layer.bad("needs matrices")
    if layer.builder.quantized:
        raise layer.unsupported("a triangle of a quantized tensor", "multiply by a constant mask before quantization")
    layer.claim(3 * math.prod(x.shape[-2:]))
    ones = np.ones(x.shape[-2:], bool)
    mask = np.triu(ones, k) if layer.int_attr("upper", 1) else np.tril(ones, k)
    return layer.emit("where", [Value.constant(f"{layer.name} mask", mask), x, layer.number(0, x)], {})


def reverse_sequence(layer: Layer) -> Value:
    """The first elements of every sequence backwards: rows by constant indices."""
    x, lengths = layer.value(0), layer.constant(1).array
    time, batch = layer.int_attr("time_axis", 0), layer.int_attr("batch_axis", 1)
    if sorted((time, batch)) != [0, 1] or len(x.shape) < 2:
        raise layer.bad(f"batch axis {batch} and time axis {time} are not 0 and 1")
    size = x.shape[time]
    if lengths.shape != (x.shape[batch],) or ((lengths < 0) | (lengths > size)).any():
        raise layer.bad(f"sequence lengths do not fit {list(x.shape)}")
    layer.claim(48 * size * len(lengths))
    steps, count = np.arange(size)[None, :], lengths.astype(np.int64)[:, None]
    places = np.where(steps < count, count - 1 - steps, steps)
    pair = (np.broadcast_to(np.arange(len(lengths))[:, None], places.shape), places)
    indices = np.stack(pair if batch == 0 else pair[::-1], axis=-1)
    indices = indices if batch == 0 else indices.transpose(1, 0, 2)
    return layer.emit("gather_nd", [x, Value.constant(f"{layer.name} indices", indices)], {"batch_dims": 0})


def compress(layer: Layer) -> Value:
    """The slices, or elements, where a constant condition holds."""
    x, condition = layer.value(0), layer.constant(1).array.reshape(-1)
    axis = 0
    if layer.has_attr("axis"):
        axis = layer.axis(layer.int_attr("axis"), len(x.shape))
    else:
        x = layer.reshape(x, (x.elements,), "flat")
    chosen = np.flatnonzero(condition)
    if chosen.size and chosen.max() >= x.shape[axis]:
        raise layer.bad(f"the condition is longer than an axis of {x.shape[axis]}")
    return layer.emit("gather", [x, Value.constant(f"{layer.name} chosen", chosen)], {"axis": axis})


def eye_like(layer: Layer) -> Constant:
    """Ones on a diagonal of a matrix of the input's shape."""
    x = layer.operand(0)
    shape = x.array.shape if isinstance(x, Constant) else x.shape
    code = layer.int_attr("dtype", 0)
    if len(shape) != 2 or (code and code not in TYPES):
        raise layer.unsupported(f"a result of {len(shape)} axes and ONNX type {code}", "use a matrix of numbers")
    kind = TYPES[code].numpy if code else layer.dtype(0)
    layer.claim(kind.itemsize * math.prod(shape))
    return Constant(layer.record.outputs[0], np.eye(shape[0], shape[1], layer.int_attr("k", 0), kind))


def cumulate(layer: Layer) -> Value:
    """CumSum and CumProd along a constant axis."""
    x = layer.value(0)
    attrs = {
        "axis": layer.axis(layer.integer(1), len(x.shape)),
        "exclusive": bool(layer.int_attr("exclusive", 0)),
        "reverse": bool(layer.int_attr("reverse", 0)),
    }
    return layer.emit("cum_sum" if layer.op == "CumSum" else "cum_prod", [x], attrs)


def bitcast(layer: Layer) -> Operand:
    """The bytes of every element as another type."""
    x, code = layer.value(0), layer.int_attr("to")
    if code not in TYPES:
        raise layer.unsupported(f"a cast to ONNX type {code}", "use float32, float64 or integers")
    return layer.operand(0) if x.dtype is TYPES[code] else layer.emit("bitcast", [x], {"to": TYPES[code].value})
