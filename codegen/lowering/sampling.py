"""Operators that read between elements, at positions known at run time, and columns added up into images."""

from __future__ import annotations

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.spatial import grid_fields, three
from edgekit.codegen.program import Arg, Fields, Literal
from edgekit.ir import Node
from edgekit.ops import spec_of
from edgekit.ops.col2im import Col2Im
from edgekit.ops.grid_sample import MODES, PADDINGS, volume_of
from edgekit.ops.spatial import Grid, split_padding


def lower_grid_sample(node: Node, ctx: LoweringContext) -> None:
    """ek_grid_sample_f32."""
    x, grid = node.input(0), node.input(1)
    fields: Fields = {
        "shape": three(x.shape[2:]), "batch": x.shape[0], "channels": x.shape[1], "points": volume_of(grid.shape),
        "axes": len(x.shape) - 2, "mode": MODES.index(node.attrs["mode"]),
        "padding": PADDINGS.index(node.attrs["padding"]), "aligned": int(bool(node.attrs["aligned"])),
    }  # fmt: skip
    params = ctx.struct("ek_grid_sample_params", fields)
    ctx.call("ek_grid_sample_f32", params, ctx.operand(x), ctx.operand(grid), ctx.write(node.output))


def lower_deform_conv(node: Node, ctx: LoweringContext) -> None:
    """ek_deform_conv_f32."""
    x, w, y = node.input(0), node.input(1), node.output
    grid = Grid(
        x.shape[2:], y.shape[2:], w.shape[2:], tuple(node.attrs["stride"]), tuple(node.attrs["dilation"]),
        split_padding(node)[0],
    )  # fmt: skip
    fields: Fields = {
        "grid": grid_fields(grid), "batch": x.shape[0], "groups": node.attrs["groups"], "in_c": x.shape[1],
        "out_c": y.shape[1], "offset_groups": node.attrs["offset_groups"],
    }  # fmt: skip
    optional: list[Arg] = []
    for index in (3, 4):
        value = node.optional_input(index)
        optional.append(Literal(0) if value is None else ctx.operand(value))
    params = ctx.struct("ek_deform_conv_params", fields)
    operands = [ctx.operand(node.input(i)) for i in range(3)]
    ctx.call("ek_deform_conv_f32", params, *operands, *optional, ctx.write(y))


def lower_roi_align(node: Node, ctx: LoweringContext) -> None:
    """ek_roi_align_f32."""
    x, size = node.input(0), node.attrs["size"]
    fields: Fields = {
        "batch": x.shape[0], "channels": x.shape[1], "regions": node.input(1).shape[0], "in": list(x.shape[2:]),
        "out": [int(s) for s in size], "samples": node.attrs["samples"],
        "half_pixel": int(bool(node.attrs["half_pixel"])), "max": int(node.attrs["mode"] == "max"),
        "scale": float(node.attrs["scale"]),
    }  # fmt: skip
    params = ctx.struct("ek_roi_align_params", fields)
    ctx.call("ek_roi_align_f32", params, *(ctx.operand(node.input(i)) for i in range(3)), ctx.write(node.output))


def lower_col2im(node: Node, ctx: LoweringContext) -> None:
    """ek_col2im_f32."""
    spec, y = spec_of("col2im"), node.output
    assert isinstance(spec, Col2Im)
    fields: Fields = {
        "grid": grid_fields(spec.grid(node)), "planes": y.shape[0] * y.shape[1], "divides": 0, "padded": 0,
        "after": three((), 0), "index_step": three((), 0),
    }  # fmt: skip
    params = ctx.struct("ek_pool_spatial_params", fields)
    ctx.call("ek_col2im_f32", params, ctx.operand(node.input(0)), ctx.write(y))
