"""Data movement: reshape, transpose, concat, resize."""

from __future__ import annotations

import math

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.program import Literal
from edgekit.ir import Node


def lower_transpose(node: Node, ctx: LoweringContext) -> None:
    """ek_transpose_8 over at most four merged axes."""
    shape, strides = merged_axes(node.input(0).shape, node.attrs["perm"])
    params = ctx.struct("ek_transpose_params", {"shape": shape, "stride": strides})
    ctx.call("ek_transpose_8", params, ctx.read_as(node.input(0), "int8_t"), ctx.write(node.output, "int8_t"))


def merged_axes(shape: tuple[int, ...], perm: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """(output shape, input strides) of four axes; axes that stay neighbours are merged, axes of length 1 dropped."""
    strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    merged: list[tuple[int, int]] = []
    for axis in perm:
        if shape[axis] == 1:
            continue
        size, stride = shape[axis], strides[axis]
        if merged and merged[-1][1] == stride * size:
            merged[-1] = (merged[-1][0] * size, stride)
        else:
            merged.append((size, stride))
    merged = [(1, 0)] * (4 - len(merged)) + merged
    return [m[0] for m in merged], [m[1] for m in merged]


def lower_concat(node: Node, ctx: LoweringContext) -> None:
    """One ek_concat_8 per part."""
    axis, y = node.attrs["axis"], node.output
    rows = math.prod(y.shape[:axis])
    stride = y.nbytes // rows
    offset = 0
    for value in node.inputs:
        assert value is not None
        row = value.nbytes // rows
        target = ctx.write(y, "int8_t", offset)
        ctx.call("ek_concat_8", Literal(rows), Literal(row), Literal(stride), ctx.read_as(value, "int8_t"), target)
        offset += row


def lower_resize_nearest(node: Node, ctx: LoweringContext) -> None:
    """ek_resize_nearest_8."""
    _, height, width, channels = node.input(0).shape
    factor_h, factor_w = node.attrs["factors"]
    params = ctx.struct(
        "ek_resize_params",
        {"in_h": height, "in_w": width, "channels": channels, "factor_h": factor_h, "factor_w": factor_w},
    )
    ctx.call("ek_resize_nearest_8", params, ctx.read(node.input(0)), ctx.write(node.output))
