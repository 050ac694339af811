"""Relu, Clip, Sigmoid, Tanh and Softmax."""

from __future__ import annotations

import numpy as np

from edgekit.importers.onnx.builder import Layer
from edgekit.ir import Value

_HUGE = 1e30


def unary(layer: Layer) -> Value:
    """An operator that has the same name in lower case here."""
    return layer.emit(layer.op.lower(), [layer.value(0)], {})


def clip(layer: Layer) -> Value:
    """Clip to [0, 6] or [0, inf); limits are attributes before opset 11, inputs after."""
    limits = []
    for index, (name, default) in enumerate((("min", -_HUGE), ("max", _HUGE)), start=1):
        given = layer.scalar(index) if layer.has(index) else layer.record.attrs.get(name, default)
        if not isinstance(given, float) or given != given:
            raise layer.bad(f"{name!r} must be a number")
        limits.append(given)
    low, high = limits
    if low <= -_HUGE and high >= _HUGE:
        return layer.value(0)
    if low == 0.0 and high >= _HUGE:
        return layer.emit("relu", [layer.value(0)], {})
    if low == 0.0 and high == 6.0:
        return layer.emit("relu6", [layer.value(0)], {})
    raise layer.unsupported(f"limits {low:g} and {high:g}", "use Relu, or Clip from 0 to 6")


def softmax(layer: Layer) -> Value:
    """Softmax over one axis (opset 13 on), or over all axes from `axis` on (before)."""
    x = layer.value(0)
    rank, flattens = len(x.shape), layer.opset < 13
    axis = layer.axis(layer.int_attr("axis", 1 if flattens else -1), rank)
    if rank == 0:
        raise layer.bad("the input is a single number")
    attrs = {"beta": 1.0}
    if axis == rank - 1:
        return layer.emit("softmax", [x], attrs)
    if flattens:
        rows = int(np.prod(x.shape[:axis]))
        flat = layer.emit("softmax", [layer.reshape(x, (rows, x.elements // max(rows, 1)))], attrs)
        return layer.reshape(flat, x.shape)
    perm = [a for a in range(rank) if a != axis] + [axis]
    y = layer.emit("softmax", [layer.transpose(x, perm)], attrs)
    return layer.transpose(y, np.argsort(perm).tolist())
