"""add, sub, mul, div and pow of int8 codes."""

from __future__ import annotations

import numpy as np

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.plain import binary_fields, lower_plain_binary
from edgekit.codegen.program import Fields
from edgekit.ir import DType, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.arithmetic import add_scales, div_scale, mul_scale
from edgekit.ops.power import exponent_scale, logarithms, output_offset, parities, powers_of_two
from edgekit.ops.spec import is_quantized


def lower_arithmetic(node: Node, ctx: LoweringContext) -> None:
    """ek_add_s8 for a sum of equal shapes; the broadcasting kernels otherwise (int16: always). Operands of the result's
    size may be overwritten.
    """
    if not is_quantized(node):
        lower_plain_binary(node, ctx)
        return
    a, b, y = node.input(0), node.input(1), node.output
    low, high = fp.output_range(node.attrs["activation"], y)
    zeros: Fields = {"a_zero": fp.single_quant(a)[1], "b_zero": fp.single_quant(b)[1]}
    out: Fields = {"zero_point": fp.single_quant(y)[1], "low": low, "high": high}
    wide = y.dtype is DType.INT16
    if node.op == "add" and not wide and a.shape == b.shape and not (a.is_constant or b.is_constant):
        params = ctx.struct("ek_add_params", {"elements": y.elements, **zeros, **_scales(node), **out})
        ctx.call("ek_add_s8", params, ctx.read(a), ctx.read(b), ctx.write(y))
    else:
        fields: Fields = {"walk": binary_fields(node), **zeros, **_scales(node), **out}
        narrow = "ek_add_broadcast_s8" if node.op == "add" else f"ek_{node.op}_s8"
        kernel = f"ek_{node.op}_s16" if wide else narrow
        ctx.call(kernel, ctx.struct("ek_arithmetic_params", fields), ctx.operand(a), ctx.operand(b), ctx.write(y))
    for operand in (a, b):
        if operand.shape == y.shape:
            ctx.allow_in_place(operand, y)


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
