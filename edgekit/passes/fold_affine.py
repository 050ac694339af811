"""Fold scale and offset (batch norm, constant sums and products) into the product before."""

from __future__ import annotations

import numpy as np

from edgekit.ir import Graph, Node
from edgekit.passes.affine import is_affine, is_float_product, output_channel_axis, scale_and_offset, set_weights
from edgekit.passes.base import Pass, is_op, replace_node


class FoldAffineIntoProducer(Pass):
    """affine(conv(x)) becomes conv'(x); also through reshapes that keep the channel axis last.

    Requires float weights. Ensures that no affine node alone reads a product without a fused activation, but where the
    weights would leave the range of float32.
    """

    name = "fold-affine"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            producer = _producer(graph, node) if is_affine(node) else None
            if producer is not None and _fold(node, producer):
                replace_node(graph, node, node.input(0))
                changed = True
        return changed


def _producer(graph: Graph, node: Node) -> Node | None:
    """The product that `node` can be folded into."""
    value, reader, channels = node.input(0), node, node.input(0).shape[-1]
    while is_op(value, "reshape") and graph.only_reader(value) is reader:
        assert value.producer is not None
        reader = value.producer
        value = reader.input(0)
        if not value.shape or value.shape[-1] != channels:
            return None
    producer = value.producer
    if producer is None or graph.only_reader(value) is not reader or not is_float_product(producer):
        return None
    if producer.attrs["activation"] != "none" or (reader is not node and node.attrs["activation"] != "none"):
        return None
    return producer


def _fold(node: Node, producer: Node) -> bool:
    scale, offset = (None if a is None else a.astype(np.float64) for a in scale_and_offset(node))
    assert scale is not None
    shape = [1] * len(producer.input(1).shape)
    shape[output_channel_axis(producer)] = -1
    weights = producer.input(1).array.astype(np.float64) * scale.reshape(shape)
    old_bias = producer.optional_input(2)
    bias = None if old_bias is None else old_bias.array.astype(np.float64) * scale
    if offset is not None:
        bias = offset if bias is None else bias + offset
    if not set_weights(producer, weights, bias):
        return False
    producer.attrs["activation"] = node.attrs["activation"]
    return True
