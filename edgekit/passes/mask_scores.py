"""Scores that a choice puts out of a softmax, as a sum with a mask."""

from __future__ import annotations

import numpy as np

from edgekit.ir import Array, DType, Graph, Node, Value
from edgekit.passes.base import Pass, add_node, replace_node

# What stands in for minus infinity in a mask is this low or lower, times beta; next to a score, exp() of it is 0.
_MASKED = -1e4


class MaskScoresByAdding(Pass):
    """where(condition, x, -inf) becomes add(x, mask) with 0 and minus infinity, and so where x is the other choice.

    Requires nothing. Ensures that no softmax of a float graph alone reads a where of x and a constant of -1e4 or less
    under a constant condition that leaves some of each row: sums have codes for such masks, choices have none. Equal
    for scores that are not as low themselves.
    """

    name = "mask-scores"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            found = _masked(graph, node)
            if found is None:
                continue
            x, kept = found
            mask = np.where(kept, np.float32(0), np.float32(-np.inf))
            operands = [x, Value.constant(f"{node.name} mask", mask)]
            made = add_node(graph, node, "add", node.name, operands, {"activation": "none"}, node.output)
            replace_node(graph, node, made)
            changed = True
        return changed


def _masked(graph: Graph, node: Node) -> tuple[Value, Array] | None:
    """The scores, and bool, broadcast to them: which of them count; None where that is not what the node chooses."""
    if node.op != "where" or node.output.dtype is not DType.FLOAT32:
        return None
    condition, first, second = node.input(0), node.input(1), node.input(2)
    reader = graph.only_reader(node.output)
    if reader is None or reader.op != "softmax" or reader.attrs["beta"] <= 0 or not condition.is_constant:
        return None
    x, other, kept = (second, first, ~condition.array) if first.is_constant else (first, second, condition.array)
    if x.is_constant or not other.is_constant or x.shape != node.output.shape:
        return None
    each = np.broadcast_to(kept, x.shape)
    lows = reader.attrs["beta"] * np.broadcast_to(other.array, x.shape)[~each]
    if not each.any(axis=-1).all() or not (lows <= _MASKED).all():
        return None
    return x, kept
