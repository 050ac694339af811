"""Operators whose integer definition is TFLite's own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.plain import binary_fields, reduce_fields
from edgekit.codegen.program import Fields, Literal
from edgekit.ir import DType, Node, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops import spec_of
from edgekit.ops.softmax import softmax_scale
from edgekit.ops.tflite_binary import TFLITE_BINARY_OPS, TfliteBinary
from edgekit.ops.tflite_fixed import upper_half
from edgekit.ops.tflite_reduce import product_scale, reverse_scale, scaled_differences, sum_scale


def rescale_fields(scale: tuple[int, int]) -> Fields:
    """The ek_rescale struct of (multiplier, shift)."""
    multiplier, shift = int(scale[0]), int(scale[1])
    return {"multiplier": multiplier, "left": max(shift, 0), "right": max(-shift, 0)}


def lower_tflite_binary(node: Node, ctx: LoweringContext) -> None:
    """ek_<op>_s8."""
    spec, a, b, y = spec_of(node.op), node.input(0), node.input(1), node.output
    assert isinstance(spec, TfliteBinary)
    scales = spec.scales(node)
    fields: Fields = {
        "walk": binary_fields(node),
        "a_zero": fp.single_quant(a)[1], "b_zero": fp.single_quant(b)[1],
        "a": rescale_fields(scales.a), "b": rescale_fields(scales.b), "output": rescale_fields(scales.output),
        "zero_point": 0 if y.dtype is DType.BOOL else fp.single_quant(y)[1],
    }  # fmt: skip
    params = ctx.struct("ek_tflite_binary_params", fields)
    ctx.call(f"ek_{node.op}_s8", params, ctx.operand(a), ctx.operand(b), ctx.write(y))
    for operand in (a, b):
        if operand.shape == y.shape:
            ctx.allow_in_place(operand, y)


def lower_tflite_reduce(node: Node, ctx: LoweringContext) -> None:
    """ek_tflite_sum_<type> for sums and means, ek_tflite_prod_<type> for products."""
    x, y = node.input(0), node.output
    product = node.op == "tflite_prod"
    multiplier, shift = product_scale(node) if product else (0, 0)
    fields: Fields = {
        "walk": reduce_fields(node), "input_zero": fp.single_quant(x)[1],
        "scale": rescale_fields((0, 0) if product else sum_scale(node)),
        "multiplier": upper_half(multiplier), "shift": 15 - shift, "zero_point": fp.single_quant(y)[1],
    }  # fmt: skip
    params = ctx.struct("ek_tflite_reduce_params", fields)
    ctx.call(f"ek_tflite_{'prod' if product else 'sum'}_{suffix(x)}", params, ctx.operand(x), ctx.write(y))


def suffix(value: Value) -> str:
    """How kernels on a value's codes or numbers end."""
    return f"s{8 * value.dtype.size}" if value.quant is not None else value.dtype.suffix


def lower_tflite_l2_normalization(node: Node, ctx: LoweringContext) -> None:
    """ek_tflite_l2_normalization_s8."""
    x, y = node.input(0), node.output
    width = x.shape[-1]
    zero = Literal(fp.single_quant(x)[1])
    ctx.call(f"ek_{node.op}_s8", Literal(x.elements // width), Literal(width), zero, ctx.operand(x), ctx.write(y))
    ctx.allow_in_place(x, y)


def lower_tflite_log_softmax(node: Node, ctx: LoweringContext) -> None:
    """ek_tflite_log_softmax_s8 with all 256 differences and their exponentials."""
    x, y = node.input(0), node.output
    width = x.shape[-1]
    differences, exponentials = (ctx.constant("int32_t", t.astype(np.int32)) for t in scaled_differences(node))
    fields: Fields = {
        "rows": x.elements // width, "width": width, "least": softmax_scale(node).diff_min - 1,
        "back": rescale_fields(reverse_scale(node)),
    }  # fmt: skip
    params = ctx.struct("ek_tflite_log_softmax_params", fields)
    ctx.call(f"ek_{node.op}_s8", params, ctx.operand(x), differences, exponentials, ctx.write(y))
    ctx.allow_in_place(x, y)


TFLITE_RULES: dict[str, Callable[[Node, LoweringContext], None]] = {
    **{spec.name: lower_tflite_binary for spec in TFLITE_BINARY_OPS},
    "tflite_mean": lower_tflite_reduce,
    "tflite_sum": lower_tflite_reduce,
    "tflite_prod": lower_tflite_reduce,
    "tflite_l2_normalization": lower_tflite_l2_normalization,
    "tflite_log_softmax": lower_tflite_log_softmax,
}
