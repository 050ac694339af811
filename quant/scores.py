"""Scores before a softmax: what lies far below the largest of its row counts for nothing, and needs no codes.

So masks of -100, -1e9 or minus infinity cost no precision: all that counts shares the codes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from edgekit.ir import Array, Graph, Node, Value
from edgekit.ops.conv2d import is_product
from edgekit.quant.observers import Range

# exp(-12) is 0.2 % of the step of an int8 softmax, 1/256.
NEGLIGIBLE = 12.0


def score_floors(graph: Graph, values: Mapping[Value, Array]) -> dict[Value, float]:
    """Below what values count for nothing in all rows of one execution: those that only a softmax reads, by way of
    reshapes and sums with constants, one of which is a mask."""
    floors: dict[Value, float] = {}
    for softmax, chain in _masked(graph):
        floor = float(values[softmax.input(0)].max(axis=-1).min()) - _reach(softmax)
        for value in chain:
            floors[value] = floor
            above = _above(value)
            floor -= 0.0 if above is None else above[2]
    return floors


def masked_scores(graph: Graph) -> list[Value]:
    """All values that `score_floors` has a floor for."""
    return [value for _, chain in _masked(graph) for value in chain]


def _masked(graph: Graph) -> Iterator[tuple[Node, list[Value]]]:
    """Each softmax with a mask, and its scores from the last to the first."""
    for softmax in graph.nodes:
        if softmax.op != "softmax" or softmax.attrs["beta"] <= 0 or not softmax.output.elements:
            continue
        chain = _chain(graph, softmax)
        if any(_lowest_added(value) <= -_reach(softmax) for value in chain):
            yield softmax, chain


def _reach(softmax: Node) -> float:
    """How far below the largest score of a row others still count."""
    return float(NEGLIGIBLE / softmax.attrs["beta"])


def _chain(graph: Graph, softmax: Node) -> list[Value]:
    """The values that only the softmax reads, from the last to the first."""
    chain: list[Value] = []
    value, reader = softmax.input(0), softmax
    while not value.is_constant and graph.only_reader(value) is reader:
        chain.append(value)
        if (above := _above(value)) is None:
            break
        reader, value, _ = above
    return chain


def _lowest_added(value: Value) -> float:
    """The lowest number that the node of a value adds; masks of keys and of classes stand in the bias of a layer."""
    node = value.producer
    if node is None or not (node.op == "add" or is_product(node)):
        return 0.0
    added = node.inputs if node.op == "add" else node.inputs[2:]
    return min((float(v.array.min(initial=0.0)) for v in added if v is not None and v.is_constant), default=0.0)


def mask_ranges(scores: Collection[Value], ranges: Mapping[Value, Range]) -> dict[Value, Range]:
    """What codes of constants that are added to scores need to cover, where that is less than all: masks saturate."""
    found: dict[Value, Range] = {}
    for value in scores:
        above = _above(value)
        if above is None or above[0].op != "add":
            continue
        node, x, highest = above
        mask = node.input(1) if node.input(0) is x else node.input(0)
        low = min(ranges[value][0] - ranges[x][1], found.get(mask, (0.0, 0.0))[0])
        alone = all(reader.output in scores for reader, _ in mask.uses)
        if alone and mask.array.min(initial=0.0) < low:
            found[mask] = low, max(highest, 0.0)
    return found


def _above(value: Value) -> tuple[Node, Value, float] | None:
    """The reshape, or sum with a constant, that makes a value; what it reads; and how much it adds to that at most."""
    node = value.producer
    if node is None or node.op not in ("reshape", "add") or node.attrs.get("activation", "none") != "none":
        return None
    computed = [v for v in node.inputs if v is not None and not v.is_constant]
    constants = [v for v in node.inputs if v is not None and v.is_constant]
    if len(computed) != 1 or computed[0].elements != value.elements:
        return None
    if node.op == "reshape":
        return node, computed[0], 0.0
    return node, computed[0], float(constants[0].array.max(initial=0.0))
