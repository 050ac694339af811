"""Activations on a grid: calls of `edgekit.OnGrid`, which `edgekit.importers.onnx.grid_function` describes.

The file has to define the function as the exporter does. Where a model is taken as plain numbers, its body is computed.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import onnx

from edgekit.importers.onnx.builder import Constant, Layer
from edgekit.importers.onnx.file import FunctionRecord, function_record
from edgekit.importers.onnx.grid_function import DOMAIN, NAME
from edgekit.importers.onnx.grid_function import on_grid as definition
from edgekit.importers.onnx.quantization import settle
from edgekit.ir import Grid, QuantType, Value

ON_GRID = f"{DOMAIN}.{NAME}"
# The first opset whose DequantizeLinear takes the int16 levels.
_OLDEST_OPSET = 21
# Bits by the number of levels.
_WIDTHS = {256: 8, 16: 4}
_LARGEST_LEVEL = 32767
# Levels of 4-bit codes lie in the range of int8.
_INT8_SPAN = 255


def on_grid(layer: Layer) -> Value | None:
    """The input with a quantization on the grid, by a node of its own where it has another one already.

    Outside QDQ models None, which leaves the layer to its definition.
    """
    _require_definition(layer)
    if not layer.builder.quantized:
        return None
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
    narrow = grid.coded or int(levels.max()) - int(levels.min()) <= _INT8_SPAN
    if (grid.levels != levels).any() or not np.isclose(step, grid.spacing(scale), rtol=1e-4, atol=0.0) or not narrow:
        raise layer.unsupported("its levels and step are not those of its exponent", "export the model again")
    quant = QuantType.on_grid(scale, grid)
    if operand.quant is None:
        return settle(layer, operand, quant)
    output = layer.emit("requantize", [operand], {})
    output.quant = quant
    return output


def _require_definition(layer: Layer) -> None:
    function = layer.builder.functions.get(ON_GRID)
    if function is None:
        raise layer.unsupported("the file does not define the function", "export the model again")
    known = _OLDEST_OPSET <= function.opset <= onnx.defs.onnx_opset_version()
    if not known or _form(function) != _exported_form():
        raise layer.unsupported("the file defines the function in another way", "export the model again")


@lru_cache(maxsize=1)
def _exported_form() -> object:
    return _form(function_record(definition(_OLDEST_OPSET), Path()))


def _form(function: FunctionRecord) -> object:
    """A function without its names: tensors are numbers, in the order in which they are made."""
    places = {name: index for index, name in enumerate(function.inputs)}
    made, nodes = len(function.inputs), []
    for node in function.nodes:
        reads = [places.get(name) for name in node.inputs]
        places |= {name: made + index for index, name in enumerate(node.outputs)}
        made += len(node.outputs)
        nodes.append((node.op, reads, len(node.outputs), sorted((key, repr(v)) for key, v in node.attrs.items())))
    return len(function.inputs), nodes, [places.get(name) for name in function.outputs]
