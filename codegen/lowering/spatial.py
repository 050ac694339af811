"""Operators over 1 to 3 spatial axes of plain numbers, in the layout [N, C, *spatial]."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.program import Arg, Fields, Literal
from edgekit.ir import Node
from edgekit.ops import spec_of
from edgekit.ops.conv import Conv, ConvTranspose
from edgekit.ops.spatial import MAX_SPATIAL, Grid


def three(values: Sequence[int], fill: int = 1) -> list[int]:
    """Numbers per axis, with `fill` in front where there are fewer than three axes."""
    return [fill] * (MAX_SPATIAL - len(values)) + [int(v) for v in values]


def grid_fields(grid: Grid) -> Fields:
    """The ek_grid struct."""
    return {
        "wide": three(grid.wide), "narrow": three(grid.narrow), "kernel": three(grid.kernel),
        "stride": three(grid.stride), "dilation": three(grid.dilation), "before": three(grid.before, 0),
    }  # fmt: skip


def lower_conv(node: Node, ctx: LoweringContext) -> None:
    """ek_conv_<type> or ek_conv_transpose_<type>."""
    spec, x, y, bias = spec_of(node.op), node.input(0), node.output, node.optional_input(2)
    assert isinstance(spec, (Conv, ConvTranspose))
    fields: Fields = {
        "grid": grid_fields(spec.grid(node)), "batch": x.shape[0], "groups": node.attrs["groups"],
        "in_c": x.shape[1], "out_c": y.shape[1],
    }  # fmt: skip
    addend: Arg = Literal(0) if bias is None else ctx.operand(bias)
    params = ctx.struct("ek_conv_spatial_params", fields)
    ctx.call(
        f"ek_{node.op}_{x.dtype.suffix}", params, ctx.operand(x), ctx.operand(node.input(1)), addend, ctx.write(y)
    )
