"""The scale of attention scores, 1 / sqrt(width of a head), which exporters put on q, k, both, or the scores."""

from __future__ import annotations

from edgekit.ir import Graph, Node, Value
from edgekit.ops.spec import real_constant
from edgekit.passes.affine import is_pointwise_affine
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
                    node.attrs["beta"] = float(node.attrs["beta"]) * _factor(scale)
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
        elif _is_scale(node):
            scales.append(node)
            waiting.append((node.input(0), node))
    return scales


def _is_scale(node: Node) -> bool:
    return is_pointwise_affine(node) and _factor(node) > 0 and node.attrs["activation"] == "none"


def _factor(node: Node) -> float:
    """The number that all elements are multiplied with; 0 where it is not one number, or an offset is added."""
    weights: list[float] = real_constant(node.input(1)).reshape(-1).tolist()
    bias: Value | None = node.optional_input(2)
    single = len(set(weights)) == 1 and (bias is None or not real_constant(bias).any())
    return weights[0] if single else 0.0
