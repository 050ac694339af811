"""Elementwise functions of one tensor, Clip, and Softmax and its kin."""

from __future__ import annotations

import numpy as np

from edgekit.importers.onnx.builder import Layer, Operand
from edgekit.ir import DType, Value

# ONNX name -> ((attribute, default), ..), named alike here; the operator is the name in snake case.
_PARAMETERS: dict[str, tuple[tuple[str, float], ...]] = {
    "LeakyRelu": (("alpha", 0.01),),
    "Elu": (("alpha", 1.0),),
    "Selu": (("alpha", 1.6732631921768188), ("gamma", 1.0507010221481323)),
    "Celu": (("alpha", 1.0),),
    "Swish": (("alpha", 1.0),),
    "HardSigmoid": (("alpha", 0.2), ("beta", 0.5)),
    "ThresholdedRelu": (("alpha", 1.0),),
    "Shrink": (("lambd", 0.5), ("bias", 0.0)),
}
_NAMES = {
    "LeakyRelu": "leaky_relu", "Swish": "silu", "HardSigmoid": "hard_sigmoid", "HardSwish": "hard_swish",
    "ThresholdedRelu": "thresholded_relu", "Not": "logical_not", "IsNaN": "is_nan", "BitwiseNot": "bitwise_not",
}  # fmt: skip


def unary(layer: Layer) -> Value:
    """Any function of one tensor; float attributes as the operator has them."""
    attrs = {name: layer.float_attr(name, default) for name, default in _PARAMETERS.get(layer.op, ())}
    return layer.emit(_NAMES.get(layer.op, layer.op.lower()), [layer.value(0)], attrs)


def relu(layer: Layer) -> Operand:
    """relu; a maximum with 0 for integers."""
    x = layer.value(0)
    if x.dtype.is_float or layer.builder.quantized:
        return layer.emit("relu", [x], {})
    return layer.emit("max", [x, layer.number(0, x)], {})


def gelu(layer: Layer) -> Value:
    """The exact or the tanh form."""
    kind = layer.str_attr("approximate", "none")
    if kind not in ("none", "tanh"):
        raise layer.bad(f"attribute 'approximate' is {kind!r}")
    return layer.emit("gelu_tanh" if kind == "tanh" else "gelu", [layer.value(0)], {})


def is_inf(layer: Layer) -> Value:
    """Either infinity, or one of the two."""
    x = layer.value(0)
    wanted = [
        k for k, a in (("is_pos_inf", "detect_positive"), ("is_neg_inf", "detect_negative")) if layer.int_attr(a, 1)
    ]
    parts = [layer.emit(kind, [x], {}, kind) for kind in wanted]
    if not parts:
        never = layer.emit("is_pos_inf", [x], {}, "is_pos_inf")
        return layer.emit("logical_xor", [never, never], {})
    return parts[0] if len(parts) == 1 else layer.emit("logical_or", parts, {})


def clip(layer: Layer) -> Operand:
    """Clip; limits are attributes before opset 11, inputs after."""
    if layer.opset < 11:
        limits = [layer.float_attr("min", -np.finfo(np.float32).max), layer.float_attr("max", np.finfo(np.float32).max)]
        return _clip_constants(layer, limits[0], limits[1])
    given = [layer.has(i) for i in (1, 2)]
    constant = all(not g or layer.is_constant(i) for i, g in zip((1, 2), given, strict=True))
    if constant and (layer.builder.quantized or layer.value(0).dtype is DType.FLOAT32):
        return _clip_constants(
            layer, layer.scalar(1) if given[0] else -np.inf, layer.scalar(2) if given[1] else np.inf
        )  # fmt: skip
    y: Value = layer.value(0)
    for index, op in ((1, "max"), (2, "min")):
        if given[index - 1]:
            y = layer.emit(op, [y, layer.value(index)], {}, op)
    return y if any(given) else layer.operand(0)


def _clip_constants(layer: Layer, low: float, high: float) -> Operand:
    if np.isnan(low) or np.isnan(high):
        raise layer.bad("a limit is not a number")
    if low > high:
        # As numpy: everything becomes the upper limit.
        low = high
    huge = 1e30
    if low <= -huge and high >= huge:
        return layer.operand(0)
    if low == 0.0 and high >= huge:
        return layer.emit("relu", [layer.value(0)], {})
    if low == 0.0 and high == 6.0:
        return layer.emit("relu6", [layer.value(0)], {})
    return layer.emit("clip", [layer.value(0)], {"low": float(low), "high": float(high)})


def prelu(layer: Layer) -> Value:
    """PRelu; a slope of one axis stands along the channels."""
    x, slope = layer.value(0), layer.value(1)
    if (len(slope.shape) == 1 and len(x.shape) > 2 and slope.shape[0] not in (1, x.shape[-1])) or layer.opset < 7:
        slope = _along_channels(layer, slope, len(x.shape))
    if x.dtype is not DType.FLOAT32 and not layer.builder.quantized:
        raise layer.unsupported(f"is {x.dtype.value}", "use float32")
    return layer.emit("prelu", [x, slope], {})


def _along_channels(layer: Layer, slope: Value, rank: int) -> Value:
    shape = (slope.elements,) + (1,) * max(rank - 2, 0)
    if slope.is_constant and slope.quant is None:
        return Value.constant(slope.name, slope.array.reshape(shape))
    return layer.reshape(slope, shape)


def softmax(layer: Layer) -> Value:
    """Softmax, LogSoftmax over one axis (opset 13 on), or over all axes from `axis` on (before)."""
    op, attrs = ("softmax", {"beta": 1.0}) if layer.op == "Softmax" else ("log_softmax", {})
    return _over_axis(layer, op, attrs)


def hardmax(layer: Layer) -> Value:
    """1 at the first maximum of each row, 0 elsewhere."""
    x = layer.value(0)
    axis = layer.axis(layer.int_attr("axis", 1 if layer.opset < 13 else -1), len(x.shape))
    if not x.shape:
        raise layer.bad("the input is a single number")
    if layer.opset < 13:
        rows = layer.reshape(x, (int(np.prod(x.shape[:axis])), int(np.prod(x.shape[axis:]))), "rows")
        return layer.reshape(_first_best(layer, rows, 1), x.shape)
    return _first_best(layer, x, axis)


def _first_best(layer: Layer, x: Value, axis: int) -> Value:
    best = layer.emit("arg_max", [x], {"axis": axis, "keep_dims": True, "last": False}, "best")
    line = [1] * len(x.shape)
    line[axis] = x.shape[axis]
    places = Value.constant(f"{layer.name} places", np.arange(x.shape[axis]).reshape(line))
    chosen = layer.emit("equal", [places, best], {}, "chosen")
    numbers = [Value.constant(f"{layer.name} {n}", np.array(n, np.float32)) for n in (1, 0)]
    if layer.builder.quantized:
        return layer.emit("where", [chosen, *map(layer.as_codes, numbers)], {})
    if x.dtype is DType.FLOAT32:
        return layer.emit("where", [chosen, *numbers], {})
    return layer.emit("cast", [chosen], {"to": x.dtype.value})


def _over_axis(layer: Layer, op: str, attrs: dict[str, float]) -> Value:
    x = layer.value(0)
    rank, flattens = len(x.shape), layer.opset < 13
    axis = layer.axis(layer.int_attr("axis", 1 if flattens else -1), rank)
    if rank == 0:
        raise layer.bad("the input is a single number")
    if axis == rank - 1:
        return layer.emit(op, [x], attrs)
    if flattens:
        rows = int(np.prod(x.shape[:axis]))
        flat = layer.emit(op, [layer.reshape(x, (rows, x.elements // max(rows, 1)))], attrs)
        return layer.reshape(flat, x.shape)
    perm = [a for a in range(rank) if a != axis] + [axis]
    y = layer.emit(op, [layer.transpose(x, perm)], attrs)
    return layer.transpose(y, np.argsort(perm).tolist())
