"""Self-attention in an int8 graph: the nodes around a softmax, matched by what becomes of every element."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.codegen.rows import LEAST_ROWS, is_codes, is_row_wise, rows_of
from edgekit.ir import Array, Graph, Node, Value
from edgekit.ops import spec_of

_MOVES = ("reshape", "transpose", "gather", "slice")


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
class ScoreBias:
    """A sum of scores and a constant, such as relative positions or a mask.

    Attributes:
        add: its node; constant: the operand that is one.
        codes: int8 [heads, rows, rows] of that constant.
    """

    add: Node
    constant: Value
    codes: Array


@dataclass(frozen=True)
class Attention:
    """Self-attention from the rows that the projections read to the rows with all heads side by side.

    Attributes:
        norm: the layer normalization of those rows, or None where the projections read them as they are.
        query, key, values: the projections; score, softmax, mix: the node of each step.
        bias: what is added to the scores before the softmax, or None.
        result: the value with all heads side by side; starts: the first column of each head in it.
        nodes: all nodes that run in this layer, in order.
    """

    norm: Node | None
    query: Projection
    key: Projection
    values: Projection
    score: Node
    bias: ScoreBias | None
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


def attention_around(graph: Graph, softmax: Node) -> Attention | None:
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
    add = score if score is not None and score.op == "add" else None
    if add is not None:
        score, more = _back_through_reshapes(_computed_term(add))
        before += [add, *more]
    mix, after = _forward_through_reshapes(graph, softmax.output)
    _demand(score is not None and mix is not None and score.op == mix.op == "int_matmul")
    assert score is not None and mix is not None
    _demand(is_codes(score.output) and is_codes(softmax.output) and not mix.attrs["transpose_a"])
    _demand(mix.inputs[0] is (after[-1].output if after else softmax.output))
    (query, moved_q), (key, moved_k), (values, moved_v) = (
        _projection(score, 0, score.attrs["transpose_a"]),
        _projection(score, 1, not score.attrs["transpose_b"]),
        _projection(mix, 1, mix.attrs["transpose_b"]),
    )
    _demand(query.columns.shape == key.columns.shape and values.columns.shape[0] == key.columns.shape[0])
    bias = None if add is None else _score_bias(add, query.columns.shape[0])
    result, starts, moved_y = _merged(graph, mix, values)
    linears = list(dict.fromkeys(p.linear for p in (query, key, values)))
    source = linears[0].input(0)
    _demand(all(linear.input(0) is source for linear in linears) and rows_of(source) >= LEAST_ROWS)
    _demand(all(_can_be_decoded(part) for part in (query, key, values)))
    norm = source.producer
    if norm is None or norm.op != "layer_norm" or not is_row_wise(norm) or graph.is_output(source):
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
    return Attention(norm, query, key, values, score, bias, softmax, mix, result, starts, nodes)


def _can_be_decoded(part: Projection) -> bool:
    """Whether the channels of each head, where their weights are codes, can be decoded without the others."""
    quant = part.linear.input(1).quant
    book = None if quant is None else quant.codebook
    return book is None or all(book.of_channels(columns) is not None for columns in part.columns)


def _computed_term(add: Node) -> Value:
    """The computed one of two terms, the other of which is a constant that repeats along it."""
    a, b = add.input(0), add.input(1)
    x = b if a.is_constant else a
    _demand(a.is_constant != b.is_constant and x.shape == add.output.shape and is_codes(add.output))
    return x


def _score_bias(add: Node, heads: int) -> ScoreBias:
    constant = add.input(0) if add.input(0).is_constant else add.input(1)
    rows = add.output.shape[-1]
    _demand(add.output.elements == heads * rows * rows)
    codes = np.broadcast_to(constant.array, add.output.shape).reshape(heads, rows, rows)
    return ScoreBias(add, constant, codes)


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
    _demand(linear is not None and linear.op == "fully_connected" and is_row_wise(linear))
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
