"""Integrated layers to loops of kernel calls over blocks of rows; see codegen/integration.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgekit.codegen.integration import Attention, PatchRows, Projection, RowChain, rows_of
from edgekit.codegen.lowering.context import LoweringContext, View
from edgekit.codegen.program import FEED_ROWS, Buffer, Literal
from edgekit.ir import Node, Value

Rules = Mapping[str, Callable[[Node, LoweringContext], None]]
# Rows of a block: the most that still fit are taken. More rows share one widening of the weights.
BLOCKS = (64, 48, 32, 24, 16, 12, 8)


def lower_row_chain(chain: RowChain, ctx: LoweringContext, rules: Rules) -> None:
    """Blocks of rows through all operators; only the last one's rows are kept."""
    last, inside = chain.last, [node.output for node in chain.nodes[:-1]]
    rows, room = rows_of(last.output), ctx.room()
    width = sum(value.shape[-1] for value in inside)
    block = _block(rows, width, max(_depth(node) for node in chain.nodes), room)
    temporary = Temporaries(ctx, block * width)
    places = {value: temporary.take(block * value.shape[-1]) for value in inside}
    # Token overwriting: all that a block reads of its rows is read before they are written.
    for value in dict.fromkeys(v for node in chain.nodes for v in node.inputs if v is not None):
        if value not in places and not value.is_constant:
            ctx.allow_in_place(value, last.output)
    with ctx.sharing_scratch(max(0, room - block * width)):
        for start, count, times in _blocks(rows, block):
            with ctx.loop(times):
                made = dict[Value, Value]()
                for node in chain.nodes:
                    _lower_rows(node, ctx, rules, made, places, start, count)


def _lower_rows(
    node: Node,
    ctx: LoweringContext,
    rules: Rules,
    made: dict[Value, Value],
    places: Mapping[Value, View],
    start: int,
    count: int,
) -> None:
    """One operator on `count` rows from row `start`; values that are in no place stand whole in their buffers."""

    def rows(value: Value) -> Value:
        if value.is_constant:
            return value
        if value not in made:
            made[value] = part = Value(value.name, (count, value.shape[-1]), value.dtype, value.quant)
            place = places.get(value)
            ctx.place(part, place or _part(View(ctx.buffer(value)), start, count, value.shape[-1]))
        return made[value]

    inputs = [None if v is None else rows(v) for v in node.inputs]
    rules[node.op](_clone(node, inputs, [rows(node.output)], _on_rows(node)), ctx)


def _clone(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[Value], attrs: dict[str, object] | None = None
) -> Node:
    """A node of the same kind on other values; constants are shared, but the graph does not learn of it."""
    own = [v if v is None or not v.is_constant else Value(v.name, v.shape, v.dtype, v.quant, v.data) for v in inputs]
    return Node(node.op, node.name, own, outputs, node.attrs if attrs is None else attrs)


def _on_rows(node: Node) -> dict[str, object]:
    """Attributes of a node whose values become matrices of rows."""
    return {**node.attrs, "axis": 1} if node.op == "layer_norm" else node.attrs


def lower_patch_rows(patches: PatchRows, ctx: LoweringContext, rules: Rules) -> None:
    """Row by row of the output: feed the rows of the image, turn them, convolve."""
    image, conv, turn = patches.image, patches.conv, patches.turn
    (_, height, width, channels), rows = conv.output.shape, patches.kernel_rows
    axis = patches.row_axis
    shape = tuple(rows if a == axis else size for a, size in enumerate(image.shape))
    part = Value(image.name, shape, image.dtype, image.quant)
    ctx.place(part, View(ctx.streamed(image, part.nbytes)))
    room = ctx.room()
    row = Value(conv.output.name, (1, 1, width, channels), conv.output.dtype, conv.output.quant)
    ctx.place(row, View(ctx.buffer(conv.output), 0, width * channels))
    turned, moves = part, False
    if turn is not None:
        size = tuple(part.shape[a] for a in (0, 2, 3, 1))
        turned = Value(turn.output.name, size, turn.output.dtype, turn.output.quant)
        moves = turn.op == "transpose"
        ctx.place(turned, Temporaries(ctx, part.nbytes).take(part.nbytes) if moves else View(ctx.buffer(part)))
    _, left, _, right = conv.attrs["padding"]
    attrs = {**conv.attrs, "padding": (0, left, 0, right)}
    with ctx.loop(height):
        ctx.call(FEED_ROWS, ctx.write(part), Literal(0, patches.stride), Literal(rows))
        if turn is not None and moves:
            rules[turn.op](_clone(turn, [part], [turned]), ctx)
        with ctx.sharing_scratch(room):
            rules[conv.op](_clone(conv, [turned, *conv.inputs[1:]], [row], attrs), ctx)


def lower_attention(attention: Attention, ctx: LoweringContext, rules: Rules) -> None:
    """Head by head: keys and values of all rows, then blocks of queries with their scores, mixed into the result."""
    rows, room = rows_of(attention.result), ctx.room()
    source = attention.query.linear.input(0) if attention.norm is None else attention.norm.input(0)
    width, depth, mixed = attention.query.linear.input(0).shape[-1], attention.query.depth, attention.values.depth
    normed = width if attention.norm is not None else 0
    row_bytes = normed + depth + rows
    whole = rows * (depth + mixed)
    block = _block(rows, row_bytes, max(width, rows), max(0, room - whole))
    temporary = Temporaries(ctx, whole + block * row_bytes)
    keys, values = temporary.take(rows * depth), temporary.take(rows * mixed)
    lines, queries, scores = (temporary.take(block * size) for size in (normed, depth, rows))
    pitch = attention.result.shape[-1]
    with ctx.sharing_scratch(max(0, room - whole - block * row_bytes)):
        for head, first in enumerate(attention.starts):
            heads = _Head(attention, head, rows, ctx, rules)
            for start, count, times in _blocks(rows, block):
                with ctx.loop(times):
                    read = heads.lines(source, lines, start, count)
                    heads.project(attention.key, read, _part(keys, start, count, depth))
                    heads.project(attention.values, read, _part(values, start, count, mixed))
            for start, count, times in _blocks(rows, block):
                with ctx.loop(times):
                    read = heads.lines(source, lines, start, count)
                    query = heads.project(attention.query, read, queries)
                    score = heads.score(query, keys, scores)
                    result = View(ctx.buffer(attention.result), start * pitch + first, count * pitch, pitch)
                    heads.mix(heads.softmax(score, scores), values, result)


class _Head:
    """The calls of one head; every method makes a value and says where it stands."""

    def __init__(self, attention: Attention, head: int, rows: int, ctx: LoweringContext, rules: Rules) -> None:
        self._a, self._head, self._rows, self._ctx, self._rules = attention, head, rows, ctx, rules

    def _value(self, like: Value, shape: tuple[int, int], view: View) -> Value:
        value = Value(like.name, shape, like.dtype, like.quant)
        self._ctx.place(value, view)
        return value

    def _run(
        self, node: Node, inputs: Sequence[Value | None], output: Value, attrs: dict[str, object] | None = None
    ) -> Value:
        self._rules[node.op](_clone(node, inputs, [output], attrs or _on_rows(node)), self._ctx)
        return output

    def lines(self, source: Value, place: View, start: int, count: int) -> Value:
        """`count` rows of the source, normalized where it is."""
        width = source.shape[-1]
        rows = self._value(source, (count, width), _part(View(self._ctx.buffer(source)), start, count, width))
        norm = self._a.norm
        if norm is None:
            return rows
        return self._run(norm, [rows, *norm.inputs[1:]], self._value(norm.output, (count, width), place))

    def project(self, projection: Projection, rows: Value, place: View) -> Value:
        """The head's columns of a linear layer."""
        linear, columns = projection.linear, projection.columns[self._head]
        operands = [_rows_of_constant(linear.input(1), columns)]
        if (bias := linear.optional_input(2)) is not None:
            operands.append(_rows_of_constant(bias, columns))
        output = self._value(linear.output, (rows.shape[0], projection.depth), place)
        return self._run(linear, [rows, *operands], output)

    def score(self, query: Value, keys: View, place: View) -> Value:
        """Queries times keys."""
        node = self._a.score
        key = self._value(node.input(1), (self._rows, self._a.key.depth), keys)
        output = self._value(node.output, (query.shape[0], self._rows), place)
        return self._product(node, query, key, output, True)

    def softmax(self, score: Value, place: View) -> Value:
        """Scores become shares, in their place."""
        return self._run(
            self._a.softmax, [score], self._value(self._a.softmax.output, (score.shape[0], self._rows), place)
        )

    def mix(self, shares: Value, values: View, place: View) -> Value:
        """Shares times values."""
        node = self._a.mix
        value = self._value(node.input(1), (self._rows, self._a.values.depth), values)
        return self._product(
            node, shares, value, self._value(node.output, (shares.shape[0], value.shape[1]), place), False
        )

    def _product(self, node: Node, a: Value, b: Value, output: Value, transposed: bool) -> Value:
        return self._run(node, [a, b], output, {**node.attrs, "transpose_a": False, "transpose_b": transposed})


def _rows_of_constant(constant: Value, rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Value:
    """Some rows of a constant, with their own scales."""
    quant = constant.quant
    if quant is not None and not quant.is_per_tensor:
        scales, zeros = np.array(quant.scale)[rows], np.array(quant.zero_point)[rows]
        quant = replace(quant, scale=tuple(scales.tolist()), zero_point=tuple(zeros.tolist()))
    return Value.constant(constant.name, constant.array[rows], quant)


class Temporaries:
    """The bytes between the operators of one layer, one value behind the other."""

    def __init__(self, ctx: LoweringContext, size: int) -> None:
        self._buffer: Buffer = ctx.scratch(max(1, size + 4 * 8)).buffer
        self._end = 0

    def take(self, size: int) -> View:
        """A place of `size` bytes, on a word's boundary."""
        view = View(self._buffer, self._end)
        self._end += -(-size // 4) * 4
        return view


def _part(whole: View, start: int, count: int, width: int) -> View:
    """`count` rows at a time of int8 codes, from row `start`."""
    return View(whole.buffer, whole.offset + start * width, count * width, whole.pitch)


def _depth(node: Node) -> int:
    """Inputs of each sum of a linear layer, which its kernel widens."""
    return node.input(1).shape[1] if node.op == "fully_connected" else 0


def _block(rows: int, width: int, depth: int, room: int) -> int:
    """Rows of a block: as many as leave room for their `width` bytes each, and for kernels to widen `depth` inputs."""
    fitting = [block for block in BLOCKS if block * (width + 2 * depth) + 4 * depth + 512 <= room]
    return min(rows, fitting[0] if fitting else BLOCKS[-1])


def _blocks(rows: int, block: int) -> list[tuple[int, int, int]]:
    """(first row, rows at a time, times): whole blocks, and what is left."""
    whole, rest = divmod(rows, block)
    return [(0, block, whole), *([(whole * block, rest, 1)] if rest else [])]
