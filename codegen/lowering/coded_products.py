"""Products whose weights have 4, 3 or 2 bits: kernels that decode tiles of channels, or weights decoded beforehand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgekit.codegen.lowering.coded import (
    CodedLayer,
    codebook_of,
    coded_layer,
    packed_fours,
    packed_in_order,
    packed_pairs,
)
from edgekit.codegen.lowering.context import STRUCT_BYTES, LoweringContext
from edgekit.codegen.lowering.dots import CHANNELS, INPUTS, MOST_RIGHT, four_bytes
from edgekit.codegen.lowering.levels import is_coded, levels_arguments
from edgekit.codegen.lowering.product_fields import conv_fields, fully_connected_fields, rows_as_pixels
from edgekit.codegen.lowering.products import is_pointwise, products_of, products_of_rows, reads_single_pixels
from edgekit.codegen.lowering.requantize import channel_tables, folded_tables, rounding_of, usual_rounding
from edgekit.codegen.lowering.strips import Shape, Strips, strip_places, strip_taps, strips_table
from edgekit.codegen.lowering.tiling import TWOS, Products, fastest_tiling, loops_of
from edgekit.codegen.lowering.windows import batches, window_fields
from edgekit.codegen.program import Arg, BufferArg, Fields, Literal
from edgekit.ir import Codebook, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.conv2d import channel_axis
from edgekit.ops.window import window_of

Images = Iterable[tuple[Arg, BufferArg]]
_RECORD_BYTES = STRUCT_BYTES["ek_channel"]


def lower_coded_conv2d(node: Node, ctx: LoweringContext, codebook: Codebook) -> None:
    """A convolution of one group."""
    kernel_h, kernel_w = node.input(1).shape[1:3]
    window = window_of(node, (kernel_h, kernel_w))
    fields = conv_fields(node, window_fields(node, (kernel_h, kernel_w)))
    products = products_of(node, *window.output)
    _call(node, ctx, codebook, fields, products, is_pointwise(node), reads_single_pixels(node), batches(node, ctx))


def lower_coded_fully_connected(node: Node, ctx: LoweringContext, codebook: Codebook) -> None:
    """A fully-connected layer: rows are pixels, but for a single one on DSP cores; of a coded input on those alone."""
    inputs = node.input(1).shape[1]
    rows = node.input(0).elements // inputs
    x, y = ctx.read(node.input(0)), ctx.write(node.output)
    if is_coded(node.input(0)):
        layer = coded_layer(node, codebook, 2)
        _call_lanes(layer, ctx, rows_as_pixels(node, rows), products_of_rows(node, rows), [(x, y)])
        return
    if ctx.target.dsp and not ctx.target.mve and rows == 1:
        layer = coded_layer(node, codebook, 2)
        coding, channels = layer.channels(ctx)
        params = ctx.struct("ek_fully_connected_params", fully_connected_fields(node, rows, inputs))
        weights = layer.weights(ctx, packed_pairs(layer.codes, codebook.bits))
        scratch = ctx.scratch(field_bytes(codebook) + 8 * -(-inputs // 4))
        ctx.call("ek_fully_connected_coded_dsp", params, coding, x, weights, channels, y, scratch)
        return
    products = products_of_rows(node, rows)
    _call(node, ctx, codebook, rows_as_pixels(node, rows), products, True, True, [(x, y)])


def _call(
    node: Node, ctx: LoweringContext, codebook: Codebook, fields: Fields, products: Products, pointwise: bool,
    inside: bool, images: Images,
) -> None:  # fmt: skip
    """By vectors, lanes or rows, as the target has them; a call for each image.

    Args:
        pointwise: pixels are their own windows, one after the other; inside: they are windows of one pixel.
    """
    if ctx.target.mve:
        layer = coded_layer(node, codebook, CHANNELS)
        rounding = usual_rounding(node, layer.records, MOST_RIGHT)
        if rounding is not None:
            _call_vectors(layer, ctx, fields, products, rounding, pointwise, images)
            return
    layer = coded_layer(node, codebook, 2)
    if ctx.target.dsp:
        _call_lanes(layer, ctx, fields, products, images)
    else:
        _call_rows(layer, ctx, fields, products, inside, images)


def field_bytes(codebook: Codebook) -> int:
    """The table of ek_coded_lanes.h."""
    return int(4 << 2 * codebook.bits)


def _call_lanes(layer: CodedLayer, ctx: LoweringContext, fields: Fields, products: Products, images: Images) -> None:
    rounding, bits, table = layer.rounding, layer.codebook.bits, field_bytes(layer.codebook)
    loops = (TWOS,) if rounding == "any" else loops_of(ctx.target, ctx.fewest_cycles)
    tiling = fastest_tiling(products, ctx.room() - table, loops)
    coding, channels = layer.channels(ctx, words=rounding != "any")
    codes = layer.codes.reshape(products.outputs, -1)[:, products.order]
    weights = layer.weights(ctx, packed_pairs(codes, bits))
    params, tiling_params = ctx.struct("ek_conv_params", fields), ctx.struct("ek_tiling", tiling.fields)
    scratch = ctx.scratch(table + tiling.scratch)
    levels, table_of_levels = levels_arguments(layer.node.input(0), ctx)
    kernel = f"ek_conv2d_coded_dsp_{levels}{rounding}{tiling.loop.suffix}"
    for x, y in images:
        ctx.call(kernel, params, tiling_params, coding, *table_of_levels, x, weights, channels, y, scratch)


def pair_bytes(inputs: int) -> int:
    """Scratch that a decoded pair of channels takes in the form by rows."""
    return 2 * (inputs + _RECORD_BYTES)


def _call_rows(
    layer: CodedLayer, ctx: LoweringContext, fields: Fields, products: Products, inside: bool, images: Images
) -> None:
    row = products.rows * products.row
    gathered = 0 if inside else row
    pair = pair_bytes(row)
    windows = 2 if pair + 2 * gathered <= ctx.room() else 1
    pairs = _even_part(products.pairs, (ctx.room() - windows * gathered) // pair)
    coding, channels = layer.channels(ctx)
    weights = layer.weights(ctx, packed_pairs(layer.codes.reshape(products.outputs, -1), layer.codebook.bits))
    params = ctx.struct("ek_conv_params", fields)
    tile = ctx.struct("ek_coded_tile", {"pairs": pairs, "windows": 2 if inside else windows})
    scratch = ctx.scratch(pairs * pair + windows * gathered)
    for x, y in images:
        ctx.call(f"ek_conv2d_coded_{layer.rounding}", params, tile, coding, x, weights, channels, y, scratch)


def _call_vectors(
    layer: CodedLayer, ctx: LoweringContext, fields: Fields, products: Products, rounding: str, pointwise: bool,
    images: Images,
) -> None:  # fmt: skip
    inputs, outputs = products.rows * products.row, products.outputs
    copied = not pointwise or inputs % INPUTS
    windows = 2 * -(-inputs // INPUTS) * INPUTS if copied else 0
    four = four_bytes(inputs)
    fours = _even_part(-(-outputs // CHANNELS), (ctx.room() - windows) // four)
    coding, channels = layer.channels(ctx)
    weights = layer.weights(ctx, packed_fours(layer.codes.reshape(outputs, -1), layer.codebook.bits))
    scratch = ctx.scratch(fours * four + windows)
    if copied:
        kernel, params = f"ek_conv2d_coded_mve_{rounding}", ctx.struct("ek_conv_params", fields)
    else:
        rows = fully_connected_fields(layer.node, products.pixels, inputs)
        single = "single_" if products.pixels == 1 else ""
        kernel = f"ek_fully_connected_coded_mve_{single}{rounding}"
        params = ctx.struct("ek_fully_connected_params", rows)
    for x, y in images:
        ctx.call(kernel, params, Literal(fours), coding, x, weights, channels, y, scratch)


def _even_part(count: int, most: int) -> int:
    """The size of equal parts of `count`, of at most `most` each but at least one."""
    most = min(max(most, 1), count)
    return -(-count // -(-count // most))


@dataclass(frozen=True)
class Int8Weights:
    """A layer as kernels of int8 weights read it.

    Attributes:
        records, weights: ek_channel and int8_t tables; scratch: what the kernel asked for.
        rounding: as of `rounding_of`.
    """

    records: Arg
    weights: Arg
    scratch: BufferArg | None
    rounding: str


def int8_weights(
    node: Node, ctx: LoweringContext, folded: bool = False, scratch: int = 0, alignment: int = 4
) -> Int8Weights:
    """The tables of a layer, in flash; coded ones are decoded by calls of their own into scratch before.

    Args:
        folded: biases as of `folded_tables`.
        scratch: bytes that the kernel needs, 0 for none.
    """
    axis, codebook = channel_axis(node), codebook_of(node)
    if codebook is not None:
        return _decoded(coded_layer(node, codebook, 1), ctx, folded, scratch, alignment)
    table, codes = folded_tables(node, axis) if folded else channel_tables(node, axis, 1)
    records, weights = ctx.constant("ek_channel", table), ctx.constant("int8_t", codes.reshape(-1))
    return Int8Weights(records, weights, ctx.scratch(scratch, alignment) if scratch else None, rounding_of(node, table))


def decoded_bytes(node: Node) -> int:
    """Scratch that `int8_weights` takes beside the kernel's."""
    if codebook_of(node) is None:
        return 0
    return _RECORD_BYTES * node.input(1).shape[channel_axis(node)] + node.input(1).elements


def _decoded(layer: CodedLayer, ctx: LoweringContext, folded: bool, scratch: int, alignment: int) -> Int8Weights:
    node, bits, count = layer.node, layer.codebook.bits, layer.codes.size
    outputs, first = len(layer.records), -(-scratch // 4) * 4
    coding, channels = layer.channels(ctx)
    packed = layer.weights(ctx, packed_in_order(layer.codes, bits))
    own = ctx.scratch(first + _RECORD_BYTES * outputs + count, alignment)
    records = BufferArg(own.buffer, "ek_channel", True, own.offset + first)
    weights = BufferArg(own.buffer, "int8_t", True, own.offset + first + _RECORD_BYTES * outputs)
    side_by_side = node.op == "depthwise_conv2d"
    taps = count // outputs
    params = ctx.struct("ek_decode_params", {
        "channels": outputs, "taps": taps,
        "channel_step": 1 if side_by_side else taps, "tap_step": outputs if side_by_side else 1,
        "input_zero": fp.single_quant(node.input(0))[1] if folded else 0,
    })  # fmt: skip
    if layer.codebook.group:
        ctx.call("ek_decode_groups", coding, params, packed, weights)
    else:
        ctx.call("ek_decode_weights", coding, Literal(count), packed, weights)
    ctx.call("ek_decode_channels", coding, params, weights, channels, records)
    return Int8Weights(records, weights, own if scratch else None, layer.rounding)


def decoded_strips_bytes(node: Node, shape: Shape) -> int:
    """Scratch that `strips_arguments` takes beside the strips for a layer's coded weights."""
    outputs = node.input(1).shape[2]
    return outputs * (strip_taps(node.input(1).shape[0], shape) + _RECORD_BYTES)


def strips_arguments(node: Node, ctx: LoweringContext, strips: Strips) -> tuple[Arg, BufferArg]:
    """(table, scratch) of a depthwise layer by strips: in flash, or decoded into scratch by a call of its own."""
    codebook = codebook_of(node)
    if codebook is None:
        stored = ctx.constant("int32_t", strips_table(node, strips.shape), node.input(1).elements)
        return stored, ctx.scratch(strips.scratch)
    layer = coded_layer(node, codebook, 1)
    codes, places = strip_places(layer.codes, strips.shape)[:, 0], len(strips.shape.places)
    outputs, count = codes.shape
    coding, channels = layer.channels(ctx)
    packed = layer.weights(ctx, packed_in_order(codes, codebook.bits))
    own = ctx.scratch(strips.scratch + decoded_strips_bytes(node, strips.shape))
    table = BufferArg(own.buffer, "int32_t", True, own.offset + strips.scratch)
    params = ctx.struct("ek_strip_codes", {
        "channels": outputs, "codes": count, "places": places,
        "rows": strips.shape.rows, "size": node.input(1).shape[0],
        "input_zero": fp.single_quant(node.input(0))[1],
    })  # fmt: skip
    ctx.call("ek_decode_strips", coding, params, packed, channels, table)
    return table, own
