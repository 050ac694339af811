"""pow: a to the power of b, both computed; on int8 codes by logarithms and powers of two in fixed point."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.binary import INTEGERS, Binary, power
from edgekit.ops.spec import Case, Constraint, Shape, is_quantized, random_codes, single_node_graph

# Fraction bits of logarithms, of the exponents of two they become, and of the table of powers of two.
LOG_BITS, EXPONENT_BITS, POWER_BITS = 20, 16, 29
# Steps of the output that saturate whatever its zero point is, and the exponents of two that stand for them and for 0.
FAR = 1 << 10
LARGEST, SMALLEST = 10, -2
EVEN, ODD, NO_INTEGER = 0, 1, 2


def logarithms(node: Node) -> Array:
    """int64 [256] by a's code + 128: the logarithm to base 2 of its absolute value, in 2**-20; 0 for zero."""
    scale, zero = fp.single_quant(node.input(0))
    distance = np.abs(np.arange(-128, 128) - zero)
    logs = np.log2(np.where(distance == 0, 1, distance)) + math.log2(scale)
    return np.where(distance == 0, 0, np.floor(logs * (1 << LOG_BITS) + 0.5)).astype(np.int64)


def parities(node: Node) -> Array:
    """int64 [256] by b's code + 128: whether the number it stands for, in float32, is EVEN, ODD, or NO_INTEGER."""
    scale, zero = fp.single_quant(node.input(1))
    rest = np.mod((np.arange(-128, 128) - zero).astype(np.float32) * np.float32(scale), np.float32(2))
    return np.where(rest == 0, EVEN, np.where(rest == 1, ODD, NO_INTEGER)).astype(np.int64)


def powers_of_two() -> Array:
    """int64 [257]: 2**(i / 256) in 2**-29."""
    return np.floor(np.exp2(np.arange(257) / 256) * (1 << POWER_BITS) + 0.5).astype(np.int64)


def exponent_scale(node: Node) -> tuple[int, int]:
    """(multiplier below 2**24, shift) from b's steps times 2**-20 to 2**-16."""
    fraction, exponent = math.frexp(fp.single_quant(node.input(1))[0])
    return math.floor(fraction * (1 << 24) + 0.5), 24 + LOG_BITS - EXPONENT_BITS - exponent


def output_offset(node: Node) -> int:
    """The logarithm of how many output steps are 1, in 2**-16."""
    return math.floor(-math.log2(fp.single_quant(node.output)[0]) * (1 << EXPONENT_BITS) + 0.5)


def _power_of_two(exponent: Array) -> Array:
    """2 to an exponent in 2**-16, rounded, halves up; FAR from 2**10 on, 0 below 2**-2."""
    table, inside = powers_of_two(), np.clip(exponent, SMALLEST << EXPONENT_BITS, (LARGEST << EXPONENT_BITS) - 1)
    place, rest = (inside >> 8) & 255, inside & 255
    value = table[place] + (((table[place + 1] - table[place]) * rest + 128) >> 8)
    shift = POWER_BITS - (inside >> EXPONENT_BITS)
    rounded = (value + (np.int64(1) << (shift - 1))) >> shift
    low, high = exponent < SMALLEST << EXPONENT_BITS, exponent >= LARGEST << EXPONENT_BITS
    return np.where(low, 0, np.where(high, FAR, rounded))


def codes_of_three(node: Node) -> bool:
    """operands must be int8 codes with an int8 result, or plain numbers of one type: float32 or integers."""
    values = (node.input(0), node.input(1), node.output)
    if is_quantized(node):
        return all(v.dtype is DType.INT8 and v.quant is not None for v in values)
    return node.input(0).dtype in Pow.plain_types


def moderate_exponent_scale(node: Node) -> bool:
    """the scale of exponents in codes must be between 2**-30 and 2**20."""
    quant = node.input(1).quant
    return quant is None or 2.0**-30 <= quant.scale[0] <= 2.0**20


class Pow(Binary):
    """On codes: |a| to the power of b as 2 to the power of b log2(|a|). A negative a has a power where b is a whole
    number (in float32), and the code of zero elsewhere; a zero to a negative power saturates.
    """

    plain_types = (DType.FLOAT32, *INTEGERS)

    def __init__(self) -> None:
        super().__init__("pow", power, ("Pow",), ("POW",), self.plain_types)
        self.rewrite = "make the exponent a constant, or use --precision float32"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (*super().constraints[:1], codes_of_three, moderate_exponent_scale)

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        a, b = inputs
        assert a is not None and b is not None
        base, exponent = np.broadcast_arrays(a.astype(np.int64), b.astype(np.int64))
        u = base - fp.single_quant(node.input(0))[1]
        v = exponent - fp.single_quant(node.input(1))[1]
        multiplier, shift = exponent_scale(node)
        product = logarithms(node)[base + 128] * v * multiplier
        steps = _power_of_two(((product + (np.int64(1) << (shift - 1))) >> shift) + output_offset(node))
        steps = np.where((u == 0) & (v != 0), np.where(v > 0, 0, FAR), steps)
        kind = parities(node)[exponent + 128]
        steps = np.where(u < 0, np.where(kind == EVEN, steps, np.where(kind == ODD, -steps, 0)), steps)
        return [np.clip(steps + fp.single_quant(node.output)[1], -128, 127).astype(np.int8)]

    def cases(self) -> Iterable[Case]:
        yield from super().cases()
        settings: list[tuple[Shape, Shape, QuantType, QuantType, QuantType]] = [
            ((3, 4, 5), (3, 4, 5), _q(0.03, -128), _q(0.02, 10), _q(0.1, -128)),
            ((2, 1, 5, 1), (3, 1, 4), _q(0.05, 3), _q(1.0, 0), _q(0.2, -4)),
            ((), (2, 67), _q(0.01, 127), _q(0.5, -128), _q(0.001, 5)),
            ((4, 61), (61,), _q(2.0, 0), _q(0.015625, -128), _q(3.0, 127)),
            ((64, 1), (1, 256), _q(0.02, -7), _q(0.0625, 0), _q(0.01, -100)),
        ]
        for index, (first, second, qa, qb, qy) in enumerate(settings):
            rng = np.random.default_rng(460 + index)
            a, b = Value("a", first, DType.INT8, qa), Value("b", second, DType.INT8, qb)
            y = Value("y", (), DType.INT8, qy)
            graph = single_node_graph(self.name, [a, b], [y], {})
            y.shape = self.infer(graph.nodes[0])[0]
            codes = [random_codes(rng, shape) for shape in (first, second)]
            if index == 4:
                codes = [np.linspace(-128, 127, max(s)).astype(np.int8).reshape(s) for s in (first, second)]
            yield Case(f"codes_{index}", graph, (tuple(codes),))


def _q(scale: float, zero: int) -> QuantType:
    return QuantType.per_tensor(scale, zero)
