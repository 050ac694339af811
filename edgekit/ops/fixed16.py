"""exp, sigmoid and tanh of 16-bit fixed-point numbers as TFLite's recurrent kernels compute them.

Numbers are int64 arrays that hold int16; "Qm.n" has m integer and n = 15 - m fractional bits. Source: gemmlowp's
definition of fixed-point functions, bit for bit.
"""

from __future__ import annotations

import numpy as np

from edgekit.ir import Array
from edgekit.ops.fixed_point import rounding_divide_by_pot

LOW, HIGH = -(1 << 15), (1 << 15) - 1
MAX_INTEGER_BITS = 6


def saturated(x: Array) -> Array:
    """x moved into 16 bits."""
    return np.clip(x, LOW, HIGH)


def high_mul(a: Array, b: Array | int) -> Array:
    """a * b / 2**15, rounded half up, saturated."""
    product: Array = np.asarray(a * b, np.int64) + (1 << 14)
    return saturated(product >> 15)


def exp_of_negative(a: Array, integer_bits: int) -> Array:
    """exp(a), Q0.15, of a <= 0 with 1 to 7 integer bits."""
    fraction = 15 - integer_bits
    quarter = 1 << (fraction - 2)
    rest = (a & (quarter - 1)) - quarter
    # A Taylor expansion around -1/8 for the rest, which lies in [-1/4, 0).
    x = saturated(rest << integer_bits) + (1 << 12)
    square = high_mul(x, x)
    cube, fourth = high_mul(square, x), high_mul(square, square)
    tail = high_mul(rounding_divide_by_pot(fourth, 2) + cube, 10923) + square
    y = saturated(28918 + high_mul(x + rounding_divide_by_pot(tail, 1), 28918))
    remainder = rest - a
    # Times exp(-2**k) for every power of two in what is left, from -2 on.
    for power, factor in enumerate((25520, 19875, 12055, 4435, 600, 11, 0), start=-2):
        if integer_bits > power:
            y = np.where(remainder & (1 << (fraction + power)), high_mul(y, factor), y)
    if integer_bits > 5:
        y = np.where(a < -(1 << (fraction + 5)), 0, y)
    return np.where(a == 0, HIGH, y)


def _reciprocal(a: Array) -> Array:
    """2 / (1 + a), Q2.13, of a >= 0 in Q0.15, by three Newton steps."""
    half = (a + (1 << 15)) >> 1
    x = 23130 + high_mul(half, -15420)
    for _ in range(3):
        x = x + saturated(high_mul(x, (1 << 13) - high_mul(half, x)) << 2)
    return x


def sigmoid(a: Array) -> Array:
    """The logistic function, Q0.15, of Q3.12."""
    # The largest negative number is its own opposite in 16 bits.
    below = np.where(a > 0, -a, a)
    positive = saturated(_reciprocal(exp_of_negative(below, 3)) << 1)
    return np.where(a == 0, 1 << 14, np.where(a > 0, positive, HIGH - positive))


def tanh(a: Array, integer_bits: int) -> Array:
    """The hyperbolic tangent, Q0.15, of a number with 0 to 6 integer bits."""
    exponential = exp_of_negative(np.where(a < 0, a, -a), integer_bits + 1)
    magnitude = saturated((_reciprocal(exponential) - (1 << 13)) << 2)
    return np.where(a == 0, 0, np.where(a < 0, -magnitude, magnitude))
