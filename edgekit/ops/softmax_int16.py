"""Softmax of symmetric int16 codes: exponentials and the reciprocal of their sum by interpolation in two tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgekit.ir import Array, Node
from edgekit.ops import fixed_point as fp

F32 = np.float32
INTERVALS = 512


def sampled_table(low: float, high: float, function: Callable[[Array], Array]) -> Array:
    """int16 [513]: a function over [low, high] in steps of 2/65535, each entry moved by half its interval's error."""
    step = (high - low) / INTERVALS
    inverse = 65536 / (2.0 / 65535 * 32767 - 2.0 / 65535 * -32768)
    x = low + step * np.arange(INTERVALS)
    here, middle, after = function(x), function(x + step / 2), function(low + step * (np.arange(INTERVALS) + 1))
    sample = _away(here * inverse)
    interpolated = _away((after * inverse + _away(here * inverse)) / 2)
    bias = _away((interpolated - _away(middle * inverse)) / 2)
    table = np.append(sample - bias, _away(function(np.array(high)) * inverse))
    return np.asarray(np.clip(table, -(1 << 15), (1 << 15) - 1), np.int16)


def _away(x: Array) -> Array:
    return np.asarray(np.trunc(x + np.copysign(0.5, x)))


def exponential_table() -> Array:
    """exp over [-10, 0]."""
    return sampled_table(-10.0, 0.0, np.exp)


def reciprocal_table() -> Array:
    """1 / (1 + x) over [0, 1]."""
    return sampled_table(0.0, 1.0, lambda x: 1 / (1 + x))


def look_up(x: Array, table: Array) -> Array:
    """Interpolation at int16 positions."""
    index, table = 256 + (x >> 7), table.astype(np.int64)
    return np.asarray(table[index] + (((table[index + 1] - table[index]) * (x & 0x7F) + 64) >> 7))


def softmax_input_scale(node: Node) -> tuple[int, int]:
    """(multiplier, shift) that brings differences of codes to steps of 10/65535."""
    product = F32(fp.single_quant(node.input(0))[0]) * F32(node.attrs["beta"])
    return fp.quantize_multiplier(float(product) / (10.0 / 65535.0))


def softmax_int16(node: Node, x: Array) -> Array:
    """Softmax of int16 codes over the last axis, in steps of 2**-15."""
    wide = x.astype(np.int64)
    down = wide - wide.max(axis=-1, keepdims=True)
    scaled = fp.multiply_by_quantized_multiplier(down, *softmax_input_scale(node)) + 32767
    exponentials = look_up(np.clip(scaled, -32768, 32767), exponential_table())
    total = exponentials.sum(axis=-1, keepdims=True)
    zeros = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    shifted = ((total << (zeros - 1)) + (1 << 13)) >> 14
    inverse = look_up(np.clip(shifted - (1 << 15) - (1 << 16), -32768, 32767), reciprocal_table())
    right = 31 - zeros
    return np.asarray(np.clip((exponentials * inverse + (1 << (right - 1))) >> right, 0, 32767), np.int16)
