"""Symmetric int16 activations: products with int8 weights, functions by tables, and rescaling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.windows import batches, window_fields
from edgekit.codegen.program import ConstantArg, Fields, Literal
from edgekit.errors import UnsupportedModel
from edgekit.ir import Array, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.conv2d import bias_or_zero, groups_of
from edgekit.ops.quantize import requantize_scale
from edgekit.ops.softmax_int16 import exponential_table, reciprocal_table, softmax_input_scale
from edgekit.ops.tflite_fixed import upper_half
from edgekit.ops.tflite_int16 import input_scale, rectifier_range, rescales, sigmoid_table

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


def rescale_rows(scales: Sequence[tuple[int, int]]) -> Array:
    """A table of ek_rescale."""
    return np.array([[multiplier, max(shift, 0), max(-shift, 0)] for multiplier, shift in scales], np.int64)


def rescale_fields(scale: tuple[int, int]) -> Fields:
    """The ek_rescale struct of (multiplier, shift)."""
    multiplier, shift = int(scale[0]), int(scale[1])
    return {"multiplier": multiplier, "left": max(shift, 0), "right": max(-shift, 0)}


def lower_function_s16(node: Node, ctx: LoweringContext) -> None:
    """ek_sigmoid_s16, ek_tanh_s16, or ek_rectify_s16."""
    x, y = node.input(0), node.output
    count = Literal(x.elements)
    if node.op in ("sigmoid", "tanh"):
        multiplier, shift = input_scale(node)
        params = ctx.struct("ek_lookup_params", {"multiplier": multiplier, "shift": shift})
        table = ctx.constant("uint16_t", sigmoid_table())
        ctx.call(f"ek_{node.op}_s16", count, params, ctx.read(x), table, ctx.write(y))
    else:
        scales = rescales(node)
        low, high = (-32768, 32767) if node.op == "leaky_relu" else rectifier_range(node)
        fields: Fields = {
            "positive": rescale_fields(scales[0]), "negative": rescale_fields(scales[-1]), "low": low, "high": high
        }  # fmt: skip
        params = ctx.struct("ek_rectify_params", fields)
        ctx.call("ek_rectify_s16", count, params, ctx.read(x), ctx.write(y))
    ctx.allow_in_place(x, y)


def lower_softmax_s16(node: Node, ctx: LoweringContext) -> None:
    """ek_softmax_s16."""
    x, y = node.input(0), node.output
    width = x.shape[-1]
    params = ctx.struct("ek_rescale", rescale_fields(softmax_input_scale(node)))
    tables = [ctx.constant("int16_t", t) for t in (exponential_table(), reciprocal_table())]
    rows = Literal(x.elements // width)
    ctx.call("ek_softmax_s16", rows, Literal(width), params, ctx.read(x), *tables, ctx.write(y))
    ctx.allow_in_place(x, y)


def lower_requantize_s16(node: Node, ctx: LoweringContext) -> None:
    """ek_requantize_<from>_<to>, with int16 codes on one side or both."""
    x, y = node.input(0), node.output
    fields: Fields = {
        "input_zero": fp.single_quant(x)[1], "scale": rescale_fields(requantize_scale(node)),
        "zero_point": fp.single_quant(y)[1],
    }  # fmt: skip
    params = ctx.struct("ek_requantize_params", fields)
    kernel = f"ek_requantize_s{8 * x.dtype.size}_s{8 * y.dtype.size}"
    ctx.call(kernel, Literal(x.elements), params, ctx.read(x), ctx.write(y))
    if x.dtype is y.dtype:
        ctx.allow_in_place(x, y)
