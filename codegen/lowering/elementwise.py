"""Table look-ups, softmax and the conversions between codes and floats."""

from __future__ import annotations

import numpy as np

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.float_products import lower_softmax_f32
from edgekit.codegen.lowering.int16 import lower_function_s16, lower_requantize_s16, lower_softmax_s16
from edgekit.codegen.lowering.plain import lower_plain_unary
from edgekit.codegen.program import Literal
from edgekit.ir import DType, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops import spec_of
from edgekit.ops.quantize import Requantize
from edgekit.ops.softmax import power_tables, table_of_exponentials
from edgekit.ops.spec import is_quantized
from edgekit.ops.unary import Unary


def lower_unary(node: Node, ctx: LoweringContext) -> None:
    """A table of the operator's 256 codes."""
    if not is_quantized(node):
        lower_plain_unary(node, ctx)
        return
    if node.input(0).dtype is DType.INT16:
        lower_function_s16(node, ctx)
        return
    spec = spec_of(node.op)
    assert isinstance(spec, Unary)
    _table(node, ctx, spec.table(node).view(np.uint8))


def lower_requantize(node: Node, ctx: LoweringContext) -> None:
    """ek_flip_sign_8 where only the signedness changes, otherwise a table; int16 codes are rescaled."""
    spec = spec_of(node.op)
    assert isinstance(spec, Requantize)
    x, y = node.input(0), node.output
    if DType.INT16 in (x.dtype, y.dtype):
        lower_requantize_s16(node, ctx)
        return
    table = spec.table(node).view(np.uint8)
    flips = 0x80 if x.dtype is DType.INT8 else 0
    if x.dtype is not y.dtype and np.array_equal(table, np.arange(256, dtype=np.uint8) ^ flips ^ 0x80):
        ctx.call("ek_flip_sign_8", Literal(x.elements), ctx.operand_as(x, "uint8_t"), ctx.write(y, "uint8_t"))
        ctx.allow_in_place(x, y)
    else:
        _table(node, ctx, table)


def _table(node: Node, ctx: LoweringContext, table: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    """ek_table_8 or ek_table_8_dsp with a table in the order of the input type's values."""
    x, y = node.input(0), node.output
    constant = ctx.constant("uint8_t", np.roll(table, 128) if x.dtype is DType.INT8 else table)
    kernel = "ek_table_8_dsp" if ctx.target.dsp else "ek_table_8"
    ctx.call(kernel, Literal(x.elements), ctx.operand_as(x, "uint8_t"), constant, ctx.write(y, "uint8_t"))
    ctx.allow_in_place(x, y)


def lower_softmax(node: Node, ctx: LoweringContext) -> None:
    """ek_softmax_s8 or ek_softmax_s8_dsp with the exponentials of all 256 differences; `_power` for codes of a grid."""
    x, y = node.input(0), node.output
    if x.dtype is DType.FLOAT32:
        lower_softmax_f32(node, ctx)
        return
    if x.dtype is DType.INT16:
        lower_softmax_s16(node, ctx)
        return
    width, grid = x.shape[-1], None if y.quant is None else y.quant.grid
    tables = [table_of_exponentials(node)] + ([] if grid is None else [table_of_exponentials(node, grid.exponent)])
    kernel = "ek_softmax_s8"
    if ctx.target.dsp:
        # By the code, and signed.
        tables, kernel = [2 * table[::-1] - (1 << 31) for table in tables], "ek_softmax_s8_dsp"
    if grid is not None:
        tables, kernel = [*tables, power_tables(grid.exponent)], f"{kernel}_power"
    exponentials = ctx.constant("int32_t", np.concatenate(tables).astype(np.int32))
    ctx.call(kernel, Literal(x.elements // width), Literal(width), ctx.read(x), exponentials, ctx.write(y))
    ctx.allow_in_place(x, y)


def lower_log_softmax(node: Node, ctx: LoweringContext) -> None:
    """ek_log_softmax_f32."""
    x, y = node.input(0), node.output
    width = x.shape[-1]
    ctx.call("ek_log_softmax_f32", Literal(x.elements // width), Literal(width), ctx.read(x), ctx.write(y))
    ctx.allow_in_place(x, y)


def lower_quantize(node: Node, ctx: LoweringContext) -> None:
    """ek_quantize_f32_s8 or _s16."""
    x, y = node.input(0), node.output
    scale, zero = fp.single_quant(y)
    kernel = f"ek_quantize_f32_s{8 * y.dtype.size}"
    ctx.call(kernel, Literal(x.elements), Literal(scale), Literal(zero), ctx.read(x), ctx.write(y))


def lower_dequantize(node: Node, ctx: LoweringContext) -> None:
    """ek_dequantize_s8_f32 or _s16_f32."""
    x, y = node.input(0), node.output
    scale, zero = fp.single_quant(x)
    kernel = f"ek_dequantize_s{8 * x.dtype.size}_f32"
    ctx.call(kernel, Literal(x.elements), Literal(scale), Literal(zero), ctx.read(x), ctx.write(y))
