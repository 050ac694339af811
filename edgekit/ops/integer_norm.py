"""Normalization of int8 codes over groups of elements, with an integer square root and one rounding at the end.

For a group of n codes x with zero point z: t = n x - sum(x), D = n sum(x^2) - sum(x)^2 + epsilon n^2 / scale^2, and the
normalized value is t / sqrt(D); without centring (RMS), t = n (x - z) and D = n sum((x - z)^2) + .. . D has bits behind
the point: where codes are few or hardly differ, epsilon is a fraction beside them. In units of 2**-22 the value is
scaled by gamma and moved by beta in one 64-bit step. The code is within 1 of the rounded real result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.ir import Array

Int64 = npt.NDArray[np.int64]

MAX_COUNT = 1 << 15
NORMAL_BITS = 22
OFFSET_BITS = 16
_ROOT_BITS = 62
MAX_FRACTION = 16


@dataclass(frozen=True)
class NormConstants:
    """What the kernel reads beside the codes.

    Attributes:
        scale, offset: int32 per channel: gamma / scale_y in units of 2**-(shift - 22), beta / scale_y in 2**-16.
        shift: bits from the 64-bit sum to output codes, at least 22.
        epsilon: epsilon n^2 / scale_x^2 in units of 2**-fraction.
        fraction: bits of D behind the point, an even number.
    """

    scale: Int64
    offset: Int64
    shift: int
    epsilon: int
    fraction: int


def epsilon_is_moderate(epsilon: float, count: int, scale_x: float) -> bool:
    """Whether D fits 62 bits, and 2**-22 is a fine unit for what epsilon leaves of the codes."""
    return epsilon / (scale_x * scale_x) <= min(2.0**40, 2.0**61 / (count * count))


def norm_constants(
    gamma: Array, beta: Array, epsilon: float, count: int, scale_x: float, scale_y: float
) -> NormConstants:
    """Fixed-point constants of a normalization of `count` codes; gamma and beta are float arrays of one shape.

    `epsilon_is_moderate` must hold.
    """
    factors = gamma.astype(np.float64) / scale_y
    addends = beta.astype(np.float64) / scale_y
    # As many bits as leave |scale| below 2**30, and the moved offset below 2**61.
    room = min(30 - _bits_of(factors), 61 - NORMAL_BITS - min(max(_bits_of(addends), 0), 31 - OFFSET_BITS))
    bits = min(max(room, 0), 38)
    scale = np.clip(np.rint(factors * 2.0**bits), -(2**30), 2**30).astype(np.int64)
    limit = float((1 << 31) - 1)
    offset = np.clip(np.rint(addends * 2.0**OFFSET_BITS), -limit, limit).astype(np.int64)
    steps = epsilon * count * count / (scale_x * scale_x)
    spare = 61 - math.ceil(math.log2(255.0 * 255.0 * count * count + steps))
    fraction = min(max(spare, 0), MAX_FRACTION) & ~1
    return NormConstants(scale, offset, NORMAL_BITS + bits, round(steps * 2.0**fraction), fraction)


def _bits_of(numbers: Array) -> int:
    """The least b with all numbers at most 2**b; 0 where all are 0."""
    largest = float(np.abs(numbers).max(initial=0.0))
    return int(np.ceil(np.log2(largest))) if largest > 0 else 0


def integer_sqrt(x: Int64) -> Int64:
    """floor(sqrt(x)) of integers below 2**62."""
    root = np.sqrt(x.astype(np.float64)).astype(np.int64)
    root -= (root * root > x).astype(np.int64)
    root += ((root + 1) * (root + 1) <= x).astype(np.int64)
    return root


def normalized(rows: Int64, zero: int, constants: NormConstants, centred: bool) -> Int64:
    """[groups, n] codes to normalized values in units of 2**-22."""
    n = rows.shape[-1]
    x = rows - zero
    total = x.sum(axis=-1, keepdims=True) if centred else np.zeros((*rows.shape[:-1], 1), np.int64)
    fraction = constants.fraction
    spread = (n * (x * x).sum(axis=-1, keepdims=True) - total * total << fraction) + constants.epsilon
    # Below 1 is D of rows whose t is 0 throughout.
    spread = np.maximum(spread, np.int64(1) << fraction)
    length = np.frexp(spread.astype(np.float64))[1].astype(np.int64)
    # frexp of a float64 may round up to the next power of two.
    length -= (spread < (np.int64(1) << (length - 1))).astype(np.int64)
    even = (_ROOT_BITS - length) & ~np.int64(1)
    root = integer_sqrt(spread << even)
    inverse = np.minimum((np.int64(1) << 61) // root, (1 << 31) - 1)
    shift = 61 - NORMAL_BITS - (even + fraction >> 1)
    result: Int64 = ((n * x - total) * inverse + (np.int64(1) << (shift - 1))) >> shift
    return result


def to_codes(values: Int64, constants: NormConstants, scale: Int64, offset: Int64, zero_y: int) -> Int64:
    """Output codes of normalized values; `scale` and `offset` broadcast to them."""
    bits = constants.shift - OFFSET_BITS
    total = values * scale + (offset << bits) + (np.int64(1) << (constants.shift - 1))
    codes: Int64 = np.clip((total >> constants.shift) + zero_y, -128, 127)
    return codes
