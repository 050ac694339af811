"""Pooling and means."""

from __future__ import annotations

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.convolution import window_fields
from edgekit.ir import Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.mean import mean_count, mean_multiplier


def lower_pool(node: Node, ctx: LoweringContext) -> None:
    """ek_avg_pool2d_s8 or ek_max_pool2d_s8."""
    low, high = fp.output_range(node.attrs["activation"], node.output)
    params = ctx.struct(
        "ek_pool_params",
        {
            "window": window_fields(node, fp.as_pair(node.attrs["kernel"])),
            "low": low,
            "high": high,
            "half_up": int(bool(node.attrs.get("half_up"))),
        },
    )
    kernel = "ek_avg_pool2d_s8" if node.op == "avg_pool2d" else "ek_max_pool2d_s8"
    ctx.call(kernel, params, ctx.read(node.input(0)), ctx.write(node.output))


def lower_mean(node: Node, ctx: LoweringContext) -> None:
    """ek_mean_s8."""
    multiplier, shift = mean_multiplier(node)
    params = ctx.struct(
        "ek_mean_params",
        {
            "pixels": mean_count(node),
            "channels": node.input(0).shape[-1],
            "input_zero": fp.single_quant(node.input(0))[1],
            "multiplier": multiplier,
            "left": max(shift, 0),
            "right": max(-shift, 0),
            "zero_point": fp.single_quant(node.output)[1],
        },
    )
    ctx.call("ek_mean_s8", params, ctx.read(node.input(0)), ctx.write(node.output))
