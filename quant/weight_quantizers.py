"""Ways to choose the codes of weights without data, one function each: [O,K] weights of a layer to their codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from edgekit.errors import BadUsage
from edgekit.ir import LEAST_GROUP, Array, Graph, Node, is_group
from edgekit.ops.conv2d import can_lack_zero, groups_of, is_product
from edgekit.quant.power import CodedRows, joined, power_codes, power_values, search_exponent
from edgekit.quant.short_channels import SPREAD_BITS
from edgekit.quant.weights import channel_rows

# Shares of the largest magnitude that clipping tries.
_CLIPS = np.linspace(1.0, 0.3, 36)
_EXPONENTS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def nearest(rows: Array, bits: int, exponent: float = 1.0) -> CodedRows:
    """The nearest codes, the largest weight of each channel the largest code."""
    peaks = np.abs(rows).max(axis=1, initial=0.0)
    return CodedRows(power_codes(rows, peaks, exponent, bits), peaks, (exponent,), bits)


def clipped(rows: Array, bits: int, exponent: float = 1.0, halves: bool = False) -> CodedRows:
    """The nearest codes, the largest code of each channel what gives the least squared error."""
    peaks = np.abs(rows).max(axis=1, initial=0.0)
    least, best = np.full(len(rows), np.inf), peaks
    for share in _CLIPS.tolist():
        codes = power_codes(rows, share * peaks, exponent, bits, halves)
        error = ((rows - power_values(codes, share * peaks, exponent, bits, halves)) ** 2).sum(axis=1)
        best = np.where(error < least, share * peaks, best)
        least = np.minimum(error, least)
    codes = power_codes(rows, best, exponent, bits, halves)
    return CodedRows(codes, best, (exponent,), bits, halves=halves)


def power_quantized(rows: Array, bits: int) -> CodedRows:
    """PowerQuant with an exponent of the layer's own."""
    return with_exponent(rows, bits, search_exponent([rows], bits) if bits < 8 else 1.0)


def power_clipped(rows: Array, bits: int) -> CodedRows:
    """Exponent and largest codes together with the least squared error: what learning starts from."""
    exponents = _EXPONENTS if 2 < bits < 8 else (1.0,)
    return _best(rows, (clipped(rows, bits, exponent) for exponent in exponents))


def in_halves(rows: Array, bits: int) -> CodedRows:
    """As `power_clipped`, the codes in halves."""
    return _best(rows, (clipped(rows, bits, exponent, halves=True) for exponent in _EXPONENTS))


def with_exponent(rows: Array, bits: int, exponent: float) -> CodedRows:
    """The nearest codes of an exponent; with two bits, where exponents give nothing, clipped ones."""
    return clipped(rows, bits) if bits == 2 else nearest(rows, bits, exponent)


def _best(rows: Array, choices: Iterable[CodedRows]) -> CodedRows:
    return min(choices, key=lambda coded: _squared_error(rows, coded))


def _squared_error(rows: Array, coded: CodedRows) -> float:
    return float(((rows - coded.values) ** 2).sum())


DATA_FREE: dict[str, Callable[[Array, int], CodedRows]] = {
    "uniform": nearest,
    "mse": clipped,
    "powerquant": power_quantized,
    "power-clip": power_clipped,
}
GLOBAL = "powerquant-global"
# Products whose weights take an exponent per group of channels, where they are of one group: a depthwise layer's table
# of levels for four channels would be as long as their codes, and others are rare.
_GROUPED = ("conv2d", "fully_connected")
# The most bits that may do without a code for zero. PowerQuant is the paper's, but of 2 bits.
_IN_HALVES = {"powerquant": 2, "power-clip": 3}


def coded_weights(graph: Graph, bits: Mapping[str, int], quantizer: str, group: int = 0) -> dict[str, CodedRows]:
    """Codes by the name of each product that `bits` gives less than 8.

    Args:
        quantizer: a name in `DATA_FREE`, or "powerquant-global": one exponent for all layers of a width, as in the
            paper.
        group: so many output channels have an exponent of their own, as of `Codebook`; 0 for one per layer.

    Raises BadUsage for another quantizer's name, for groups of another size, or of what has one exponent for all.
    """
    check_group(group)
    if group and quantizer == GLOBAL:
        raise BadUsage(f"{GLOBAL} has one exponent for all layers, and none for groups of channels")
    if quantizer != GLOBAL and quantizer not in DATA_FREE:
        raise BadUsage(f"no quantizer named {quantizer!r} without data: use {', '.join((*DATA_FREE, GLOBAL))}")
    nodes = [n for n in graph.nodes if is_product(n) and bits.get(n.name, 8) < 8]
    if quantizer != GLOBAL:
        return {n.name: _coded(n, bits[n.name], quantizer, group) for n in nodes}
    rows = {n.name: channel_rows(n) for n in nodes}
    widths = sorted({bits[name] for name in rows})
    shared = {width: search_exponent([r for name, r in rows.items() if bits[name] == width], width) for width in widths}
    return {name: with_exponent(layer, bits[name], shared[bits[name]]) for name, layer in rows.items()}


def check_group(group: int) -> None:
    """Raise BadUsage for groups that kernels do not decode."""
    if group and not is_group(group):
        raise BadUsage(f"--exponent-groups takes a power of two, {LEAST_GROUP} channels or more: {group} is none")


def _coded(node: Node, bits: int, quantizer: str, group: int) -> CodedRows:
    """The codes of a layer, of each group of its channels alone where it has groups; in halves where the quantizer may
    and that is nearer. A channel of zeros needs a code for them, and so does one so small that its scale is a larger
    one's.
    """
    rows = channel_rows(node)
    size = group if group and bits > 2 and node.op in _GROUPED and groups_of(node) == 1 else len(rows)
    coded = _by_group(rows, bits, DATA_FREE[quantizer], size)
    if bits > _IN_HALVES.get(quantizer, 0) or not can_lack_zero(node):
        return coded
    peaks = np.abs(rows).max(axis=1, initial=0.0)
    if (peaks <= peaks.max(initial=0.0) * 2.0**-SPREAD_BITS).any():
        return coded
    return _best(rows, [coded, _by_group(rows, bits, in_halves, size)])


def _by_group(rows: Array, bits: int, choose: Callable[[Array, int], CodedRows], size: int) -> CodedRows:
    parts = [choose(rows[first : first + size], bits) for first in range(0, len(rows), max(1, size))]
    return joined(parts, size) if len(parts) > 1 else choose(rows, bits)
