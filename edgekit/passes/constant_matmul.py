"""Matrix products with a constant as layers with weights."""

from __future__ import annotations

import math

import numpy as np

from edgekit.ir import Array, DType, Graph, Node, Value
from edgekit.passes.base import Pass, add_node, replace_node


class MatmulOfConstant(Pass):
    """matmul(x, constant) becomes fully_connected with the constant as weights, as of an einsum or a batch of one.

    Requires nothing. Ensures that no matmul of a float graph that reads x as it is has one constant matrix, the second,
    for all of it: weights have a scale for each output, may have few bits, and are learned. Equal up to rounding.
    """

    name = "constant-matmul"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            weights = _weights(node)
            if weights is None:
                continue
            operands = [node.input(0), Value.constant(node.input(1).name, weights)]
            attrs = {"activation": "none"}
            made = add_node(graph, node, "fully_connected", node.name, operands, attrs, node.output)
            replace_node(graph, node, made)
            changed = True
        return changed


def _weights(node: Node) -> Array | None:
    """float32 [outputs, inputs] of a layer that does the same, if one does."""
    if node.op != "matmul" or node.attrs["transpose_a"]:
        return None
    x, matrix = node.input(0), node.input(1)
    values = (x, matrix, node.output)
    if any(v.dtype is not DType.FLOAT32 or v.quant is not None for v in values) or not matrix.is_constant:
        return None
    if x.is_constant or math.prod(matrix.shape[:-2]) != 1 or len(matrix.shape) > len(x.shape):
        return None
    square = matrix.array.reshape(matrix.shape[-2:])
    return square if node.attrs["transpose_b"] else np.ascontiguousarray(square.T)
