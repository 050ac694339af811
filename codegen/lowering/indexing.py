"""Kernels that follow indices or make them: gathers, scatters, the best along an axis, running sums, determinants."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.int16 import rescale_fields
from edgekit.codegen.lowering.movement import copy
from edgekit.codegen.lowering.walk import merged, padded, strides_of
from edgekit.codegen.program import Arg, Fields, Literal
from edgekit.ir import DType, Node, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.quantize import requantize_scale
from edgekit.ops.spec import is_quantized

# EK_SCATTER_.. of runtime_c/include/ek_index.h.
REDUCTIONS = {"none": 0, "add": 1, "mul": 2, "max": 3, "min": 4}


def line_fields(x: Value, axis: int) -> dict[str, int]:
    """A tensor as [outer, axis, inner]."""
    return {"outer": math.prod(x.shape[:axis]), "axis": x.shape[axis], "inner": math.prod(x.shape[axis + 1 :])}


def lower_arg(node: Node, ctx: LoweringContext) -> None:
    """ek_arg_max_<type>, ek_arg_min_<type>."""
    x = node.input(0)
    fields = line_fields(x, node.attrs["axis"]) | {"last": int(node.attrs["last"])}
    ctx.call(
        f"ek_{node.op}_{x.dtype.suffix}", ctx.struct("ek_arg_params", fields), ctx.operand(x), ctx.write(node.output)
    )


def lower_top_k(node: Node, ctx: LoweringContext) -> None:
    """ek_top_k_largest_<type>, ek_top_k_smallest_<type>."""
    x, (values, indices) = node.input(0), node.outputs
    params = ctx.struct("ek_top_k_params", line_fields(x, node.attrs["axis"]) | {"k": int(node.attrs["k"])})
    order = "largest" if node.attrs["largest"] else "smallest"
    kernel = f"ek_top_k_{order}_{x.dtype.suffix}"
    ctx.call(kernel, params, ctx.operand(x), ctx.write(values), ctx.write(indices))


def lower_cumulate(node: Node, ctx: LoweringContext) -> None:
    """ek_cum_sum_<type>, ek_cum_prod_<type>, or ek_cum_sum_s8; the input may be overwritten."""
    x, y = node.input(0), node.output
    flags = {key: int(node.attrs[key]) for key in ("exclusive", "reverse")}
    walk = line_fields(x, node.attrs["axis"]) | flags
    if is_quantized(node):
        fields: Fields = {
            "walk": walk, "scale": rescale_fields(requantize_scale(node)),
            "input_zero": fp.single_quant(x)[1], "zero_point": fp.single_quant(y)[1],
        }  # fmt: skip
        ctx.call("ek_cum_sum_s8", ctx.struct("ek_cum_sum_s8_params", fields), ctx.operand(x), ctx.write(y))
    else:
        kernel = f"ek_{node.op}_{x.dtype.suffix}"
        ctx.call(kernel, ctx.struct("ek_cumulate_params", walk), ctx.operand(x), ctx.write(y))
    ctx.allow_in_place(x, y)


def lower_det(node: Node, ctx: LoweringContext) -> None:
    """ek_det_<type> with scratch for one matrix."""
    x, n = node.input(0), node.input(0).shape[-1]
    scratch = ctx.scratch(n * n * x.dtype.size, x.dtype.size)
    count = Literal(node.output.elements)
    ctx.call(f"ek_det_{x.dtype.suffix}", count, Literal(n), ctx.operand(x), ctx.write(node.output), scratch)


def lower_bitcast(node: Node, ctx: LoweringContext) -> None:
    """One copy of the bytes."""
    x = node.input(0)
    copy(node, ctx, x, x.shape, strides_of(x.shape), strides_of(x.shape))


def _elements_params(node: Node, ctx: LoweringContext, reduction: str = "none") -> Arg:
    x, indices, axis = node.input(0), node.input(1), node.attrs["axis"]
    strides = strides_of(x.shape)
    walk = [0 if a == axis else s for a, s in enumerate(strides)]
    shape, (steps,) = merged(node, indices.shape, walk)
    fields: Fields = {
        "rank": len(shape), "shape": padded(shape, 1), "step": padded(steps), "axis": x.shape[axis],
        "axis_step": strides[axis], "wide": _wide(indices), "reduction": REDUCTIONS[reduction],
    }  # fmt: skip
    return ctx.struct("ek_elements_params", fields)


def _wide(indices: Value) -> int:
    return int(indices.dtype is DType.INT64)


def _nd_params(
    node: Node, ctx: LoweringContext, shape: Sequence[int], size: int, batch: int = 1, reduction: str = "none"
) -> Arg:  # fmt: skip
    """The walk over tuples of indices into blocks of `shape`; steps in units of which an element has `size`."""
    indices = node.input(1)
    depth = indices.shape[-1]
    fields: Fields = {
        "batch": batch, "count": math.prod(indices.shape[:-1]) // max(batch, 1), "depth": depth,
        "size": padded(shape[:depth], 1), "step": padded([s * size for s in strides_of(shape)[:depth]]),
        "batch_step": math.prod(shape) * size, "row": math.prod(shape[depth:]) * size, "wide": _wide(indices),
        "reduction": REDUCTIONS[reduction],
    }  # fmt: skip
    return ctx.struct("ek_nd_params", fields)


def lower_gather_elements(node: Node, ctx: LoweringContext) -> None:
    """ek_gather_elements_<bits>."""
    x, y = node.input(0), node.output
    bits = 8 * x.dtype.size
    kind = f"uint{bits}_t"
    ctx.call(
        f"ek_gather_elements_{bits}", _elements_params(node, ctx), ctx.operand_as(x, kind),
        ctx.operand_as(node.input(1), "void"), ctx.write(y, kind),
    )  # fmt: skip


def lower_gather_nd(node: Node, ctx: LoweringContext) -> None:
    """ek_gather_nd."""
    x, batch = node.input(0), int(node.attrs["batch_dims"])
    params = _nd_params(node, ctx, x.shape[batch:], x.dtype.size, math.prod(x.shape[:batch]))
    ctx.call(
        "ek_gather_nd", params, ctx.operand_as(x, "void"), ctx.operand_as(node.input(1), "void"),
        ctx.write(node.output, "void"),
    )  # fmt: skip


def lower_scatter_elements(node: Node, ctx: LoweringContext) -> None:
    """A copy of the data, then ek_scatter_elements_<type> into it."""
    _scatter(node, ctx, lambda: _elements_params(node, ctx, node.attrs["reduction"]))


def lower_scatter_nd(node: Node, ctx: LoweringContext) -> None:
    """A copy of the data, then ek_scatter_nd_<type> into it."""
    _scatter(node, ctx, lambda: _nd_params(node, ctx, node.input(0).shape, 1, reduction=node.attrs["reduction"]))


def _scatter(node: Node, ctx: LoweringContext, params: Callable[[], Arg]) -> None:
    x, indices, updates, y = node.input(0), node.input(1), node.input(2), node.output
    copy(node, ctx, x, x.shape, strides_of(x.shape), strides_of(x.shape))
    if indices.elements and updates.elements:
        ctx.call(
            f"ek_{node.op}_{x.dtype.suffix}", params(), ctx.operand_as(indices, "void"), ctx.operand(updates),
            ctx.write(y),
        )  # fmt: skip
