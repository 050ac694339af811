"""Flattening a transposed tensor before a fully connected layer: reorder the weights instead."""

from __future__ import annotations

import numpy as np

from edgekit.ir import Graph, Node, Value
from edgekit.passes.base import Pass, add_node, inverse, is_op


class FoldTransposeIntoFullyConnected(Pass):
    """fully_connected(reshape(transpose(x))) becomes fully_connected(reshape(x)) with permuted weight columns.

    Requires constant weights. Ensures that no fully connected layer of one row reads a flattened transpose (of NCHW
    exports, which flatten channels first). Exact in integers: the same products are summed.
    """

    name = "flatten-to-weights"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            if node.op == "fully_connected" and is_op(node.input(0), "reshape"):
                reshape = node.input(0).producer
                assert reshape is not None
                if is_op(reshape.input(0), "transpose") and node.input(1).is_constant:
                    changed |= self._fold(graph, node, reshape)
        return changed

    def _fold(self, graph: Graph, node: Node, reshape: Node) -> bool:
        transpose = reshape.input(0).producer
        assert transpose is not None
        x, weights, perm = transpose.input(0), node.input(1), tuple(transpose.attrs["perm"])
        rows = reshape.output.elements // weights.shape[1]
        if rows != 1:
            return False
        columns = weights.array.reshape(weights.shape[0], *transpose.output.shape)
        moved = columns.transpose(0, *(1 + a for a in inverse(perm))).reshape(weights.shape)
        flat = add_node(graph, node, "reshape", reshape.name, [x], dict(reshape.attrs), reshape.output)
        node.set_input(0, flat)
        node.set_input(1, Value.constant(weights.name, np.ascontiguousarray(moved), weights.quant))
        return True
