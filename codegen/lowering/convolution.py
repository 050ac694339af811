"""conv2d, depthwise_conv2d and fully_connected to kernel calls, and the weight layouts that the kernels read."""

from __future__ import annotations

import numpy as np

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.requantize import channel_tables, output_fields, zero_of_weights
from edgekit.codegen.program import Fields
from edgekit.ir import Array, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.window import window_of


def window_fields(node: Node, kernel: tuple[int, int]) -> Fields:
    """The ek_window struct of a node that slides over H and W."""
    w = window_of(node, kernel)
    return {
        "in_h": w.input[0], "in_w": w.input[1], "in_c": node.input(0).shape[3],
        "out_h": w.output[0], "out_w": w.output[1], "out_c": node.output.shape[3],
        "kernel_h": w.kernel[0], "kernel_w": w.kernel[1],
        "stride_h": w.stride[0], "stride_w": w.stride[1],
        "dilation_h": w.dilation[0], "dilation_w": w.dilation[1],
        "pad_top": w.before[0], "pad_left": w.before[1],
    }  # fmt: skip


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
        "out": output_fields(node),
    }


def lower_conv2d(node: Node, ctx: LoweringContext) -> None:
    """ek_conv2d_s8, or its DSP form with two columns of scratch."""
    outputs, kernel_h, kernel_w, channels = node.input(1).shape
    table, codes = channel_tables(node, 0, 2 if ctx.target.dsp else 1)
    codes = codes.reshape(outputs, -1)
    records = ctx.constant("ek_channel", table)
    params = ctx.struct("ek_conv_params", _conv_fields(node, (kernel_h, kernel_w)))
    x, y = ctx.read(node.input(0)), ctx.write(node.output)
    if not ctx.target.dsp:
        ctx.call("ek_conv2d_s8", params, x, ctx.constant("int8_t", codes.reshape(-1)), records, y)
        return
    row = -(-codes.shape[1] // 4) * 4
    scratch = ctx.scratch(2 * 2 * row + (row if channels % 4 else 0))
    ctx.call("ek_conv2d_s8_dsp", params, x, ctx.constant("int8_t", interleave_rows(codes, 2)), records, y, scratch)


def lower_depthwise_conv2d(node: Node, ctx: LoweringContext) -> None:
    """ek_depthwise_conv2d_s8, or its DSP form where the channel multiplier is 1."""
    kernel_h, kernel_w, outputs = node.input(1).shape
    params = ctx.struct("ek_conv_params", _conv_fields(node, (kernel_h, kernel_w)))
    dsp = ctx.target.dsp and outputs == node.input(0).shape[3]
    table, codes = channel_tables(node, 2, 1)
    ctx.call(
        "ek_depthwise_conv2d_s8_dsp" if dsp else "ek_depthwise_conv2d_s8",
        params,
        ctx.read(node.input(0)),
        ctx.constant("int8_t", codes.reshape(-1)),
        ctx.constant("ek_channel", table),
        ctx.write(node.output),
    )


def lower_fully_connected(node: Node, ctx: LoweringContext) -> None:
    """ek_fully_connected_s8, or its DSP form with one widened row of scratch."""
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
