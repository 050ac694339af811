"""Operators whose integer definition is TFLite's own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgekit.codegen.lowering.coded_products import int8_weights
from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.dots import MOST_RIGHT, fours_of_matmul
from edgekit.codegen.lowering.int16 import channel_table, clamp_fields, rescale_fields, weight_table
from edgekit.codegen.lowering.levels import is_coded, levels_arguments, levels_table
from edgekit.codegen.lowering.plain import binary_fields, matmul_fields, reduce_fields
from edgekit.codegen.lowering.requantize import LARGEST_RIGHT, output_fields, zero_of_weights
from edgekit.codegen.lowering.tiling import Products, fastest_tiling
from edgekit.codegen.lowering.windows import batches
from edgekit.codegen.program import Arg, Fields, Literal
from edgekit.ir import DType, Node, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops import spec_of
from edgekit.ops.int_binary import INT_BINARY_OPS, IntBinary
from edgekit.ops.int_products import matmul_scale, product_reach
from edgekit.ops.int_reduce import product_scale, reverse_scale, scaled_differences, sum_scale
from edgekit.ops.matmul import matrix_shapes
from edgekit.ops.resize_bilinear import places_codes, places_f32
from edgekit.ops.softmax import softmax_scale
from edgekit.ops.tflite_fixed import upper_half


def lower_int_binary(node: Node, ctx: LoweringContext) -> None:
    """ek_<op>_s8 or _s16."""
    spec, a, b, y = spec_of(node.op), node.input(0), node.input(1), node.output
    assert isinstance(spec, IntBinary)
    scales = spec.scales(node)
    fields: Fields = {
        "walk": binary_fields(node),
        "a_zero": fp.single_quant(a)[1], "b_zero": fp.single_quant(b)[1],
        "a": rescale_fields(scales.a), "b": rescale_fields(scales.b), "output": rescale_fields(scales.output),
        "zero_point": 0 if y.dtype is DType.BOOL else fp.single_quant(y)[1],
    }  # fmt: skip
    params = ctx.struct("ek_int_binary_params", fields)
    ctx.call(f"ek_{node.op}_{suffix(a)}", params, ctx.operand(a), ctx.operand(b), ctx.write(y))
    for operand in (a, b):
        if operand.shape == y.shape and operand.dtype.size == y.dtype.size:
            ctx.allow_in_place(operand, y)


def lower_int_reduce(node: Node, ctx: LoweringContext) -> None:
    """ek_int_reduce_sum_<type> for sums and means, ek_int_reduce_prod_<type> for products."""
    x, y = node.input(0), node.output
    product = node.op == "int_reduce_prod"
    multiplier, shift = product_scale(node) if product else (0, 0)
    fields: Fields = {
        "walk": reduce_fields(node), "input_zero": fp.single_quant(x)[1],
        "scale": rescale_fields((0, 0) if product else sum_scale(node)),
        "multiplier": upper_half(multiplier), "shift": 15 - shift, "zero_point": fp.single_quant(y)[1],
    }  # fmt: skip
    params = ctx.struct("ek_int_reduce_params", fields)
    ctx.call(f"ek_int_reduce_{'prod' if product else 'sum'}_{suffix(x)}", params, ctx.operand(x), ctx.write(y))


def suffix(value: Value) -> str:
    """How kernels on a value's codes or numbers end."""
    return f"s{8 * value.dtype.size}" if value.quant is not None else value.dtype.suffix


def lower_l2_normalization(node: Node, ctx: LoweringContext) -> None:
    """ek_l2_normalization_s8."""
    x, y = node.input(0), node.output
    width = x.shape[-1]
    zero = Literal(fp.single_quant(x)[1])
    ctx.call(f"ek_{node.op}_s8", Literal(x.elements // width), Literal(width), zero, ctx.operand(x), ctx.write(y))
    ctx.allow_in_place(x, y)


def lower_int_log_softmax(node: Node, ctx: LoweringContext) -> None:
    """ek_int_log_softmax_s8 with all 256 differences and their exponentials."""
    x, y = node.input(0), node.output
    width = x.shape[-1]
    differences, exponentials = (ctx.constant("int32_t", t.astype(np.int32)) for t in scaled_differences(node))
    fields: Fields = {
        "rows": x.elements // width, "width": width, "least": softmax_scale(node).diff_min - 1,
        "back": rescale_fields(reverse_scale(node)),
    }  # fmt: skip
    params = ctx.struct("ek_int_log_softmax_params", fields)
    ctx.call(f"ek_{node.op}_s8", params, ctx.operand(x), differences, exponentials, ctx.write(y))
    ctx.allow_in_place(x, y)


def _transposed_window(node: Node) -> Fields:
    """The ek_window of a transposed convolution: in is its input, the padding what is cut off of the full result."""
    x, w, y, (stride_h, stride_w) = node.input(0).shape, node.input(1).shape, node.output.shape, node.attrs["stride"]
    top, left = node.attrs["before"]
    return {
        "in_h": x[1], "in_w": x[2], "in_c": x[3], "out_h": y[1], "out_w": y[2], "out_c": y[3],
        "kernel_h": w[1], "kernel_w": w[2], "stride_h": stride_h, "stride_w": stride_w,
        "dilation_h": 1, "dilation_w": 1, "pad_top": top, "pad_left": left,
    }  # fmt: skip


def lower_transpose_conv2d(node: Node, ctx: LoweringContext) -> None:
    """ek_transpose_conv2d_<type>, codes per image."""
    x, y, window = node.input(0), node.output, _transposed_window(node)
    if x.dtype is DType.FLOAT32:
        low, high = fp.ACTIVATIONS[node.attrs["activation"]]
        fields: Fields = {"window": window, "batch": x.shape[0], "groups": 1, "low": float(low), "high": float(high)}
        bias = node.optional_input(2)
        table: Arg = Literal(0) if bias is None else ctx.constant("float", bias.array)
        weights = ctx.constant("float", node.input(1).array.reshape(-1))
        params = ctx.struct("ek_conv_f32_params", fields)
        ctx.call(f"ek_{node.op}_f32", params, ctx.read(x), weights, table, ctx.write(y))
        return
    if x.dtype is DType.INT16:
        records: Arg = channel_table(node, 0, ctx)
        params = ctx.struct("ek_conv_s16_params", {"window": window, "groups": 1, **clamp_fields(node)})
        codes: Arg = weight_table(node.input(1).array, ctx)
    else:
        tables = int8_weights(node, ctx)
        records, codes = tables.records, tables.weights
        fields = {
            "window": window, "input_zero": fp.single_quant(x)[1], "weight_zero": zero_of_weights(node),
            "out": output_fields(node),
        }  # fmt: skip
        params = ctx.struct("ek_transpose_conv2d_params", fields)
    for image, result in batches(node, ctx):
        ctx.call(f"ek_{node.op}_{suffix(x)}", params, image, codes, records, result)


def lower_int_matmul(node: Node, ctx: LoweringContext) -> None:
    """ek_int_matmul_s8 by rows, or its vector or DSP form where twice the accumulators fit 32 bits;
    ek_int_matmul_levels or its DSP form where a is codes of a grid; or ek_int_matmul_s16.
    """
    a, b, y = node.input(0), node.input(1), node.output
    scale, wide = matmul_scale(node), y.dtype is DType.INT16
    walk = matmul_fields(node)
    fields: Fields = {
        "walk": walk, "y_row": ctx.row_pitch(y),
        "a_zero": fp.single_quant(a)[1], "b_zero": fp.single_quant(b)[1],
        "scale": rescale_fields((0, 0) if wide else scale),
        "multiplier": upper_half(scale[0]) if wide else 0, "shift": 15 - scale[1] if wide else 0,
        "zero_point": fp.single_quant(y)[1],
    }  # fmt: skip
    params = ctx.struct("ek_int_matmul_params", fields)
    rows, depth, columns = *matrix_shapes(node)[0][-2:], y.shape[-1]
    if wide:
        ctx.call(f"ek_{node.op}_s16", params, ctx.operand(a), ctx.operand(b), ctx.write(y))
        return
    small = (depth * product_reach(node.input(0).quant)) << max(scale[1], 0) < 1 << 30
    rounding = "twice" if small and -LARGEST_RIGHT <= scale[1] <= -1 else "any"
    coded = is_coded(a)
    if coded and not (ctx.target.dsp and small and walk["a_column"] == 1):
        operands = levels_table(a, ctx), ctx.operand(a), ctx.operand(b), ctx.write(y)
        ctx.call("ek_int_matmul_levels", params, *operands, ctx.scratch(2 * depth))
        return
    if not ctx.target.dsp or not small:
        copied = (walk["a_column"] != 1) + (walk["b_row"] != 1)
        scratch = ctx.scratch(4 * rows + 2 * depth * copied)
        ctx.call(f"ek_{node.op}_s8_{rounding}", params, ctx.operand(a), ctx.operand(b), ctx.write(y), scratch)
        return
    if ctx.target.mve and not coded and -MOST_RIGHT <= scale[1] <= -1:
        fours, size = fours_of_matmul(depth, columns, ctx.room())
        ctx.call(
            f"ek_{node.op}_s8_mve", params, Literal(fours), ctx.operand(a), ctx.operand(b), ctx.write(y),
            ctx.scratch(size),
        )  # fmt: skip
        return
    turned = not node.attrs["transpose_b"]
    tiling = fastest_tiling(Products(rows, columns, 1, depth, depth, True, turned, levels=coded), ctx.room())
    levels, table_of_levels = levels_arguments(a, ctx)
    ctx.call(
        f"ek_{node.op}_s8_dsp_{levels}{rounding}", params, ctx.struct("ek_tiling", tiling.fields), *table_of_levels,
        ctx.operand(a), ctx.operand(b), ctx.write(y), ctx.scratch(tiling.scratch),
    )  # fmt: skip


def lower_resize_bilinear(node: Node, ctx: LoweringContext) -> None:
    """ek_resize_bilinear_<type> with tables of the neighbours of every row and column."""
    x, y = node.input(0), node.output
    fields: Fields = {
        "batch": x.shape[0], "in_h": x.shape[1], "in_w": x.shape[2], "channels": x.shape[3],
        "out_h": y.shape[1], "out_w": y.shape[2],
    }  # fmt: skip
    params = ctx.struct("ek_resize_bilinear_params", fields)
    tables: list[Arg] = []
    for axis in range(2):
        if x.dtype is DType.FLOAT32:
            places, fractions = places_f32(node, axis)
            tables += [ctx.constant("int32_t", places.astype(np.int32).reshape(-1)), ctx.constant("float", fractions)]
        else:
            places, fractions = places_codes(node, axis)
            rows = np.concatenate([places, fractions[:, None]], axis=1)
            tables.append(ctx.constant("int32_t", rows.astype(np.int32).reshape(-1)))
    ctx.call(f"ek_{node.op}_{suffix(x)}", params, ctx.read(x), *tables, ctx.write(y))


INTEGER_RULES: dict[str, Callable[[Node, LoweringContext], None]] = {
    **{spec.name: lower_int_binary for spec in INT_BINARY_OPS},
    "transpose_conv2d": lower_transpose_conv2d,
    "int_matmul": lower_int_matmul,
    "resize_bilinear": lower_resize_bilinear,
    "int_mean": lower_int_reduce,
    "int_reduce_sum": lower_int_reduce,
    "int_reduce_prod": lower_int_reduce,
    "l2_normalization": lower_l2_normalization,
    "int_log_softmax": lower_int_log_softmax,
}
