"""A graph in blocks: parts between tensors that all of the later graph depends on alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.ir import Graph, Node, Value
from edgekit.ops.conv2d import is_product


@dataclass(frozen=True)
class Block:
    """Nodes in order that compute `output` from `source`; what is between nobody else reads."""

    source: Value
    nodes: tuple[Node, ...]

    @property
    def output(self) -> Value:
        return self.nodes[-1].output

    @property
    def products(self) -> list[Node]:
        """The layers with weights to learn."""
        return [node for node in self.nodes if is_product(node)]


def blocks_of(graph: Graph) -> list[Block]:
    """The graph cut after every node whose output alone later nodes read, so residual connections stay inside.

    Blocks without weights join the one before them. The graph has one input and one output.
    """
    position = {node: index for index, node in enumerate(graph.nodes)}
    last_reader = {
        value: max((position[n] for n, _ in value.uses), default=-1)
        for value in graph.values()
        if not value.is_constant
    }
    blocks: list[Block] = []
    source, pending = graph.inputs[0], []
    open_until = last_reader[source]
    for index, node in enumerate(graph.nodes):
        pending.append(node)
        if open_until <= index:
            blocks.append(Block(source, tuple(pending)))
            source, pending = node.output, []
        open_until = max(open_until, last_reader[node.output])
    return _joined(blocks)


def widest(blocks: Sequence[Block]) -> int:
    """Bytes of the largest tensor, float32, that a block gets or makes for one sample."""
    return 4 * max(math.prod(value.shape) for block in blocks for value in (block.source, block.output))


def _joined(blocks: list[Block]) -> list[Block]:
    joined: list[Block] = []
    for block in blocks:
        if joined and not (block.products and joined[-1].products):
            joined[-1] = Block(joined[-1].source, (*joined[-1].nodes, *block.nodes))
        else:
            joined.append(block)
    return joined
