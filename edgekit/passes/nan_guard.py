"""Guards of a softmax against rows that a mask leaves nothing of."""

from __future__ import annotations

import numpy as np

from edgekit.ir import DType, Graph, Node, Value
from edgekit.passes.base import Pass, is_op, replace_node

# Sums of these are finite where what they read is.
_PRODUCTS = ("matmul", "fully_connected", "conv2d")


class DropNanGuards(Pass):
    """where(is_nan(p), c, p) of a softmax's shares p becomes p, as exporters write attention with a mask.

    Requires nothing. Ensures that there is no such guard in a float graph whose scores are a product, or sums of one
    with constants that all together leave some of each row finite: its shares are numbers. Other guards stay.
    """

    name = "nan-guard"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            shares = _guarded(node)
            if shares is None or (graph.is_output(node.output) and graph.is_output(shares)):
                continue
            assert shares.producer is not None
            if _leaves_some(shares.producer.input(0)):
                replace_node(graph, node, shares)
                changed = True
        return changed


def _guarded(node: Node) -> Value | None:
    """The shares of a softmax that a node guards."""
    if node.op != "where" or node.output.dtype is not DType.FLOAT32 or not is_op(node.input(0), "is_nan"):
        return None
    shares, guard = node.input(2), node.input(0).producer
    guards = guard is not None and guard.input(0) is shares and shares.shape == node.output.shape
    return shares if guards and is_op(shares, "softmax") else None


def _leaves_some(scores: Value) -> bool:
    """Whether each row of scores has a number that is not infinite, for finite inputs of the product they come from."""
    total = np.zeros(scores.shape, np.float32)
    value, node = scores, scores.producer
    while node is not None:
        step = _step(node)
        if step is None:
            return False
        rest, added = step
        for constant in added:
            total += np.broadcast_to(constant.array, value.shape).reshape(scores.shape)
        if rest is None:
            return bool(np.isfinite(total).any(axis=-1).all())
        value, node = rest, rest.producer
    return False


def _step(node: Node) -> tuple[Value | None, list[Value]] | None:
    """What a node adds constants to, None where that is a product; None for nodes that do anything else."""
    operands = [v for v in node.inputs if v is not None]
    computed, constants = ([v for v in operands if v.is_constant == kind] for kind in (False, True))
    if node.attrs.get("activation", "none") != "none":
        return None
    if node.op in _PRODUCTS:
        added = operands[2:]
        return (None, added) if all(v.is_constant for v in added) else None
    if len(computed) != 1 or computed[0] is not operands[0] or computed[0].elements != node.output.elements:
        return None
    if node.op in ("add", "reshape"):
        return computed[0], constants
    # One factor for all, as importers write it: minus infinity stays what it is where that is positive.
    if node.op == "depthwise_conv2d" and constants and (constants[0].array > 0).all():
        return (computed[0], constants[1:]) if np.isfinite(constants[0].array).all() else None
    return None
