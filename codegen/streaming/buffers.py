"""The line buffers of a stream: how many rows of each value, and where they stand in one piece of memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgekit.codegen.memory.block import align_up
from edgekit.codegen.streaming.reach import streamed_inputs
from edgekit.codegen.streaming.stream import Schedule, Stream
from edgekit.codegen.streaming.stripes import ALIGNMENT, stripes_of
from edgekit.ir import Value


@dataclass(frozen=True)
class LineBuffers:
    """Where the rows of a stream stand.

    Attributes:
        offsets: per value between two layers, of its buffer.
        size: bytes of all; fed: bytes of the rows of the fed image, which have a buffer of their own.
        free: per layer, from which offset on nothing stands while it runs.
    """

    offsets: dict[Value, int]
    size: int
    fed: int
    free: tuple[int, ...]


def row_bytes(value: Value, axis: int = 1) -> int:
    """Bytes of one row of int8 codes."""
    return value.elements // value.shape[axis]


def widest_rows(stream: Stream) -> dict[Value, int]:
    """Bytes of a row of each value inside, in its widest stripe."""
    if stream.stripes == 1:
        return {value: row_bytes(value, stream.axis(value)) for value in stream.inside}
    stripes = stripes_of(stream)
    return {value: max(stripe.row_bytes(value) for stripe in stripes) for value in stream.inside}


def last_readers(stream: Stream) -> dict[Value, int]:
    """Per value inside, the position of the last layer that reads it; then what stays moves to the front."""
    return {value: at for at, node in enumerate(stream.layers) for value in streamed_inputs(node)}


def lines_of(schedule: Schedule, rounds: Iterable[int]) -> list[Line]:
    """The buffers that the given rounds want."""
    stream, seen = schedule.stream, list(rounds)
    last, positions = last_readers(stream), {node.output: at for at, node in enumerate(stream.layers)}
    row = widest_rows(stream)
    return [
        Line(
            value,
            positions.get(value, 0),
            last[value],
            align_up(max(schedule.held(value, r) for r in seen) * row[value], ALIGNMENT),
            align_up(max(schedule.carried(value, r) for r in seen) * row[value], ALIGNMENT),
        )
        for value in stream.inside
        if value is not stream.fed
    ]


def line_buffers(schedule: Schedule, rounds: Iterable[int]) -> LineBuffers:
    """Buffers as large as the given rounds want them: of two layouts the one that leaves layers the most room."""
    stream, seen = schedule.stream, list(rounds)
    # What has the most to give back stands on top.
    by_rest = sorted(lines_of(schedule, seen), key=lambda line: line.held - line.carried if line.carried else -1)
    layouts = [_placed(sorted(by_rest, key=lambda line: not line.carried), len(stream.layers))]
    if by_rest and not by_rest[0].carried and by_rest[-1].carried:
        layouts.append(_placed(by_rest, len(stream.layers)))
    offsets, free = min(layouts, key=lambda layout: (max(layout[1]), sum(layout[1])))
    fed = 0
    if stream.fed is not None:
        fed = max(schedule.held(stream.fed, r) for r in seen) * row_bytes(stream.fed, stream.axis(stream.fed))
    return LineBuffers(offsets, max(free), fed, free)


@dataclass(frozen=True)
class Line:
    """The buffer of one value: `held` bytes from the layer that makes it to the last one that reads it, `carried` at
    all other times."""

    value: Value
    made: int
    read: int
    held: int
    carried: int

    def extent(self, at: int) -> int:
        """Bytes taken while the layer at that position runs."""
        return self.held if self.made <= at <= self.read else self.carried

    def beside(self, other: Line) -> list[tuple[int, int]]:
        """Bytes of this and of the other one, at all times when both take some."""
        meet = self.made <= other.read and other.made <= self.read
        pairs = [(self.held, other.held)] if meet else []
        if other.carried and (self.made < other.made or self.read > other.read):
            pairs.append((self.held, other.carried))
        if self.carried and (other.made < self.made or other.read > self.read):
            pairs.append((self.carried, other.held))
        return [*pairs, (self.carried, other.carried)] if self.carried and other.carried else pairs


def _placed(lines: Sequence[Line], layers: int) -> tuple[dict[Value, int], tuple[int, ...]]:
    """Offsets by first fit in the given order, and per layer where all that is taken ends."""
    placed: list[tuple[int, Line]] = []
    for line in lines:
        at = 0
        for start, other in placed:
            beside = line.beside(other)
            if any(start < at + mine and at < start + its for mine, its in beside):
                at = start + max(its for _, its in beside)
        placed.append((at, line))
        placed.sort(key=lambda pair: pair[0])
    free = tuple(max((at + line.extent(i) for at, line in placed if line.extent(i)), default=0) for i in range(layers))
    return {line.value: at for at, line in placed}, free
