"""conv2d, depthwise_conv2d and fully_connected to kernel calls, and the weight layouts that the kernels read."""

from __future__ import annotations

import numpy as np

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.float_products import (
    lower_conv2d_f32,
    lower_depthwise_conv2d_f32,
    lower_fully_connected_f32,
)
from edgekit.codegen.lowering.int16 import lower_fully_connected_s16, lower_windowed_s16
from edgekit.codegen.lowering.requantize import channel_tables, output_fields, zero_of_weights
from edgekit.codegen.lowering.windows import batches, window_fields
from edgekit.codegen.program import Fields
from edgekit.ir import Array, DType, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.conv2d import groups_of


def interleave_rows(weights: Array, group: int) -> Array:
    """[rows, k] int8 to the DSP kernels' order: groups of `group` rows, alternating every four inputs, zero padded."""
    rows, k = weights.shape
    padded = np.zeros((-(-rows // group) * group, -(-k // 4) * 4), np.int8)
    padded[:rows, :k] = weights
    blocks = padded.reshape(padded.shape[0] // group, group, padded.shape[1] // 4, 4)
    return np.ascontiguousarray(blocks.transpose(0, 2, 1, 3)).reshape(-1)


def _conv_fields(node: Node, kernel: tuple[int, int]) -> Fields:
    return {
        "window": window_fields(node, kernel),
        "input_zero": fp.single_quant(node.input(0))[1],
        "weight_zero": zero_of_weights(node),
        "groups": groups_of(node),
        "out": output_fields(node),
    }


def lower_conv2d(node: Node, ctx: LoweringContext) -> None:
    """ek_conv2d_s8, or for one group its DSP form with two columns of scratch."""
    if node.input(0).dtype is DType.FLOAT32:
        lower_conv2d_f32(node, ctx)
        return
    if node.input(0).dtype is DType.INT16:
        lower_windowed_s16(node, ctx)
        return
    outputs, kernel_h, kernel_w, channels = node.input(1).shape
    groups = groups_of(node)
    dsp = ctx.target.dsp and groups == 1
    table, codes = channel_tables(node, 0, 2 if dsp else 1)
    codes = codes.reshape(outputs, -1)
    records = ctx.constant("ek_channel", table)
    params = ctx.struct("ek_conv_params", _conv_fields(node, (kernel_h, kernel_w)))
    if not dsp:
        plain = ctx.constant("int8_t", codes.reshape(-1))
        for x, y in batches(node, ctx):
            ctx.call("ek_conv2d_s8", params, x, plain, records, y)
        return
    row = -(-codes.shape[1] // 4) * 4
    scratch = ctx.scratch(2 * 2 * row + (row if channels % 4 else 0))
    packed = ctx.constant("int8_t", interleave_rows(codes, 2))
    for x, y in batches(node, ctx):
        ctx.call("ek_conv2d_s8_dsp", params, x, packed, records, y, scratch)


def lower_depthwise_conv2d(node: Node, ctx: LoweringContext) -> None:
    """ek_depthwise_conv2d_s8, or its DSP form where the channel multiplier is 1."""
    if node.input(0).dtype is DType.FLOAT32:
        lower_depthwise_conv2d_f32(node, ctx)
        return
    if node.input(0).dtype is DType.INT16:
        lower_windowed_s16(node, ctx)
        return
    kernel_h, kernel_w, outputs = node.input(1).shape
    params = ctx.struct("ek_conv_params", _conv_fields(node, (kernel_h, kernel_w)))
    dsp = ctx.target.dsp and outputs == node.input(0).shape[3]
    table, codes = channel_tables(node, 2, 1)
    weights, records = ctx.constant("int8_t", codes.reshape(-1)), ctx.constant("ek_channel", table)
    for x, y in batches(node, ctx):
        ctx.call("ek_depthwise_conv2d_s8_dsp" if dsp else "ek_depthwise_conv2d_s8", params, x, weights, records, y)


def lower_fully_connected(node: Node, ctx: LoweringContext) -> None:
    """ek_fully_connected_s8, or its DSP form with one widened row of scratch."""
    if node.input(0).dtype is DType.FLOAT32:
        lower_fully_connected_f32(node, ctx)
        return
    if node.input(0).dtype is DType.INT16:
        lower_fully_connected_s16(node, ctx)
        return
    outputs, inputs = node.input(1).shape
    params = ctx.struct(
        "ek_fully_connected_params",
        {
            "rows": node.input(0).elements // inputs,
            "inputs": inputs,
            "outputs": outputs,
            "input_zero": fp.single_quant(node.input(0))[1],
            "weight_zero": zero_of_weights(node),
            "out": output_fields(node),
        },
    )
    table, codes = channel_tables(node, 0, 4 if ctx.target.dsp else 1)
    records = ctx.constant("ek_channel", table)
    x, y = ctx.read(node.input(0)), ctx.write(node.output)
    if not ctx.target.dsp:
        ctx.call("ek_fully_connected_s8", params, x, ctx.constant("int8_t", codes.reshape(-1)), records, y)
        return
    packed = ctx.constant("int8_t", interleave_rows(codes, 4))
    ctx.call("ek_fully_connected_s8_dsp", params, x, packed, records, y, ctx.scratch(2 * (-(-inputs // 4) * 4)))
