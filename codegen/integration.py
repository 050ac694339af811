"""Operator integration: which nodes of an int8 graph run as one layer, block of rows by block of rows.

Source: MCUFormer (arXiv 2310.16898), operator integration and token overwriting. A chain of operators whose output rows
need just their own input rows has no use for whole tensors between them; attention needs whole keys and values, but of
one head at a time, and of queries and scores only the rows at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from edgekit.ir import Array, DType, Graph, Node, Value
from edgekit.ops import spec_of
from edgekit.ops.unary import UNARY_OPS
from edgekit.ops.window import window_of

# Fewer rows than this are not worth a loop.
LEAST_ROWS = 16
_MOVES = ("reshape", "transpose", "gather", "slice")
_TABLES = (*(spec.name for spec in UNARY_OPS), "requantize")
_PAIRS = ("add", "sub", "mul")


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
class Projection:
    """One of queries, keys and values: the linear layer that makes it, and per head its output columns, in order."""

    linear: Node
    columns: Array

    @property
    def depth(self) -> int:
        """Columns of one head."""
        return int(self.columns.shape[1])


@dataclass(frozen=True)
class Attention:
    """Self-attention from the rows that the projections read to the rows with all heads side by side.

    Attributes:
        norm: the layer normalization of those rows, or None where the projections read them as they are.
        query, key, values: the projections; score, softmax, mix: the node of each step.
        result: the value with all heads side by side; starts: the first column of each head in it.
        nodes: all nodes that run in this layer, in order.
    """

    norm: Node | None
    query: Projection
    key: Projection
    values: Projection
    score: Node
    softmax: Node
    mix: Node
    result: Value
    starts: tuple[int, ...]
    nodes: tuple[Node, ...]

    @property
    def last(self) -> Node:
        """The node whose output the layer leaves."""
        assert self.result.producer is not None
        return self.result.producer

    @property
    def name(self) -> str:
        """The layer's kind, for reports."""
        return "layer_norm+attention" if self.norm is not None else "attention"


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
        attention = _attention(graph, node) if node.op == "softmax" else None
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
    if len(image.shape) != 4 or image.shape[0] != 1 or not _is_codes(image):
        return None
    conv, turn = graph.only_reader(image), None
    if conv is not None and _puts_channels_last(conv, image):
        turn, conv = conv, graph.only_reader(conv.output)
    if conv is None or conv.op != "conv2d" or conv.input(1) is image or not _is_codes(conv.output):
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


def rows_of(value: Value) -> int:
    """How many rows a value has: all axes but the last one."""
    return value.elements // value.shape[-1]


def _is_codes(value: Value) -> bool:
    return value.dtype is DType.INT8 and value.quant is not None and value.quant.is_per_tensor


def _is_row_wise(node: Node) -> bool:
    """Whether every output row of an int8 node needs just the same row of its computed inputs."""
    computed = [v for v in node.inputs if v is not None and not v.is_constant]
    if not computed or computed[0] is not node.inputs[0]:
        return False
    if not all(_is_codes(v) and v.shape for v in (*computed, *node.outputs)):
        return False
    x, y = node.input(0), node.outputs[0]
    if node.op == "fully_connected":
        return y.shape[:-1] == x.shape[:-1]
    if node.op == "layer_norm":
        return bool(node.attrs["axis"] == len(x.shape) - 1)
    if node.op in _PAIRS:
        return len(computed) == 2 and computed[0].shape == computed[1].shape
    return node.op in _TABLES


def _chain(graph: Graph, first: Node, taken: dict[Node, Group]) -> RowChain | None:
    """The longest chain of two or more that starts at a node."""
    if not _is_row_wise(first) or rows_of(first.outputs[0]) < LEAST_ROWS:
        return None
    nodes = [first]
    while (reader := graph.only_reader(nodes[-1].output)) is not None:
        if reader in taken or not _is_row_wise(reader) or rows_of(reader.output) != rows_of(first.output):
            break
        nodes.append(reader)
    return RowChain(tuple(nodes)) if len(nodes) > 1 else None


def _attention(graph: Graph, softmax: Node) -> Attention | None:
    """The attention around a softmax, or None where it does not have the form."""
    try:
        return _matched(graph, softmax)
    except _NoAttentionError:
        return None


class _NoAttentionError(Exception):
    """The nodes around a softmax are not an attention that can be integrated."""


def _demand(condition: object) -> None:
    if not condition:
        raise _NoAttentionError


def _matched(graph: Graph, softmax: Node) -> Attention:
    score, before = _back_through_reshapes(softmax.input(0))
    mix, after = _forward_through_reshapes(graph, softmax.output)
    _demand(score is not None and mix is not None and score.op == mix.op == "int_matmul")
    assert score is not None and mix is not None
    _demand(_is_codes(score.output) and _is_codes(softmax.output) and not mix.attrs["transpose_a"])
    _demand(mix.inputs[0] is (after[-1].output if after else softmax.output))
    (query, moved_q), (key, moved_k), (values, moved_v) = (
        _projection(score, 0, score.attrs["transpose_a"]),
        _projection(score, 1, not score.attrs["transpose_b"]),
        _projection(mix, 1, mix.attrs["transpose_b"]),
    )
    _demand(query.columns.shape == key.columns.shape and values.columns.shape[0] == key.columns.shape[0])
    result, starts, moved_y = _merged(graph, mix, values)
    linears = list(dict.fromkeys(p.linear for p in (query, key, values)))
    source = linears[0].input(0)
    _demand(all(linear.input(0) is source for linear in linears) and rows_of(source) >= LEAST_ROWS)
    norm = source.producer
    if norm is None or norm.op != "layer_norm" or not _is_row_wise(norm) or graph.is_output(source):
        norm = None
    inside = [*linears, *moved_q, *moved_k, *moved_v, score, *before, softmax, *after, mix, *moved_y]
    if norm is not None and {n for n, _ in source.uses} <= set(linears):
        inside.append(norm)
    else:
        norm = None
    members = set(inside)
    for node in members:
        for value in node.outputs:
            unseen = value is result or (not graph.is_output(value) and all(n in members for n, _ in value.uses))
            _demand(unseen)
    nodes = tuple(node for node in graph.nodes if node in members)
    return Attention(norm, query, key, values, score, softmax, mix, result, starts, nodes)


def _back_through_reshapes(value: Value) -> tuple[Node | None, list[Node]]:
    passed: list[Node] = []
    while value.producer is not None and value.producer.op == "reshape":
        passed.append(value.producer)
        value = value.producer.input(0)
    return value.producer, passed


def _forward_through_reshapes(graph: Graph, value: Value) -> tuple[Node | None, list[Node]]:
    passed: list[Node] = []
    reader = graph.only_reader(value)
    while reader is not None and reader.op == "reshape":
        passed.append(reader)
        reader = graph.only_reader(reader.output)
    return reader, passed


def _projection(matmul: Node, operand: int, transposed: bool) -> tuple[Projection, list[Node]]:
    """Where an operand [.., rows, depth] (with `transposed` [.., depth, rows]) of a product comes from."""
    path: list[Node] = []
    value = matmul.input(operand)
    while value.producer is not None and value.producer.op in _MOVES:
        path.append(value.producer)
        value = value.producer.input(0)
    linear = value.producer
    _demand(linear is not None and linear.op == "fully_connected" and _is_row_wise(linear))
    assert linear is not None
    _demand(linear.input(1).is_constant)
    places = _moved(np.arange(value.elements).reshape(value.shape), reversed(path))
    places = np.swapaxes(places, -1, -2) if transposed else places
    rows, width = rows_of(value), value.shape[-1]
    heads: Array = places.reshape((-1, *places.shape[-2:]))
    _demand(heads.shape[1] == rows)
    columns = heads[:, 0, :]
    _demand(columns.max() < width and np.array_equal(heads, columns[:, None] + width * np.arange(rows)[None, :, None]))
    return Projection(linear, columns), path


def _merged(graph: Graph, mix: Node, values: Projection) -> tuple[Value, tuple[int, ...], list[Node]]:
    """Where the mixed values [.., heads, rows, depth] go: all heads of a row side by side."""
    path: list[Node] = []
    reader = graph.only_reader(mix.output)
    best: tuple[Value, tuple[int, ...], list[Node]] | None = None
    heads, depth = values.columns.shape
    rows = mix.output.elements // (heads * depth)
    places: Array = np.arange(mix.output.elements).reshape(mix.output.shape)
    while reader is not None and reader.op in ("reshape", "transpose"):
        path.append(reader)
        places = _moved(places, [reader])
        flat = places.reshape(-1, places.shape[-1])
        if flat.shape == (rows, heads * depth):
            starts = _starts(flat, heads, rows, depth)
            best = best if starts is None else (reader.output, starts, list(path))
        reader = graph.only_reader(reader.output)
    _demand(best is not None)
    assert best is not None
    return best


def _starts(flat: Array, heads: int, rows: int, depth: int) -> tuple[int, ...] | None:
    """The first column of each head, or None where the heads do not stand side by side."""
    starts = []
    for head in range(heads):
        (first,) = np.flatnonzero(flat[0] == head * rows * depth)
        want = head * rows * depth + np.arange(rows * depth).reshape(rows, depth)
        if first + depth > flat.shape[1] or not np.array_equal(flat[:, first : first + depth], want):
            return None
        starts.append(int(first))
    return tuple(starts)


def _moved(places: Array, path: Sequence[Node] | Iterator[Node]) -> Array:
    """What nodes that only move elements make of an array."""
    for node in path:
        inputs = [places, *(None if v is None else v.data for v in node.inputs[1:])]
        _demand(all(v is None or v.is_constant for v in node.inputs[1:]))
        (places,) = spec_of(node.op).float_reference(node, inputs)
    return places
