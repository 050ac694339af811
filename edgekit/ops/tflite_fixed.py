"""Fixed-point functions of TFLite's integer kernels beyond the plain rescaling of fixed_point.py."""

from __future__ import annotations

import numpy as np

from edgekit.ir import Array
from edgekit.ops import fixed_point as fp
from edgekit.ops.softmax import one_over_one_plus_x

INT32_MAX = (1 << 31) - 1


def upper_half(multiplier: int) -> int:
    """A multiplier's upper 16 bits, rounded, as TFLite's 64-bit rescaling uses them."""
    return (multiplier + (1 << 15)) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF


def multiply_int64(x: Array, multiplier: Array | int, shift: Array | int) -> Array:
    """x * multiplier / 2**31 * 2**shift of 64-bit x by the multiplier's upper 16 bits, rounded once (half up)."""
    reduced = np.vectorize(upper_half, otypes=[np.int64])(multiplier)
    total = 15 - np.asarray(shift, np.int64)
    product = np.asarray(x, np.int64) * reduced + (np.int64(1) << (total - 1))
    rounded: Array = product >> total
    return rounded


def multiply_wide(x: Array, multiplier: Array | int, shift: Array | int) -> Array:
    """x * multiplier / 2**31 * 2**shift, rounded once (half up), of x within 47 bits; shifts are at most 14."""
    x, total = np.asarray(x, np.int64), 31 - np.asarray(shift, np.int64)
    # In two halves: the product has more than 64 bits.
    high = (x >> 16) * multiplier + (((x & 0xFFFF) * multiplier) >> 16)
    rounded: Array = (high + (np.int64(1) << (total - 17))) >> (total - 16)
    return rounded


def _mul(a: int, b: int) -> int:
    return (a * b + (1 << 30)) >> 31


def _divide(x: int, exponent: int) -> int:
    return int(fp.rounding_divide_by_pot(np.array(x), exponent))


def _saturated(x: int) -> int:
    return min(max(x, -(1 << 31)), INT32_MAX)


def inverse_square_root(x: int) -> tuple[int, int]:
    """(multiplier, shift) of 1 / sqrt(x) for a positive int32, by five Newton steps on Q3.28."""
    if x <= 1:
        return INT32_MAX, 0
    shift = 11
    while x >= 1 << 29:
        x //= 4
        shift += 1
    pairs = (32 - x.bit_length() - 1) // 2 - 1
    shift -= pairs
    x <<= 2 * pairs
    value = x >> 1
    half, half_three = _divide(value, 1), (1 << 28) + (1 << 27)
    y = 1 << 28
    for _ in range(5):
        cube = _saturated(_mul(_mul(y, y), y) << 6)
        y = _saturated((_mul(half_three, y) - _mul(half, cube)) << 3)
    y = _mul(y, 1518500250)
    if shift < 0:
        y, shift = y << -shift, 0
    return y, -shift


_LOG_2, _ROOT_HALF, _ROOT_ROOT_HALF = 1488522236, 1518500250, 1805811301
# A rational approximation of the logarithm around the fourth root of 1/2.
_ALPHA_N, _ALPHA_D, _ALPHA_I, _ALPHA_F = 117049297, 127690142, 1057819769, 638450708
_ACCUMULATOR_BITS, _SUM_BITS = 6, 12


def log_of_sum(total: int) -> int:
    """The natural logarithm, Q5.26, of a positive Q12.19."""
    zeros = 32 - total.bit_length()
    first = _saturated(_mul(total << (zeros - 1), _ROOT_HALF) << 1)
    quarter = 1 << (29 - _ACCUMULATOR_BITS)
    first_power = ((_SUM_BITS - zeros) << (31 - _ACCUMULATOR_BITS)) + quarter
    headroom = 32 - _mul(total, _ROOT_HALF).bit_length() - 1
    second_power = ((_SUM_BITS - headroom) << (31 - _ACCUMULATOR_BITS)) - quarter
    r, power = min(first, _saturated(total << headroom)), max(first_power, second_power)
    p = (r + _ROOT_ROOT_HALF + 1) // 2
    q = 2 * (r - _ROOT_ROOT_HALF)
    square = _mul(q, q)
    numerator = _mul(q, r) + _mul(_mul(q, square), _ALPHA_N)
    denominator = _mul(p, _ALPHA_I + q + _mul(_ALPHA_D, square)) + _mul(_ALPHA_F, q)
    inverse = int(one_over_one_plus_x(np.array(denominator)))
    fraction = _mul(_divide(numerator, _ACCUMULATOR_BITS), inverse)
    return _saturated((_mul(power, _LOG_2) + fraction) << 1)
