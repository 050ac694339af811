"""Fuse relu, relu6 and a clip to -1 .. 1 into the layer before."""

from __future__ import annotations

import numpy as np

from edgekit.ir import DType, Graph, Node, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops import spec_of
from edgekit.ops.unary import Unary
from edgekit.passes.base import Pass

_FUSABLE = (
    "conv2d", "depthwise_conv2d", "fully_connected", "add", "sub", "mul", "div", "avg_pool2d", "max_pool2d"
)  # fmt: skip


class FuseActivation(Pass):
    """relu(conv(x)) becomes conv with attr activation.

    Requires nothing. Ensures that no relu, relu6 or clip to -1 .. 1 alone reads a layer that could do it, where that is
    exact: in float, and in integers where the function's table is the clamp that the layer would do.
    """

    name = "fuse-activation"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            own = _activation(node)
            if own is None:
                continue
            x, producer = node.input(0), node.input(0).producer
            if producer is None or producer.op not in _FUSABLE or graph.only_reader(x) is not node:
                continue
            activation = _merged(producer.attrs["activation"], own)
            if activation is not None and _is_exact(node, own, x):
                self._fuse(graph, node, producer, activation)
                changed = True
        return changed

    def _fuse(self, graph: Graph, node: Node, producer: Node, activation: str) -> None:
        producer.attrs["activation"] = activation
        x, y = node.input(0), node.output
        x.quant, x.name = y.quant, y.name
        graph.replace_value(y, x)
        graph.remove(node)


def _activation(node: Node) -> str | None:
    """What the node is as the activation of another, or None."""
    if node.op in ("relu", "relu6"):
        return node.op
    clip = node.op == "clip" and (node.attrs["low"], node.attrs["high"]) == (-1.0, 1.0)
    return "relu_n1_to_1" if clip else None


def _merged(first: str, second: str) -> str | None:
    """One activation for two in a row, or None."""
    if first in ("none", second):
        return second
    return "relu6" if {first, second} == {"relu", "relu6"} else None


def _is_exact(node: Node, activation: str, x: Value) -> bool:
    y = node.output
    # Without a quantization the numbers are real, or codes whose meaning is settled only after this.
    if x.dtype is DType.FLOAT32 or x.quant is None:
        return True
    if y.quant != x.quant:
        return False
    spec = spec_of(node.op)
    assert isinstance(spec, Unary)
    codes = np.arange(-128, 128)
    return bool(np.array_equal(spec.table(node), np.clip(codes, *fp.output_range(activation, y))))
