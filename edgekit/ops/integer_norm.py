"""Normalization of int8 codes over groups of elements, with an integer square root and one rounding at the end.

For a group of n codes x with zero point z: t = n x - sum(x), D = n sum(x^2) - sum(x)^2 + epsilon n^2 / scale^2, and the
normalized value is t / sqrt(D); without centring (RMS), t = n (x - z) and D = n sum((x - z)^2) + .. . In units of
2**-22 it is scaled by gamma and moved by beta in one 64-bit step. The code is within 1 of the rounded real result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.ir import Array

Int64 = npt.NDArray[np.int64]

MAX_COUNT = 1 << 15
NORMAL_BITS = 22
OFFSET_BITS = 16
_ROOT_BITS = 62


@dataclass(frozen=True)
class NormConstants:
    """What the kernel reads beside the codes.

    Attributes:
        scale, offset: int32 per channel: gamma / scale_y in units of 2**-(shift - 22), beta / scale_y in 2**-16.
        shift: bits from the 64-bit sum to output codes, at least 22.
        epsilon: epsilon n^2 / scale_x^2, rounded.
    """

    scale: Int64
    offset: Int64
    shift: int
    epsilon: int


def norm_constants(
    gamma: Array, beta: Array, epsilon: float, count: int, scale_x: float, scale_y: float
) -> NormConstants:
    """Fixed-point constants of a normalization of `count` codes; gamma and beta are float arrays of one shape."""
    factors = gamma.astype(np.float64) / scale_y
    largest = float(np.abs(factors).max(initial=0.0))
    # As many bits as leave |scale| below 2**30.
    bits = int(np.clip(30 - np.ceil(np.log2(largest)) if largest > 0 else 30, 0, 38))
    scale = np.clip(np.rint(factors * 2.0**bits), -(2**30), 2**30).astype(np.int64)
    limit = float((1 << 31) - 1)
    offset = np.clip(np.rint(beta.astype(np.float64) / scale_y * 2.0**OFFSET_BITS), -limit, limit).astype(np.int64)
    steps = min(epsilon * count * count / (scale_x * scale_x), 2.0**50)
    return NormConstants(scale, offset, NORMAL_BITS + bits, int(np.rint(steps)))


def integer_sqrt(x: Int64) -> Int64:
    """floor(sqrt(x)) of integers below 2**62."""
    root = np.sqrt(x.astype(np.float64)).astype(np.int64)
    root -= (root * root > x).astype(np.int64)
    root += ((root + 1) * (root + 1) <= x).astype(np.int64)
    return root


def normalized(rows: Int64, zero: int, epsilon: int, centred: bool) -> Int64:
    """[groups, n] codes to normalized values in units of 2**-22."""
    n = rows.shape[-1]
    x = rows - zero
    total = x.sum(axis=-1, keepdims=True) if centred else np.zeros((*rows.shape[:-1], 1), np.int64)
    spread = np.maximum(n * (x * x).sum(axis=-1, keepdims=True) - total * total + epsilon, 1)
    length = np.frexp(spread.astype(np.float64))[1].astype(np.int64)
    # frexp of a float64 may round up to the next power of two.
    length -= (spread < (np.int64(1) << (length - 1))).astype(np.int64)
    even = (_ROOT_BITS - length) & ~np.int64(1)
    root = integer_sqrt(spread << even)
    inverse = np.minimum((np.int64(1) << 61) // root, (1 << 31) - 1)
    shift = 61 - NORMAL_BITS - (even >> 1)
    result: Int64 = ((n * x - total) * inverse + (np.int64(1) << (shift - 1))) >> shift
    return result


def to_codes(values: Int64, constants: NormConstants, scale: Int64, offset: Int64, zero_y: int) -> Int64:
    """Output codes of normalized values; `scale` and `offset` broadcast to them."""
    bits = constants.shift - OFFSET_BITS
    total = values * scale + (offset << bits) + (np.int64(1) << (constants.shift - 1))
    codes: Int64 = np.clip((total >> constants.shift) + zero_y, -128, 127)
    return codes
