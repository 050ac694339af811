"""Pooling and means."""

from __future__ import annotations

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.float_products import lower_pool_f32
from edgekit.codegen.lowering.plain import lower_reduce
from edgekit.codegen.lowering.windows import batches, window_fields
from edgekit.ir import DType, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.mean import mean_count, mean_multiplier
from edgekit.ops.spec import is_quantized


def lower_pool(node: Node, ctx: LoweringContext) -> None:
    """ek_avg_pool2d_<type> or ek_max_pool2d_<type>."""
    if node.input(0).dtype is DType.FLOAT32:
        lower_pool_f32(node, ctx)
        return
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
    kernel = f"ek_{node.op}_s{8 * node.output.dtype.size}"
    for x, y in batches(node, ctx):
        ctx.call(kernel, params, x, y)


def lower_mean(node: Node, ctx: LoweringContext) -> None:
    """ek_mean_s8, per image; plain numbers are reduced over any axes."""
    if not is_quantized(node):
        lower_reduce(node, ctx)
        return
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
    for x, y in batches(node, ctx):
        ctx.call("ek_mean_s8", params, x, y)
