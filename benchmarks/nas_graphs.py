"""Networks of searched cells, as sizes of int8 tensors and the operators between them: irregular graphs to plan.

NASNet-A (arXiv 1707.07012), AmoebaNet-A (1802.01548), PNASNet-5 (1712.00559) and DARTS (1806.09055) with their CIFAR
macro-structure: a stem, three stacks of normal cells with a reduction cell before the second and third, a classifier.
RandWire (1904.01569): one stage of a random small-world graph. Operators are what firmware runs: activations are part
of the products, a separable convolution is a depthwise and a pointwise one, twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Operator:
    """Reads and writes tensors, which are numbered."""

    name: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]


@dataclass
class NetworkGraph:
    """Operators in an order of creation; `sizes` in bytes by the number of a tensor, 0 is the network's input."""

    name: str
    sizes: list[int] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)

    @property
    def output(self) -> int:
        """The last operator's tensor."""
        return self.operators[-1].writes[0]


@dataclass(frozen=True)
class Feature:
    """A tensor of height and width `side`."""

    tensor: int
    side: int
    channels: int


Edge = tuple[str, int]


@dataclass(frozen=True)
class Cell:
    """Pairs of edges, each an operator on a state, whose results are added to a new state; states 0 and 1 are the cell
    before the last one and the last one. `concat`: the states that make the output.
    """

    pairs: tuple[tuple[Edge, Edge], ...]
    concat: tuple[int, ...]


class _Builder:
    def __init__(self, name: str, side: int, channels: int) -> None:
        self.graph = NetworkGraph(name)
        self.input = self._tensor(side, channels)

    def _tensor(self, side: int, channels: int) -> Feature:
        self.graph.sizes.append(side * side * channels)
        return Feature(len(self.graph.sizes) - 1, side, channels)

    def add(self, op: str, inputs: Sequence[Feature], side: int, channels: int) -> Feature:
        """One operator."""
        made = self._tensor(side, channels)
        name = f"{op}_{len(self.graph.operators)}"
        self.graph.operators.append(Operator(name, tuple(f.tensor for f in inputs), (made.tensor,)))
        return made

    def edge(self, op: str, x: Feature, channels: int, stride: int) -> Feature:
        """An operator of a cell on a state of `channels`; only what reads a cell's inputs has a stride."""
        side = -(-x.side // stride)
        if op == "identity":
            return x if stride == 1 else self.add("pointwise", [x], side, channels)
        if op in ("avg", "max"):
            return self.add(f"{op}_pool", [x], side, channels)
        if op == "conv_1x1":
            return self.add("pointwise", [x], side, channels)
        if op == "conv_1x7_7x1":
            half = self.add("conv", [x], side, channels)
            return self.add("conv", [half], side, channels)
        for _ in range(1 if op.startswith("dil") else 2):
            x = self.add("depthwise", [x], side, channels)
            x = self.add("pointwise", [x], side, channels)
        return x

    def cell(self, cell: Cell, before: Feature, last: Feature, channels: int, stride: int) -> Feature:
        """A cell on the outputs of the two before it, both brought to `channels` first."""
        states = [
            self.add("pointwise", [before], last.side, channels),
            self.add("pointwise", [last], last.side, channels),
        ]
        for pair in cell.pairs:
            ends = [self.edge(op, states[state], channels, stride if state < 2 else 1) for op, state in pair]
            states.append(self.add("add", ends, ends[0].side, channels))
        # A state that a reduction keeps as it is.
        parts = [states[state] for state in cell.concat]
        parts = [self.add("pointwise", [p], parts[-1].side, channels) if p.side != parts[-1].side else p for p in parts]
        return self.add("concat", parts, parts[0].side, channels * len(parts))


NASNET = (
    Cell(
        (
            (("sep_3x3", 1), ("identity", 1)),
            (("sep_3x3", 0), ("sep_5x5", 1)),
            (("avg", 1), ("identity", 0)),
            (("avg", 0), ("avg", 0)),
            (("sep_5x5", 0), ("sep_3x3", 0)),
        ),
        (0, 2, 3, 4, 5, 6),
    ),
    Cell(
        (
            (("sep_5x5", 1), ("sep_7x7", 0)),
            (("max", 1), ("sep_7x7", 0)),
            (("avg", 1), ("sep_5x5", 0)),
            (("identity", 3), ("avg", 2)),
            (("sep_3x3", 2), ("max", 1)),
        ),
        (3, 4, 5, 6),
    ),
)
AMOEBANET = (
    Cell(
        (
            (("avg", 0), ("sep_3x3", 1)),
            (("sep_3x3", 0), ("sep_5x5", 2)),
            (("sep_3x3", 0), ("avg", 3)),
            (("sep_3x3", 1), ("identity", 1)),
            (("identity", 0), ("avg", 1)),
        ),
        (4, 5, 6),
    ),
    Cell(
        (
            (("avg", 0), ("sep_3x3", 1)),
            (("max", 0), ("sep_7x7", 2)),
            (("sep_7x7", 0), ("avg", 1)),
            (("max", 0), ("max", 1)),
            (("conv_1x7_7x1", 0), ("sep_3x3", 5)),
        ),
        (3, 4, 6),
    ),
)
_PNASNET_CELL = Cell(
    (
        (("sep_5x5", 0), ("max", 0)),
        (("sep_7x7", 1), ("max", 1)),
        (("sep_5x5", 1), ("sep_3x3", 1)),
        (("sep_3x3", 4), ("max", 1)),
        (("sep_3x3", 0), ("identity", 1)),
    ),
    (2, 3, 4, 5, 6),
)
PNASNET = (_PNASNET_CELL, _PNASNET_CELL)
DARTS = (
    Cell(
        (
            (("sep_3x3", 0), ("sep_3x3", 1)),
            (("sep_3x3", 0), ("sep_3x3", 1)),
            (("sep_3x3", 1), ("identity", 0)),
            (("identity", 0), ("dil_3x3", 2)),
        ),
        (2, 3, 4, 5),
    ),
    Cell(
        (
            (("max", 0), ("max", 1)),
            (("identity", 2), ("max", 1)),
            (("max", 0), ("identity", 2)),
            (("identity", 2), ("max", 1)),
        ),
        (2, 3, 4, 5),
    ),
)


def cell_network(name: str, cells: tuple[Cell, Cell], repeats: int, side: int = 32, channels: int = 32) -> NetworkGraph:
    """A normal and a reduction cell in the CIFAR macro-structure, `repeats` normal cells in each stack."""
    normal, reduction = cells
    builder = _Builder(f"{name} x{repeats}", side, 3)
    stem = builder.add("conv", [builder.input], side, 3 * channels)
    before = last = stem
    for stack in range(3):
        if stack:
            channels *= 2
            before, last = last, builder.cell(reduction, before, last, channels, 2)
        for _ in range(repeats):
            before, last = last, builder.cell(normal, before, last, channels, 1)
    pooled = builder.add("mean", [last], 1, last.channels)
    builder.add("fully_connected", [pooled], 1, 10)
    return builder.graph


def random_wired(nodes: int, seed: int, side: int = 28, channels: int = 78) -> NetworkGraph:
    """One stage of RandWire: Watts-Strogatz, four neighbours, rewired with probability 0.75, edges to larger numbers.

    A node adds up what it reads and applies a separable convolution; nodes without readers are averaged.
    """
    generator = random.Random(seed)
    edges = set()
    for node in range(nodes):
        for step in (1, 2):
            other = (node + step) % nodes
            if generator.random() < 0.75:
                others = [n for n in range(nodes) if n != node and tuple(sorted((n, node))) not in edges]
                other = generator.choice(others)
            edges.add((min(node, other), max(node, other)))
    builder = _Builder(f"RandWire-{nodes} #{seed}", 2 * side, channels // 2)
    made: list[Feature] = []
    for node in range(nodes):
        reads = [made[a] for a, b in sorted(edges) if b == node] or [builder.input]
        x = reads[0] if len(reads) == 1 else builder.add("add", reads, side, channels)
        x = builder.add("depthwise", [x], side, channels)
        made.append(builder.add("pointwise", [x], side, channels))
    ends = [made[node] for node in range(nodes) if all(a != node for a, _ in edges)]
    builder.add("add", ends, side, channels)
    return builder.graph


NETWORKS: Mapping[str, Callable[[], NetworkGraph]] = {
    "NASNet-A x2": lambda: cell_network("NASNet-A", NASNET, 2),
    "NASNet-A x6": lambda: cell_network("NASNet-A", NASNET, 6),
    "AmoebaNet-A x6": lambda: cell_network("AmoebaNet-A", AMOEBANET, 6),
    "PNASNet-5 x3": lambda: cell_network("PNASNet-5", PNASNET, 3),
    "DARTS x6": lambda: cell_network("DARTS", DARTS, 6),
    "RandWire-32": lambda: random_wired(32, 0),
}
