"""A product whose parts are read apart (q, k and v of one layer) as one product per part."""

from __future__ import annotations

import itertools

import numpy as np

from edgekit.ir import Graph, Node, Value
from edgekit.passes.base import Pass, add_node, replace_node


class SplitProduct(Pass):
    """slices of fully_connected(x) over its last axis become fully connected layers with those rows of the weights.

    Requires constant weights. Ensures that no fully connected layer is read by slices alone that take runs of its last
    axis which do not overlap. Exact; each part gets a quantization of its own where the model is quantized later.
    """

    name = "split-product"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            if node.op == "fully_connected" and all(v is None or v.is_constant for v in node.inputs[1:]):
                parts = _parts(graph, node)
                for index, part in enumerate(parts):
                    self._split(graph, node, part, index)
                changed |= bool(parts)
        return changed

    def _split(self, graph: Graph, node: Node, part: Node, index: int) -> None:
        start, size = part.attrs["starts"][-1], part.attrs["sizes"][-1]
        operands = [node.input(0), *(_rows(v, start, size) for v in node.inputs[1:] if v is not None)]
        made = add_node(graph, part, node.op, f"{node.name} part {index}", operands, dict(node.attrs), part.output)
        replace_node(graph, part, made)


def _parts(graph: Graph, node: Node) -> list[Node]:
    """The slices that read the layer, where they are all its readers and share nothing."""
    slices = list(dict.fromkeys(reader for reader, _ in node.output.uses))
    if graph.is_output(node.output) or not slices or not all(_is_run(s) for s in slices):
        return []
    runs = sorted((s.attrs["starts"][-1], s.attrs["starts"][-1] + s.attrs["sizes"][-1]) for s in slices)
    apart = all(end <= start for (_, end), (start, _) in itertools.pairwise(runs))
    return slices if apart and all(_keeps_levels(node, *run) for run in runs) else []


def _keeps_levels(node: Node, start: int, end: int) -> bool:
    """Whether weights of these channels, where they are codes, are codes by themselves."""
    quant = node.input(1).quant
    book = None if quant is None else quant.codebook
    return book is None or book.of_channels(np.arange(start, end)) is not None


def _is_run(node: Node) -> bool:
    """A slice of neighbours along the last axis alone."""
    if node.op != "slice":
        return False
    shape, attrs = node.input(0).shape, node.attrs
    whole = tuple(attrs["sizes"][:-1]) == shape[:-1] and not any(attrs["starts"][:-1])
    return whole and all(step == 1 for step in attrs["steps"]) and 0 < attrs["sizes"][-1] < shape[-1]


def _rows(constant: Value, start: int, size: int) -> Value:
    rows = np.arange(start, start + size)
    quant = None if constant.quant is None else constant.quant.of_channels(rows)
    return Value.constant(constant.name, constant.array[rows], quant)
