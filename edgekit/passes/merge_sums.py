"""Constants added one after the other, such as relative positions and a mask: a single sum."""

from __future__ import annotations

import numpy as np

from edgekit.ir import Array, DType, Graph, Node, Value
from edgekit.passes.base import Pass


class MergeConstantSums(Pass):
    """add(add(x, a), b) becomes add(x, a + b) where a and b are constants and nothing else reads the inner sum.

    Requires nothing. Ensures that no unquantized sum with a constant that keeps its input's shape alone reads another.
    """

    name = "merge-constant-sums"

    def run(self, graph: Graph) -> bool:
        changed = False
        for outer in list(graph.nodes):
            terms = _terms(outer)
            inner = None if terms is None else terms[0].producer
            inner_terms = None if inner is None else _terms(inner)
            if terms is None or inner is None or inner_terms is None or graph.only_reader(inner.output) is not outer:
                continue
            x, total = inner_terms[0], _sum(inner_terms[1].array, terms[1].array)
            if total.size > outer.output.elements:
                continue
            outer.set_input(0, x)
            outer.set_input(1, Value.constant(terms[1].name, total))
            graph.remove(inner)
            changed = True
        return changed


def _terms(node: Node) -> tuple[Value, Value] | None:
    """(computed, constant) of a float sum whose result has the computed term's shape."""
    if node.op != "add" or node.output.dtype is not DType.FLOAT32 or node.attrs["activation"] != "none":
        return None
    a, b = node.input(0), node.input(1)
    x, constant = (b, a) if a.is_constant else (a, b)
    whole = not x.is_constant and constant.is_constant and x.shape == node.output.shape
    return (x, constant) if whole and x.quant is None and constant.dtype is DType.FLOAT32 else None


def _sum(a: Array, b: Array) -> Array:
    with np.errstate(over="ignore"):
        total: Array = (a + b).astype(np.float32)
    return total
