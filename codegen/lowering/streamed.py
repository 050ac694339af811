"""Streams to loops of kernel calls, a loop for rounds that are alike; see codegen/streaming."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from edgekit.codegen.lowering.context import LoweringContext, View
from edgekit.codegen.lowering.integrated import Rules, clone
from edgekit.codegen.lowering.walk import padded
from edgekit.codegen.program import FEED_ROWS, Buffer, Fields, Literal
from edgekit.codegen.streaming.buffers import LineBuffers, last_readers, line_buffers, row_bytes
from edgekit.codegen.streaming.reach import streamed_inputs, turns, window_rows
from edgekit.codegen.streaming.stream import Round, Rows, Schedule, Stream, Work, rows_of_work
from edgekit.codegen.streaming.stripes import ALIGNMENT, Stripe, recomputed_macs, stripes_of
from edgekit.ir import Node, Value
from edgekit.ops import spec_of


def lower_stream(stream: Stream, ctx: LoweringContext, rules: Rules) -> None:
    """Round by round: rows of the image are fed, each layer makes its rows, what is read again moves to the front."""
    schedule = Schedule(stream)
    buffers = line_buffers(schedule, range(schedule.rounds))
    room = ctx.room() - buffers.fed
    lines = ctx.scratch(max(1, buffers.size), ALIGNMENT).buffer
    if stream.image is not None and stream.fed is not None:
        ctx.streamed(stream.image, buffers.fed)
        if stream.renames:
            ctx.alias(stream.fed, stream.image)
    if stream.replaced is not None:
        ctx.allow_in_place(stream.replaced, stream.last.output)
    stripes = stripes_of(stream) if stream.stripes > 1 else [None]
    ctx.steps[-1].rounds, ctx.steps[-1].halo_macs = len(stripes) * schedule.rounds, recomputed_macs(stream)
    with ctx.keeping():
        for stripe in stripes:
            calls = _Rounds(schedule, stripe, buffers, lines, ctx, rules, room)
            for first, times in _alike(schedule):
                with ctx.loop(times):
                    calls.lower(first, times)


_Pair: TypeAlias = "tuple[int, int]"


def _alike(schedule: Schedule) -> Iterator[tuple[int, int]]:
    """(first round, times): neighbouring rounds that differ only in where they stand in whole values."""
    first = 0
    for index in range(1, schedule.rounds + 1):
        alike = index < schedule.rounds and _shape(schedule, index) == _shape(schedule, first)
        if not alike or _steps(schedule, index) != _steps(schedule, first + 1):
            yield first, index - first
            first = index


def _shape(schedule: Schedule, index: int) -> list[object]:
    """All that the calls of a round depend on but where it stands in whole values."""
    now, after = schedule.round(index), schedule.round(index + 1)
    shape: list[object] = [
        (now.made[v].first - now.kept[v], now.made[v].count, after.kept[v] - now.kept[v], schedule.carried(v, index))
        for v in schedule.stream.inside
    ]
    for node in schedule.stream.layers:
        work = rows_of_work(node, now)
        shape += [work.made.count, work.read.count, work.padding]
        shape += [work.read.first - now.kept[v] for v in streamed_inputs(node) if v in now.kept]
    return shape


def _steps(schedule: Schedule, index: int) -> list[tuple[int, int]]:
    """From the round before: how many rows further a round makes and reads, by layer, and takes of what is given."""
    now, before = schedule.round(index), schedule.round(index - 1)
    pairs = [(rows_of_work(node, now), rows_of_work(node, before)) for node in schedule.stream.layers]
    steps = [(a.made.first - b.made.first, a.read.first - b.read.first) for a, b in pairs]
    return [*steps, *((now.made[v].first - before.made[v].first, 0) for v in schedule.stream.given)]


class _Rounds:
    """Calls of rounds over one stripe or all columns, the first of which stands for as many as a loop has."""

    def __init__(
        self, schedule: Schedule, stripe: Stripe | None, buffers: LineBuffers, lines: Buffer, ctx: LoweringContext,
        rules: Rules, room: int,
    ) -> None:  # fmt: skip
        self._schedule, self._stripe, self._buffers, self._lines = schedule, stripe, buffers, lines
        self._last_readers = last_readers(schedule.stream)
        self._ctx, self._rules, self._room = ctx, rules, room

    def lower(self, index: int, times: int) -> None:
        """The calls of a round."""
        now, stream = self._schedule.round(index), self._schedule.stream
        steps = _steps(self._schedule, index + 1) if times > 1 else [(0, 0)] * (len(stream.layers) + len(stream.given))
        for given, step in zip(stream.given, steps[len(stream.layers) :], strict=True):
            if now.made[given].count:
                self._take(given, now, step[0])
        for at, node in enumerate(stream.layers):
            work = rows_of_work(node, now)
            if work.made.count:
                self._layer(at, work, now, steps[at])
            for value in stream.inside:
                if self._last_readers[value] == at:
                    self._move(value, index)

    def _take(self, value: Value, now: Round, step: int) -> None:
        """Rows of the fed image, or of the value whose place the result takes."""
        rows = now.made[value]
        part = self._part(value, rows, now, 0)
        if value is self._schedule.stream.fed:
            self._ctx.call(FEED_ROWS, self._ctx.write(part), Literal(rows.first, step), Literal(rows.count))
            return
        size = row_bytes(value)
        source = Value(value.name, part.shape, value.dtype, value.quant)
        self._ctx.place(source, View(self._ctx.buffer(value), rows.first * size, step * size))
        self._copy(source, part, (rows.count * size,))

    def _layer(self, at: int, work: Work, now: Round, steps: tuple[int, int]) -> None:
        """Rows of one layer; what it reads or makes of a stripe of a wider value is copied where it is several rows."""
        node, free = self._schedule.stream.layers[at], self._buffers.free[at]
        if self._schedule.stream.image is None and turns(node):
            self._turn(node, work, now, steps[1])
            return
        beside = 0
        if self._stripe is not None:
            beside = self._stripe.beside(self._schedule.stream, node, work.made.count, work.read.count)
            with self._ctx.sharing_scratch(0, View(self._lines, free)):
                self._ctx.scratch(beside, ALIGNMENT)
        copies = _Copies(self._lines, free)
        parts = {v: self._input(node, v, work.read, now, steps[1], copies) for v in streamed_inputs(node)}
        inputs = [None if v is None else parts.get(v, v) for v in node.inputs]
        whole = self._part(node.output, work.made, now, steps[0])
        target = whole
        if self._stripe is not None and node is self._schedule.stream.last:
            target = copies.take(whole, self._ctx, self._stripe.scattered(node.output, work.made.count))
        with self._ctx.sharing_scratch(max(0, self._room - free - beside), View(self._lines, free + beside)):
            part, first = clone(node, inputs, [target], self._attrs(node, work)), len(self._ctx.steps[-1].calls)
            self._rules[node.op](part, self._ctx)
            self._ctx.count_readings(first, spec_of(node.op).macs(part))
        if target is not whole:
            self._copy(target, whole, *_rectangle(target, node.output.shape[2], to_whole=True))

    def _turn(self, node: Node, work: Work, now: Round, step: int) -> None:
        """Rows of an NCHW image, channels last."""
        image, target = node.input(0), self._part(node.output, work.made, now, 0)
        _, channels, height, width = image.shape
        first = 0 if self._stripe is None else self._stripe.read[node].first
        source = Value(image.name, target.shape, image.dtype, image.quant)
        view = View(self._ctx.buffer(image), work.made.first * width + first, step * width)
        self._ctx.place(source, view)
        taken = target.shape[2]
        steps = (width, 1, height * width), (taken * channels, channels, 1)
        self._copy(source, target, (work.made.count, taken, channels), *steps)

    def _attrs(self, node: Node, work: Work) -> dict[str, object]:
        """Those of a layer over some rows and columns: padding at the borders of its input alone."""
        attrs, window = dict(node.attrs), window_rows(node)
        if window is None:
            return attrs
        (above, below), left, right = work.padding, window.before[1], window.after[1]
        if self._stripe is not None:
            left, right = self._stripe.padding[node]
        attrs["padding"] = (above, left, below, right)
        attrs.pop("overhang", None)
        return attrs

    def _input(self, node: Node, value: Value, rows: Rows, now: Round, step: int, copies: _Copies) -> Value:
        """Rows of an input, of a stripe those columns that the layer reads."""
        if self._stripe is None:
            return self._part(value, rows, now, step)
        part = self._part(value, rows, now, step, self._stripe.read[node])
        copy = copies.take(part, self._ctx, self._stripe.gathered(node, value, rows.count))
        if copy is not part:
            self._copy(part, copy, *_rectangle(part, self._stripe.standing(value).count, to_whole=False))
        return copy

    def _part(self, value: Value, rows: Rows, now: Round, step: int, columns: Rows | None = None) -> Value:
        """Rows of a value: in its line buffer, or in the whole value, in a loop `step` rows further in each round.

        Args:
            columns: of a stripe; None takes all that the stripe has.
        """
        stream, whole = self._schedule.stream, value not in now.kept
        axis, size, start = stream.axis(value), row_bytes(value, stream.axis(value)), 0
        shape = (*value.shape[:axis], rows.count, *value.shape[axis + 1 :])
        if self._stripe is not None:
            taken = columns or self._stripe.standing(value)
            size = size if whole else self._stripe.row_bytes(value)
            start = (taken.first - (0 if whole else self._stripe.standing(value).first)) * value.shape[3]
            shape = (1, rows.count, taken.count, value.shape[3])
        part = Value(value.name, shape, value.dtype, value.quant)
        first = rows.first if whole else rows.first - now.kept[value]
        offset = self._buffers.offsets.get(value, 0) + first * size + start
        buffer = self._lines if value in self._buffers.offsets else self._ctx.buffer(value)
        self._ctx.place(part, View(buffer, offset, step * size if whole else 0))
        return part

    def _move(self, value: Value, index: int) -> None:
        """What the next round reads again, to the front of the buffer."""
        count, stream = self._schedule.carried(value, index), self._schedule.stream
        kept, next_kept = (self._schedule.round(i).kept[value] for i in (index, index + 1))
        if not count or kept == next_kept:
            return
        now = self._schedule.round(index)
        size = row_bytes(value, stream.axis(value)) if self._stripe is None else self._stripe.row_bytes(value)
        # Row by row where the rows overlap with where they go to: no row does with its own new place.
        shape = (count, size) if count > next_kept - kept else (count * size,)
        self._copy(
            self._part(value, Rows(next_kept, count), now, 0), self._part(value, Rows(kept, count), now, 0), shape
        )

    def _copy(
        self, source: Value, target: Value, shape: tuple[int, ...], source_steps: tuple[int, ...] = (),
        target_steps: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        """Bytes all at once or in rows, side by side unless there are steps from row to row."""
        dense = (shape[-1], 1)[-len(shape) :]
        fields: Fields = {
            "rank": len(shape), "shape": padded(shape, 1),
            "from": padded(source_steps or dense), "to": padded(target_steps or dense),
        }  # fmt: skip
        read, write = self._ctx.operand_as(source, "uint8_t"), self._ctx.write(target, "uint8_t")
        self._ctx.call("ek_copy_8", self._ctx.struct("ek_copy_params", fields), read, write)


def _rectangle(part: Value, columns: int, to_whole: bool) -> tuple[_Pair, _Pair, _Pair]:
    """Shape and steps of a copy of rows that lie side by side to or from a value of so many columns."""
    _, rows, width, channels = part.shape
    dense, wide = (width * channels, 1), (columns * channels, 1)
    return (rows, width * channels), *((dense, wide) if to_whole else (wide, dense))


class _Copies:
    """Places of the copies that a layer works on, one behind the other."""

    def __init__(self, lines: Buffer, start: int) -> None:
        self._lines, self._end = lines, start

    def take(self, part: Value, ctx: LoweringContext, size: int) -> Value:
        """A value like `part` at the next place of `size` bytes; the part itself where that is 0."""
        if not size:
            return part
        copy = Value(part.name, part.shape, part.dtype, part.quant)
        ctx.place(copy, View(self._lines, self._end))
        self._end += size
        return copy
