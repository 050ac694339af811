"""The scale of attention scores, 1 / sqrt(width of a head), which exporters put on q, k, both, or the scores."""

from __future__ import annotations

from edgekit.ir import Graph, Node, Value
from edgekit.passes.affine import scaled_value
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
                for scale, (source, factor) in _scales_before(graph, node).items():
                    node.attrs["beta"] = float(node.attrs["beta"]) * factor
                    replace_node(graph, scale, source)
                    changed = True
        return changed


def _scales_before(graph: Graph, softmax: Node) -> dict[Node, tuple[Value, float]]:
    """The nodes that scale what the softmax reads, found upwards through movement and one matrix product."""
    scales, waiting, product = dict[Node, tuple[Value, float]](), [(softmax.input(0), softmax)], False
    while waiting:
        value, reader = waiting.pop()
        node = value.producer
        scaled = None if node is None else scaled_value(node)
        if node is None or value.quant is not None or graph.only_reader(value) is not reader:
            continue
        if node.op == "matmul" and not product:
            product = True
            waiting += [(v, node) for v in (node.input(0), node.input(1)) if node.input(0) is not node.input(1)]
        elif node.op in _MOVEMENT:
            waiting.append((node.input(0), node))
        elif scaled is not None and scaled[1] > 0:
            scales[node] = scaled
            waiting.append((scaled[0], node))
    return scales
