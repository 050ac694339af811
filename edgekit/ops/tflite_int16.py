"""Functions of symmetric int16 codes as TFLite's kernels define them: by interpolation in tables, or by rescaling."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from edgekit.ir import Array, DType, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.tflite_tables import clamped_codes, leaky, rescaled_and_clamped

F32 = np.float32

# Input steps of the sigmoid's table: 1/24, over 256 entries.
_STEPS_PER_UNIT = 24


def sigmoid_table() -> Array:
    """uint16 [256]: the sigmoid of i / 24 in steps of 2**-16.

    Every entry is moved by half of what linear interpolation misses in the middle of an interval, which is an eighth of
    the second derivative; the last entry is the limit.
    """
    y = 1 / (1 + np.exp(-np.arange(256) / _STEPS_PER_UNIT))
    second = y * (1 - y) * (1 - 2 * y) / _STEPS_PER_UNIT**2
    table: Array = np.floor(65536 * (y - second / 16) + 0.5).astype(np.uint16)
    table[255] = 65535
    return table


def input_scale(node: Node) -> tuple[int, int]:
    """(multiplier, right shift) that brings codes to steps of 1/12288, as the table's look-up needs."""
    scale = float(F32(fp.single_quant(node.input(0))[0]))
    fraction, exponent = math.frexp(scale)
    shift = 12 + exponent - 1
    if fraction == 0.5 and (shift == 0 or (shift == 1 and node.op == "tanh")):
        return 3 << shift, 0
    multiplier, shift = scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        shift, multiplier = shift + 1, multiplier * 2.0
    return int(multiplier), shift


def steep_input(node: Node) -> bool:
    """inputs of sigmoid and tanh must have a scale below 2 and above 2**-29."""
    scale = fp.single_quant(node.input(0))[0]
    return node.op not in ("sigmoid", "tanh") or 2.0**-29 <= scale < 2


def _looked_up(node: Node, x: Array, bits: int) -> tuple[Array, Array]:
    """(the input in table steps, the interpolated sigmoid of its magnitude in steps of 2**-(16 + bits))."""
    multiplier, shift = input_scale(node)
    scaled = (x * multiplier + ((1 << shift) >> 1 if shift else 0)) >> shift
    magnitude, table = np.abs(scaled), sigmoid_table().astype(np.int64)
    index = np.minimum(magnitude >> bits, 254)
    low, high = table[index], table[index + 1]
    return scaled, np.where(
        magnitude >> bits >= 255, -1, (low << bits) + (magnitude & ((1 << bits) - 1)) * (high - low)
    )


def _sigmoid(node: Node, x: Array, arguments: Mapping[str, float]) -> Array:
    scaled, y = _looked_up(node, x, 9)
    y = np.where(y < 0, 0x7FFF << 10, y)
    return np.asarray(np.where(scaled >= 0, y + (1 << 9), (1 << 25) - y + (1 << 9) - 1) >> 10)


def _tanh(node: Node, x: Array, arguments: Mapping[str, float]) -> Array:
    scaled, y = _looked_up(node, x, 8)
    y = np.where(y < 0, 0xFFFF << 8, y)
    return np.asarray(np.where(scaled >= 0, y - (1 << 23) + (1 << 7), -y + (1 << 23) + (1 << 7) - 1) >> 8)


INT16_FUNCTIONS: dict[str, Callable[[Node, Array, Mapping[str, float]], Array]] = {
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "relu": lambda n, x, a: rescaled_and_clamped(n, x, 0.0, math.inf),
    "relu6": lambda n, x, a: rescaled_and_clamped(n, x, 0.0, 6.0),
    "leaky_relu": lambda n, x, a: leaky(n, x, a["alpha"]),
}


def int16_form(node: Node) -> bool:
    """Whether a function has TFLite's int16 form, on symmetric codes of scales that its kernel can take."""
    x, y = node.input(0), node.output
    if node.op not in INT16_FUNCTIONS or x.dtype is not DType.INT16 or y.dtype is not DType.INT16:
        return False
    quants = (x.quant, y.quant)
    if any(q is None or not q.is_per_tensor or q.zero_point[0] for q in quants):
        return False
    if node.op in ("sigmoid", "tanh"):
        return y.quant is not None and y.quant.scale[0] == 2.0**-15 and steep_input(node)
    return all(-31 <= shift <= 14 for _, shift in rescales(node))


def rescales(node: Node) -> list[tuple[int, int]]:
    """(multiplier, shift) of a rectifier: of what is kept, and of the negative side (leaky_relu)."""
    sx, sy = (F32(fp.single_quant(v)[0]) for v in (node.input(0), node.output))
    factors = [sx / sy]
    if node.op == "leaky_relu":
        factors.append(sx * F32(node.attrs["alpha"]) / sy)
    return [fp.quantize_multiplier(float(f)) for f in factors]


def rectifier_range(node: Node) -> tuple[int, int]:
    """The codes that a rectifier clamps to."""
    return clamped_codes(node, 0.0, 6.0 if node.op == "relu6" else math.inf)


def evaluate(node: Node, x: Array, arguments: Mapping[str, float]) -> Array:
    """int16 codes of int16 codes."""
    return INT16_FUNCTIONS[node.op](node, x.astype(np.int64), arguments).astype(np.int16)
