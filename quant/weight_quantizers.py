"""Ways to choose the codes of weights without data, one function each: [O,K] weights of a layer to their codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from edgekit.errors import BadUsage
from edgekit.ir import Array, Graph, Node
from edgekit.ops.conv2d import is_product
from edgekit.quant.power import CodedRows, power_codes, power_values, search_exponent
from edgekit.quant.weights import channel_rows

# Shares of the largest magnitude that clipping tries.
_CLIPS = np.linspace(1.0, 0.3, 36)


def nearest(rows: Array, bits: int, exponent: float = 1.0) -> CodedRows:
    """The nearest codes, the largest weight of each channel the largest code."""
    peaks = np.abs(rows).max(axis=1, initial=0.0)
    return CodedRows(power_codes(rows, peaks, exponent, bits), peaks, exponent, bits)


def clipped(rows: Array, bits: int, exponent: float = 1.0) -> CodedRows:
    """The nearest codes, the largest code of each channel what gives the least squared error."""
    peaks = np.abs(rows).max(axis=1, initial=0.0)
    least, best = np.full(len(rows), np.inf), peaks
    for share in _CLIPS.tolist():
        values = power_values(power_codes(rows, share * peaks, exponent, bits), share * peaks, exponent, bits)
        error = ((rows - values) ** 2).sum(axis=1)
        best = np.where(error < least, share * peaks, best)
        least = np.minimum(error, least)
    return CodedRows(power_codes(rows, best, exponent, bits), best, exponent, bits)


def power_quantized(rows: Array, bits: int) -> CodedRows:
    """PowerQuant with an exponent of the layer's own; with two bits, where exponents give nothing, clipped codes."""
    return clipped(rows, bits) if bits == 2 else nearest(rows, bits, search_exponent([rows], bits))


DATA_FREE: dict[str, Callable[[Array, int], CodedRows]] = {
    "uniform": nearest,
    "mse": clipped,
    "powerquant": power_quantized,
}


def coded_weights(graph: Graph, bits: Mapping[str, int], quantizer: str) -> dict[str, CodedRows]:
    """Codes by the name of each product that `bits` gives less than 8; raises BadUsage for another quantizer's name."""
    if quantizer not in DATA_FREE:
        raise BadUsage(f"no quantizer named {quantizer!r} without data: use {', '.join(DATA_FREE)}")
    narrow: list[Node] = [n for n in graph.nodes if is_product(n) and bits.get(n.name, 8) < 8]
    return {node.name: DATA_FREE[quantizer](channel_rows(node), bits[node.name]) for node in narrow}
