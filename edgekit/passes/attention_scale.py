"""The scale of attention scores, 1 / sqrt(width of a head), which exporters put on q, k, both, or the scores."""

from __future__ import annotations

from edgekit.ir import Graph, Node
from edgekit.passes.affine import scale_factor
from edgekit.passes.base import Pass, replace_node

_MOVEMENT = ("reshape", "transpose", "slice", "gather")


class FoldScaleIntoSoftmax(Pass):
    """softmax(matmul(s q, t k)) and softmax(s matmul(q, k)) become softmax(matmul(q, k)) with beta times s and t.

    Requires nothing. Ensures that no single scale stands between a softmax and the matrix product that it alone reads,
    nor before that product's operands, where data movement alone is between and only positive unquantized numbers are
    concerned.
    """

    name = "attention-scale"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            if node.op == "softmax":
                for scale in _scales_before(graph, node):
                    node.attrs["beta"] = float(node.attrs["beta"]) * scale_factor(scale)
                    replace_node(graph, scale, scale.input(0))
                    changed = True
        return changed


def _scales_before(graph: Graph, softmax: Node) -> list[Node]:
    """The nodes that scale what the softmax reads, found upwards through movement and one matrix product."""
    scales, waiting, product = list[Node](), [(softmax.input(0), softmax)], False
    while waiting:
        value, reader = waiting.pop()
        node = value.producer
        if node is None or value.quant is not None or graph.only_reader(value) is not reader:
            continue
        if node.op == "matmul" and not product:
            product = True
            waiting += [(v, node) for v in (node.input(0), node.input(1)) if node.input(0) is not node.input(1)]
        elif node.op in _MOVEMENT:
            waiting.append((node.input(0), node))
        elif scale_factor(node) > 0:
            scales.append(node)
            waiting.append((node.input(0), node))
    return scales
