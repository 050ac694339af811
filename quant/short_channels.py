"""Scales and biases that take few bits, so that a channel of coded weights is a word in flash; see ek_coding.h.

What is stored per channel would else outweigh what narrow layers save. All is chosen here, in numbers that graphs
have anyway: results are defined as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from edgekit.ir import Array, Codebook, QuantType
from edgekit.ops import fixed_point as fp

# Bits of a stored multiplier, of a bias, and how far apart the scales of a layer may be.
MULTIPLIER_BITS, BIAS_BITS, SPREAD_BITS = 16, 13, 14
# Biases are multiples of a power of two near an output code times 2 ** -fraction, for the largest fraction that fits.
FRACTIONS = range(8, 1, -1)
# How many multipliers on either side are looked at: one in a hundred is made by some float32 scale. The farthest are a
# few hundredths away; codes are chosen for the scale as it was, so that farther ones would cost more than they save.
_REACHES = (256, 1000)
# Channels that are looked at together: each takes some 100 KB.
_TOGETHER = 64
_LARGEST_WEIGHT = 127
# By how much less other scales of an output are, relatively: enough that multipliers in a row round in other ways than
# before, and at most 0.004 of an output code, at the code farthest from zero.
_LESS, _TRIES = 2.0**-18, 4


def short_scales(scales: Array, x: QuantType, y: QuantType) -> Array:
    """float32 [O]: of the scales next to positive `scales` one whose multiplier, scale x times scale w over scale y,
    has 16 significant bits; a thousandth away as a rule. Where there is none, the scale as it is.
    """
    parts = [_short(scales[first : first + _TOGETHER], x, y) for first in range(0, len(scales), _TOGETHER)]
    return np.concatenate(parts) if parts else scales.astype(np.float32)


def _short(scales: Array, x: QuantType, y: QuantType) -> Array:
    found = scales.astype(np.float32)
    left = np.arange(len(scales))
    for reach in _REACHES:
        steps = np.array(sorted(range(-reach, reach + 1), key=abs))
        fraction, exponent = np.frexp(_ratio(x, y) * scales[left].astype(np.float64))
        wanted = np.floor(fraction * (1 << MULTIPLIER_BITS) + 0.5)[:, None] + steps
        near = (np.ldexp(wanted, exponent[:, None] - MULTIPLIER_BITS) / _ratio(x, y)).astype(np.float32)
        exact = _is_short(_multipliers(near, x, y)[0])
        first = exact.argmax(axis=1)
        some = exact.any(axis=1)
        found[left[some]] = near[some, first[some]]
        left = left[~some]
    return found


def are_short(scales: Array, x: QuantType, y: QuantType) -> bool:
    """Whether the multipliers of float32 scales of weights [O] all have 16 significant bits."""
    return bool(_is_short(_multipliers(scales.astype(np.float32), x, y)[0]).all())


def nearby_outputs(y: QuantType) -> Iterator[QuantType]:
    """Quantizations of an output a few millionths apart.

    Where scale x over scale y is next to a ratio of small whole numbers, float32 scales in a row make the same few
    roundings over and over, and there may be no short multiplier among them: then another y has some.
    """
    for step in range(1, _TRIES + 1):
        yield replace(y, scale=(float(np.float32(y.scale[0] * (1.0 - step * _LESS))),))


def short_biases(offsets: Array, scales: Array, codebook: Codebook, x: QuantType, y: QuantType) -> Array:
    """float64 [O] whole numbers, in units of scale x times scale w: biases of 13 bits, if the layer's fit."""
    _, shift = _multipliers(scales, x, y)
    units = x.scale[0] * scales.astype(np.float64)
    # Levels that leave room are made larger by as much as they do.
    spare = (_LARGEST_WEIGHT // codebook.peak).bit_length() - 1
    for fraction in FRACTIONS:
        if fraction > -shift.max() + spare:
            continue
        unit = 2.0 ** (-shift - fraction)
        step = np.maximum(unit, 1.0)
        biases = round_half_away(offsets / units / step) * step
        if (np.abs(biases) < unit * (1 << BIAS_BITS - 1)).all():
            return np.asarray(biases)
    return round_half_away(offsets / units)


def round_half_away(x: Array) -> Array:
    """Nearest integers as floats, halves away from zero."""
    result: Array = np.trunc(x + np.copysign(0.5, x))
    return result


def _ratio(x: QuantType, y: QuantType) -> float:
    return x.scale[0] / y.scale[0]


def _multipliers(scales: Array, x: QuantType, y: QuantType) -> tuple[Array, Array]:
    """(multiplier, shift) by channel, as `fp.product_multipliers` has them of values."""
    return fp.quantize_multipliers(np.float64(x.scale[0]) * scales.astype(np.float64) / y.scale[0])


def _is_short(multipliers: Array) -> Array:
    return np.asarray((multipliers > 0) & (multipliers % (1 << 31 - MULTIPLIER_BITS) == 0))
