"""Streams to loops of kernel calls, a loop for rounds that are alike; see codegen/streaming."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgekit.codegen.lowering.context import LoweringContext, View
from edgekit.codegen.lowering.integrated import Rules, clone
from edgekit.codegen.lowering.walk import padded
from edgekit.codegen.program import FEED_ROWS, Buffer, Fields, Literal
from edgekit.codegen.streaming.buffers import ALIGNMENT, LineBuffers, last_readers, line_buffers, row_bytes
from edgekit.codegen.streaming.reach import reach_of, streamed_inputs, window_rows
from edgekit.codegen.streaming.stream import Round, Rows, Schedule, Stream
from edgekit.ir import Node, Value


def lower_stream(stream: Stream, ctx: LoweringContext, rules: Rules) -> None:
    """Round by round: rows of the image are fed, each layer makes its rows, what is read again moves to the front."""
    schedule = Schedule(stream)
    buffers = line_buffers(schedule, range(schedule.rounds))
    ctx.steps[-1].rounds = schedule.rounds
    room = ctx.room() - buffers.fed
    lines = ctx.scratch(max(1, buffers.size), ALIGNMENT).buffer
    if stream.image is not None and stream.fed is not None:
        ctx.streamed(stream.image, buffers.fed)
        if stream.renames:
            ctx.alias(stream.fed, stream.image)
    if stream.replaced is not None:
        ctx.allow_in_place(stream.replaced, stream.last.output)
    calls = _Rounds(schedule, buffers, lines, ctx, rules, room)
    with ctx.keeping():
        for first, times in _alike(schedule):
            with ctx.loop(times):
                calls.lower(first, times)


@dataclass(frozen=True)
class _Work:
    """What a layer does in a round: the rows that it makes and reads, and the padding above and below these."""

    made: Rows
    read: Rows
    padding: tuple[int, int]


def _work(node: Node, now: Round) -> _Work:
    made, reach = now.made[node.output], reach_of(node)
    if not made.count:
        return _Work(made, Rows(0, 0), (0, 0))
    first = reach.first(made.first)
    return _Work(made, Rows(first, reach.end(made.end) - first), reach.padding(made.first, made.end))


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
        work = _work(node, now)
        shape += [work.made.count, work.read.count, work.padding]
        shape += [work.read.first - now.kept[v] for v in streamed_inputs(node) if v in now.kept]
    return shape


def _steps(schedule: Schedule, index: int) -> list[tuple[int, int]]:
    """From the round before: how many rows further a round makes and reads, by layer, and takes of what is given."""
    now, before = schedule.round(index), schedule.round(index - 1)
    pairs = [(_work(node, now), _work(node, before)) for node in schedule.stream.layers]
    steps = [(a.made.first - b.made.first, a.read.first - b.read.first) for a, b in pairs]
    return [*steps, *((now.made[v].first - before.made[v].first, 0) for v in schedule.stream.given)]


class _Rounds:
    """Calls of rounds, the first of which stands for as many as a loop has."""

    def __init__(
        self, schedule: Schedule, buffers: LineBuffers, lines: Buffer, ctx: LoweringContext, rules: Rules, room: int
    ) -> None:
        self._schedule, self._buffers, self._lines = schedule, buffers, lines
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
            work = _work(node, now)
            if work.made.count:
                with self._ctx.sharing_scratch(max(0, self._room - self._buffers.free[at]), self._free(at)):
                    self._layer(node, work, now, steps[at])
            for value in stream.inside:
                if self._last_readers[value] == at:
                    self._move(value, index)

    def _free(self, at: int) -> View:
        """Where the scratch of a layer stands."""
        return View(self._lines, self._buffers.free[at])

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

    def _layer(self, node: Node, work: _Work, now: Round, steps: tuple[int, int]) -> None:
        made, read = steps
        parts: dict[Value, Value] = {v: self._part(v, work.read, now, read) for v in streamed_inputs(node)}
        inputs = [None if v is None else parts.get(v, v) for v in node.inputs]
        attrs = dict(node.attrs)
        window = window_rows(node)
        if window is not None:
            (above, below), (_, left), (_, right) = work.padding, window.before, window.after
            attrs["padding"] = (above, left, below, right)
            attrs.pop("overhang", None)
        self._rules[node.op](clone(node, inputs, [self._part(node.output, work.made, now, made)], attrs), self._ctx)

    def _part(self, value: Value, rows: Rows, now: Round, step: int) -> Value:
        """Rows of a value: in its line buffer, or in the whole value, in a loop `step` rows further in each round."""
        stream = self._schedule.stream
        axis = stream.axis(value)
        part = Value(value.name, (*value.shape[:axis], rows.count, *value.shape[axis + 1 :]), value.dtype, value.quant)
        size, whole = row_bytes(value, axis), value not in now.kept
        first = rows.first if whole else rows.first - now.kept[value]
        offset = self._buffers.offsets.get(value, 0) + first * size
        buffer = self._lines if value in self._buffers.offsets else self._ctx.buffer(value)
        self._ctx.place(part, View(buffer, offset, step * size if whole else 0))
        return part

    def _move(self, value: Value, index: int) -> None:
        """What the next round reads again, to the front of the buffer."""
        count, stream = self._schedule.carried(value, index), self._schedule.stream
        kept, next_kept = (self._schedule.round(i).kept[value] for i in (index, index + 1))
        if not count or kept == next_kept:
            return
        size, now = row_bytes(value, stream.axis(value)), self._schedule.round(index)
        # Row by row where the rows overlap with where they go to: no row does with its own new place.
        shape = (count, size) if count > next_kept - kept else (count * size,)
        self._copy(
            self._part(value, Rows(next_kept, count), now, 0), self._part(value, Rows(kept, count), now, 0), shape
        )

    def _copy(self, source: Value, target: Value, shape: tuple[int, ...]) -> None:
        """Bytes side by side, in rows or all at once."""
        steps = (shape[-1], 1)[-len(shape) :]
        fields: Fields = {"rank": len(shape), "shape": padded(shape, 1), "from": padded(steps), "to": padded(steps)}
        read, write = self._ctx.operand_as(source, "uint8_t"), self._ctx.write(target, "uint8_t")
        self._ctx.call("ek_copy_8", self._ctx.struct("ek_copy_params", fields), read, write)
