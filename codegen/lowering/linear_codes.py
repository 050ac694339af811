"""Sums, products and means of int8 codes by one or two multiplications, proven when the code is generated.

The reference rounds several times in 32 bits. What it computes is, but for a hair, a line (or a product) that is
rounded once; with constants a hair off the exact ones, all pairs of codes agree. The constants are searched here, over
all 65536 pairs or all sums; where none are found, the kernel that computes as the reference does is called.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.codegen.program import Fields
from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops import spec_of
from edgekit.ops.arithmetic import QuantizedArithmetic, mul_scale
from edgekit.ops.pool import rounded_mean

CODES = np.arange(-128, 128, dtype=np.int64)
INT32 = np.iinfo(np.int32)
# Bits behind the point of the DSP kernels' results: their steps are 1/65536 of a code.
STEPS = 16
# How far constants are moved off the exact ones: all near ones, then wider.
NEAR = sorted((s * d for d in range(1, 33) for s in (1, -1)), key=abs)
# Candidates that are looked at together.
BATCH = 512
NUDGES = NEAR + [s * d for d in (48, 64, 96, 128, 192, 256, 384, 512, 1024) for s in (1, -1)]


@dataclass(frozen=True)
class Target:
    """The reference's results counted from the lowest code `low`, int64 by its operands, and the largest of them."""

    codes: Array
    low: int
    top: int

    def bounds(self, bits: int = STEPS) -> tuple[Array, Array]:
        """From which step (inclusive) to which (exclusive) a result may lie before clamping; 2**bits steps a code."""
        least = np.where(self.codes > 0, self.codes << bits, -(1 << 40))
        limit = np.where(self.codes < self.top, (self.codes + 1) << bits, 1 << 40)
        return least, limit


def range_fields(low: int, high: int) -> Fields:
    """The ek_code_range struct of a clamp to [low, high]."""
    above = 255 - (high - low)
    return {"above": above * 0x01010101, "offset": ((low - above) & 0xFF) * 0x01010101}


def all_results(node: Node) -> Target:
    """What the reference gives for all pairs of codes."""
    spec, (_, zero) = spec_of(node.op), fp.single_quant(node.output)
    assert isinstance(spec, QuantizedArithmetic)
    low, high = fp.output_range(node.attrs["activation"], node.output)
    first, second = (CODES - fp.single_quant(node.input(i))[1] for i in range(2))
    codes = spec.rescaled(node, first[:, None], second[None, :]) + zero
    return Target(np.clip(codes, low, high) - low, low, high - low)


def lane_sum_fields(node: Node) -> Fields | None:
    """Constants of ek_add_s8_dsp for an add or sub of int8 codes; None where none are exact.

    The kernel computes (a_multiplier * a >> 8) + (b_multiplier * b >> 8) + bias steps from the lowest code.
    """
    return _lane_sum(_Sum.of(node))


def line_fields(node: Node) -> Fields | None:
    """Constants of ek_add_line_s8, likewise: a_multiplier * a + b_multiplier * b + bias, shifted right."""
    return _shifted_line(_Sum.of(node))


@dataclass(frozen=True)
class _Sum:
    """What the constants of an add or sub depend on: a layer is lowered several times, and some are alike."""

    op: str
    quants: tuple[QuantType | None, ...]
    activation: str

    @staticmethod
    def of(node: Node) -> _Sum:
        values = (node.input(0), node.input(1), node.output)
        return _Sum(node.op, tuple(v.quant for v in values), node.attrs["activation"])

    def node(self) -> Node:
        """A node of single codes."""
        a, b, y = (Value(name, (1,), DType.INT8, quant) for name, quant in zip("aby", self.quants, strict=True))
        return Node(self.op, self.op, [a, b], [y], {"activation": self.activation})


@functools.lru_cache(maxsize=1024)
def _lane_sum(key: _Sum) -> Fields | None:
    node = key.node()
    ratios = _ratios(node)
    if max(map(abs, ratios)) > 60:
        return None
    return _line(all_results(node), _scaled(ratios, STEPS + 8), STEPS, 8, NUDGES)


@functools.lru_cache(maxsize=1024)
def _shifted_line(key: _Sum) -> Fields | None:
    node = key.node()
    ratios = _ratios(node)
    reach = 256 * (sum(map(abs, ratios)) + 2)
    shift = 31 - math.ceil(math.log2(reach))
    if shift < STEPS:
        return None
    constants = _line(all_results(node), _scaled(ratios, shift), shift, 0, NEAR)
    return None if constants is None else {**constants, "shift": shift}


def _ratios(node: Node) -> list[float]:
    """Output codes per code of each operand."""
    scale = fp.single_quant(node.output)[0]
    first, second = (fp.single_quant(node.input(i))[0] / scale for i in range(2))
    return [first, -second if node.op == "sub" else second]


def _scaled(ratios: Sequence[float], bits: int) -> tuple[int, int]:
    first, second = (round(ratio * (1 << bits)) for ratio in ratios)
    return first, second


def _line(target: Target, exact: tuple[int, int], bits: int, dropped: int, nudges: Sequence[int]) -> Fields | None:
    """Multipliers near the exact ones, and a bias: 2**bits steps a code, `dropped` bits of each product cut off."""

    def steps(a: int, b: int) -> Array:
        line: Array = (a * CODES >> dropped)[:, None] + (b * CODES >> dropped)[None, :]
        return line

    least, limit = target.bounds(bits)
    low, high = least - steps(*exact), limit - steps(*exact)
    # Only pairs near the narrowest places can decide, however the constants are nudged.
    moved = 2 * (2 * max(nudges) * 128 >> dropped) + 4
    first, second = pairs = np.nonzero((low >= low.max() - moved) | (high <= high.min() + moved))
    places = CODES[first], CODES[second]
    few: Array | slice = slice(None)
    for candidates in _batches(_nudged(*exact, nudges)):
        if len(candidates) == BATCH and isinstance(few, slice):
            few = _narrowest(low[pairs], high[pairs], *places, max(nudges) >> dropped)
        a, b = candidates.T[:, :, None]
        sums = (a * places[0][few] >> dropped) + (b * places[1][few] >> dropped)
        possible = (least[pairs][few] - sums).max(axis=1) < (limit[pairs][few] - sums).min(axis=1)
        for a, b in candidates[possible].tolist():
            sums = (a * places[0] >> dropped) + (b * places[1] >> dropped)
            start, end = (least[pairs] - sums).max(), (limit[pairs] - sums).min()
            bias = int(start + end - 1) // 2
            if start < end and np.array_equal(np.clip((steps(a, b) + bias) >> bits, 0, target.top), target.codes):
                return {"a_multiplier": a, "b_multiplier": b, "bias": bias}
    return None


def _narrowest(low: Array, high: Array, first: Array, second: Array, reach: int) -> Array:
    """Which pairs of codes decide for some of the constants up to `reach` steps off: enough to refuse most of the rest.

    `low` and `high` are the bounds of the bias with the exact constants, at the codes `first` and `second`.
    """
    moves = [0.0, *(s * max(reach, 1) / (1 << k) for k in range(0, 12, 2) for s in (1, -1))]
    found = set[int]()
    for a, b in itertools.product(moves, repeat=2):
        line = a * first + b * second
        found |= {int((low - line).argmax()), int((high - line).argmin())}
    return np.array(sorted(found), np.int64)


def _batches(candidates: Iterator[tuple[int, int]]) -> Iterator[Array]:
    """int64 [n, 2], few at first: the exact constants are often right."""
    for size in itertools.chain((1, 7, 32), itertools.repeat(BATCH)):
        batch = list(itertools.islice(candidates, size))
        if not batch:
            return
        yield np.array(batch, np.int64)


def _nudged(a: int, b: int, nudges: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Both constants, the least moved pairs first."""
    for reach, nudge in enumerate((0, *nudges)):
        for other in (0, *nudges[:reach]):
            yield a + nudge, b + other
            if other != nudge:
                yield a + other, b + nudge


def product_fields(node: Node, order: tuple[int, int]) -> dict[str, int] | None:
    """Constants of ek_mul_line_s8 and ek_mul_s8_dsp, whose a and b are the inputs `order`; None where none are exact.

    The kernels compute ((multiplier * b >> 8) + correction) * (a - a_zero) >> 9 steps, plus bias, plus `step` where
    that is not negative: halves go away from zero, after a first rounding to a coarser grid.
    """
    a_zero, b_zero = (fp.single_quant(node.input(i))[1] for i in order)
    mantissa, shift = mul_scale(node)
    exact = round(mantissa / 2.0 ** (31 - shift) * (1 << (STEPS + 17)))
    if not 0 < exact < (1 << 31) - max(NUDGES):
        return None
    target = all_results(node)
    zero = fp.single_quant(node.output)[1] - target.low
    least, limit = (bound.transpose(order) - (zero << STEPS) for bound in target.bounds())
    for multiplier in (exact, *(exact + nudge for nudge in NUDGES)):
        correction = -(multiplier * b_zero >> 8)
        scaled = (multiplier * CODES >> 8) + correction
        steps = scaled[None, :] * (CODES - a_zero)[:, None] >> 9
        if np.abs(scaled).max() > INT32.max or np.abs(steps).max() > INT32.max - (1 << 26):
            return None
        # Both are about half a code, so that only negative products are negative with them.
        bias, raised = (
            _between(least[s] - steps[s], limit[s] - steps[s], (0, 1 << STEPS)) for s in (steps < 0, steps >= 0)
        )
        if bias is None or raised is None:
            continue
        got = steps + bias
        got = np.where(got >= 0, got + raised - bias, got) >> STEPS
        if np.array_equal(np.clip(got + zero, 0, target.top).transpose(order), target.codes):
            return {
                "a_zero": a_zero, "multiplier": multiplier, "correction": correction,
                "bias": bias, "step": raised - bias, "zero": zero,
            }  # fmt: skip
    return None


def _between(least: Array, limit: Array, span: tuple[int, int]) -> int | None:
    """The middle of what is in `span`, at least all of `least` and below all of `limit`; None where nothing is."""
    low = int(least.max(initial=span[0]))
    high = int(limit.min(initial=span[1]))
    return (low + high - 1) // 2 if low < high else None


def lanes(value: int) -> int:
    """A 16-bit number in both halves of a word."""
    return (value & 0xFFFF) * 0x00010001


def divisor(count: int, half_up: bool, low: int, high: int) -> tuple[int, int] | None:
    """(multiplier, bias) of ek_avg_pool2d_s8_dsp for windows of `count` codes; None where none are exact.

    The kernel computes (multiplier * sum >> 16) + bias steps, of four times the sum where there are one or two codes.
    """
    sums = np.arange(-128 * count, 127 * count + 1, dtype=np.int64)
    codes = np.clip(rounded_mean(sums, count, half_up), low, high)
    target = Target(codes - low, low, high - low)
    least, limit = target.bounds()
    if count < 3:
        sums, count = 4 * sums, 4 * count
    # Halves that go away from zero need a multiplier above the exact one.
    for nudge in (0, *(s << k for k in range(19) for s in (1, -1))):
        multiplier = -(-(1 << 32) // count) + nudge
        steps = multiplier * sums >> 16
        bias = _between(least - steps, limit - steps, (-(1 << 25), 1 << 25))
        if multiplier > INT32.max or bias is None:
            continue
        if np.array_equal(np.clip((steps + bias) >> STEPS, 0, target.top), target.codes):
            return multiplier, bias
    return None
