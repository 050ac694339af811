"""Activations on a grid in ONNX: calls of a function of the file, `edgekit.OnGrid`.

OnGrid(x, exponent, step, zero, last, levels, scale) rounds real numbers to those of a grid: the signed power of x, in
steps from code `zero`, is a uint8 code, which is no more than `last`; a Gather takes its level, int16, from a table,
and DequantizeLinear its number. Runtimes that know no such operator run the nodes of its body.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from edgekit.ir import Array, QuantType

DOMAIN, NAME = "edgekit", "OnGrid"
PARAMETERS = ("exponent", "step", "zero", "last", "levels", "scale")


def grid_parameters(quant: QuantType) -> list[Array]:
    """The operands of OnGrid behind x, in the order of PARAMETERS."""
    grid = quant.grid
    assert grid is not None
    step = np.array(grid.spacing(quant.scale[0]), np.float32)
    return [
        np.array(grid.exponent, np.float32), step, np.array(grid.zero, np.uint8),
        np.array(len(grid.levels) - 1, np.int32), grid.levels.astype(np.int16), np.array(quant.scale[0], np.float32),
    ]  # fmt: skip


def on_grid(opset: int) -> onnx.FunctionProto:
    """The function's definition."""
    nodes = [
        helper.make_node("Sign", ["x"], ["sign"]),
        helper.make_node("Abs", ["x"], ["size"]),
        helper.make_node("Pow", ["size", "exponent"], ["power"]),
        helper.make_node("Mul", ["sign", "power"], ["place"]),
        helper.make_node("QuantizeLinear", ["place", "step", "zero"], ["code"]),
        helper.make_node("Cast", ["code"], ["wide"], to=TensorProto.INT32),
        helper.make_node("Min", ["wide", "last"], ["index"]),
        helper.make_node("Gather", ["levels", "index"], ["level"]),
        helper.make_node("DequantizeLinear", ["level", "scale"], ["y"]),
    ]
    return helper.make_function(
        DOMAIN, NAME, ["x", *PARAMETERS], ["y"], nodes, [helper.make_opsetid("", opset)], []
    )  # fmt: skip
