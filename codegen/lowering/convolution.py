"""conv2d, depthwise_conv2d and fully_connected to kernel calls, and the weight layouts that the kernels read."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgekit.codegen.lowering.coded import codebook_of, records_of
from edgekit.codegen.lowering.coded_products import (
    Int8Weights,
    decoded_bytes,
    int8_weights,
    lower_coded_conv2d,
    lower_coded_fully_connected,
    strips_arguments,
)
from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.dots import INPUTS, dots_of
from edgekit.codegen.lowering.float_products import (
    lower_conv2d_f32,
    lower_depthwise_conv2d_f32,
    lower_fully_connected_f32,
)
from edgekit.codegen.lowering.int16 import lower_fully_connected_s16, lower_windowed_s16
from edgekit.codegen.lowering.levels import is_coded, levels_arguments, levels_table
from edgekit.codegen.lowering.planes import planes_of
from edgekit.codegen.lowering.product_fields import conv_fields, fully_connected_fields, rows_as_pixels
from edgekit.codegen.lowering.products import is_pointwise, products_of, products_of_rows, reads_single_pixels
from edgekit.codegen.lowering.requantize import (
    channel_tables,
    folded_tables,
    rounding_of,
    zero_of_weights,
)
from edgekit.codegen.lowering.strips import Strips, strips_of
from edgekit.codegen.lowering.tiling import TWOS, Products, fastest_tiling, loops_of
from edgekit.codegen.lowering.windows import batches, window_fields
from edgekit.codegen.program import Arg, BufferArg, Fields, Literal, ParamsArg
from edgekit.ir import Array, DType, Node
from edgekit.ops.conv2d import groups_of

# Of the widest pointers that a table in scratch may hold: those of this computer.
POINTER_BYTES = 8


def interleave_rows(weights: Array, group: int) -> Array:
    """[rows, k] int8 to the DSP kernels' order: groups of `group` rows, alternating every four inputs, zero padded."""
    rows, k = weights.shape
    padded = np.zeros((-(-rows // group) * group, -(-k // 4) * 4), np.int8)
    padded[:rows, :k] = weights
    blocks = padded.reshape(padded.shape[0] // group, group, padded.shape[1] // 4, 4)
    return np.ascontiguousarray(blocks.transpose(0, 2, 1, 3)).reshape(-1)


def lower_conv2d(node: Node, ctx: LoweringContext) -> None:
    """ek_conv2d_s8 by rows, an instance for each rounding, or for one group its vector or DSP form; pixels that are
    their own windows are rows of a matrix.
    """
    if node.input(0).dtype is DType.FLOAT32:
        lower_conv2d_f32(node, ctx)
        return
    if node.input(0).dtype is DType.INT16:
        lower_windowed_s16(node, ctx)
        return
    if (codebook := codebook_of(node)) is not None and groups_of(node) == 1:
        lower_coded_conv2d(node, ctx, codebook)
        return
    outputs, kernel_h, kernel_w, _ = node.input(1).shape
    height, width = node.output.shape[1:3]
    fields = conv_fields(node, window_fields(node, (kernel_h, kernel_w)))
    if ctx.target.mve and groups_of(node) == 1 and (dots := dots_of(node)) is not None:
        _call_dots(node, ctx, fields, dots, height * width if is_pointwise(node) else 0, batches(node, ctx))
        return
    params = ctx.struct("ek_conv_params", fields)
    if not ctx.target.dsp or groups_of(node) != 1:
        _call_windows(node, ctx, params)
        return
    table, codes = channel_tables(node, 0, 2)
    tables = table, codes.reshape(outputs, -1)
    _call_products(node, ctx, params, tables, products_of(node, height, width), batches(node, ctx))


def _call_windows(node: Node, ctx: LoweringContext, params: ParamsArg) -> None:
    """The form by rows of a convolution: windows are gathered by twos where there is room, or not at all where they are
    pixels of the input.
    """
    _, kernel_h, kernel_w, depth = node.input(1).shape
    filter_bytes = 0 if reads_single_pixels(node) else kernel_h * kernel_w * depth
    pairs = 2 * filter_bytes <= ctx.room() - decoded_bytes(node)
    tables = int8_weights(node, ctx, folded=True, scratch=(1 + pairs) * filter_bytes)
    kernel, scratch = f"ek_conv2d_s8_{tables.rounding}", tables.scratch or Literal(0)
    for x, y in batches(node, ctx):
        ctx.call(kernel, params, Literal(int(pairs)), x, tables.weights, tables.records, y, scratch)


def _call_dots(
    node: Node,
    ctx: LoweringContext,
    fields: Fields,
    dots: tuple[str, Array],
    rows: int,
    images: Iterable[tuple[Arg, BufferArg]],
) -> None:
    """The vector form of a layer, a call for each (input, output): of `rows` rows as they lie in the input, or where
    that is 0 or rows are no multiple of sixteen inputs, of windows that are copied."""
    rounding, words = dots
    table = ctx.constant("int32_t", words, node.input(1).elements)
    inputs = node.input(0).shape[-1]
    if rows and inputs % INPUTS == 0:
        params = ctx.struct("ek_fully_connected_params", fully_connected_fields(node, rows, inputs))
        for x, y in images:
            ctx.call(f"ek_fully_connected_s8_mve_{'single_' if rows == 1 else ''}{rounding}", params, x, table, y)
        return
    column = -(-node.input(1).elements // node.input(1).shape[0] // INPUTS) * INPUTS
    params, scratch = ctx.struct("ek_conv_params", fields), ctx.scratch(2 * column)
    for x, y in images:
        ctx.call(f"ek_conv2d_s8_mve_{rounding}", params, x, table, y, scratch)


def _call_products(
    node: Node,
    ctx: LoweringContext,
    params: ParamsArg,
    tables: tuple[Array, Array],
    products: Products,
    images: Iterable[tuple[Arg, BufferArg]],
) -> None:
    """The DSP convolution of a node, a call for each (input, output)."""
    table, codes = tables
    rounding = rounding_of(node, table)
    loops = (TWOS,) if rounding == "any" else loops_of(ctx.target, ctx.fewest_cycles)
    tiling = fastest_tiling(products, ctx.room(), loops)
    records, packed = (
        ctx.constant("ek_channel", table),
        ctx.constant("int8_t", interleave_rows(codes[:, products.order], 2)),
    )
    tiling_params, scratch = ctx.struct("ek_tiling", tiling.fields), ctx.scratch(tiling.scratch)
    levels, table_of_levels = levels_arguments(node.input(0), ctx)
    kernel = f"ek_conv2d_s8_dsp_{levels}{rounding}{tiling.loop.suffix}"
    for x, y in images:
        ctx.call(kernel, params, tiling_params, *table_of_levels, x, packed, records, y, scratch)


def lower_depthwise_conv2d(node: Node, ctx: LoweringContext) -> None:
    """ek_depthwise_conv2d_s8; or where the channel multiplier is 1 its form by taps, its form of vectors by strips, or
    a DSP form, by planes for the usual kernels.
    """
    if node.input(0).dtype is DType.FLOAT32:
        lower_depthwise_conv2d_f32(node, ctx)
        return
    if node.input(0).dtype is DType.INT16:
        lower_windowed_s16(node, ctx)
        return
    kernel_h, kernel_w, outputs = node.input(1).shape
    params = ctx.struct("ek_conv_params", conv_fields(node, window_fields(node, (kernel_h, kernel_w))))
    single, records = outputs == node.input(0).shape[3], records_of(node)
    if ctx.target.mve and single and (strips := strips_of(node, records)) is not None:
        _call_strips(node, ctx, params, strips)
        return
    if single and not ctx.target.dsp and not zero_of_weights(node):
        taps_bytes = 2 * POINTER_BYTES * (kernel_h * kernel_w + 1) + outputs
        tables = int8_weights(node, ctx, folded=True, scratch=taps_bytes, alignment=POINTER_BYTES)
        _call_each(node, ctx, f"ek_depthwise_taps_s8_{tables.rounding}", [params], tables)
        return
    rounding = rounding_of(node, records)
    if ctx.target.dsp and single and rounding != "any" and (bands := planes_of(node)) is not None:
        band = bands.fastest(ctx.room() - decoded_bytes(node))
        tables = int8_weights(node, ctx, scratch=bands.scratch(band))
        cut = [Literal(int(bands.turned)), Literal(band)]
        _call_each(node, ctx, f"ek_depthwise_{kernel_h}x{kernel_w}_s8_dsp_{rounding}", [params, *cut], tables)
        return
    dsp = ctx.target.dsp and single
    _call_each(
        node, ctx, "ek_depthwise_conv2d_s8_dsp" if dsp else "ek_depthwise_conv2d_s8", [params], int8_weights(node, ctx)
    )


def _call_each(node: Node, ctx: LoweringContext, kernel: str, params: list[Arg], tables: Int8Weights) -> None:
    """A call for each image of a batch."""
    scratch: list[Arg] = [] if tables.scratch is None else [tables.scratch]
    for x, y in batches(node, ctx):
        ctx.call(kernel, *params, x, tables.weights, tables.records, y, *scratch)


def _call_strips(node: Node, ctx: LoweringContext, params: ParamsArg, strips: Strips) -> None:
    """The form of vectors of a depthwise convolution."""
    table, scratch = strips_arguments(node, ctx, strips)
    for x, y in batches(node, ctx):
        ctx.call(strips.kernel, params, x, table, y, scratch)


def _call_levels(node: Node, ctx: LoweringContext, rows: int, inputs: int) -> None:
    """Codes of a grid, decoded row by row."""
    tables = int8_weights(node, ctx, scratch=2 * inputs)
    params = ctx.struct("ek_fully_connected_params", fully_connected_fields(node, rows, inputs))
    x, y = ctx.read(node.input(0)), ctx.write(node.output)
    levels, scratch = levels_table(node.input(0), ctx), tables.scratch or Literal(0)
    ctx.call("ek_fully_connected_levels", params, levels, x, tables.weights, tables.records, y, scratch)


def lower_fully_connected(node: Node, ctx: LoweringContext) -> None:
    """ek_fully_connected_s8 by rows, or its vector form, or its DSP form with one widened row of scratch. Codes of a
    grid by rows, or as lanes on all cores that have those.
    """
    if node.input(0).dtype is DType.FLOAT32:
        lower_fully_connected_f32(node, ctx)
        return
    if node.input(0).dtype is DType.INT16:
        lower_fully_connected_s16(node, ctx)
        return
    coded, inputs = is_coded(node.input(0)), node.input(1).shape[1]
    rows = node.input(0).elements // inputs
    if coded and not ctx.target.dsp:
        _call_levels(node, ctx, rows, inputs)
        return
    if (codebook := codebook_of(node)) is not None:
        lower_coded_fully_connected(node, ctx, codebook)
        return
    whole = [(ctx.read(node.input(0)), ctx.write(node.output))]
    if ctx.target.mve and not coded and (dots := dots_of(node)) is not None:
        _call_dots(node, ctx, rows_as_pixels(node, rows), dots, rows, whole)
        return
    if ctx.target.dsp and (coded or rows > 1):
        params = ctx.struct("ek_conv_params", rows_as_pixels(node, rows))
        table, codes = channel_tables(node, 0, 2)
        _call_products(node, ctx, params, (table, codes), products_of_rows(node, rows), whole)
        return
    params = ctx.struct("ek_fully_connected_params", fully_connected_fields(node, rows, inputs))
    table, codes = channel_tables(node, 0, 4) if ctx.target.dsp else folded_tables(node, 0)
    records = ctx.constant("ek_channel", table)
    x, y = ctx.read(node.input(0)), ctx.write(node.output)
    if not ctx.target.dsp:
        weights = ctx.constant("int8_t", codes.reshape(-1))
        ctx.call(f"ek_fully_connected_s8_{rounding_of(node, table)}", params, x, weights, records, y)
        return
    packed = ctx.constant("int8_t", interleave_rows(codes, 4))
    ctx.call("ek_fully_connected_s8_dsp", params, x, packed, records, y, ctx.scratch(2 * (-(-inputs // 4) * 4)))
