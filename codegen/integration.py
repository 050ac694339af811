"""Operator integration: which nodes of an int8 graph run as one layer, block of rows by block of rows.

Source: MCUFormer (arXiv 2310.16898), operator integration and token overwriting. A chain of operators whose output rows
need just their own input rows has no use for whole tensors between them; attention needs whole keys and values, but of
one head at a time, and of queries and scores only the rows at hand.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from edgekit.codegen.attention import Attention, attention_around
from edgekit.codegen.rows import LEAST_ROWS, is_row_wise, rows_of
from edgekit.codegen.streaming.stream import Stream
from edgekit.ir import Graph, Node


@dataclass(frozen=True)
class Tricks:
    """What MCUFormer's operator library saves memory with; each can be left out, to see what it is worth.

    Attributes:
        integration: chains of operators and attention run as one layer.
        overwriting: rows take the place of those that they were made of.
        streaming: convolutions and what stands between them run by rows, see codegen/streaming.
        recomputation: layers may run a second time instead of keeping what they make, see codegen/memory/remakes.py.
    """

    integration: bool = True
    overwriting: bool = True
    streaming: bool = True
    recomputation: bool = True


USUAL_TRICKS = Tricks()


@dataclass(frozen=True)
class RowChain:
    """Operators that work row by row, each on the result of the one before it; the last one's result is kept."""

    nodes: tuple[Node, ...]

    @property
    def last(self) -> Node:
        """The node whose output the layer leaves."""
        return self.nodes[-1]

    @property
    def name(self) -> str:
        """The layer's kind, for reports."""
        return "+".join(node.op for node in self.nodes)


Group: TypeAlias = "RowChain | Attention | Stream"
Layer: TypeAlias = "Node | Group"


def integrate(graph: Graph, taken: Collection[Node] = ()) -> list[RowChain | Attention]:
    """All attention, and the longest chains of what is left, none with nodes that are taken."""
    groups: list[RowChain | Attention] = []
    used = set(taken)
    for node in graph.nodes:
        attention = attention_around(graph, node) if node.op == "softmax" else None
        if attention is not None and used.isdisjoint(attention.nodes):
            groups.append(attention)
            used.update(attention.nodes)
    for node in graph.nodes:
        if node not in used and (chain := _chain(graph, node, used)) is not None:
            groups.append(chain)
            used.update(chain.nodes)
    return groups


def layers_of(graph: Graph, groups: Sequence[Group]) -> list[Layer]:
    """All nodes, by themselves or in one of the groups, in an executable order: a group stands where its last node
    stood.
    """
    group_of = {node: group for group in groups for node in group.nodes}
    layers: list[Layer] = []
    for node in graph.nodes:
        group = group_of.get(node)
        if group is None:
            layers.append(node)
        elif node is group.last:
            layers.append(group)
    return layers


def _chain(graph: Graph, first: Node, taken: Collection[Node]) -> RowChain | None:
    """The longest chain of two or more that starts at a node."""
    if not is_row_wise(first) or rows_of(first.outputs[0]) < LEAST_ROWS:
        return None
    nodes = [first]
    while (reader := graph.only_reader(nodes[-1].output)) is not None:
        if reader in taken or not is_row_wise(reader) or rows_of(reader.output) != rows_of(first.output):
            break
        nodes.append(reader)
    return RowChain(tuple(nodes)) if len(nodes) > 1 else None
