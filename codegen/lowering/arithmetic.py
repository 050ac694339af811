"""add, sub, mul, div and pow of int8 codes."""

from __future__ import annotations

import numpy as np

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.linear_codes import lane_sum_fields, lanes, line_fields, product_fields, range_fields
from edgekit.codegen.lowering.plain import binary_fields, lower_plain_binary
from edgekit.codegen.lowering.walk import broadcast_strides, merged
from edgekit.codegen.program import Fields
from edgekit.ir import DType, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.arithmetic import add_scales, div_scale, mul_scale
from edgekit.ops.power import exponent_scale, logarithms, output_offset, parities, powers_of_two
from edgekit.ops.spec import is_quantized


def lower_arithmetic(node: Node, ctx: LoweringContext) -> None:
    """Of int8 codes, the first kernel whose constants are exact: ek_add_s8_dsp or ek_mul_s8_dsp where the core has
    lanes, ek_add_line_s8 or ek_mul_line_s8 elsewhere, ek_<op>_s8 for what is left. Operands of the result's size may be
    overwritten.
    """
    if not is_quantized(node):
        lower_plain_binary(node, ctx)
        return
    if node.output.dtype is DType.INT16 or node.op == "div":
        _lower_by_rounding(node, ctx)
    elif node.op == "mul":
        _lower_product(node, ctx)
    else:
        _lower_sum(node, ctx)
    for operand in (node.input(0), node.input(1)):
        if operand.shape == node.output.shape:
            ctx.allow_in_place(operand, node.output)


def _lower_sum(node: Node, ctx: LoweringContext) -> None:
    low, high = fp.output_range(node.attrs["activation"], node.output)
    if ctx.target.dsp:
        kernel, struct, constants = "ek_add_s8_dsp", "ek_sum_params", lane_sum_fields(node)
        span: Fields = {"range": range_fields(low, high)}
    else:
        kernel, struct, constants = "ek_add_line_s8", "ek_line_params", line_fields(node)
        span = {"low": low, "span": high - low}
    if constants is None:
        _lower_by_rounding(node, ctx)
    else:
        _call(node, ctx, kernel, struct, {"walk": binary_fields(node), **constants, **span})


def _lower_product(node: Node, ctx: LoweringContext) -> None:
    """What repeats along the last axis comes second."""
    strides = [broadcast_strides(node.input(i).shape, node.output.shape) for i in range(2)]
    _, (a_steps, b_steps) = merged(node, node.output.shape, *strides)
    order = (1, 0) if a_steps[-1] < b_steps[-1] else (0, 1)
    constants = product_fields(node, order)
    if constants is None:
        _lower_by_rounding(node, ctx)
        return
    low, high = fp.output_range(node.attrs["activation"], node.output)
    fields: Fields = {"walk": binary_fields(node, order), **constants}
    if ctx.target.dsp:
        in_lanes: Fields = {"a_zero": lanes(constants["a_zero"] << 8), "zero": lanes(constants["zero"])}
        fields = {**fields, **in_lanes, "range": range_fields(low, high)}
        _call(node, ctx, "ek_mul_s8_dsp", "ek_product_params", fields, order)
    else:
        fields = {**fields, "low": low, "span": high - low}
        _call(node, ctx, "ek_mul_line_s8", "ek_product_line_params", fields, order)


def _lower_by_rounding(node: Node, ctx: LoweringContext) -> None:
    """ek_<op>_<type>, which rounds as the reference does, one element after the other."""
    low, high = fp.output_range(node.attrs["activation"], node.output)
    zeros: Fields = {"a_zero": fp.single_quant(node.input(0))[1], "b_zero": fp.single_quant(node.input(1))[1]}
    out: Fields = {"zero_point": fp.single_quant(node.output)[1], "low": low, "high": high}
    fields: Fields = {"walk": binary_fields(node), **zeros, **_scales(node), **out}
    _call(node, ctx, f"ek_{node.op}_s{8 * node.output.dtype.size}", "ek_arithmetic_params", fields)


def _call(
    node: Node, ctx: LoweringContext, kernel: str, struct: str, fields: Fields, order: tuple[int, int] = (0, 1)
) -> None:
    operands = (ctx.operand(node.input(i)) for i in order)
    ctx.call(kernel, ctx.struct(struct, fields), *operands, ctx.write(node.output))


def _scales(node: Node) -> Fields:
    if node.op in ("add", "sub"):
        scales = add_scales(node)
        return {
            "a_multiplier": scales.a[0], "a_shift": -scales.a[1],
            "b_multiplier": scales.b[0], "b_shift": -scales.b[1],
            "multiplier": scales.output[0], "shift": -scales.output[1],
        }  # fmt: skip
    if node.op == "mul":
        multiplier, shift = mul_scale(node)
        return {"multiplier": multiplier, "shift": -shift}
    return {"multiplier": div_scale(node)}


def lower_pow(node: Node, ctx: LoweringContext) -> None:
    """ek_pow_<type>, or ek_pow_s8 with its tables; operands of the result's size may be overwritten."""
    if not is_quantized(node):
        lower_plain_binary(node, ctx)
        return
    a, b, y = node.input(0), node.input(1), node.output
    multiplier, shift = exponent_scale(node)
    fields: Fields = {
        "walk": binary_fields(node), "a_zero": fp.single_quant(a)[1], "b_zero": fp.single_quant(b)[1],
        "multiplier": multiplier, "shift": shift, "offset": output_offset(node), "zero_point": fp.single_quant(y)[1],
    }  # fmt: skip
    tables = (
        ctx.constant("int32_t", logarithms(node).astype(np.int32)),
        ctx.constant("uint8_t", parities(node).astype(np.uint8)),
        ctx.constant("int32_t", powers_of_two().astype(np.int32)),
    )
    params = ctx.struct("ek_pow_s8_params", fields)
    ctx.call("ek_pow_s8", params, ctx.operand(a), ctx.operand(b), *tables, ctx.write(y))
    for operand in (a, b):
        if operand.shape == y.shape:
            ctx.allow_in_place(operand, y)
