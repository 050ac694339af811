"""Activations that are codes of a grid: the table by which kernels decode them, see ek_levels.h."""

from __future__ import annotations

import numpy as np

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.program import ConstantArg
from edgekit.ir import Value


def is_coded(x: Value) -> bool:
    """Whether an activation is codes that its readers decode."""
    return x.quant is not None and x.quant.is_coded


def levels_table(x: Value, ctx: LoweringContext) -> ConstantArg:
    """int16 [256]: the level of each code of a coded activation, in the order of bytes."""
    assert x.quant is not None and x.quant.grid is not None
    return ctx.constant("int16_t", np.roll(x.quant.grid.levels, 128).astype(np.int16))


def levels_arguments(x: Value, ctx: LoweringContext) -> tuple[str, list[ConstantArg]]:
    """(part of a kernel's name, arguments) of products on DSP cores: for codes of a grid, or neither for others."""
    return ("levels_", [levels_table(x, ctx)]) if is_coded(x) else ("", [])
