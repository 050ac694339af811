"""Weights stored in less than 8 bits: INT4 tensors, and indices into a table of levels.

`edgekit.exporters.onnx.weights` describes both. A file may hold any table: one that is no codebook makes plain int8
weights of the same numbers.
"""

from __future__ import annotations

import numpy as np

from edgekit.importers.onnx.builder import Constant, Layer
from edgekit.ir import Array, Codebook

_TAKE_NARROW = ("Cast", "DequantizeLinear", "Identity")
_INT4 = Codebook(4, tuple(range(8)))
# Bits by the number of levels in a table.
_WIDTHS = {3: 2, 7: 3, 15: 4}


def stored(name: str, array: Array, narrow: bool) -> Constant:
    """An initializer. INT4 has a codebook where it holds no -8, which no symmetric code stands for."""
    symmetric = narrow and array.dtype == np.int8 and array.min(initial=0) >= -7
    return Constant(name, array, None, _INT4 if symmetric else None, narrow)


def check_narrow(layer: Layer) -> None:
    """Refuse integers of 4 bits but as indices and weights: elsewhere their width would count."""
    if layer.op in _TAKE_NARROW:
        return
    for index in range(len(layer.record.inputs)):
        if layer.is_constant(index) and layer.constant(index).narrow:
            raise layer.unsupported(f"input {index} has 4 bits", "use int8 or uint8")


def gathered_weights(layer: Layer) -> Constant | None:
    """What a Gather from a constant table of levels makes; None for any other Gather. The indices are checked."""
    if layer.constant(0).quant is not None or layer.constant(1).quant is not None:
        return None
    table, indices = layer.constant(0).array, layer.constant(1).array
    book = _codebook(table)
    if book is None or layer.int_attr("axis", 0) != 0 or indices.dtype.kind != "i":
        return None
    size = len(table)
    if indices.size and not -size <= int(indices.min()) <= int(indices.max()) < size:
        raise layer.bad(f"an index is outside the table of {size} levels")
    layer.claim(indices.size)
    return Constant(layer.record.outputs[0], table[indices], None, book)


def _codebook(table: Array) -> Codebook | None:
    """The codebook of a table: int8, ascending from a 0 in its middle to more than that, and symmetric."""
    if table.dtype != np.int8 or table.ndim != 1 or len(table) not in _WIDTHS:
        return None
    numbers = table.astype(np.int64)
    positive = numbers[len(table) // 2 :]
    if positive[0] != 0 or positive[-1] == 0 or (np.diff(positive) < 0).any() or (numbers != -numbers[::-1]).any():
        return None
    return Codebook(_WIDTHS[len(table)], tuple(int(v) for v in positive))
