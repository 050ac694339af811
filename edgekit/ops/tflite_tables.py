"""Tables of 256 codes as TFLite's int8 kernels define elementwise functions, which is not always the nearest code.

Source: the behaviour of LiteRT's reference kernels, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from edgekit.ir import Array, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.tflite_fixed import inverse_square_root

F32 = np.float32
Arguments = Mapping[str, float]
LOW, HIGH = -128, 127


def _codes(node: Node) -> Array:
    """All codes of the input less its zero point, int64."""
    return np.arange(LOW, HIGH + 1, dtype=np.int64) - fp.single_quant(node.input(0))[1]


def _scales(node: Node) -> tuple[np.float32, np.float32, int]:
    """(input scale, output scale, output zero point), the scales as TFLite holds them."""
    (sx, _), (sy, zy) = fp.single_quant(node.input(0)), fp.single_quant(node.output)
    return F32(sx), F32(sy), zy


def _sampled(node: Node, function: Callable[[Array], Array]) -> Array:
    """TFLite's tables: the function of float32 numbers, rounded to float32, then to steps."""
    sx, sy, zero = _scales(node)
    x = _codes(node).astype(F32) * sx
    with np.errstate(all="ignore"):
        y = function(x.astype(np.float64)).astype(F32) * (F32(1) / sy)
    y = np.nan_to_num(y, nan=0.0, posinf=1e9, neginf=-1e9)
    return np.asarray(np.clip(np.trunc(y + np.copysign(F32(0.5), y)) + zero, LOW, HIGH))


def _erf(x: Array) -> Array:
    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x))


def _log(node: Node) -> Array:
    _, sy, zero = _scales(node)
    lowest = float(F32(LOW - zero) * sy)
    return _sampled(node, lambda x: np.where(x <= 0, lowest, np.log(np.where(x <= 0, 1, x))))


def clamped_codes(node: Node, low: float, high: float) -> tuple[int, int]:
    """The codes of two real limits in the output's type."""
    _, sy, zero = _scales(node)
    info = np.iinfo(node.output.dtype.numpy)

    def code(real: float) -> int:
        ratio = float(F32(real) / sy)
        return zero + int(math.copysign(math.floor(abs(ratio) + 0.5), ratio))

    return max(int(info.min), code(low)), int(info.max) if math.isinf(high) else min(int(info.max), code(high))


def rescaled_and_clamped(node: Node, x: Array, low: float, high: float) -> Array:
    """RELU and its kin: centred codes to the output's scale, then the clamp."""
    sx, sy, zero = _scales(node)
    scaled = fp.multiply_by_quantized_multiplier(x, *fp.quantize_multiplier(float(sx / sy))) + zero
    return np.asarray(np.clip(scaled, *clamped_codes(node, low, high)))


def leaky(node: Node, x: Array, alpha: float) -> Array:
    """LEAKY_RELU of centred codes; clamped to the output's type."""
    sx, sy, zero = _scales(node)
    info = np.iinfo(node.output.dtype.numpy)
    steep = fp.multiply_by_quantized_multiplier(x, *fp.quantize_multiplier(float(sx / sy)))
    flat = fp.multiply_by_quantized_multiplier(x, *fp.quantize_multiplier(float(sx * F32(alpha) / sy)))
    return np.asarray(np.clip(np.where(x >= 0, steep, flat) + zero, info.min, info.max))


def _abs(node: Node) -> Array:
    sx, sy, zero = _scales(node)
    x = np.abs(_codes(node))
    scaled = x if sx == sy else fp.multiply_by_quantized_multiplier(x, *fp.quantize_multiplier(float(sx / sy)))
    return np.clip(scaled + zero, LOW, HIGH)


def _rsqrt(node: Node) -> Array:
    """Codes below the zero point have no result in TFLite; they get that of zero, the largest code."""
    sx, sy, zero = _scales(node)
    extra = 20
    multiplier, shift = fp.quantize_multiplier(1.0 / float(np.sqrt(sx) * sy))
    result = np.full(256, HIGH, np.int64)
    for index, x in enumerate(_codes(node)):
        if x > 0:
            root, root_shift = inverse_square_root(int(x))
            fine = fp.multiply_by_quantized_multiplier(np.array(1), root, root_shift + extra)
            result[index] = fp.multiply_by_quantized_multiplier(fine, multiplier, shift - extra) + zero
    return np.clip(result, LOW, HIGH)


def _sqrt(node: Node) -> Array:
    """Rounded towards zero; TFLite has no result for negative numbers, which get the code of zero."""
    sx, sy, zero = _scales(node)
    root = np.sqrt(np.maximum(_codes(node).astype(F32) * sx, F32(0)))
    return np.asarray(np.clip(np.trunc(root / sy) + zero, LOW, HIGH))


def _int16(x: Array) -> Array:
    return np.clip(x, -(1 << 15), (1 << 15) - 1)


def _high_mul16(x: Array, multiplier: int) -> Array:
    """x * multiplier / 2**15 of 16-bit numbers, half up."""
    return _int16((x * multiplier + (1 << 14)) >> 15)


def _multiplier16(real: np.float32) -> tuple[int, int]:
    """(16-bit multiplier, shift) of a positive float."""
    multiplier, shift = fp.quantize_multiplier(float(real))
    return ((1 << 15) - 1 if multiplier >= 0x7FFF8000 else (multiplier + (1 << 15)) >> 16), shift


def hard_swish_shift(node: Node) -> int:
    """The output multiplier's exponent, which TFLite needs to be at most 0."""
    sx, sy, _ = _scales(node)
    return _multiplier16(F32(1 / 128) * sx / sy)[1]


def _hard_swish(node: Node) -> Array:
    sx, sy, zero = _scales(node)
    fine = F32(1 / 128) * sx
    out, out_shift = _multiplier16(fine / sy)
    gate, gate_shift = _multiplier16(fine / (F32(3) / F32(32768)))
    x = _codes(node) << 7
    scaled = _high_mul16(x, out)
    g = _int16(x << max(gate_shift - 1, 0))
    g = _high_mul16(g, gate)
    g = _int16(g << 1) if gate_shift > 0 else fp.rounding_divide_by_pot(g, -gate_shift)
    g = (g + (1 << 15)) >> 1
    product = g * scaled
    product = np.sign(product) * (np.abs(product) >> 15)
    return np.clip(fp.rounding_divide_by_pot(product, -out_shift) + zero, LOW, HIGH)


_GELU_FACTOR = math.sqrt(2.0 / math.pi)

TABLES: dict[str, Callable[[Node, Arguments], Array]] = {
    "sigmoid": lambda n, a: _sampled(n, lambda x: 1 / (1 + np.exp(-x))),
    "tanh": lambda n, a: _sampled(n, np.tanh),
    "elu": lambda n, a: _sampled(n, lambda x: np.where(x < 0, np.expm1(x), x)),
    "exp": lambda n, a: _sampled(n, np.exp),
    "log": lambda n, a: _log(n),
    "gelu": lambda n, a: _sampled(n, lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2.0)))),
    "gelu_tanh": lambda n, a: _sampled(n, lambda x: 0.5 * x * (1 + np.tanh(_GELU_FACTOR * (x + 0.044715 * x**3)))),
    "relu": lambda n, a: rescaled_and_clamped(n, _codes(n), 0.0, math.inf),
    "relu6": lambda n, a: rescaled_and_clamped(n, _codes(n), 0.0, 6.0),
    "clip": lambda n, a: rescaled_and_clamped(n, _codes(n), a["low"], a["high"]),
    "leaky_relu": lambda n, a: leaky(n, _codes(n), a["alpha"]),
    "hard_swish": lambda n, a: _hard_swish(n),
    "abs": lambda n, a: _abs(n),
    "rsqrt": lambda n, a: _rsqrt(n),
    "sqrt": lambda n, a: _sqrt(n),
    # The codes themselves are negated, whatever their zero points.
    "neg": lambda n, a: -np.arange(LOW, HIGH + 1),
}


def tflite_table(node: Node, arguments: Arguments) -> Array:
    """int8 [256]: entry (code + 128) is the output's code."""
    return TABLES[node.op](node, arguments).astype(np.int8)
