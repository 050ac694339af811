"""Fixed-point arithmetic of the TFLite quantization spec, on int64 numpy arrays holding int32 values.

Source: TFLite 8-bit quantization specification and gemmlowp's definition of the two rounding steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgekit.ir import Array, DType, QuantType, Value

Int64 = npt.NDArray[np.int64]


def quantize_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) with real = multiplier / 2**31 * 2**shift, multiplier in [2**30, 2**31) or 0."""
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    return multiplier, shift


def quantize_multipliers(real: Array) -> tuple[Int64, Int64]:
    """`quantize_multiplier` of every number of a float64 array of numbers that are not negative."""
    fraction, exponent = np.frexp(real)
    multiplier = np.floor(fraction * (1 << 31) + 0.5).astype(np.int64)
    whole = multiplier == 1 << 31
    multiplier, shift = np.where(whole, 1 << 30, multiplier), exponent.astype(np.int64) + whole
    small = (shift < -31) | (multiplier == 0)
    return np.where(small, 0, multiplier), np.where(small, 0, shift)


def saturating_rounding_doubling_high_mul(a: Array, b: Array | int) -> Int64:
    """(2 * a * b + 2**31) >> 32: round half up of a * b / 2**31. `b` is never -2**31 here."""
    high: Int64 = (np.asarray(a, np.int64) * b + (1 << 30)) >> 31
    return high


def rounding_divide_by_pot(x: Array, exponent: Array | int) -> Int64:
    """x / 2**exponent, round half away from zero."""
    x = np.asarray(x, np.int64)
    exponent = np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (x < 0)
    quotient: Int64 = (x >> exponent) + (remainder > threshold)
    return quotient


def multiply_by_quantized_multiplier(x: Array, multiplier: Array | int, shift: Array | int) -> Int64:
    """x * multiplier / 2**31 * 2**shift with TFLite's two rounding steps; arrays broadcast."""
    shift = np.asarray(shift, np.int64)
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    shifted = np.asarray(x, np.int64) << left
    return rounding_divide_by_pot(saturating_rounding_doubling_high_mul(shifted, multiplier), right)


def multiply_with_single_rounding(x: Array, multiplier: Array | int, shift: Array | int) -> Int64:
    """x * multiplier / 2**31 * 2**shift, rounded once (half up); arrays broadcast. `shift` is below 31."""
    total = 31 - np.asarray(shift, np.int64)
    rounded: Int64 = (np.asarray(x, np.int64) * multiplier + (np.int64(1) << (total - 1))) >> total
    return rounded


def single_quant(value: Value) -> tuple[float, int]:
    """(scale, zero point) of a per-tensor quantized value; raises ValueError otherwise."""
    quant = value.quant
    if quant is None or not quant.is_per_tensor:
        raise ValueError(f"value {value.name!r} is not quantized per tensor")
    return quant.scale[0], quant.zero_point[0]


def steps(value: Value, codes: Array) -> Int64:
    """The integers of a value quantized per tensor as steps of its scale from 0; raises as `single_quant`."""
    single_quant(value)
    assert value.quant is not None
    return value.quant.steps(codes)


def reach(value: Value) -> int:
    """How many steps an int8 activation can be from 0; raises as `single_quant`."""
    single_quant(value)
    assert value.quant is not None
    return value.quant.reach


def product_multipliers(x: Value, weights: Value, y: Value, single_precision: bool) -> tuple[Int64, Int64]:
    """Per-channel (multiplier, shift) arrays of scale_x * scale_w / scale_y.

    `single_precision` multiplies the two scales in float32 first, as TFLite does for its per-tensor kernels.
    """
    sx, _ = single_quant(x)
    sy, _ = single_quant(y)
    quant = weights.quant
    if quant is None:
        raise ValueError(f"weights {weights.name!r} are not quantized")
    scales = np.array(quant.scale, np.float32 if single_precision else np.float64)
    return quantize_multipliers((scales.dtype.type(sx) * scales).astype(np.float64) / float(sy))


ACTIVATIONS: dict[str, tuple[float, float]] = {
    "none": (-math.inf, math.inf),
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "relu_n1_to_1": (-1.0, 1.0),
}


def activation_range(activation: str, quant: QuantType, dtype: DType) -> tuple[int, int]:
    """The codes that a fused activation clamps to."""
    info = np.iinfo(dtype.numpy)
    scale, zero = np.float32(quant.scale[0]), quant.zero_point[0]

    def code(real: float) -> int:
        ratio = float(np.float32(real) / scale)
        return zero + int(math.copysign(math.floor(abs(ratio) + 0.5), ratio))

    low, high = ACTIVATIONS[activation]
    low_code = int(info.min) if math.isinf(low) else max(int(info.min), code(low))
    high_code = int(info.max) if math.isinf(high) else min(int(info.max), code(high))
    return low_code, high_code


def output_range(activation: str, y: Value) -> tuple[int, int]:
    """`activation_range` of a node's quantized output."""
    if y.quant is None:
        raise ValueError(f"value {y.name!r} is not quantized")
    return activation_range(activation, y.quant, y.dtype)


def clamp_float(activation: str, x: Array) -> Array:
    """A fused activation on float32 values."""
    low, high = ACTIVATIONS[activation]
    x = np.where(x < np.float32(low), np.float32(low), x)
    return np.where(x > np.float32(high), np.float32(high), x)


def requantize(
    acc: Array,
    multipliers: tuple[Array | int, Array | int],
    zero: int,
    span: tuple[int, int],
    double_rounding: bool = True,
) -> Int64:
    """Codes of accumulators: scale, add the zero point, clamp to `span`."""
    scale = multiply_by_quantized_multiplier if double_rounding else multiply_with_single_rounding
    return np.clip(scale(acc, *multipliers) + zero, span[0], span[1])


def as_pair(values: Sequence[int]) -> tuple[int, int]:
    """A two-element tuple of ints."""
    first, second = values
    return int(first), int(second)
