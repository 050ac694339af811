"""Sums, products and means of int8 codes by one or two multiplications, proven when the code is generated.

The reference rounds several times in 32 bits. What it computes is, but for a hair, a line (or a product) that is
rounded once; with constants a hair off the exact ones, all pairs of codes agree. The constants are searched here, over
all 65536 pairs or all sums; where none are found, the kernel that computes as the reference does is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgekit.codegen.program import Fields
from edgekit.ir import Array, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops import spec_of
from edgekit.ops.arithmetic import QuantizedArithmetic, mul_scale
from edgekit.ops.pool import rounded_mean

CODES = np.arange(-128, 128, dtype=np.int64)
INT32 = np.iinfo(np.int32)
# Steps of a result: 1/65536 of a code.
STEPS = 16
# How far constants are moved off the exact ones, in units that weigh 1/2 step at most: all near ones, then wider.
NUDGES = sorted((s * d for d in (*range(1, 33), 48, 64, 96, 128, 192, 256, 384, 512, 1024) for s in (1, -1)), key=abs)
WIDEST = 1024


@dataclass(frozen=True)
class Target:
    """The reference's results counted from the lowest code `low`, int64 by its operands, and the largest of them."""

    codes: Array
    low: int
    top: int

    def bounds(self) -> tuple[Array, Array]:
        """From which step (inclusive) to which (exclusive) a result may lie before clamping."""
        least = np.where(self.codes > 0, self.codes << STEPS, -(1 << 40))
        limit = np.where(self.codes < self.top, (self.codes + 1) << STEPS, 1 << 40)
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


def sum_fields(node: Node) -> Fields | None:
    """a_multiplier, b_multiplier and bias of ek_add_s8_dsp for an add or sub of int8 codes; None where none are exact.

    The kernel computes (a_multiplier * a >> 8) + (b_multiplier * b >> 8) + bias steps.
    """
    scale = fp.single_quant(node.output)[0]
    ratios = [fp.single_quant(node.input(i))[0] / scale for i in range(2)]
    if max(ratios) > 60:
        return None
    exact = [round(r * s * (1 << (STEPS + 8))) for r, s in zip(ratios, (1, -1 if node.op == "sub" else 1), strict=True)]
    target = all_results(node)
    least, limit = target.bounds()
    pairs = _critical(least, limit, _line(exact[0], exact[1]))
    for a, b in _nudged(*exact):
        sums = (a * CODES[pairs[0]] >> 8) + (b * CODES[pairs[1]] >> 8)
        low, high = (least[pairs] - sums).max(), (limit[pairs] - sums).min()
        if low < high:
            bias = int(low + high - 1) // 2
            assert np.array_equal(np.clip((_line(a, b) + bias) >> STEPS, 0, target.top), target.codes)
            return {"a_multiplier": a, "b_multiplier": b, "bias": bias}
    return None


def _line(a: int, b: int) -> Array:
    line: Array = (a * CODES >> 8)[:, None] + (b * CODES >> 8)[None, :]
    return line


def _critical(least: Array, limit: Array, steps: Array) -> tuple[Array, ...]:
    """Indices of the pairs that can decide about a constant however it is nudged."""
    low, high = least - steps, limit - steps
    return np.nonzero((low >= low.max() - 2 * WIDEST) | (high <= high.min() + 2 * WIDEST))


def _nudged(a: int, b: int) -> Iterator[tuple[int, int]]:
    """Both constants, the least moved pairs first."""
    for reach, nudge in enumerate((0, *NUDGES)):
        for other in (0, *NUDGES[:reach]):
            yield a + nudge, b + other
            if other != nudge:
                yield a + other, b + nudge


def product_fields(node: Node, order: tuple[int, int]) -> Fields | None:
    """Constants of ek_mul_s8_dsp, whose a and b are the inputs `order`; None where none are exact.

    The kernel computes ((multiplier * b >> 8) + correction) * (a - a_zero) >> 9 steps, plus bias, plus `step` where
    that is not negative: halves go away from zero, after a first rounding to a coarser grid.
    """
    a_zero, b_zero = (fp.single_quant(node.input(i))[1] for i in order)
    mantissa, shift = mul_scale(node)
    exact = round(mantissa / 2.0 ** (31 - shift) * (1 << (STEPS + 17)))
    if not 0 < exact < (1 << 31) - 2 * WIDEST:
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
                "a_zero": lanes(a_zero << 8), "multiplier": multiplier, "correction": correction,
                "bias": bias, "step": raised - bias, "zero": lanes(zero),
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
