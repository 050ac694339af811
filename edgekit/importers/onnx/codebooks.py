"""Weights stored in less than 8 bits: INT4 tensors, and indices into a table of levels.

`edgekit.exporters.onnx.weights` describes both. A file may hold any table: one that is no codebook makes plain int8
weights of the same numbers.
"""

from __future__ import annotations

import numpy as np

from edgekit.importers.onnx.builder import Constant, Layer
from edgekit.ir import LEAST_GROUP, Array, Codebook

_TAKE_NARROW = ("Cast", "DequantizeLinear", "Identity")
_INT4 = Codebook.shared(4, range(8))
# Bits by the number of levels in a table.
_WIDTHS = {3: 2, 4: 2, 7: 3, 8: 3, 15: 4}


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
    tables = _tables(table, -(-max(indices.shape, default=1) // LEAST_GROUP))
    if tables is None or layer.int_attr("axis", 0) != 0 or indices.dtype.kind != "i":
        return None
    size = len(table)
    if indices.size and not -size <= int(indices.min()) <= int(indices.max()) < size:
        raise layer.bad(f"an index is outside the table of {size} levels")
    layer.claim(indices.size)
    book, axis = (tables, 0) if len(tables.levels) == 1 else _by_channel(tables, indices)
    return Constant(layer.record.outputs[0], table[indices], None, book, levels_axis=axis)


def _tables(table: Array, most: int) -> Codebook | None:
    """The levels of a table, or of up to `most` one behind the other, whose groups are still unknown: each int8,
    symmetric, and ascending from its middle, which is 0 where its size is odd and else more than 0.
    """
    if table.dtype != np.int8 or table.ndim != 1 or not len(table):
        return None
    for size, bits in _WIDTHS.items():
        if len(table) != size and (len(table) % size or bits == 2 or len(table) // size > most):
            continue
        numbers = table.astype(np.int64).reshape(-1, size)
        positive = numbers[:, size // 2 :]
        rising = (np.diff(positive) >= 0).all() and (positive[:, -1] > 0).all()
        middle = (positive[:, 0] > 0 if size % 2 == 0 else positive[:, 0] == 0).all()
        if rising and middle and (numbers == -numbers[:, ::-1]).all():
            return Codebook(bits, tuple(tuple(levels) for levels in positive.tolist()))
    return None


def _by_channel(tables: Codebook, indices: Array) -> tuple[Codebook | None, int]:
    """The codebook, and the axis of the channels, where channels of one axis read one table each, groups of them one
    after the other; (None, 0) where they do not.
    """
    numbers = indices // tables.tables.shape[1]
    for axis, channels in enumerate(indices.shape):
        group = LEAST_GROUP
        while -(-channels // group) > len(tables.levels):
            group *= 2
        book = Codebook(tables.bits, tables.levels, group)
        shape = [-1 if index == axis else 1 for index in range(indices.ndim)]
        if book.fits(channels) and (numbers == book.groups(channels).reshape(shape)).all():
            return book, axis
    return None, 0
