"""Operators over 1 to 3 spatial axes of plain numbers, in the layout [N, C, *spatial]."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgekit.codegen.lowering.coded_products import int8_weights
from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.requantize import output_fields, zero_of_weights
from edgekit.codegen.program import Arg, Fields, Literal
from edgekit.ir import Node
from edgekit.ops import fixed_point as fp
from edgekit.ops import spec_of
from edgekit.ops.conv import Conv, ConvTranspose
from edgekit.ops.integer_norm import OFFSET_BITS
from edgekit.ops.layer_norm import LayerNorm, block_of
from edgekit.ops.resample import Resample, outer_and_inner
from edgekit.ops.spatial import MAX_SPATIAL, Grid, split_padding
from edgekit.ops.spatial_pool import SpatialAvgPool, SpatialMaxPool, index_steps
from edgekit.ops.spec import is_quantized


def three(values: Sequence[int], fill: int = 1) -> list[int]:
    """Numbers per axis, with `fill` in front where there are fewer than three axes."""
    return [fill] * (MAX_SPATIAL - len(values)) + [int(v) for v in values]


def grid_fields(grid: Grid) -> Fields:
    """The ek_grid struct."""
    return {
        "wide": three(grid.wide), "narrow": three(grid.narrow), "kernel": three(grid.kernel),
        "stride": three(grid.stride), "dilation": three(grid.dilation), "before": three(grid.before, 0),
    }  # fmt: skip


def lower_conv(node: Node, ctx: LoweringContext) -> None:
    """ek_conv_<type> or ek_conv_transpose_<type>; ek_conv_s8 of codes."""
    spec, x, y, bias = spec_of(node.op), node.input(0), node.output, node.optional_input(2)
    assert isinstance(spec, (Conv, ConvTranspose))
    fields: Fields = {
        "grid": grid_fields(spec.grid(node)), "batch": x.shape[0], "groups": node.attrs["groups"],
        "in_c": x.shape[1], "out_c": y.shape[1],
    }  # fmt: skip
    if is_quantized(node):
        _lower_conv_s8(node, ctx, fields)
        return
    addend: Arg = Literal(0) if bias is None else ctx.operand(bias)
    params = ctx.struct("ek_conv_spatial_params", fields)
    ctx.call(f"ek_{node.op}_{x.dtype.suffix}", params, ctx.operand(x), ctx.operand(node.input(1)), addend, ctx.write(y))


def _lower_conv_s8(node: Node, ctx: LoweringContext, spatial: Fields) -> None:
    tables = int8_weights(node, ctx)
    fields: Fields = {
        "spatial": spatial, "input_zero": fp.single_quant(node.input(0))[1], "weight_zero": zero_of_weights(node),
        "out": output_fields(node),
    }  # fmt: skip
    params = ctx.struct("ek_conv_s8_params", fields)
    ctx.call("ek_conv_s8", params, ctx.read(node.input(0)), tables.weights, tables.records, ctx.write(node.output))


def lower_spatial_pool(node: Node, ctx: LoweringContext) -> None:
    """ek_avg_pool_<type> or ek_max_pool_<type>."""
    spec, x, y = spec_of(node.op), node.input(0), node.outputs[0]
    assert isinstance(spec, (SpatialAvgPool, SpatialMaxPool))
    divisor = node.attrs.get("divisor", "none")
    fields: Fields = {
        "grid": grid_fields(spec.grid(node)), "planes": x.shape[0] * x.shape[1],
        "divides": int(divisor != "none"), "padded": int(divisor == "padded"),
        "after": three(split_padding(node)[1], 0), "index_step": three(index_steps(node), 0),
    }  # fmt: skip
    args: list[Arg] = [ctx.struct("ek_pool_spatial_params", fields), ctx.operand(x), ctx.write(y)]
    if node.op == "max_pool":
        args.append(ctx.write(node.outputs[1]) if len(node.outputs) > 1 else Literal(0))
    ctx.call(f"ek_{node.op}_{x.dtype.suffix}", *args)


def lower_max_unpool(node: Node, ctx: LoweringContext) -> None:
    """ek_max_unpool_<bits>."""
    x, y = node.input(0), node.output
    bits = 8 * x.dtype.size
    ctx.call(
        f"ek_max_unpool_{bits}", Literal(x.elements), Literal(y.elements), ctx.operand_as(x, f"uint{bits}_t"),
        ctx.operand(node.input(1)), ctx.write(y, f"uint{bits}_t"),
    )  # fmt: skip


# Of ek_norm_rows_s8: the high word alone is shifted, and a zero point shifted left fits 64 bits with the rest.
NORM_SHIFTS = (32, 52)


def _lower_norm_s8(node: Node, ctx: LoweringContext) -> None:
    spec, x, y = spec_of(node.op), node.input(0), node.output
    assert isinstance(spec, LayerNorm)
    constants, channels, repeats = spec.constants(node)
    width = math.prod(x.shape[node.attrs["axis"] :])
    fields: Fields = {
        "rows": x.elements // width, "width": width, "channels": channels, "repeats": repeats,
        "input_zero": fp.single_quant(x)[1], "centred": int(node.attrs["centred"]), "epsilon": constants.epsilon,
        "fraction": constants.fraction, "shift": constants.shift, "zero_point": fp.single_quant(y)[1],
    }  # fmt: skip
    params, scale = ctx.struct("ek_norm_params", fields), ctx.constant("int32_t", constants.scale.astype(np.int32))
    own = (channels, repeats) == (width, 1) and NORM_SHIFTS[0] <= constants.shift <= NORM_SHIFTS[1]
    reach = int(np.abs(constants.offset).max(initial=0)) << (constants.shift - OFFSET_BITS)
    if own and reach < 1 << 60:
        half, zero = 1 << (constants.shift - 1), fp.single_quant(y)[1] << constants.shift
        added = (constants.offset << (constants.shift - OFFSET_BITS)) + half + zero
        ctx.call("ek_norm_rows_s8", params, ctx.read(x), scale, ctx.constant("int64_t", added), ctx.write(y))
    else:
        offset = ctx.constant("int32_t", constants.offset.astype(np.int32))
        ctx.call("ek_norm_s8", params, ctx.read(x), scale, offset, ctx.write(y))
    ctx.allow_in_place(x, y)


def lower_layer_norm(node: Node, ctx: LoweringContext) -> None:
    """ek_layer_norm_f32, or ek_norm_s8; the input may be overwritten."""
    x, y = node.input(0), node.output
    if is_quantized(node):
        _lower_norm_s8(node, ctx)
        return
    width = math.prod(x.shape[node.attrs["axis"] :])
    fields: dict[str, int | float] = {
        "rows": x.elements // width, "width": width, "centred": int(node.attrs["centred"]),
        "epsilon": float(node.attrs["epsilon"]),
    }  # fmt: skip
    operands: list[Arg] = []
    for index, key in ((1, "scale"), (2, "bias")):
        value = node.optional_input(index)
        count, repeats = (1, 1) if value is None else block_of(node, value.shape)
        fields |= {f"{key}_count": count, f"{key}_repeats": repeats}
        operands.append(Literal(0) if value is None else ctx.operand(value))
    params = ctx.struct("ek_layer_norm_params", fields)
    ctx.call("ek_layer_norm_f32", params, ctx.operand(x), *operands, ctx.write(y))
    ctx.allow_in_place(x, y)


def lower_resample(node: Node, ctx: LoweringContext) -> None:
    """ek_resample_f32 or ek_resample_s8."""
    x, places, weights = node.input(0), node.input(1), node.input(2)
    spec = spec_of(node.op)
    assert isinstance(spec, Resample)
    outer, inner = outer_and_inner(node)
    fields: Fields = {
        "outer": outer, "in": x.shape[node.attrs["axis"]], "out": places.shape[0], "inner": inner,
        "taps": places.shape[1], "zero_point": fp.single_quant(x)[1] if is_quantized(node) else 0,
    }  # fmt: skip
    params = ctx.struct("ek_resample_params", fields)
    if is_quantized(node):
        table = ctx.constant("int16_t", spec.integer_weights(node).reshape(-1))
        ctx.call("ek_resample_s8", params, ctx.read(x), ctx.operand(places), table, ctx.write(node.output))
        return
    ctx.call(
        "ek_resample_f32", params, ctx.operand(x), ctx.operand(places), ctx.operand(weights), ctx.write(node.output)
    )
