"""Requantization constants of runtime_c/include/ek_requantize.h, with the proof that nothing overflows."""

from __future__ import annotations

import numpy as np

from edgekit.codegen.program import Fields
from edgekit.errors import UnsupportedModel
from edgekit.ir import Array, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.conv2d import bias_or_zero

INT32_LIMIT = 1 << 31
# Of DSP kernels: the offset, 9 bits and sign, shifted left by one less must stay below 2^30.
LARGEST_RIGHT = 21


def channel_tables(node: Node, channel_axis: int, pad_to: int) -> tuple[Array, Array]:
    """What a kernel reads of a conv-like node: (records, weights).

    records: int64 [channels rounded up to pad_to, 4]: bias, multiplier, left, right of each output channel.
    weights: the node's int8 codes, with the channels neutralised whose result is the same code for every input while
    their accumulator would not fit 32 bits (trained models hold such dead channels).
    Raises UnsupportedModel where any other accumulator could leave 32 bits.
    """
    weights = node.input(1)
    channels = weights.shape[channel_axis]
    scales = fp.product_multipliers(node.input(0), weights, node.output, bool(node.attrs.get("single_precision_scale")))
    multiplier, shift = (np.broadcast_to(s, channels).copy() for s in scales)
    double = bool(node.attrs.get("double_rounding"))
    left, right = split_shift(shift, double)
    bias = np.broadcast_to(np.asarray(bias_or_zero(node), np.int64), channels).copy()
    reach = accumulator_reach(node, channel_axis)
    codes = np.moveaxis(weights.array.copy(), channel_axis, 0)
    for channel in np.flatnonzero((np.abs(bias) + reach) << left >= INT32_LIMIT):
        ends = fp.requantize(
            np.array([bias[channel] - reach[channel], bias[channel] + reach[channel]]),
            (multiplier[channel], shift[channel]), 0, _centred_range(node), double,
        )  # fmt: skip
        if ends[0] != ends[1]:
            raise UnsupportedModel(
                f"layer {node.name!r} ({node.op}): accumulator of output channel {channel} can reach "
                f"{int(abs(bias[channel]) + reach[channel])}, too large for 32-bit arithmetic; lower its bias or split "
                "the layer's inputs"
            )
        codes[channel] = zero_of_weights(node)
        # 2^3 * code * 2^30 / 2^32 is twice the code: the first bits of 2^3 are where kernels want a left shift.
        left[channel], right[channel] = int(double), 1
        bias[channel], multiplier[channel] = ends[0] << (3 - int(double)), 1 << 30
    records = np.zeros((-(-channels // pad_to) * pad_to, 4), np.int64)
    records[:, 2:] = int(double), 1
    records[:channels] = np.stack([bias, multiplier, left, right], axis=1)
    return records, np.ascontiguousarray(np.moveaxis(codes, 0, channel_axis))


def folded_tables(node: Node, channel_axis: int) -> tuple[Array, Array]:
    """`channel_tables` whose biases have the input's zero point in them, so that sums are of the input's codes as they
    are. The biases are modulo 2^32: what a kernel adds up is the accumulator that `channel_tables` proves to fit.
    """
    records, codes = channel_tables(node, channel_axis, 1)
    axes = tuple(a for a in range(codes.ndim) if a != channel_axis)
    sums = (codes.astype(np.int64) - zero_of_weights(node)).sum(axis=axes)
    records[:, 0] = (records[:, 0] - fp.single_quant(node.input(0))[1] * sums).astype(np.uint32).view(np.int32)
    return records, codes


def _centred_range(node: Node) -> tuple[int, int]:
    """The output's clamp range before its zero point is added."""
    low, high = fp.output_range(node.attrs.get("activation", "none"), node.output)
    zero = fp.single_quant(node.output)[1]
    return low - zero, high - zero


def split_shift(shift: Array, double_rounding: bool) -> tuple[Array, Array]:
    """(left, right) shifts of ek_channel for TFLite's `shift`."""
    shift = np.asarray(shift, np.int64)
    if double_rounding:
        return np.maximum(shift, 0) + 1, np.maximum(-shift, 0)
    left = np.maximum(shift + 2, 0)
    return left, left - shift - 1


def accumulator_reach(node: Node, channel_axis: int) -> Array:
    """How far any partial sum of an output channel can get from its bias, int64 [channels]."""
    weights = node.input(1)
    axes = tuple(a for a in range(weights.array.ndim) if a != channel_axis)
    magnitude = np.abs(weights.array.astype(np.int64)) + abs(zero_of_weights(node))
    total: Array = fp.reach(node.input(0)) * magnitude.sum(axis=axes)
    return total


def output_fields(node: Node) -> Fields:
    """The ek_output struct of a node."""
    low, high = fp.output_range(node.attrs.get("activation", "none"), node.output)
    return {
        "zero_point": fp.single_quant(node.output)[1],
        "low": low,
        "high": high,
        "double_rounding": int(bool(node.attrs.get("double_rounding"))),
    }


def rounding_of(node: Node, table: Array) -> str:
    """Which instance of the DSP kernels requantizes a layer, see ek_columns.h."""
    output = output_fields(node)
    usual = usual_rounding(node, table, LARGEST_RIGHT)
    return usual if usual is not None and (output["low"], output["high"]) == (-128, 127) else "any"


def usual_rounding(node: Node, records: Array, most_right: int) -> str | None:
    """'once' or 'twice', by how a layer rounds, where its channels need no other left shift than that has, and right
    shifts from 1 to `most_right`; else None."""
    name, shift = ("twice", 1) if bool(node.attrs.get("double_rounding")) else ("once", 0)
    left, right = records[:, 2], records[:, 3]
    return name if bool((left == shift).all() and (right >= 1).all() and (right <= most_right).all()) else None


def zero_of_weights(node: Node) -> int:
    """The weights' zero point (0 when they are per channel)."""
    quant = node.input(1).quant
    return quant.zero_point[0] if quant is not None and quant.is_per_tensor else 0
