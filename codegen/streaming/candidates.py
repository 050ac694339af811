"""How layers may run: a node by itself, nodes integrated, or a stream; what each takes and costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgekit.codegen.attention import Attention
from edgekit.codegen.integration import Group, RowChain, Tricks, integrate, layers_of
from edgekit.codegen.lowering.context import Target
from edgekit.codegen.streaming.buffers import line_buffers, row_bytes
from edgekit.codegen.streaming.costs import CALL, MOVED_BYTE, Costs, Options
from edgekit.codegen.streaming.feeding import fed_by, fed_nodes
from edgekit.codegen.streaming.integrated_costs import IntegratedCosts
from edgekit.codegen.streaming.live import Live
from edgekit.codegen.streaming.reach import runs_by_rows, streamed_inputs
from edgekit.codegen.streaming.stream import Schedule, Stream
from edgekit.ir import Graph, Node, Value

# Rows of the last layer that a round may make, and layers of one stream.
ROWS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24)
MOST_LAYERS = 12
# Rounds that are all looked at.
_FEW = 5


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
        waits: Mapping[str, float],
    ) -> None:  # fmt: skip
        self._graph, self._capacity, self._streaming = graph, capacity, streaming
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

    def _streams(self, nodes: tuple[Node, ...], position: int, image: Value | None) -> Iterator[Candidate]:
        height = nodes[-1].output.shape[1]
        live = self._live.during(position, position + len(nodes), image)
        replaced = self._live.replaceable(position, position + len(nodes)) if image is None else []
        for source in (None, *replaced):
            for rows in [r for r in ROWS if 2 * r <= height] if self._streaming else ROWS[:1]:
                schedule = Schedule(Stream(nodes, rows, image, source))
                if source is not None and not schedule.can_replace:
                    continue
                candidate = self._stream(schedule, position, live - (0 if source is None else source.nbytes))
                if candidate.least > self._capacity:
                    break
                yield candidate

    def _alone(self, position: int) -> Candidate:
        node = self.nodes[position]
        live = self._live.alone(position)
        parts = () if node.op == "reshape" else (Part(self._costs.whole(node), 1, live),)
        return Candidate(position, position + 1, None, parts, live, 0.0)

    def _stream(self, schedule: Schedule, position: int, live: int) -> Candidate:
        stream, rounds = schedule.stream, schedule.rounds
        # Rounds in the middle of many are alike, and no other one wants more.
        buffers = line_buffers(schedule, range(rounds) if rounds < _FEW + 2 * len(stream.layers) else (rounds // 2,))
        usual = schedule.round(rounds // 2)
        parts, moved = [], 0.0
        for at, node in enumerate(stream.layers):
            count, columns = max(1, usual.made[node.output].count), node.output.shape[2]
            times, rest = divmod(node.output.shape[1], count)
            taken = live + buffers.fed + buffers.free[at]
            parts.append(Part(self._costs.of(node, count, columns), times, taken))
            parts += [Part(self._costs.of(node, rest, columns), 1, taken)] if rest else []
        for value in stream.inside:
            carried = schedule.carried(value, rounds // 2)
            size = row_bytes(value, stream.axis(value))
            moved += MOVED_BYTE * value.nbytes + CALL * rounds if value is stream.replaced else 0.0
            moved += rounds * (CALL + carried * (CALL / 2 + MOVED_BYTE * size)) if carried else 0.0
        least = live + buffers.fed + buffers.size
        return Candidate(position, position + len(stream.nodes), stream, tuple(parts), least, moved)
