"""Weights and biases of products in integers."""

from __future__ import annotations

import numpy as np

from edgekit.ir import Array, Node, QuantType, Value

# |accumulator| stays below this, one bit under int32, whatever the input codes are.
MAX_ACCUMULATOR = 1 << 30

# The farthest that an int8 code can be from its zero point.
_MAX_CODE_DISTANCE = 255


def quantize_product(node: Node, x: QuantType, y: QuantType, bits: int = 8) -> tuple[Value, Value | None]:
    """(weights, bias) of a conv2d, depthwise_conv2d or fully_connected node with float constants.

    Weights: codes in [-(2**(bits-1) - 1), 2**(bits-1) - 1], symmetric, one scale per output channel. Bias: int32 in
    units of scale x times scale w. A channel's scale is widened where its bias or sums would not fit.
    """
    weights, bias = node.input(1), node.optional_input(2)
    axis = 2 if node.op == "depthwise_conv2d" else 0
    rows = np.moveaxis(weights.array.astype(np.float64), axis, 0)
    flat = rows.reshape(rows.shape[0], -1)
    offsets = np.zeros(len(flat)) if bias is None else bias.array.astype(np.float64)
    scales = _weight_scales(flat, offsets, x.scale[0], y.scale[0], (1 << (bits - 1)) - 1)
    codes = round_half_away(flat / scales[:, None]).astype(np.int8).reshape(rows.shape)
    quant = QuantType(tuple(float(s) for s in scales), (0,) * len(scales), axis)
    new_weights = Value.constant(weights.name, np.moveaxis(codes, 0, axis), quant)
    if bias is None:
        return new_weights, None
    units = x.scale[0] * scales.astype(np.float64)
    bias_quant = QuantType(tuple(float(np.float32(u)) for u in units), (0,) * len(units), 0)
    return new_weights, Value.constant(bias.name, round_half_away(offsets / units).astype(np.int32), bias_quant)


def round_half_away(x: Array) -> Array:
    """Nearest integers as floats, halves away from zero."""
    result: Array = np.trunc(x + np.copysign(0.5, x))
    return result


def _weight_scales(flat: Array, offsets: Array, sx: float, sy: float, largest: int) -> Array:
    """float32 scale per row of `flat` [channels, weights]."""
    peaks = np.abs(flat).max(axis=1, initial=0.0)
    # A channel without weights is its bias alone: resolve a thousandth of an output step.
    scales = np.where(peaks > 0, peaks / largest, sy * 2.0**-10 / sx)
    scales = np.maximum(scales, np.finfo(np.float32).tiny)
    for _ in range(64):
        wide = scales.astype(np.float32).astype(np.float64)
        sums = np.abs(round_half_away(flat / wide[:, None])).sum(axis=1) * _MAX_CODE_DISTANCE
        excess = (sums + np.abs(offsets) / (sx * wide)) / (MAX_ACCUMULATOR - 1)
        if (excess <= 1.0).all():
            break
        scales = np.where(excess > 1.0, wide * np.minimum(excess, 2.0**20) * 1.01, wide)
    return np.asarray(scales.astype(np.float32))
