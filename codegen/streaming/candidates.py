"""How layers may run: a node by itself, nodes integrated, or a stream; what each takes and costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgekit.codegen.attention import Attention
from edgekit.codegen.integration import Group, RowChain, Tricks, integrate, layers_of
from edgekit.codegen.lowering.context import Target
from edgekit.codegen.streaming.buffers import row_bytes
from edgekit.codegen.streaming.costs import CALL, MOVED_BYTE, Costs, Options
from edgekit.codegen.streaming.feeding import fed_by, fed_nodes
from edgekit.codegen.streaming.integrated_costs import IntegratedCosts
from edgekit.codegen.streaming.live import Live
from edgekit.codegen.streaming.reach import runs_by_rows, streamed_inputs, turns
from edgekit.codegen.streaming.schedules import Schedules
from edgekit.codegen.streaming.stream import Schedule, Stream, rows_of_work
from edgekit.codegen.streaming.stripes import Stripe, can_be_cut, stripes_of
from edgekit.ir import Graph, Node, Value

# Rows of the last layer that a round may make, and layers of one stream.
ROWS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24)
MOST_LAYERS = 12
# Stripes of a stream, the fewest columns of each, and rows of a round.
STRIPES = (2, 3, 4, 6, 8)
LEAST_COLUMNS = 8
STRIPED_ROWS = (1, 2, 4)


@dataclass(frozen=True)
class Part:
    """One layer of a candidate.

    Attributes:
        options: of each call; times: how often it is called; taken: bytes beside its scratch while it runs.
    """

    options: Options
    times: int
    taken: int


@dataclass(frozen=True)
class Candidate:
    """Nodes that run as one layer: one by itself, or a group.

    Attributes:
        start, end: positions of the first node and behind the last one.
        least: bytes without any scratch; moved: cycles that move rows.
    """

    start: int
    end: int
    group: Group | None
    parts: tuple[Part, ...]
    least: int
    moved: float

    @property
    def is_cut(self) -> bool:
        """Whether it runs over stripes."""
        return isinstance(self.group, Stream) and self.group.stripes > 1

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


class Candidates:
    """The layers that the nodes of a graph may run in; arguments as of `Chooser`."""

    def __init__(
        self, graph: Graph, target: Target, capacity: int, fed: bool, streaming: bool, tricks: Tricks,
        waits: Mapping[str, float], schedules: Schedules,
    ) -> None:  # fmt: skip
        self._graph, self._capacity, self._streaming, self._schedules = graph, capacity, streaming, schedules
        self._images = {value: turn for value in graph.inputs if fed and (turn := fed_by(graph, value)) is not None}
        # Without streams all is integrated but what feeds images; with them, or a part of it.
        taken = () if streaming else [node for turn in self._images.values() for node in fed_nodes(graph, turn)]
        groups = integrate(graph, taken) if tricks.integration else []
        layers = layers_of(graph, groups)
        self.nodes = [node for layer in layers for node in ([layer] if isinstance(layer, Node) else layer.nodes)]
        self._groups = {node: group for group in groups for node in group.nodes}
        self._costs = Costs(target, waits)
        self._integrated_costs = IntegratedCosts(target, self._costs)
        self._live = Live(graph, self.nodes, tricks.overwriting)

    def starting(self, position: int) -> Iterator[Candidate]:
        """All that start with the node at a position."""
        node = self.nodes[position]
        image = next((value for value in streamed_inputs(node) if value in self._images), None)
        if image is None:
            if self._streaming or node not in self._groups:
                yield self._alone(position)
            yield from self._integrated(position)
        if self._streaming or image is not None:
            yield from self._streamed(position, image)

    def _integrated(self, position: int) -> Iterator[Candidate]:
        """The integrated layers that start with a node: of a chain, where there are streams, any part."""
        for part in self._parts(position):
            if any(value in self._images for node in part.nodes for value in streamed_inputs(node)):
                return
            end = position + len(part.nodes)
            live = (
                self._live.of_chain(position, end) if isinstance(part, RowChain) else self._live.during(position, end)
            )
            options = self._integrated_costs.of(part)
            yield Candidate(position, end, part, (Part(options, 1, live),), live + options.scratch[0], 0.0)

    def _parts(self, position: int) -> list[RowChain | Attention]:
        group = self._groups.get(self.nodes[position])
        at = -1 if group is None else group.nodes.index(self.nodes[position])
        if isinstance(group, RowChain) and self._streaming:
            return [RowChain(group.nodes[at:end]) for end in range(at + 2, len(group.nodes) + 1)]
        return [group] if group is not None and at == 0 else []

    def _streamed(self, position: int, image: Value | None) -> Iterator[Candidate]:
        """The streams that start with a node."""
        nodes: list[Node] = []
        for last in range(position, min(len(self.nodes), position + MOST_LAYERS)):
            node = self.nodes[last]
            feeds = image is not None and not nodes and self._images[image] is node
            first = feeds or (not nodes and turns(node))
            if not (runs_by_rows(node) or first) or (nodes and self._apart(node, image)):
                return
            nodes.append(node)
            if not feeds and (len(nodes) > 1 or image is not None) and self._closed(nodes):
                yield from self._streams(tuple(nodes), position, image)
            if not self._streaming and not feeds:
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

    def _streams(self, nodes: tuple[Node, ...], position: int, image: Value | None) -> Iterator[Candidate]:
        height, width = nodes[-1].output.shape[1:3]
        live = self._live.during(position, position + len(nodes), image)
        as_it_is = image is None and not turns(nodes[0])
        replaced = self._live.replaceable(position, position + len(nodes)) if as_it_is else []
        rows = [r for r in ROWS if 2 * r <= height] if self._streaming else ROWS[:1]
        plain = {r: self._schedules.of(Stream(nodes, r, image)) for r in rows}
        yield from self._fitting(list(plain.values()), position, live)
        for source in replaced:
            schedules = [self._schedules.of(Stream(nodes, r, image, source)) for r in rows]
            replacing = [schedule for schedule in schedules if schedule.can_replace]
            yield from self._fitting(replacing, position, live - source.nbytes)
        if self._streaming and image is None and can_be_cut(nodes):
            for stripes in [n for n in STRIPES if n * LEAST_COLUMNS <= width]:
                cut = [self._schedules.over(plain[r], stripes) for r in STRIPED_ROWS if r in plain]
                yield from self._fitting(cut, position, live)

    def _fitting(self, schedules: Sequence[Schedule], position: int, live: int) -> Iterator[Candidate]:
        """The streams that a capacity has room for, of more and more rows."""
        for schedule in schedules:
            candidate = self._stream(schedule, position, live)
            if candidate.least > self._capacity:
                return
            yield candidate

    def _alone(self, position: int) -> Candidate:
        node = self.nodes[position]
        live = self._live.alone(position)
        parts = () if node.op == "reshape" else (Part(self._costs.whole(node), 1, live),)
        return Candidate(position, position + 1, None, parts, live, 0.0)

    def _stream(self, schedule: Schedule, position: int, live: int) -> Candidate:
        stream, rounds = schedule.stream, schedule.rounds
        buffers = self._schedules.buffers(stream)
        least, parts, moved = live + buffers.fed + buffers.size, list[Part](), 0.0
        for stripe, count in _kinds_of_stripes(stream):
            beside = [0] * len(stream.layers) if stripe is None else _beside(schedule, stripe)
            for at, node in enumerate(stream.layers):
                taken = live + buffers.fed + buffers.free[at] + beside[at]
                least = max(least, taken)
                columns = node.output.shape[2] if stripe is None else stripe.made[node.output].count
                parts += self._rounds(schedule, node, columns, count, taken)
            moved += count * _moved(schedule, stripe)
            moved += count * sum(rounds * (CALL + MOVED_BYTE * size) for size in beside if size)
        return Candidate(position, position + len(stream.nodes), stream, tuple(parts), least, moved)

    def _rounds(self, schedule: Schedule, node: Node, columns: int, stripes: int, taken: int) -> Iterator[Part]:
        """The calls of a layer over so many columns: those of whole rounds, and what is left."""
        rows = max(1, schedule.round(schedule.rounds // 2).made[node.output].count)
        times, rest = divmod(node.output.shape[1], rows)
        yield Part(self._costs.of(node, rows, columns), stripes * times, taken)
        if rest:
            yield Part(self._costs.of(node, rest, columns), stripes, taken)


def _kinds_of_stripes(stream: Stream) -> list[tuple[Stripe | None, int]]:
    """Stripes of different widths, and how many there are of each; None for all columns."""
    if stream.stripes == 1:
        return [(None, 1)]
    kinds: dict[tuple[int, ...], list[Stripe]] = {}
    for stripe in stripes_of(stream):
        kinds.setdefault(tuple(columns.count for columns in stripe.made.values()), []).append(stripe)
    return [(alike[0], len(alike)) for alike in kinds.values()]


def _beside(schedule: Schedule, stripe: Stripe) -> list[int]:
    """Bytes of the copies that each layer works on in the usual round."""
    stream, usual = schedule.stream, schedule.round(schedule.rounds // 2)
    works = ((node, rows_of_work(node, usual)) for node in stream.layers)
    return [stripe.beside(stream, node, work.made.count, work.read.count) for node, work in works]


def _moved(schedule: Schedule, stripe: Stripe | None) -> float:
    """Cycles that move rows to the front of their buffers, and out of a value that is replaced."""
    stream, rounds = schedule.stream, schedule.rounds
    total = 0.0
    for value in stream.inside:
        carried = schedule.carried(value, rounds // 2)
        size = row_bytes(value, stream.axis(value)) if stripe is None else stripe.row_bytes(value)
        total += MOVED_BYTE * value.nbytes + CALL * rounds if value is stream.replaced else 0.0
        total += rounds * (CALL + carried * (CALL / 2 + MOVED_BYTE * size)) if carried else 0.0
    return total
