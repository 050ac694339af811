"""Data movement: every operator that only places elements is strided copies; gather follows indices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.walk import broadcast_strides, merged, padded, strides_of
from edgekit.codegen.program import Fields, Literal
from edgekit.ir import Node, Value
from edgekit.ops import spec_of
from edgekit.ops.movement import Pad


def copy(
    node: Node, ctx: LoweringContext, x: Value, shape: Sequence[int], source: Sequence[int], target: Sequence[int],
    from_element: int = 0, to_element: int = 0,
) -> None:  # fmt: skip
    """ek_copy_<bits>: `shape` elements of x from strides `source` to strides `target` of the node's output."""
    if math.prod(shape) == 0:
        return
    sizes, (reading, writing) = merged(node, shape, source, target)
    size, kind = x.dtype.size, f"uint{8 * x.dtype.size}_t"
    fields: Fields = {"rank": len(sizes), "shape": padded(sizes, 1), "from": padded(reading), "to": padded(writing)}
    ctx.call(
        f"ek_copy_{8 * size}", ctx.struct("ek_copy_params", fields), ctx.operand_as(x, kind, from_element * size),
        ctx.write(node.output, kind, to_element * size),
    )  # fmt: skip


def lower_nothing(node: Node, ctx: LoweringContext) -> None:
    """Outputs without elements: a fill of nothing, by which the plan still gives them a place."""
    for value in node.outputs:
        pattern = ctx.constant(value.dtype.c_name, np.zeros(1, value.dtype.numpy))
        ctx.call("ek_fill", Literal(0), Literal(value.dtype.size), pattern, ctx.write(value, "void"))


def lower_reshape(node: Node, ctx: LoweringContext) -> None:
    """One copy as it is, for a constant; any other reshape is no step."""
    x = node.input(0)
    copy(node, ctx, x, (x.elements,), (1,), (1,))


def lower_transpose(node: Node, ctx: LoweringContext) -> None:
    """One copy that reads in the new order of axes."""
    x, y = node.input(0), node.output
    strides = strides_of(x.shape)
    copy(node, ctx, x, y.shape, [strides[p] for p in node.attrs["perm"]], strides_of(y.shape))


def lower_slice(node: Node, ctx: LoweringContext) -> None:
    """One copy of the part."""
    x, y = node.input(0), node.output
    strides = strides_of(x.shape)
    first = sum(s * start for s, start in zip(strides, node.attrs["starts"], strict=True))
    source = [s * step for s, step in zip(strides, node.attrs["steps"], strict=True)]
    copy(node, ctx, x, y.shape, source, strides_of(y.shape), first if y.elements else 0)


def lower_expand(node: Node, ctx: LoweringContext) -> None:
    """One copy that reads repeated axes again."""
    x, y = node.input(0), node.output
    copy(node, ctx, x, y.shape, broadcast_strides(x.shape, y.shape), strides_of(y.shape))


def lower_tile(node: Node, ctx: LoweringContext) -> None:
    """One copy over pairs of axes (repeat, element)."""
    x, y = node.input(0), node.output
    pairs = list(zip(node.attrs["repeats"], x.shape, strict=True))
    shape = [size for pair in pairs for size in pair]
    source = [step for stride in strides_of(x.shape) for step in (0, stride)]
    target = [s for (_, size), stride in zip(pairs, strides_of(y.shape), strict=True) for s in (stride * size, stride)]
    copy(node, ctx, x, shape, source, target)


def lower_pad(node: Node, ctx: LoweringContext) -> None:
    """A fill of the whole output, then one copy into it."""
    x, y = node.input(0), node.output
    spec = spec_of(node.op)
    assert isinstance(spec, Pad)
    fill = spec.fill(node).reshape(1)
    ctx.call(
        "ek_fill", Literal(y.elements), Literal(y.dtype.size), ctx.constant(y.dtype.c_name, fill), ctx.write(y, "void")
    )
    target = strides_of(y.shape)
    first = sum(s * before for s, before in zip(target, node.attrs["before"], strict=True))
    copy(node, ctx, x, x.shape, strides_of(x.shape), target, 0, first)


def lower_concat(node: Node, ctx: LoweringContext) -> None:
    """One copy per part."""
    axis, y = node.attrs["axis"], node.output
    target = strides_of(y.shape)
    start = 0
    for value in node.inputs:
        assert value is not None
        copy(node, ctx, value, value.shape, strides_of(value.shape), target, 0, start * target[axis])
        start += value.shape[axis]


def lower_gather(node: Node, ctx: LoweringContext) -> None:
    """ek_gather_<index type>: rows of bytes."""
    x, indices, axis = node.input(0), node.input(1), node.attrs["axis"]
    fields = {
        "outer": math.prod(x.shape[:axis]),
        "axis": x.shape[axis],
        "row": math.prod(x.shape[axis + 1 :]) * x.dtype.size,
        "count": indices.elements,
    }
    params = ctx.struct("ek_gather_params", fields)
    ctx.call(
        f"ek_gather_{indices.dtype.suffix}", params, ctx.operand_as(x, "void"), ctx.operand(indices),
        ctx.write(node.output, "void"),
    )  # fmt: skip


def lower_resize_nearest(node: Node, ctx: LoweringContext) -> None:
    """One copy over (row, repeat, column, repeat, channel)."""
    x, y = node.input(0), node.output
    batch, height, width, channels = x.shape
    factor_h, factor_w = node.attrs["factors"]
    row, line = width * channels, y.shape[2] * channels
    shape = [batch, height, factor_h, width, factor_w, channels]
    source = [height * row, row, 0, channels, 0, 1]
    target = [math.prod(y.shape[1:]), factor_h * line, line, factor_w * channels, channels, 1]
    copy(node, ctx, x, shape, source, target)
