"""Requantization constants of runtime_c/include/ek_requantize.h, with the proof that nothing overflows."""

from __future__ import annotations

import numpy as np

from edgekit.codegen.program import Fields
from edgekit.errors import UnsupportedModel
from edgekit.ir import Array, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.conv2d import bias_or_zero

INT32_LIMIT = 1 << 31


def channel_records(node: Node, channel_axis: int, pad_to: int) -> Array:
    """int64 [channels rounded up to pad_to, 4]: bias, multiplier, left, right of a conv-like node's output channels.

    Raises UnsupportedModel where an accumulator could leave 32 bits.
    """
    weights = node.input(1)
    channels = weights.shape[channel_axis]
    multiplier, shift = fp.product_multipliers(
        node.input(0), weights, node.output, bool(node.attrs.get("single_precision_scale"))
    )
    multiplier, shift = np.broadcast_to(multiplier, channels), np.broadcast_to(shift, channels)
    left, right = split_shift(shift, bool(node.attrs.get("double_rounding")))
    bias = np.broadcast_to(np.asarray(bias_or_zero(node), np.int64), channels)
    bound = accumulator_bound(node, channel_axis, bias)
    if np.any((bound << left) >= INT32_LIMIT):
        worst = int(np.argmax(bound << left))
        raise UnsupportedModel(
            f"layer {node.name!r} ({node.op}): accumulator of output channel {worst} can reach {int(bound[worst])}, "
            "too large for 32-bit arithmetic; lower its bias or split the layer's inputs"
        )
    records = np.zeros((-(-channels // pad_to) * pad_to, 4), np.int64)
    records[:, 3] = 1
    records[:channels] = np.stack([bias, multiplier, left, right], axis=1)
    return records


def split_shift(shift: Array, double_rounding: bool) -> tuple[Array, Array]:
    """(left, right) shifts of ek_channel for TFLite's `shift`."""
    shift = np.asarray(shift, np.int64)
    if double_rounding:
        return np.maximum(shift, 0) + 1, np.maximum(-shift, 0)
    left = np.maximum(shift + 2, 0)
    return left, left - shift - 1


def accumulator_bound(node: Node, channel_axis: int, bias: Array) -> Array:
    """Largest magnitude that any partial sum of an output channel can reach, int64 [channels]."""
    weights = node.input(1)
    zero_x = fp.single_quant(node.input(0))[1]
    quant = weights.quant
    zero_w = quant.zero_point[0] if quant is not None and quant.is_per_tensor else 0
    reach = max(abs(-128 - zero_x), abs(127 - zero_x))
    axes = tuple(a for a in range(weights.array.ndim) if a != channel_axis)
    magnitude = np.abs(weights.array.astype(np.int64)) + abs(zero_w)
    total: Array = np.abs(bias) + reach * magnitude.sum(axis=axes)
    return total


def output_fields(node: Node) -> Fields:
    """The ek_output struct of a node."""
    low, high = fp.output_range(node.attrs["activation"], node.output)
    return {
        "zero_point": fp.single_quant(node.output)[1],
        "low": low,
        "high": high,
        "double_rounding": int(bool(node.attrs.get("double_rounding"))),
    }


def zero_of_weights(node: Node) -> int:
    """The weights' zero point (0 when they are per channel)."""
    quant = node.input(1).quant
    return quant.zero_point[0] if quant is not None and quant.is_per_tensor else 0
