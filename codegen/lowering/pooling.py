"""Pooling and means."""

from __future__ import annotations

from collections import Counter

import numpy as np

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.float_products import lower_pool_f32
from edgekit.codegen.lowering.linear_codes import divisor, range_fields
from edgekit.codegen.lowering.plain import lower_reduce
from edgekit.codegen.lowering.windows import batches, window_fields
from edgekit.codegen.program import Arg, Fields
from edgekit.ir import Array, DType, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.mean import mean_count, mean_multiplier
from edgekit.ops.spec import is_quantized
from edgekit.ops.window import window_of

# Codes whose sum fits 16 bits.
MOST_SUMMED = 256
LANES = 4


def lower_pool(node: Node, ctx: LoweringContext) -> None:
    """ek_max_pool2d_s8_dsp or ek_avg_pool2d_s8_dsp where the core has lanes, there are four channels to fill them and
    multiplications give all means exactly; otherwise ek_<op>_<type>.
    """
    if node.input(0).dtype is DType.FLOAT32:
        lower_pool_f32(node, ctx)
        return
    low, high = fp.output_range(node.attrs["activation"], node.output)
    window, half_up = window_fields(node, fp.as_pair(node.attrs["kernel"])), bool(node.attrs.get("half_up"))
    kernel, struct = f"ek_{node.op}_s{8 * node.output.dtype.size}", "ek_pool_params"
    fields: Fields = {"window": window, "low": low, "high": high, "half_up": int(half_up)}
    tables: list[Arg] = []
    if _fills_lanes(node, ctx):
        divisors = _divisors(_counts(node), half_up, low, high)
        if node.op == "max_pool2d":
            kernel = "ek_max_pool2d_s8_dsp"
        elif divisors is not None:
            kernel, struct = "ek_avg_pool2d_s8_dsp", "ek_mean_pool_params"
            fields = {"window": window, "range": range_fields(low, high)}
            tables.append(ctx.constant("ek_divisor", divisors))
    params = ctx.struct(struct, fields)
    for x, y in batches(node, ctx):
        ctx.call(kernel, params, x, *tables, y)


def _fills_lanes(node: Node, ctx: LoweringContext) -> bool:
    return ctx.target.dsp and node.output.dtype is DType.INT8 and node.input(0).shape[-1] >= LANES


def _counts(node: Node) -> Counter[int]:
    """How many codes windows have inside the input, and how often."""
    window = window_of(node, fp.as_pair(node.attrs["kernel"]))
    sizes = []
    for axis in range(2):
        starts = [i * window.stride[axis] - window.before[axis] for i in range(window.output[axis])]
        sizes.append([min(s + window.kernel[axis], window.input[axis]) - max(s, 0) for s in starts])
    return Counter(rows * columns for rows in sizes[0] for columns in sizes[1])


def _divisors(counts: Counter[int], half_up: bool, low: int, high: int) -> Array | None:
    """ek_divisor records of all counts, the most frequent first; None where sums leave 16 bits or none are exact."""
    if max(counts) > MOST_SUMMED:
        return None
    rows = []
    for count, _ in counts.most_common():
        constants = divisor(count, half_up, low, high)
        if constants is None:
            return None
        rows.append((count, *constants))
    return np.array(rows, np.int64)


def lower_mean(node: Node, ctx: LoweringContext) -> None:
    """ek_mean_s8 or ek_mean_s8_dsp, per image; plain numbers are reduced over any axes."""
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
        ctx.call("ek_mean_s8_dsp" if _fills_lanes(node, ctx) else "ek_mean_s8", params, x, y)
