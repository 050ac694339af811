"""A graph in blocks: parts between tensors that all of the later graph depends on alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.ir import Graph, Node, Value
from edgekit.ops.conv2d import is_product


@dataclass(frozen=True)
class Block:
    """Nodes in order; what is between nobody else reads.

    Attributes:
        sources: what they read: the graph's inputs, or what the block before makes.
        outputs: of the graph, as far as they are made here, and last what the next block reads.
    """

    sources: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Value, ...]

    @property
    def output(self) -> Value:
        return self.outputs[-1]

    @property
    def products(self) -> list[Node]:
        """The layers with weights to learn."""
        return [node for node in self.nodes if is_product(node)]


def blocks_of(graph: Graph) -> list[Block]:
    """The graph cut after every node whose output alone later nodes read, so residual connections stay inside.

    Blocks without weights join the one before them.
    """
    position = {node: index for index, node in enumerate(graph.nodes)}
    last_reader = {
        value: max((position[n] for n, _ in value.uses), default=-1)
        for value in graph.values()
        if not value.is_constant
    }
    blocks: list[Block] = []
    sources, pending = tuple(graph.inputs), list[Node]()
    open_until = max(last_reader[source] for source in sources)
    for index, node in enumerate(graph.nodes):
        pending.append(node)
        if open_until <= index:
            blocks.append(_block(graph, sources, pending))
            sources, pending = (node.output,), []
        open_until = max(open_until, last_reader[node.output])
    return _joined(graph, blocks)


def _block(graph: Graph, sources: tuple[Value, ...], nodes: Sequence[Node]) -> Block:
    last = nodes[-1].output
    given = [node.output for node in nodes[:-1] if node.output in graph.outputs]
    return Block(sources, tuple(nodes), (*given, last))


def widest(blocks: Sequence[Block]) -> int:
    """Bytes, float32, of what a block gets, or makes, for one sample, where that is most."""
    ports = [values for block in blocks for values in (block.sources, block.outputs)]
    return 4 * max(sum(math.prod(value.shape) for value in values) for values in ports)


def _joined(graph: Graph, blocks: list[Block]) -> list[Block]:
    joined: list[Block] = []
    for block in blocks:
        if joined and not (block.products and joined[-1].products):
            joined[-1] = _block(graph, joined[-1].sources, (*joined[-1].nodes, *block.nodes))
        else:
            joined.append(block)
    return joined
