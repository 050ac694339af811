"""Reductions, by sum, mean, product, maximum or minimum, and those made of them."""

from __future__ import annotations

from edgekit.importers.onnx.builder import Layer, Operand
from edgekit.ir import DType, Value

_PLAIN = {"ReduceSum": "reduce_sum", "ReduceProd": "reduce_prod", "ReduceMax": "reduce_max", "ReduceMin": "reduce_min"}


def reduced_axes(layer: Layer, rank: int) -> tuple[int, ...] | None:
    """The axes from input 1 or the attribute, sorted; all of them where none is named; None for no reduction at all."""
    raw = layer.integers(1) if layer.has(1) else layer.ints_attr("axes", ())
    if not raw and layer.int_attr("noop_with_empty_axes", 0):
        return None
    axes = tuple(sorted({layer.axis(a, rank) for a in raw}))
    return axes or tuple(range(rank))


def reduce(layer: Layer) -> Operand:
    """All Reduce operators but ReduceMean; sums of squares and the like by way of elementwise operators."""
    x = layer.value(0)
    axes = reduced_axes(layer, len(x.shape))
    keep = bool(layer.int_attr("keepdims", 1))
    before, op, after = _steps(layer)
    if axes is None:
        y = x
        for name in (before, after):
            y = layer.emit(name, [y], {}, name) if name else y
        return y if y is not x else layer.operand(0)
    if layer.op == "ReduceLogSumExp":
        return _log_sum_exp(layer, x, axes, keep)
    truth = x.dtype is DType.BOOL
    if truth:
        x = layer.emit("cast", [x], {"to": "uint8"}, "number")
    if before:
        x = _square(layer, x) if before == "square" else layer.emit(before, [x], {}, before)
    y = layer.emit(op, [x], {"axes": axes, "keep_dims": keep}, "" if not (after or truth) else op)
    if after:
        y = layer.emit(after, [y], {})
    return layer.emit("cast", [y], {"to": "bool"}) if truth else y


def _steps(layer: Layer) -> tuple[str, str, str]:
    """What happens to every element, the reduction, and what happens to its result."""
    if layer.op in _PLAIN:
        return "", _PLAIN[layer.op], ""
    return {
        "ReduceL1": ("abs", "reduce_sum", ""),
        "ReduceL2": ("square", "reduce_sum", "sqrt"),
        "ReduceSumSquare": ("square", "reduce_sum", ""),
        "ReduceLogSum": ("", "reduce_sum", "log"),
        "ReduceLogSumExp": ("exp", "reduce_sum", "log"),
    }[layer.op]


def _square(layer: Layer, x: Value) -> Value:
    if x.dtype is DType.FLOAT32:
        return layer.emit("square", [x], {}, "square")
    return layer.emit("mul", [x, x], {"activation": "none"}, "square")


def _log_sum_exp(layer: Layer, x: Value, axes: tuple[int, ...], keep: bool) -> Value:
    """Shifted by the largest element, so that no exponential overflows."""
    attrs = {"axes": axes, "keep_dims": True}
    none = {"activation": "none"}
    best = layer.emit("reduce_max", [x], attrs, "largest")
    low = layer.emit("clip", [best], {"low": -3e38, "high": 3e38}, "finite")
    exponentials = layer.emit("exp", [layer.emit("sub", [x, low], none, "shifted")], {}, "exp")
    total = layer.emit("log", [layer.emit("reduce_sum", [exponentials], attrs, "sum")], {}, "log")
    y = layer.emit("add", [total, low], none, "")
    return y if keep else layer.reshape(y, tuple(d for a, d in enumerate(x.shape) if a not in axes))
