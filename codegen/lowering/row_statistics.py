"""Variances of rows, and rows times a function of one code each."""

from __future__ import annotations

from collections.abc import Callable

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.program import Fields, Literal
from edgekit.ir import Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.row_statistics import row_factors, variance_scale


def _fields(node: Node) -> Fields:
    x = node.input(0)
    return {
        "rows": x.elements // x.shape[-1], "width": x.shape[-1],
        "input_zero": fp.single_quant(x)[1], "centred": int(node.attrs["centred"]),
    }  # fmt: skip


def lower_int_variance(node: Node, ctx: LoweringContext) -> None:
    """ek_int_variance_s8."""
    down, multiplier, shift = variance_scale(node)
    fields: Fields = {
        **_fields(node), "down": down, "multiplier": multiplier, "shift": shift,
        "zero_point": fp.single_quant(node.output)[1],
    }  # fmt: skip
    ctx.call("ek_int_variance_s8", ctx.struct("ek_int_variance_params", fields), ctx.operand(node.input(0)),
             ctx.write(node.output))  # fmt: skip


def lower_int_row_scale(node: Node, ctx: LoweringContext) -> None:
    """ek_int_row_scale_s8 with its factors; the input may be overwritten."""
    table, shift = row_factors(node)
    fields: Fields = {**_fields(node), "shift": shift, "zero_point": fp.single_quant(node.output)[1]}
    s = node.optional_input(1)
    ctx.call(
        "ek_int_row_scale_s8", ctx.struct("ek_int_row_scale_params", fields), ctx.operand(node.input(0)),
        Literal(0) if s is None else ctx.operand(s), ctx.constant("int32_t", table), ctx.write(node.output),
    )  # fmt: skip
    ctx.allow_in_place(node.input(0), node.output)


ROW_STATISTICS_RULES: dict[str, Callable[[Node, LoweringContext], None]] = {
    "int_variance": lower_int_variance,
    "int_row_scale": lower_int_row_scale,
}
