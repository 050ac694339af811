"""softmax over the last axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.ir import Array, DType, Grid, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.math_f32 import exp
from edgekit.ops.reduce import ordered_sum
from edgekit.ops.softmax_int16 import softmax_input_scale, softmax_int16
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, is_quantized, random_codes, single_node_graph

SCALED_DIFF_INTEGER_BITS = 5
ACCUMULATION_INTEGER_BITS = 12


@dataclass(frozen=True)
class SoftmaxScale:
    """input difference -> Q5.26 multiplier and shift, and the smallest difference whose exponential counts."""

    multiplier: int
    shift: int
    diff_min: int


def softmax_scale(node: Node, exponent: float = 1.0) -> SoftmaxScale:
    """Constants of TFLite's integer softmax, of differences that are `exponent` times as large."""
    scale, _ = fp.single_quant(node.input(0))
    beta = float(node.attrs["beta"]) * exponent
    real = min(beta * scale * (1 << (31 - SCALED_DIFF_INTEGER_BITS)), float((1 << 31) - 1))
    multiplier, shift = fp.quantize_multiplier(real)
    max_rescaled = ((1 << SCALED_DIFF_INTEGER_BITS) - 1) * (1 << (31 - SCALED_DIFF_INTEGER_BITS)) / 2.0**shift
    return SoftmaxScale(multiplier, shift, -int(np.floor(max_rescaled)))


def _mul(a: Array, b: Array | int) -> Array:
    return fp.saturating_rounding_doubling_high_mul(a, b)


def exp_on_negative(a: Array) -> Array:
    """exp of a Q5.26 value <= 0 as Q0.31 (gemmlowp's exp_on_negative_values)."""
    quarter = 1 << 24
    # Reduce to [-1/4, 0) and rescale Q5.26 -> Q0.31.
    a = np.asarray(a, np.int64)
    reduced = (a & (quarter - 1)) - quarter
    x = (reduced << 5) + (1 << 28)
    x2 = _mul(x, x)
    x3 = _mul(x2, x)
    x4 = _mul(x2, x2)
    x4_over_4 = fp.rounding_divide_by_pot(x4, 2)
    inner = fp.rounding_divide_by_pot(_mul(x4_over_4 + x3, 715827883) + x2, 1)
    result = 1895147668 + _mul(np.full_like(x, 1895147668), x + inner)
    remainder = reduced - a
    for exponent, factor in zip(
        range(-2, 5), (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242), strict=True
    ):
        bit = 1 << (26 + exponent)
        result = np.where(remainder & bit, _mul(result, factor), result)
    return np.where(a == 0, (1 << 31) - 1, result)


def one_over_one_plus_x(a: Array) -> Array:
    """1 / (1 + a) of a Q0.31 value in [0, 1], as Q0.31 (three Newton steps, gemmlowp)."""
    one = (1 << 31) - 1
    half_denominator = (np.asarray(a, np.int64) + one + 1) >> 1
    x = 1515870810 + _mul(half_denominator, -1010580540)
    for _ in range(3):
        product = _mul(half_denominator, x)
        error = (1 << 29) - product
        x = np.clip(x + np.clip(_mul(x, error) << 2, -(1 << 31), one), -(1 << 31), one)
    doubled: Array = np.clip(x << 1, -(1 << 31), one)
    return doubled


def table_of_exponentials(node: Node, exponent: float = 1.0) -> Array:
    """int32 [256]: entry d is exp(-d * beta * scale * exponent) as Q0.31, 0 where TFLite leaves the term out."""
    scale = softmax_scale(node, exponent)
    diffs = -np.arange(256, dtype=np.int64)
    rescaled = fp.multiply_by_quantized_multiplier(diffs, scale.multiplier, scale.shift)
    table: Array = np.where(diffs >= scale.diff_min, exp_on_negative(rescaled), 0)
    return table


# Intervals of the table of powers of what is between 1 and 2.
POWER_INTERVALS = 64
_OCTAVES = ACCUMULATION_INTEGER_BITS + 1


def power_tables(exponent: float) -> Array:
    """int32 [65 + 13], Q0.31: 255/256 m ** -exponent of m from 1 to 2 in 64 steps; 2 ** (-octave * exponent).

    A power of a share is the power of its exponential times that of the sum of all: so codes that are spaced evenly in
    the power of a share take no root and no search.
    """
    mantissas = 255 / 256 * (1 + np.arange(POWER_INTERVALS + 1) / POWER_INTERVALS) ** -exponent
    octaves = 2.0 ** (-exponent * np.arange(_OCTAVES))
    table: Array = np.floor(np.concatenate([mantissas, octaves]) * (1 << 31) + 0.5).astype(np.int64)
    return np.minimum(table, (1 << 31) - 1)


def power_of_sums(total: Array, headroom: Array, exponent: float) -> Array:
    """255/256 of sums ** -exponent as Q0.31, interpolated; of sums in Q12.19 with so many leading zeros of 32 bits."""
    table = power_tables(exponent)
    mantissa = (total << headroom) - (1 << 31)
    index, rest = mantissa >> 25, (mantissa & ((1 << 25) - 1)) << 6
    power = table[index] - _mul(table[index] - table[index + 1], rest)
    return _mul(power, table[POWER_INTERVALS + 1 + ACCUMULATION_INTEGER_BITS - headroom])


def unit_softmax_output(node: Node) -> bool:
    """an int8 softmax must make codes of scale 1/256 and zero point -128, or a power's up to 1; int16 2**-15 and 0"""
    quant, kind = node.output.quant, node.input(0).dtype
    if quant is None or node.output.dtype is not kind:
        return quant is None
    if quant.grid is not None and kind is DType.INT8:
        grid = quant.grid
        return grid.coded and not grid.zero and quant == QuantType.on_grid(1.0 / grid.largest, grid)
    if kind is DType.INT16:
        moderate = -31 <= softmax_input_scale(node)[1] <= 14 and node.input(0).shape[-1] < 1 << 16
        return quant == QuantType.per_tensor(2.0**-15, 0) and moderate
    return kind is DType.INT8 and quant == QuantType.per_tensor(1 / 256, -128)


def bounded_rows(node: Node) -> bool:
    """rows of int8 codes must be shorter than 8192: their exponentials are summed in 32 bits."""
    return node.input(0).dtype is not DType.INT8 or node.input(0).shape[-1] < 1 << 13


def codes_or_float(node: Node) -> bool:
    """the input must be float32, or int8 or int16 codes."""
    return node.input(0).dtype in ((DType.INT8, DType.INT16) if is_quantized(node) else (DType.FLOAT32,))


class Softmax(OpSpec):
    """Input x [..,C]; attr beta. Output in 1/256 steps from -128, or codes spaced evenly in a power of the shares."""

    name = "softmax"
    summary = "softmax over the last axis"
    onnx = ("Softmax",)
    tflite = ("SOFTMAX",)
    fixed_output_quant = (1 / 256, -128)
    rewrite = "requantize the output to scale 1/256, zero point -128"
    encodes = True

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (codes_or_float, unit_softmax_output, bounded_rows)

    def infer(self, node: Node) -> list[Shape]:
        return [node.input(0).shape]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        x = inputs[0]
        exponentials = exp((x - x.max(axis=-1, keepdims=True)) * np.float32(node.attrs["beta"]))
        return [exponentials / ordered_sum(exponentials)[..., None]]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        if inputs[0].dtype == np.int16:
            return [softmax_int16(node, inputs[0])]
        x = inputs[0].astype(np.int64)
        differences = x.max(axis=-1, keepdims=True) - x
        exponentials = table_of_exponentials(node)[differences]
        total = fp.rounding_divide_by_pot(exponentials, ACCUMULATION_INTEGER_BITS).sum(axis=-1, keepdims=True)
        headroom = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)  # leading zeros of an int32
        if node.output.quant is not None and (grid := node.output.quant.grid) is not None:
            powers = table_of_exponentials(node, grid.exponent)[differences]
            scaled = _mul(powers, power_of_sums(total, headroom, grid.exponent))
            return [np.clip(fp.rounding_divide_by_pot(scaled, 31 - 8) - 128, -128, 127).astype(np.int8)]
        unit_shift = ACCUMULATION_INTEGER_BITS - headroom
        shifted = (total << headroom) - (1 << 31)
        scaled = _mul(exponentials, one_over_one_plus_x(shifted))
        codes = fp.rounding_divide_by_pot(scaled, unit_shift + 31 - 8) - 128
        return [np.where(exponentials == 0, -128, np.clip(codes, -128, 127)).astype(np.int8)]

    def cases(self) -> Iterable[Case]:
        for index, (shape, scale, beta) in enumerate(
            [
                ((1, 10), 0.1, 1.0),
                ((3, 7), 0.02, 1.0),
                ((1, 2), 1.5, 0.5),
                ((1, 300), 0.005, 1.0),
                ((2, 1), 0.1, 1.0),
                ((3, 64), 0.1, 1.0),
                ((1, 600), 0.01, 1.0),
            ]
        ):
            rng = np.random.default_rng(700 + index)
            x = Value("x", shape, DType.INT8, QuantType.per_tensor(scale, 7))
            y = Value("y", shape, DType.INT8, QuantType.per_tensor(1 / 256, -128))
            graph = single_node_graph(self.name, [x], [y], {"beta": beta})
            flat = np.full(shape, -128, np.int8)
            yield Case(f"c{index}", graph, ((random_codes(rng, shape),), (flat,)))
            grid = Grid(8, (0.3, 0.55, 1.0)[index % 3], 0, 1 << 14)
            y = Value("y", shape, DType.INT8, QuantType.on_grid(1.0 / grid.largest, grid))
            graph = single_node_graph(self.name, [x], [y], {"beta": beta})
            yield Case(f"power_{index}", graph, ((random_codes(rng, shape),), (flat,)))
            x = Value("x", shape, DType.INT16, QuantType.per_tensor(scale / 256, 0))
            y = Value("y", shape, DType.INT16, QuantType.per_tensor(2.0**-15, 0))
            codes = random_codes(rng, shape, DType.INT16)
            yield Case(f"s16_{index}", single_node_graph(self.name, [x], [y], {"beta": beta}), ((codes,),))
            x, y = Value("x", shape, DType.FLOAT32), Value("y", shape, DType.FLOAT32)
            data = rng.normal(0, 3, shape).astype(np.float32)
            yield Case(f"f32_{index}", single_node_graph(self.name, [x], [y], {"beta": beta}), ((data,),))
