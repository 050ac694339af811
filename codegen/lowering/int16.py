"""Products of symmetric int16 activations with int8 weights."""

from __future__ import annotations

import numpy as np

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.windows import batches, window_fields
from edgekit.codegen.program import ConstantArg, Fields
from edgekit.errors import UnsupportedModel
from edgekit.ir import Array, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.conv2d import bias_or_zero, groups_of
from edgekit.ops.tflite_fixed import upper_half

# Accumulators that the rescaling in 64 bits can take.
ACCUMULATOR_LIMIT = 1 << 46


def channel_table(node: Node, channel_axis: int, ctx: LoweringContext) -> ConstantArg:
    """The ek_channel_64 records of a node: bias, multiplier (16 bits; 31 for fully connected layers), shift.

    Raises UnsupportedModel where an accumulator could leave 47 bits.
    """
    weights = node.input(1).array
    channels = weights.shape[channel_axis]
    scales = fp.product_multipliers(
        node.input(0), node.input(1), node.output, bool(node.attrs.get("single_precision_scale"))
    )
    multiplier, shift = (np.broadcast_to(s, channels) for s in scales)
    bias = np.broadcast_to(np.asarray(bias_or_zero(node), np.int64), channels)
    axes = tuple(a for a in range(weights.ndim) if a != channel_axis)
    reach = np.abs(weights.astype(np.int64)).sum(axis=axes) * (1 << 15) + np.abs(bias)
    if (reach >= ACCUMULATOR_LIMIT).any() or (bias == np.iinfo(np.int64).min).any():
        raise UnsupportedModel(
            f"layer {node.name!r} ({node.op}): an accumulator can reach {int(reach.max())}, too large for the kernel; "
            "lower its bias"
        )
    full = node.op == "fully_connected"
    factors = multiplier if full else np.array([upper_half(int(m)) for m in multiplier], np.int64)
    return ctx.constant("ek_channel_64", np.stack([bias, factors, (31 if full else 15) - shift], axis=1))


def weight_table(weights: Array, ctx: LoweringContext) -> ConstantArg:
    """int8 weights as they are."""
    return ctx.constant("int8_t", weights.reshape(-1))


def clamp_fields(node: Node) -> Fields:
    """low and high codes of a fused activation."""
    low, high = fp.output_range(node.attrs["activation"], node.output)
    return {"low": low, "high": high}


def lower_windowed_s16(node: Node, ctx: LoweringContext) -> None:
    """ek_conv2d_s16 or ek_depthwise_conv2d_s16, per image."""
    shape, depthwise = node.input(1).shape, node.op == "depthwise_conv2d"
    kernel = (shape[0], shape[1]) if depthwise else (shape[1], shape[2])
    table = channel_table(node, 2 if depthwise else 0, ctx)
    fields: Fields = {"window": window_fields(node, kernel), "groups": groups_of(node), **clamp_fields(node)}
    params, weights = ctx.struct("ek_conv_s16_params", fields), weight_table(node.input(1).array, ctx)
    for x, y in batches(node, ctx):
        ctx.call(f"ek_{node.op}_s16", params, x, weights, table, y)


def lower_fully_connected_s16(node: Node, ctx: LoweringContext) -> None:
    """ek_fully_connected_s16."""
    outputs, inputs = node.input(1).shape
    table = channel_table(node, 0, ctx)
    fields: Fields = {
        "rows": node.output.elements // outputs, "inputs": inputs, "outputs": outputs, **clamp_fields(node)
    }  # fmt: skip
    params = ctx.struct("ek_fully_connected_s16_params", fields)
    weights = weight_table(node.input(1).array, ctx)
    ctx.call("ek_fully_connected_s16", params, ctx.read(node.input(0)), weights, table, ctx.write(node.output))
