"""add, sub, mul, div and pow of int8 codes."""

from __future__ import annotations

import numpy as np

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.linear_codes import product_fields, range_fields, sum_fields
from edgekit.codegen.lowering.plain import binary_fields, lower_plain_binary
from edgekit.codegen.lowering.walk import broadcast_strides, merged
from edgekit.codegen.program import Fields
from edgekit.ir import DType, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.arithmetic import add_scales, div_scale, mul_scale
from edgekit.ops.power import exponent_scale, logarithms, output_offset, parities, powers_of_two
from edgekit.ops.spec import is_quantized


def lower_arithmetic(node: Node, ctx: LoweringContext) -> None:
    """Kernels by what they can do: ek_<op>_s8_dsp where the core has lanes and the constants are exact, then ek_add_s8
    for a sum of equal shapes, then the broadcasting kernels (int16: always). Operands of the result's size may be
    overwritten.
    """
    if not is_quantized(node):
        lower_plain_binary(node, ctx)
        return
    if not (ctx.target.dsp and node.output.dtype is DType.INT8 and _lower_lanes(node, ctx)):
        _lower_by_element(node, ctx)
    for operand in (node.input(0), node.input(1)):
        if operand.shape == node.output.shape:
            ctx.allow_in_place(operand, node.output)


def _lower_lanes(node: Node, ctx: LoweringContext) -> bool:
    """Call the kernel of four codes at once; False where there is none with exact constants."""
    if node.op == "div":
        return False
    span = {"range": range_fields(*fp.output_range(node.attrs["activation"], node.output))}
    order = (0, 1)
    if node.op == "mul":
        steps = [broadcast_strides(node.input(i).shape, node.output.shape) for i in order]
        _, (a_steps, b_steps) = merged(node, node.output.shape, *steps)
        order = (1, 0) if a_steps[-1] < b_steps[-1] else (0, 1)
        kernel, struct, constants = "ek_mul_s8_dsp", "ek_product_params", product_fields(node, order)
    else:
        kernel, struct, constants = "ek_add_s8_dsp", "ek_sum_params", sum_fields(node)
    if constants is None:
        return False
    params = ctx.struct(struct, {"walk": binary_fields(node, order), **constants, **span})
    ctx.call(kernel, params, *(ctx.operand(node.input(i)) for i in order), ctx.write(node.output))
    return True


def _lower_by_element(node: Node, ctx: LoweringContext) -> None:
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
