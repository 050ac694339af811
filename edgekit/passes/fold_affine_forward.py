"""Fold scale and offset (input normalisation, mostly) into the product after."""

from __future__ import annotations

import numpy as np

from edgekit.ir import Array, Graph, Node
from edgekit.passes.affine import is_affine, is_float_product, scale_and_offset, set_weights
from edgekit.passes.base import Pass

# Scales that differ more would make the folded weights hard to quantize: one scale covers all input channels.
MAX_SCALE_RATIO = 4.0


class FoldAffineIntoReader(Pass):
    """conv(affine(x)) becomes conv'(x), also through reshapes.

    Requires float weights. Ensures that no product is the only reader of an affine node that is free of activation, has
    scales within a factor of MAX_SCALE_RATIO and no offset where the product pads (padding is zero after the offset).
    """

    name = "fold-affine-forward"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            if not is_affine(node) or node.attrs["activation"] != "none":
                continue
            reader = graph.only_reader(node.output)
            value = node.output
            while reader is not None and reader.op == "reshape":
                value = reader.output
                reader = graph.only_reader(value)
            if reader is not None and is_float_product(reader) and reader.input(0) is value:
                changed |= _fold(graph, node, reader)
        return changed


def _fold(graph: Graph, node: Node, reader: Node) -> bool:
    scale, offset = scale_and_offset(node)
    low, high = float(np.abs(scale).min()), float(np.abs(scale).max())
    if not 0 < high <= MAX_SCALE_RATIO * low:
        return False
    if offset is not None and offset.any() and any(reader.attrs.get("padding", ())):
        return False
    scales = _per_input_channel(scale, node, reader)
    offsets = None if offset is None else _per_input_channel(offset, node, reader)
    if scales is None or (offset is not None and offsets is None):
        return False
    weights = reader.input(1).array.astype(np.float64)
    if reader.op == "depthwise_conv2d":
        multiplier = weights.shape[2] // len(scales)
        scales = np.repeat(scales, multiplier)
        added = None if offsets is None else (weights * np.repeat(offsets, multiplier)).sum(axis=(0, 1))
    else:
        added = None if offsets is None else (weights * offsets).reshape(len(weights), -1).sum(axis=1)
    old = reader.optional_input(2)
    bias = None if old is None else old.array.astype(np.float64)
    if added is not None:
        bias = added if bias is None else bias + added
    if not set_weights(reader, weights * scales, bias):
        return False
    graph.replace_value(node.output, node.input(0))
    graph.remove(node)
    return True


def _per_input_channel(vector: Array, node: Node, reader: Node) -> Array | None:
    """`vector` per last axis of the reader's input, or None where a reshape mixes channels."""
    shape = reader.input(0).shape
    full = np.broadcast_to(vector, node.output.shape).reshape(-1, shape[-1])
    return full[0].astype(np.float64) if (full == full[0]).all() else None
