"""conv2d, depthwise_conv2d, fully_connected, pooling and softmax in float32."""

from __future__ import annotations

import numpy as np

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.windows import window_fields
from edgekit.codegen.program import Arg, Fields, Literal
from edgekit.ir import Array, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.conv2d import groups_of

# EK_F32_BLOCK of runtime_c/include/ek_float.h.
BLOCK = 8


def blocked(rows: Array, groups: int) -> Array:
    """[O, K] float32 to the kernels' order: per group blocks of up to 8 outputs, each [K, block]."""
    table, start = np.empty(rows.size, np.float32), 0
    for group in np.split(rows, groups):
        for first in range(0, len(group), BLOCK):
            block = group[first : first + BLOCK].T
            table[start : start + block.size].reshape(block.shape)[:] = block
            start += block.size
    return table


def clamp_fields(node: Node) -> Fields:
    """low and high of a fused activation."""
    low, high = fp.ACTIVATIONS[node.attrs["activation"]]
    return {"low": float(low), "high": float(high)}


def _bias(node: Node, ctx: LoweringContext) -> Arg:
    bias = node.optional_input(2)
    return Literal(0) if bias is None else ctx.constant("float", bias.array)


def _conv_params(node: Node, kernel: tuple[int, int], ctx: LoweringContext, groups: int) -> Arg:
    fields: Fields = {
        "window": window_fields(node, kernel), "batch": node.input(0).shape[0], "groups": groups, **clamp_fields(node)
    }  # fmt: skip
    return ctx.struct("ek_conv_f32_params", fields)


def lower_conv2d_f32(node: Node, ctx: LoweringContext) -> None:
    """ek_conv2d_f32."""
    weights, groups = node.input(1).array, groups_of(node)
    params = _conv_params(node, (weights.shape[1], weights.shape[2]), ctx, groups)
    table = ctx.constant("float", blocked(weights.reshape(len(weights), -1), groups))
    ctx.call("ek_conv2d_f32", params, ctx.read(node.input(0)), table, _bias(node, ctx), ctx.write(node.output))


def lower_depthwise_conv2d_f32(node: Node, ctx: LoweringContext) -> None:
    """ek_depthwise_conv2d_f32."""
    weights = node.input(1).array
    params = _conv_params(node, (weights.shape[0], weights.shape[1]), ctx, 1)
    table = ctx.constant("float", weights.reshape(-1))
    ctx.call(
        "ek_depthwise_conv2d_f32", params, ctx.read(node.input(0)), table, _bias(node, ctx), ctx.write(node.output)
    )


def lower_fully_connected_f32(node: Node, ctx: LoweringContext) -> None:
    """ek_fully_connected_f32."""
    outputs, inputs = node.input(1).shape
    fields: Fields = {
        "rows": node.output.elements // outputs, "inputs": inputs, "outputs": outputs, **clamp_fields(node)
    }  # fmt: skip
    params = ctx.struct("ek_fully_connected_f32_params", fields)
    table = ctx.constant("float", blocked(node.input(1).array, 1))
    ctx.call("ek_fully_connected_f32", params, ctx.read(node.input(0)), table, _bias(node, ctx), ctx.write(node.output))


def lower_pool_f32(node: Node, ctx: LoweringContext) -> None:
    """ek_avg_pool2d_f32 or ek_max_pool2d_f32."""
    kernel = fp.as_pair(node.attrs["kernel"])
    _, _, bottom, right = node.attrs["padding"]
    fields: Fields = {
        "window": window_fields(node, kernel), "batch": node.input(0).shape[0],
        "count_padding": int(bool(node.attrs.get("count_padding", False))),
        "pad_bottom": bottom, "pad_right": right, **clamp_fields(node),
    }  # fmt: skip
    params = ctx.struct("ek_pool_f32_params", fields)
    ctx.call(f"ek_{node.op}_f32", params, ctx.read(node.input(0)), ctx.write(node.output))


def lower_softmax_f32(node: Node, ctx: LoweringContext) -> None:
    """ek_softmax_f32."""
    x, y = node.input(0), node.output
    width = x.shape[-1]
    rows = Literal(x.elements // max(width, 1))
    ctx.call("ek_softmax_f32", rows, Literal(width), Literal(float(node.attrs["beta"])), ctx.read(x), ctx.write(y))
    ctx.allow_in_place(x, y)
