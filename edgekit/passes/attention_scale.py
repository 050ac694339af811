"""The scale of attention scores, 1 / sqrt(width of a head), which exporters put on q, k, both, or the scores."""

from __future__ import annotations

import numpy as np

from edgekit.ir import DType, Graph, Node, Value
from edgekit.passes.affine import scaled_value
from edgekit.passes.base import Pass, replace_node

_MOVEMENT = ("reshape", "transpose", "slice", "gather")


class FoldScaleIntoSoftmax(Pass):
    """softmax(matmul(s q, t k) + c) and softmax(st matmul(q, k) + c) to softmax(matmul(q, k) + c / st), beta times st.

    Requires nothing. Ensures that no single scale stands between a softmax and the matrix product that it alone reads,
    nor before that product's operands, where data movement and sums with constants alone are between and only positive
    unquantized numbers are concerned.
    """

    name = "attention-scale"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            if node.op == "softmax":
                for scale, (source, factor, sums) in _scales_before(graph, node).items():
                    node.attrs["beta"] = float(node.attrs["beta"]) * factor
                    for add in sums:
                        _divide_constant(add, factor)
                    replace_node(graph, scale, source)
                    changed = True
        return changed


def _scales_before(graph: Graph, softmax: Node) -> dict[Node, tuple[Value, float, tuple[Node, ...]]]:
    """The nodes that scale what the softmax reads, found upwards through movement, sums and one matrix product: each
    with what it scales, by how much, and the sums behind it."""
    scales, product = dict[Node, tuple[Value, float, tuple[Node, ...]]](), False
    waiting: list[tuple[Value, Node, tuple[Node, ...]]] = [(softmax.input(0), softmax, ())]
    while waiting:
        value, reader, sums = waiting.pop()
        node = value.producer
        scaled = None if node is None else scaled_value(node)
        if node is None or value.quant is not None or graph.only_reader(value) is not reader:
            continue
        if node.op == "matmul" and not product:
            product = True
            waiting += [(v, node, sums) for v in (node.input(0), node.input(1)) if node.input(0) is not node.input(1)]
        elif node.op in _MOVEMENT:
            waiting.append((node.input(0), node, sums))
        elif (x := _summed_with_constant(node)) is not None:
            waiting.append((x, node, (*sums, node)))
        elif scaled is not None and scaled[1] > 0:
            scales[node] = (*scaled, sums)
            waiting.append((scaled[0], node, sums))
    return scales


def _summed_with_constant(node: Node) -> Value | None:
    """What a node adds a float constant to, which repeats along it; None for any other node."""
    if node.op != "add" or node.attrs["activation"] != "none":
        return None
    computed = [v for v in (node.input(0), node.input(1)) if not v.is_constant]
    constants = [v for v in (node.input(0), node.input(1)) if v.is_constant and v.dtype is DType.FLOAT32]
    return computed[0] if constants and len(computed) == 1 and computed[0].shape == node.output.shape else None


def _divide_constant(add: Node, factor: float) -> None:
    index = 0 if add.input(0).is_constant else 1
    constant = add.input(index)
    largest = np.finfo(np.float32).max
    with np.errstate(over="ignore"):
        quotient = (constant.array.astype(np.float64) / factor).astype(np.float32)
    # Finite masks stay finite.
    finite = np.isfinite(constant.array)
    add.set_input(index, Value.constant(constant.name, np.where(finite, quotient.clip(-largest, largest), quotient)))
