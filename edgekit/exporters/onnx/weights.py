"""Weights and biases of products in ONNX: codes with their scales, and codes of few bits through a table of levels.

Weights of 8 bits are int8 codes behind a DequantizeLinear with a scale per output channel. Uniform codes of 4 bits are
INT4 in the same place. All other codes (of a power, or of 3 and 2 bits) are UINT4 indices, -> Cast to int32 -> Gather
from the table of their levels, int8 and ascending with 0 in the middle, where they do not do without one ->
DequantizeLinear. What Gather gives are the integers that firmware computes with, so nothing is rounded on the way.
Where groups of channels have levels of their own, their tables are one behind the other, and an Add between Cast and
Gather moves each channel's indices to its own.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from edgekit.exporters.onnx.writer import OnnxWriter
from edgekit.ir import Array, Codebook, Value


def write_weights(writer: OnnxWriter, value: Value, integers: Array, axis: int) -> str:
    """The tensor of weights: `integers` are those of `value` in ONNX's layout, with the output channels on `axis`."""
    assert value.quant is not None
    scale = writer.constant(f"{value.name} scale", np.array(value.quant.scale, np.float32))
    return writer.emit(
        "DequantizeLinear", f"{value.name} real", [_codes(writer, value, integers, axis), scale], {"axis": axis}
    )


def _codes(writer: OnnxWriter, value: Value, integers: Array, axis: int) -> str:
    assert value.quant is not None
    book = value.quant.codebook
    if book is None:
        return writer.constant(f"{value.name} codes", integers)
    if book == Codebook.shared(4, range(8)):
        return writer.narrow_constant(f"{value.name} codes", integers, signed=True)
    codes = writer.narrow_constant(f"{value.name} codes", book.codes(integers, axis) - book.lowest_code, signed=False)
    table = writer.constant(f"{value.name} levels", book.tables.astype(np.int8).reshape(-1))
    wide = writer.emit("Cast", f"{value.name} indices", [codes], {"to": TensorProto.INT32})
    if book.group:
        starts = book.groups(integers.shape[axis]) * book.tables.shape[1]
        shape = [-1 if index == axis else 1 for index in range(integers.ndim)]
        own = writer.constant(f"{value.name} tables", starts.astype(np.int32).reshape(shape))
        wide = writer.emit("Add", f"{value.name} places", [wide, own])
    return writer.emit("Gather", f"{value.name} weights", [table, wide])


def write_bias(writer: OnnxWriter, value: Value) -> str:
    """The tensor of a bias: int32 codes in units of input scale times weight scale."""
    assert value.quant is not None
    codes = writer.constant(f"{value.name} codes", value.array)
    scale = writer.constant(f"{value.name} scale", np.array(value.quant.scale, np.float32))
    return writer.emit("DequantizeLinear", f"{value.name} real", [codes, scale], {"axis": 0})
