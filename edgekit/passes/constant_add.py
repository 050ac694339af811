"""A sum with a constant as a per-channel offset, which other passes fold into a bias."""

from __future__ import annotations

import numpy as np

from edgekit.ir import DType, Graph, Node, Value
from edgekit.passes.base import Pass, add_node, replace_node


class AddOfConstantToAffine(Pass):
    """add(x, constant) becomes a depthwise 1x1 convolution with unit weights and the constant as bias.

    Requires nothing. Ensures that float graphs have no add with one constant operand that broadcasts to x's shape and
    varies along one axis at most; others (position embeddings) are no offset that a layer could take in.
    """

    name = "constant-add"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            values = (*node.inputs, *node.outputs)
            if node.op != "add" or any(v is None or v.dtype is not DType.FLOAT32 for v in values):
                continue
            constants = [v for v in (node.input(0), node.input(1)) if v.is_constant]
            variable = node.input(1) if node.input(0).is_constant else node.input(0)
            if len(constants) != 1 or variable.shape != node.output.shape or not variable.shape:
                continue
            if sum(int(size > 1) for size in constants[0].shape) < 2:
                self._rewrite(graph, node, variable, constants[0])
                changed = True
        return changed

    def _rewrite(self, graph: Graph, node: Node, x: Value, constant: Value) -> None:
        full = np.broadcast_to(constant.array, x.shape)
        rank = len(x.shape)
        # The shortest run of trailing axes that the constant varies along is the channels.
        own = (1,) * (rank - constant.array.ndim) + constant.array.shape
        first = min((a for a in range(rank) if own[a] > 1), default=rank - 1)
        channels = int(np.prod(x.shape[first:]))
        rows = x.elements // channels
        shape = x.shape if rank == 4 and first == 3 and x.shape[0] == 1 else (1, rows, 1, channels)
        offset = np.ascontiguousarray(full[(0,) * first]).reshape(-1)
        flat = add_node(graph, node, "reshape", f"{node.name} rows", [x], {"shape": shape}, node.output)
        ones = Value.constant(f"{node.name} ones", np.ones((1, 1, channels), np.float32))
        attrs = {
            "stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "activation": node.attrs["activation"]
        }  # fmt: skip
        bias = Value.constant(constant.name, offset)
        moved = add_node(graph, node, "depthwise_conv2d", node.name, [flat, ones, bias], attrs, node.output)
        back = add_node(graph, node, "reshape", f"{node.name} back", [moved], {"shape": x.shape}, node.output)
        replace_node(graph, node, back)
