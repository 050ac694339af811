"""Activations on a grid: calls of `edgekit.OnGrid`, which `edgekit.exporters.onnx.grids` describes."""

from __future__ import annotations

import numpy as np

from edgekit.importers.onnx.builder import Constant, Layer
from edgekit.importers.onnx.quantization import settle
from edgekit.ir import Grid, QuantType, Value

# Bits by the number of levels.
_WIDTHS = {256: 8, 16: 4}
_LARGEST_LEVEL = 32767
# Levels of 4-bit codes lie in the range of int8.
_INT8_SPAN = 255


def on_grid(layer: Layer) -> Value:
    """The input with a quantization on the grid, by a node of its own where it has another one already."""
    operand = layer.operand(0)
    if isinstance(operand, Constant):
        raise layer.unsupported("rounds constants", "round them before the export")
    exponent, step, scale = (layer.scalar(index) for index in (1, 2, 6))
    levels = layer.constant(5).array
    if levels.dtype != np.int16 or levels.ndim != 1 or len(levels) not in _WIDTHS:
        raise layer.unsupported("its levels are no table of 256 or 16 numbers of int16", "export the model again")
    if not (0.0 < exponent <= 1.0 and 0.0 < step < np.inf and 0.0 < scale < np.inf):
        raise layer.bad("exponent, step and scale must be positive, the exponent at most 1")
    zero, largest = layer.integer(3), int(np.abs(levels.astype(np.int64)).max())
    if not 0 <= zero < len(levels) or not 0 < largest <= _LARGEST_LEVEL or layer.integer(4) != len(levels) - 1:
        raise layer.bad("its codes do not fit its table of levels")
    grid = Grid(_WIDTHS[len(levels)], exponent, zero, largest)
    wanted = (scale * largest) ** exponent / grid.most
    narrow = grid.coded or int(levels.max()) - int(levels.min()) <= _INT8_SPAN
    if (grid.levels != levels).any() or not np.isclose(step, wanted, rtol=1e-4, atol=0.0) or not narrow:
        raise layer.unsupported("its levels and step are not those of its exponent", "export the model again")
    quant = QuantType.on_grid(scale, grid)
    if operand.quant is None:
        return settle(layer, operand, quant)
    output = layer.emit("requantize", [operand], {})
    output.quant = quant
    return output
