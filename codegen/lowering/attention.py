"""Integrated attention to loops of kernel calls, head by head; see codegen/attention.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.codegen.attention import Attention, Projection
from edgekit.codegen.lowering.context import LoweringContext, View
from edgekit.codegen.lowering.integrated import (
    BLOCKS,
    Rules,
    Temporaries,
    block_bytes,
    block_rows,
    blocks_of,
    clone,
    on_rows,
    part_of,
)
from edgekit.codegen.rows import rows_of
from edgekit.ir import Node, Value


def lower_attention(attention: Attention, ctx: LoweringContext, rules: Rules) -> None:
    """Head by head: keys and values of all rows, then blocks of queries with their scores, mixed into the result.

    Where there is room for all of them the rows are normalized once; elsewhere as they are read, twice for every head.
    """
    rows, room = rows_of(attention.result), ctx.room() - Temporaries.SLACK
    width, depth, mixed = attention.query.linear.input(0).shape[-1], attention.query.depth, attention.values.depth
    deepest, whole, row_bytes = max(width, rows), rows * (depth + mixed), depth + rows
    # Even blocks of the fewest rows lose less than the normalizations cost.
    least = block_bytes(BLOCKS[-1], row_bytes, deepest if ctx.target.dsp else 0)
    stores = attention.norm is not None and whole + rows * width + least <= room
    if stores:
        whole += rows * width
    elif attention.norm is not None:
        row_bytes += width
    block = block_rows(rows, row_bytes, deepest, max(0, room - whole))
    temporary = Temporaries(ctx, whole + block * row_bytes)
    keys, values = temporary.take(rows * depth), temporary.take(rows * mixed)
    queries, scores = (temporary.take(block * size) for size in (depth, rows))
    pitch = attention.result.shape[-1]
    with ctx.sharing_scratch(max(0, room - whole - block * row_bytes)):
        lines = _Lines(attention, ctx, rules, temporary, rows if stores else 0, block)
        for head, first in enumerate(attention.starts):
            heads = _Head(attention, head, rows, ctx, rules)
            for start, count, times in blocks_of(rows, block):
                with ctx.loop(times):
                    read = lines.read(start, count)
                    heads.project(attention.key, read, part_of(keys, start, count, depth))
                    heads.project(attention.values, read, part_of(values, start, count, mixed))
            for start, count, times in blocks_of(rows, block):
                with ctx.loop(times):
                    query = heads.project(attention.query, lines.read(start, count), queries)
                    score = heads.biased(heads.score(query, keys, scores), scores, start, count)
                    result = View(ctx.buffer(attention.result), start * pitch + first, count * pitch, pitch)
                    heads.mix(heads.softmax(score, scores), values, result)


class _Calls:
    """Calls of the attention's operators on values that stand in given places."""

    def __init__(self, attention: Attention, ctx: LoweringContext, rules: Rules) -> None:
        self._a, self._ctx, self._rules = attention, ctx, rules

    def _value(self, like: Value, shape: tuple[int, int], view: View) -> Value:
        value = Value(like.name, shape, like.dtype, like.quant)
        self._ctx.place(value, view)
        return value

    def _run(
        self, node: Node, inputs: Sequence[Value | None], output: Value, attrs: dict[str, object] | None = None
    ) -> Value:
        self._rules[node.op](clone(node, inputs, [output], attrs or on_rows(node)), self._ctx)
        return output


class _Lines(_Calls):
    """The rows that the projections read: as they are, normalized all at once into a place of their own, or as read."""

    def __init__(
        self, attention: Attention, ctx: LoweringContext, rules: Rules, temporary: Temporaries, stored: int, block: int
    ) -> None:
        super().__init__(attention, ctx, rules)
        norm, self._width = attention.norm, attention.query.linear.input(0).shape[-1]
        self._source = attention.query.linear.input(0) if norm is None else norm.input(0)
        self._stored, self._place = norm is None or stored > 0, View(ctx.buffer(self._source))
        if norm is not None:
            made = temporary.take((stored or block) * self._width)
            if stored:
                self._normalize(View(ctx.buffer(self._source)), made, stored)
            self._place = made

    def read(self, start: int, count: int) -> Value:
        """`count` rows at a time from row `start`."""
        if self._stored:
            like = self._a.query.linear.input(0)
            return self._value(like, (count, self._width), part_of(self._place, start, count, self._width))
        source = part_of(View(self._ctx.buffer(self._source)), start, count, self._width)
        return self._normalize(source, self._place, count)

    def _normalize(self, source: View, place: View, count: int) -> Value:
        norm = self._a.norm
        assert norm is not None
        rows = self._value(self._source, (count, self._width), source)
        return self._run(norm, [rows, *norm.inputs[1:]], self._value(norm.output, (count, self._width), place))


class _Head(_Calls):
    """The calls of one head."""

    def __init__(self, attention: Attention, head: int, rows: int, ctx: LoweringContext, rules: Rules) -> None:
        super().__init__(attention, ctx, rules)
        self._head, self._rows = head, rows

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

    def biased(self, score: Value, place: View, start: int, count: int) -> Value:
        """`count` rows of scores at a time, from row `start`, plus their rows of the constant, in their place."""
        bias, rows = self._a.bias, self._rows
        if bias is None:
            return score
        codes, quant = bias.codes[self._head], bias.constant.quant
        if (codes == codes[0]).all():
            part = Value.constant(bias.constant.name, codes[0], quant)
        else:
            whole = Value.constant(bias.constant.name, codes, quant)
            part = Value.constant(bias.constant.name, codes[start : start + count], quant)
            self._ctx.place_constant(part, whole, start * rows, count * rows)
        terms = [part if v.is_constant else score for v in (bias.add.input(0), bias.add.input(1))]
        output = self._value(bias.add.output, (count, rows), place)
        node = Node(bias.add.op, bias.add.name, terms, [output], bias.add.attrs)
        self._rules[node.op](node, self._ctx)
        return output

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
    quant = None if constant.quant is None else constant.quant.of_channels(rows)
    return Value.constant(constant.name, constant.array[rows], quant)
