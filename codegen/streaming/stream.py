"""A stream: layers that run as one, round by round, and which rows each of them makes in each round.

Source: StreamNet (NeurIPS 2023), line buffers; but for the edges of stripes nothing is computed twice.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from functools import cached_property

from edgekit.codegen.streaming.reach import Reach, reach_of, streamed_inputs
from edgekit.ir import Node, Value


@dataclass(frozen=True)
class Stream:
    """Layers of which a round makes some rows each; only the last one's output is whole.

    Attributes:
        nodes: in order. What any but the last one makes is read in here alone.
        rows: of the last one's output that a round makes.
        image: the graph's input whose rows are fed, or None; the first node reads it.
        replaced: the whole value, read in here alone, whose place the result takes row by row, or None: its rows are
            copied before they are overwritten.
        stripes: in how many parts, side by side, the result is made, one after the other; see `stripes_of`.
    """

    nodes: tuple[Node, ...]
    rows: int
    image: Value | None = None
    replaced: Value | None = None
    stripes: int = 1

    @property
    def last(self) -> Node:
        """The node whose output the layer leaves."""
        return self.nodes[-1]

    @property
    def turned(self) -> bool:
        """Whether the first node puts the channels of the fed image last."""
        return self.image is not None and self.nodes[0].op in ("transpose", "reshape")

    @property
    def row_axis(self) -> int:
        """The axis of the fed image that its rows are of."""
        return 2 if self.turned else 1

    @property
    def renames(self) -> bool:
        """Whether the first node only gives the fed image, which has one channel, another shape."""
        return self.turned and self.nodes[0].op == "reshape"

    @cached_property
    def layers(self) -> tuple[Node, ...]:
        """The nodes that compute something."""
        return self.nodes[1:] if self.renames else self.nodes

    @property
    def fed(self) -> Value | None:
        """The value whose rows are fed, in the shape in which they are read."""
        return self.nodes[0].output if self.renames else self.image

    def axis(self, value: Value) -> int:
        """The axis of a value that its rows are of."""
        return 2 if self.turned and value is self.image else 1

    @property
    def name(self) -> str:
        """The layer's kind, for reports."""
        return ("" if self.image is None else "feed_rows+") + "+".join(node.op for node in self.nodes)

    @property
    def given(self) -> list[Value]:
        """The values whose rows come from outside into line buffers."""
        return [value for value in (self.fed, self.replaced) if value is not None]

    @cached_property
    def inside(self) -> list[Value]:
        """The values of which only some rows exist, in the order in which they are made."""
        return [*self.given, *(node.output for node in self.layers[:-1])]


@dataclass(frozen=True)
class Rows:
    """Rows of a value: `count` from `first`."""

    first: int
    count: int

    @property
    def end(self) -> int:
        """The row behind the last one."""
        return self.first + self.count


@dataclass(frozen=True)
class Round:
    """What one round does.

    Attributes:
        kept: per value inside, its first row that is still there; it stands at the start of the value's buffer.
        made: per value, the rows that the round makes of it; those of the image are fed.
    """

    kept: dict[Value, int]
    made: dict[Value, Rows]


@dataclass(eq=False)
class Schedule:
    """The rounds of a stream, each found by itself from what the last layer has made."""

    stream: Stream
    _rounds: dict[int, Round] = field(default_factory=dict)
    _known_ends: dict[int, dict[Value, int]] = field(default_factory=dict)

    def over(self, stripes: int) -> Schedule:
        """The same rounds over stripes, for a stream that neither is fed nor replaces a value."""
        return Schedule(replace(self.stream, stripes=stripes), self._rounds, self._known_ends)

    @cached_property
    def lead(self) -> int:
        """Rounds before the last layer starts: all layers keep their pace from the first round on."""
        lead = 0
        while any(end > 0 for end in self._pace(-lead * self.stream.rows).values()):
            lead += 1
        return lead

    @cached_property
    def rounds(self) -> int:
        """How many there are."""
        return self.lead + -(-self.stream.last.output.shape[1] // self.stream.rows)

    @cached_property
    def readers(self) -> dict[Value, list[tuple[Value, Reach]]]:
        """Per value inside, the outputs that are made of it."""
        found: dict[Value, list[tuple[Value, Reach]]] = {value: [] for value in self.stream.inside}
        for node in self.stream.layers:
            for value in streamed_inputs(node):
                if value in found:
                    found[value].append((node.output, reach_of(node)))
        return found

    @cached_property
    def _everything(self) -> dict[Value, int]:
        return self._ends(self.rounds - 1)

    def _ends(self, index: int) -> dict[Value, int]:
        """Rows of each value made up to a round, -1 being the start: as few as the last layer needs."""
        if index not in self._known_ends:
            done = (index + 1 - self.lead) * self.stream.rows
            self._known_ends[index] = {value: max(0, end) for value, end in self._pace(done).items()}
        return self._known_ends[index]

    def _pace(self, done: int) -> dict[Value, int]:
        """Rows of each value that `done` rows of the last one need; less than none before there is need of them."""
        last = self.stream.last.output
        ends = {last: min(last.shape[1], done)}
        for value in reversed(self.stream.inside):
            ends[value] = max(reach.end(ends[y]) for y, reach in self.readers[value])
        return ends

    def round(self, index: int) -> Round:
        """The round of that number; the one behind the last keeps and makes nothing."""
        if index not in self._rounds:
            self._rounds[index] = self._round(index)
        return self._rounds[index]

    def _round(self, index: int) -> Round:
        before, after = self._ends(index - 1), self._ends(min(index, self.rounds - 1))
        last = self.stream.last.output
        made = {last: Rows(before[last], after[last] - before[last])}
        kept: dict[Value, int] = {}
        for value in reversed(self.stream.inside):
            open_readers = [(y, reach) for y, reach in self.readers[value] if before[y] < self._everything[y]]
            kept[value] = min((reach.first(made[y].first) for y, reach in open_readers), default=after[value])
            first = max(before[value], kept[value])
            made[value] = Rows(first, max(0, after[value] - first))
        return Round(kept, made)

    @property
    def can_replace(self) -> bool:
        """Whether no round overwrites rows of the replaced value that a later one copies.

        What has been copied and what has been written grow by equal steps from round to round until all is copied: the
        round in which writing starts and the last of these decide.
        """
        source, target = self.stream.replaced, self.stream.last.output
        if source is None or source.nbytes != target.nbytes:
            return False
        copying = bisect_left(range(self.rounds), self._everything[source], key=lambda r: self._ends(r)[source])
        size, new_size = source.nbytes // source.shape[1], target.nbytes // target.shape[1]
        ends = [self._ends(index) for index in (self.lead, copying - 1) if index < copying]
        return all(end[target] * new_size <= end[source] * size for end in ends)

    def held(self, value: Value, index: int) -> int:
        """Rows of a value inside that exist in a round."""
        now = self.round(index)
        return max(0, now.made[value].end - now.kept[value])

    def carried(self, value: Value, index: int) -> int:
        """Rows of a value inside that stay for the next round."""
        return max(0, self.round(index).made[value].end - self.round(index + 1).kept[value])


@dataclass(frozen=True)
class Work:
    """What a layer does in a round: the rows that it makes and reads, and the padding above and below these."""

    made: Rows
    read: Rows
    padding: tuple[int, int]


def rows_of_work(node: Node, now: Round) -> Work:
    """What a layer of the stream does in a round."""
    made, reach = now.made[node.output], reach_of(node)
    if not made.count:
        return Work(made, Rows(0, 0), (0, 0))
    first = reach.first(made.first)
    return Work(made, Rows(first, reach.end(made.end) - first), reach.padding(made.first, made.end))
