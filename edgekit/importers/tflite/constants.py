"""Operators whose result does not depend on any input's values: computed at import."""

from __future__ import annotations

import math

import numpy as np

from edgekit.importers.tflite.layer import MAX_FOLDED_ELEMENTS, Layer
from edgekit.ir import Array, Value


def shape(layer: Layer) -> Value:
    """SHAPE: known at import."""
    return _made(layer, np.array(layer.value(0).shape, layer.outputs[0].dtype.numpy))


def rank(layer: Layer) -> Value:
    """RANK."""
    return _made(layer, np.array(len(layer.value(0).shape), np.int32))


def fill(layer: Layer) -> Value:
    """FILL: a constant of one value; a computed value is broadcast."""
    dims, value = layer.ints(0), layer.value(1)
    _check(layer, dims)
    if value.is_constant and value.quant is None:
        return _made(layer, np.full(dims, layer.constant(1).reshape(-1)[0], value.dtype.numpy))
    return layer.result("expand", [value], {"shape": dims})


def zeros_like(layer: Layer) -> Value:
    """ZEROS_LIKE."""
    x = layer.value(0)
    layer.float_only()
    _check(layer, x.shape)
    return _made(layer, np.zeros(x.shape, x.dtype.numpy))


def range_(layer: Layer) -> Value:
    """RANGE of constants."""
    start, limit, delta = (layer.constant(i).reshape(-1)[0].item() for i in range(3))
    if not all(math.isfinite(v) for v in (start, limit, delta)) or delta == 0:
        raise layer.bad(f"makes no range from {start} to {limit} by {delta}")
    count = max(0, math.ceil((limit - start) / delta))
    _check(layer, (count,))
    dtype = layer.value(0).dtype.numpy
    return _made(layer, (np.arange(count) * delta + start).astype(dtype))


def broadcast_args(layer: Layer) -> Value:
    """BROADCAST_ARGS: the common shape of two shapes."""
    first, second = layer.ints(0), layer.ints(1)
    _check(layer, first)
    _check(layer, second)
    return _made(layer, np.array(np.broadcast_shapes(first, second), layer.value(0).dtype.numpy))


def _check(layer: Layer, dims: tuple[int, ...]) -> None:
    if any(d < 0 for d in dims) or math.prod(dims) > MAX_FOLDED_ELEMENTS or len(dims) > 8:
        raise layer.bad(f"makes the shape {list(dims)[:9]}, over the limit of {MAX_FOLDED_ELEMENTS} elements")


def _made(layer: Layer, array: Array) -> Value:
    return Value(layer.outputs[0].name, array.shape, layer.outputs[0].dtype, None, array)
