"""Guards of a softmax against rows that a mask leaves nothing of."""

from __future__ import annotations

import numpy as np

from edgekit.ir import DType, Graph, Node
from edgekit.passes.base import Pass, is_op, replace_node


class DropNanGuards(Pass):
    """where(is_nan(p), c, p) of a softmax's shares p becomes p, as exporters write attention with a mask.

    Requires nothing. Ensures that there is no such guard in a float graph whose masks leave some of each row: sums of
    finite numbers are never all minus infinity there, and shares are numbers. Guards of other graphs stay.
    """

    name = "nan-guard"

    def run(self, graph: Graph) -> bool:
        guards = [node for node in graph.nodes if _guards_shares(node)]
        if not guards or _may_mask_all(graph):
            return False
        for node in guards:
            replace_node(graph, node, node.input(2))
        return True


def _guards_shares(node: Node) -> bool:
    if node.op != "where" or node.output.dtype is not DType.FLOAT32 or not is_op(node.input(0), "is_nan"):
        return False
    shares, guard = node.input(2), node.input(0).producer
    same_shape = shares.shape == node.output.shape
    return guard is not None and guard.input(0) is shares and is_op(shares, "softmax") and same_shape


def _may_mask_all(graph: Graph) -> bool:
    """Whether a constant has infinite numbers only in one of its rows: a choice of minus infinity, or a mask of all."""
    constants = {v for node in graph.nodes for v in node.inputs if v is not None and v.is_constant}
    floats = [value.array for value in constants if value.dtype is DType.FLOAT32 and value.array.size]
    return any(not np.isfinite(np.atleast_1d(array)).any(axis=-1).all() for array in floats)
