"""Operator integration: which nodes of an int8 graph run as one layer, block of rows by block of rows.

Source: MCUFormer (arXiv 2310.16898), operator integration and token overwriting. A chain of operators whose output rows
need just their own input rows has no use for whole tensors between them; attention needs whole keys and values, but of
one head at a time, and of queries and scores only the rows at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from edgekit.codegen.attention import Attention, attention_around
from edgekit.codegen.rows import LEAST_ROWS, is_codes, is_row_wise, rows_of
from edgekit.ir import Graph, Node, Value
from edgekit.ops.window import window_of


@dataclass(frozen=True)
class Tricks:
    """What MCUFormer's operator library saves memory with; each can be left out, to see what it is worth.

    Attributes:
        integration: chains of operators and attention run as one layer.
        decomposition: images stream in by rows, where they can.
        overwriting: rows take the place of those that they were made of.
    """

    integration: bool = True
    decomposition: bool = False
    overwriting: bool = True


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


@dataclass(frozen=True)
class PatchRows:
    """The first convolution, one row of its output at a time, whose input rows stream in: they do not overlap.

    Source: MCUFormer, patch-embedding decomposition.

    Attributes:
        image: the graph's input; turn: its transposition to NHWC, or None; conv: the convolution.
        kernel_rows: rows of the image that one row of output takes; stride: from one to the next.
    """

    image: Value
    turn: Node | None
    conv: Node
    kernel_rows: int
    stride: int

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes that run in this layer, in order."""
        return (self.conv,) if self.turn is None else (self.turn, self.conv)

    @property
    def last(self) -> Node:
        """The node whose output the layer leaves."""
        return self.conv

    @property
    def row_axis(self) -> int:
        """The axis of the image that its rows are of."""
        return 1 if self.turn is None else 2

    @property
    def name(self) -> str:
        """The layer's kind, for reports."""
        return "feed_rows+" + "+".join(node.op for node in self.nodes)


Group: TypeAlias = "RowChain | Attention | PatchRows"
Layer: TypeAlias = "Node | Group"


def layers_of(graph: Graph, tricks: Tricks) -> list[Layer]:
    """All nodes, single or integrated, in an executable order: an integrated layer stands where its last node stood."""
    groups: dict[Node, Group] = {}
    for image in graph.inputs if tricks.decomposition else ():
        if (patches := patch_rows(graph, image)) is not None:
            groups.update(dict.fromkeys(patches.nodes, patches))
    for node in graph.nodes if tricks.integration else ():
        attention = attention_around(graph, node) if node.op == "softmax" else None
        if attention is not None and not any(n in groups for n in attention.nodes):
            groups.update(dict.fromkeys(attention.nodes, attention))
    for node in graph.nodes if tricks.integration else ():
        if node not in groups and (chain := _chain(graph, node, groups)) is not None:
            groups.update(dict.fromkeys(chain.nodes, chain))
    layers: list[Layer] = []
    for node in graph.nodes:
        group = groups.get(node)
        if group is None:
            layers.append(node)
        elif node is group.last:
            layers.append(group)
    return layers


def patch_rows(graph: Graph, image: Value) -> PatchRows | None:
    """How an image can stream in, or None."""
    if len(image.shape) != 4 or image.shape[0] != 1 or not is_codes(image):
        return None
    conv, turn = graph.only_reader(image), None
    if conv is not None and _puts_channels_last(conv, image):
        turn, conv = conv, graph.only_reader(conv.output)
    if conv is None or conv.op != "conv2d" or conv.input(1) is image or not is_codes(conv.output):
        return None
    window = window_of(conv, (conv.input(1).shape[1], conv.input(1).shape[2]))
    rows = (window.kernel[0] - 1) * window.dilation[0] + 1
    whole = window.before[0] == 0 and (window.output[0] - 1) * window.stride[0] + rows <= window.input[0]
    if not whole or rows > window.stride[0] or window.output[0] < 2:
        return None
    return PatchRows(image, turn, conv, rows, window.stride[0])


def _puts_channels_last(node: Node, image: Value) -> bool:
    """Whether a node turns NCHW to NHWC; for a single channel that is another shape alone."""
    if node.op == "reshape":
        return image.shape[1] == 1 and node.output.shape == (1, *image.shape[2:], 1)
    return node.op == "transpose" and tuple(node.attrs["perm"]) == (0, 2, 3, 1)


def _chain(graph: Graph, first: Node, taken: dict[Node, Group]) -> RowChain | None:
    """The longest chain of two or more that starts at a node."""
    if not is_row_wise(first) or rows_of(first.outputs[0]) < LEAST_ROWS:
        return None
    nodes = [first]
    while (reader := graph.only_reader(nodes[-1].output)) is not None:
        if reader in taken or not is_row_wise(reader) or rows_of(reader.output) != rows_of(first.output):
            break
        nodes.append(reader)
    return RowChain(tuple(nodes)) if len(nodes) > 1 else None
