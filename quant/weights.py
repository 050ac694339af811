"""Weights and biases of products in integers."""

from __future__ import annotations

import numpy as np

from edgekit.ir import Array, Codebook, Node, QuantType, Value
from edgekit.ops.conv2d import channel_axis
from edgekit.quant.power import CodedRows, power_codes
from edgekit.quant.short_channels import SPREAD_BITS, round_half_away, short_biases, short_scales

# |accumulator| stays below this, one bit under int32, whatever the input codes are.
MAX_ACCUMULATOR = 1 << 30

# The farthest that an int8 code can be from its zero point.
_MAX_CODE_DISTANCE = 255
_LARGEST_WEIGHT = 127


def channel_rows(node: Node) -> Array:
    """float64 [O,K] of a product's weights, a row for each output channel."""
    rows = np.moveaxis(node.input(1).array.astype(np.float64), channel_axis(node), 0)
    return rows.reshape(rows.shape[0], -1)


def quantize_product(
    node: Node, x: QuantType, y: QuantType, coded: CodedRows | None = None
) -> tuple[Value, Value | None]:
    """(weights, bias) of a product with float constants, x and y the quantizations of its input and output.

    Weights: int8 in -127 to 127, symmetric, one scale per output channel; with codes of fewer bits, the levels that
    those stand for. Bias: int32 in units of scale x times scale w. A channel's scale is widened where its bias or sums
    would not fit. Biases beyond all that counts are cut off there, minus infinity too.
    """
    weights, bias = node.input(1), node.optional_input(2)
    axis, flat = channel_axis(node), channel_rows(node)
    offsets = np.zeros(len(flat)) if bias is None else bias.array.astype(np.float64)
    if coded is not None and coded.bias is not None:
        offsets = coded.bias
    offsets = _within_reach(offsets, flat, x, y)
    if coded is None:
        scales = _widened(_scales(flat, x, y), flat, offsets, x)
        integers, codebook = round_half_away(flat / scales[:, None]), None
    else:
        integers, scales, codebook = _levels(coded, flat, offsets, x, y)
        codebook = None if coded.bits == 8 else codebook
    shape = np.moveaxis(weights.array, axis, 0).shape
    quant = QuantType(tuple(float(s) for s in scales), (0,) * len(scales), axis, codebook)
    new_weights = Value.constant(weights.name, np.moveaxis(integers.astype(np.int8).reshape(shape), 0, axis), quant)
    if bias is None:
        return new_weights, None
    units = x.scale[0] * scales.astype(np.float64)
    biases = round_half_away(offsets / units) if codebook is None else short_biases(offsets, scales, codebook, x, y)
    bias_quant = QuantType(tuple(float(np.float32(u)) for u in units), (0,) * len(units), 0)
    return new_weights, Value.constant(bias.name, biases.astype(np.int32), bias_quant)


def _within_reach(offsets: Array, flat: Array, x: QuantType, y: QuantType) -> Array:
    """Biases; those beyond which a channel has the lowest or the highest code, whatever the input, end there.

    A mask of -1e9 would cost its channel all precision of the weights, minus infinity has no code at all.
    """
    # At most what rows sum to, however their weights are rounded, and as much again for levels of few bits.
    sums = 2.0 * flat.shape[1] * np.abs(flat).max(axis=1, initial=0.0) * x.scale[0] * max(_MAX_CODE_DISTANCE, x.reach)
    low, high = y.dequantize(np.array([-128, 127])).astype(np.float64)
    room = sums + 2.0 * y.scale[0]
    return np.asarray(np.clip(offsets, low - room, high + room))


def _levels(
    coded: CodedRows, flat: Array, offsets: Array, x: QuantType, y: QuantType
) -> tuple[Array, Array, Codebook]:  # fmt: skip
    """(integers [O,K], float32 scales [O], codebook) of codes, the scales short (`short_scales`).

    Channels that do not fit, or are that much smaller than others, are coded anew, wider.
    """
    codebook = coded.book
    largest = codebook.peaks(len(flat))
    empty = _scales(flat, x, y)
    wanted = np.where(coded.peaks > 0, coded.peaks / largest, empty)
    wanted = np.maximum(wanted, np.finfo(np.float32).tiny).astype(np.float32).astype(np.float64)
    scales = np.maximum(wanted, wanted.max() * 2.0**-SPREAD_BITS)
    integers = codebook.weights(coded.codes)
    if (_excess(integers, scales, offsets, x) > 1.0).any():
        scales = _widened(scales, flat, offsets, x).astype(np.float64)
    wide = scales > wanted
    if wide.any():
        peaks = scales * largest
        anew = coded.each_group(lambda rows, a: power_codes(flat[rows], peaks[rows], a, coded.bits, coded.halves))
        integers = np.where(wide[:, None], codebook.weights(anew), integers)
    return integers, short_scales(scales, x, y), codebook


def _scales(flat: Array, x: QuantType, y: QuantType) -> Array:
    """float64 scale per row of `flat` [channels, weights]: the largest weight is 127."""
    peaks = np.abs(flat).max(axis=1, initial=0.0)
    # A channel without weights is its bias alone: resolve a thousandth of an output step.
    scales = np.where(peaks > 0, peaks / _LARGEST_WEIGHT, y.scale[0] * 2.0**-10 / x.scale[0])
    return np.asarray(np.maximum(scales, np.finfo(np.float32).tiny))


def _widened(scales: Array, flat: Array, offsets: Array, x: QuantType) -> Array:
    """float32 scales at which sums and bias of every channel fit an accumulator."""
    for _ in range(64):
        wide = scales.astype(np.float32).astype(np.float64)
        excess = _excess(round_half_away(flat / wide[:, None]), wide, offsets, x)
        if (excess <= 1.0).all():
            break
        scales = np.where(excess > 1.0, wide * np.minimum(excess, 2.0**20) * 1.01, wide)
    return np.asarray(scales.astype(np.float32))


def _excess(integers: Array, scales: Array, offsets: Array, x: QuantType) -> Array:
    """How many times the accumulators' range each channel may reach."""
    sums = np.abs(integers.astype(np.float64)).sum(axis=1) * max(_MAX_CODE_DISTANCE, x.reach)
    excess: Array = (sums + np.abs(offsets) / (x.scale[0] * scales)) / (MAX_ACCUMULATOR - 1)
    return excess
