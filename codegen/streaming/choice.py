"""Which layers run as streams, and of how many rows: the cuts of a graph of fewest cycles within a memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from edgekit.codegen.lowering.context import Target
from edgekit.codegen.rows import is_row_wise
from edgekit.codegen.streaming.buffers import row_bytes
from edgekit.codegen.streaming.costs import CALL, MOVED_BYTE, Costs, Options
from edgekit.codegen.streaming.reach import runs_by_rows, streamed_inputs
from edgekit.codegen.streaming.schedules import Schedules
from edgekit.codegen.streaming.stream import Schedule, Stream
from edgekit.ir import Graph, Node, Value

# Rows of the last layer that a round may make, and layers of one stream.
ROWS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24)
MOST_LAYERS = 12
# Bytes to which the smallest capacity is found.
_GRAIN = 64


@dataclass(frozen=True)
class Choice:
    """Streams, and what they cost.

    Attributes:
        cycles: of all layers, as estimated.
    """

    streams: tuple[Stream, ...]
    cycles: float


@dataclass(frozen=True)
class _Part:
    """One layer of a candidate.

    Attributes:
        options: of each call; times: how often it is called; taken: bytes beside its scratch while it runs.
    """

    options: Options
    times: int
    taken: int


@dataclass(frozen=True)
class _Candidate:
    """Layers that run as one: a node by itself, or a stream.

    Attributes:
        start, end: positions of the first node and behind the last one.
        least: bytes without any scratch; moved: cycles that move rows.
    """

    start: int
    end: int
    stream: Stream | None
    parts: tuple[_Part, ...]
    least: int
    moved: float

    def cycles(self, capacity: int) -> float | None:
        """The fewest within so many bytes, or None where they are too few."""
        if self.least > capacity:
            return None
        total = self.moved
        for part in self.parts:
            each = part.options.within(capacity - part.taken)
            if each is None:
                return None
            total += part.times * each
        return total


class Chooser:
    """The choices that a graph has for one core.

    Args:
        capacity: bytes, the most that will be asked for.
        fed: the graph's images must stream in by rows, where they can.
        streaming: streams may be longer than what a fed image needs.
        overwriting: results may take the place of what they are made of.
        schedules: of the graph, which choosers may share.
    """

    def __init__(
        self, graph: Graph, target: Target, capacity: int, fed: bool = False, streaming: bool = True,
        overwriting: bool = True, schedules: Schedules | None = None,
    ) -> None:  # fmt: skip
        self._schedules = schedules or Schedules()
        self._graph, self._capacity, self._streaming = graph, capacity, streaming
        self._costs = Costs(target)
        self._memory = _Memory(graph, overwriting)
        self._images = {value: turn for value in graph.inputs if fed and (turn := fed_by(graph, value)) is not None}

    @cached_property
    def _candidates(self) -> list[list[_Candidate]]:
        """By where they end."""
        found: list[list[_Candidate]] = [[] for _ in range(len(self._graph.nodes) + 1)]
        for position in range(len(self._graph.nodes)):
            for candidate in self._starting(position):
                found[candidate.end].append(candidate)
        return found

    def cheapest(self, capacity: int) -> Choice | None:
        """The streams with the fewest cycles within so many bytes, or None where none are small enough."""
        best: list[tuple[float, int, _Candidate | None]] = [(0.0, 0, None)]
        for ending in self._candidates[1:]:
            found: tuple[float, int, _Candidate | None] = (math.inf, 0, None)
            for candidate in ending:
                before, layers, _ = best[candidate.start]
                cost = candidate.cycles(capacity) if before < math.inf else None
                if cost is not None and (before + cost, layers + 1) < found[:2]:
                    found = before + cost, layers + 1, candidate
            best.append(found)
        if best[-1][0] == math.inf:
            return None
        streams: list[Stream] = []
        at = len(best) - 1
        while (taken := best[at][2]) is not None:
            streams += [] if taken.stream is None else [taken.stream]
            at = taken.start
        return Choice(tuple(reversed(streams)), best[-1][0])

    def smallest(self, most: int, cycles: float) -> tuple[int, Choice] | None:
        """The least capacity up to `most` bytes for which there is a choice of at most so many cycles."""
        low, high, best = 0, most, self.cheapest(most)
        if best is None or best.cycles > cycles:
            return None
        while high - low > _GRAIN:
            middle = (low + high) // 2
            choice = self.cheapest(middle)
            if choice is None or choice.cycles > cycles:
                low = middle
            else:
                high, best = middle, choice
        return high, best

    def _starting(self, position: int) -> Iterator[_Candidate]:
        """A node by itself, and the streams that start with it."""
        node = self._graph.nodes[position]
        image = next((value for value in streamed_inputs(node) if value in self._images), None)
        if image is None:
            yield self._alone(position)
        if not self._streaming and image is None:
            return
        nodes: list[Node] = []
        for last in range(position, min(len(self._graph.nodes), position + MOST_LAYERS)):
            node = self._graph.nodes[last]
            turns = image is not None and not nodes and self._images[image] is node
            if not (runs_by_rows(node) or turns) or (nodes and self._apart(node, image)):
                return
            nodes.append(node)
            if not turns and (len(nodes) > 1 or image is not None) and self._closed(nodes):
                yield from self._streams(tuple(nodes), position, image)
            if not self._streaming and not turns:
                return

    def _apart(self, node: Node, image: Value | None) -> bool:
        """Whether a node reads a fed image that the stream does not feed."""
        return any(value in self._images and value is not image for value in streamed_inputs(node))

    def _closed(self, nodes: Sequence[Node]) -> bool:
        """Whether nodes leave the last one's output alone."""
        inside = set(nodes)
        return not any(
            not node.output.uses
            or self._graph.is_output(node.output)
            or any(reader not in inside for reader, _ in node.output.uses)
            for node in nodes[:-1]
        )

    def _streams(self, nodes: tuple[Node, ...], position: int, image: Value | None) -> Iterator[_Candidate]:
        height = nodes[-1].output.shape[1]
        live = self._memory.during(position, position + len(nodes), image)
        replaced = self._memory.replaceable(position, position + len(nodes)) if image is None else []
        for source in (None, *replaced):
            for rows in [r for r in ROWS if 2 * r <= height] if self._streaming else ROWS[:1]:
                schedule = self._schedules.of(Stream(nodes, rows, image, source))
                if source is not None and not schedule.can_replace:
                    continue
                candidate = self._stream(schedule, position, live - (0 if source is None else source.nbytes))
                if candidate.least > self._capacity:
                    break
                yield candidate

    def _alone(self, position: int) -> _Candidate:
        node = self._graph.nodes[position]
        live = self._memory.alone(position)
        part = _Part(self._costs.whole(node), 1, live)
        parts = () if node.op == "reshape" else (part,)
        return _Candidate(position, position + 1, None, parts, live, 0.0)

    def _stream(self, schedule: Schedule, position: int, live: int) -> _Candidate:
        stream, rounds = schedule.stream, schedule.rounds
        buffers = self._schedules.buffers(stream)
        usual = schedule.round(rounds // 2)
        parts, moved = [], 0.0
        for at, node in enumerate(stream.layers):
            count = max(1, usual.made[node.output].count)
            times, rest = divmod(node.output.shape[1], count)
            taken = live + buffers.fed + buffers.free[at]
            parts.append(_Part(self._costs.of(node, count), times, taken))
            parts += [_Part(self._costs.of(node, rest), 1, taken)] if rest else []
        for value in stream.inside:
            carried = schedule.carried(value, rounds // 2)
            size = row_bytes(value, stream.axis(value))
            moved += MOVED_BYTE * value.nbytes + CALL * rounds if value is stream.replaced else 0.0
            moved += rounds * (CALL + carried * (CALL / 2 + MOVED_BYTE * size)) if carried else 0.0
        least = live + buffers.fed + buffers.size
        return _Candidate(position, position + len(stream.nodes), stream, tuple(parts), least, moved)


class _Memory:
    """Bytes of the whole values that are live beside a layer."""

    def __init__(self, graph: Graph, overwriting: bool) -> None:
        self._graph, self._overwriting = graph, overwriting
        self._names: dict[Value, Value] = {}
        self._born: dict[Value, int] = dict.fromkeys(graph.inputs, -1)
        self._dies: dict[Value, int] = dict.fromkeys(graph.inputs, 0)
        for position, node in enumerate(graph.nodes):
            for value in streamed_inputs(node):
                self._dies[self._root(value)] = position
            for value in node.outputs:
                if node.op == "reshape" and not node.input(0).is_constant:
                    self._names[value] = self._root(node.input(0))
                else:
                    self._born[value] = self._dies[value] = position
        for value in graph.outputs:
            self._dies[self._root(value)] = len(graph.nodes)

    def _root(self, value: Value) -> Value:
        return self._names.get(value, value)

    def during(self, start: int, end: int, image: Value | None = None) -> int:
        """Bytes live while nodes from `start` run as a stream that leaves its last output, less a fed image."""
        before = sum(
            value.nbytes
            for value, born in self._born.items()
            if born < start <= self._dies[value] and value is not image
        )
        return before + sum(value.nbytes for value in self._graph.nodes[end - 1].outputs)

    def replaceable(self, start: int, end: int) -> list[Value]:
        """The whole values of the size of what a stream leaves that nothing but its nodes reads any more."""
        if not self._overwriting:
            return []
        nodes = self._graph.nodes[start:end]
        read = dict.fromkeys(value for node in nodes for value in streamed_inputs(node))
        output = nodes[-1].output
        return [v for v in read if self._born.get(v, end) < start and self._dies[v] < end and v.nbytes == output.nbytes]

    def alone(self, position: int) -> int:
        """Bytes live while one node runs by itself."""
        node = self._graph.nodes[position]
        if node.op == "reshape":
            return 0
        live = self.during(position, position + 1)
        if self._overwriting and is_row_wise(node) and node.op != "fully_connected":
            dying = [v for v in streamed_inputs(node) if self._dies[self._root(v)] == position]
            live -= node.output.nbytes if any(v.nbytes == node.output.nbytes for v in dying) else 0
        return live


def fed_by(graph: Graph, image: Value) -> Node | None:
    """The node by which rows of an image come in, or None where they cannot: one that makes rows of it, or one that
    puts its channels last before the only one that does.
    """
    reader = graph.only_reader(image)
    if reader is None or len(image.shape) != 4 or image.shape[0] != 1:
        return None
    if _puts_channels_last(reader, image):
        following = graph.only_reader(reader.output)
        return reader if following is not None and runs_by_rows(following) and _reads_once(following) else None
    return reader if runs_by_rows(reader) and _reads_once(reader) else None


def _reads_once(node: Node) -> bool:
    return len(streamed_inputs(node)) == 1 and node.output.shape[1] > 1


def _puts_channels_last(node: Node, image: Value) -> bool:
    """Whether a node turns NCHW to NHWC; for a single channel that is another shape alone."""
    if node.op == "reshape":
        return image.shape[1] == 1 and node.output.shape == (1, *image.shape[2:], 1)
    return node.op == "transpose" and tuple(node.attrs["perm"]) == (0, 2, 3, 1)
