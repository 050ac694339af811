"""Which int8 codes each channel of a value can take, whatever the inputs are: intervals, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ir import Array, DType, Graph, Node, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops import spec_of
from edgekit.ops.conv2d import bias_or_zero, groups_of, product_requantize
from edgekit.ops.mean import mean_count, mean_multiplier
from edgekit.ops.quantize import Requantize
from edgekit.ops.unary import Unary

LOWEST, HIGHEST = -128, 127
# Operators whose output's channel c depends on nothing but channel c, and grows with it.
GROWING = ("max_pool2d", "avg_pool2d", "mean")
PRODUCTS = ("conv2d", "depthwise_conv2d", "fully_connected")


@dataclass(frozen=True)
class CodeRange:
    """The least and the largest code of each channel (the last axis), int64 [C]."""

    low: Array
    high: Array

    @property
    def constant(self) -> Array:
        """bool [C]: the channels that are one code."""
        constant: Array = self.low == self.high
        return constant


def code_ranges(graph: Graph) -> dict[Value, CodeRange]:
    """The ranges of all int8 values with an axis; all codes where nothing better is known."""
    ranges: dict[Value, CodeRange] = {}
    for value in graph.inputs:
        if _has_channels(value):
            ranges[value] = _all_codes(value)
    for node in graph.nodes:
        for value in node.outputs:
            if _has_channels(value):
                ranges[value] = _range_after(node, value, ranges)
    return ranges


def _has_channels(value: Value) -> bool:
    return value.dtype is DType.INT8 and bool(value.shape) and value.elements > 0


def _all_codes(value: Value) -> CodeRange:
    channels = value.shape[-1]
    return CodeRange(np.full(channels, LOWEST, np.int64), np.full(channels, HIGHEST, np.int64))


def _range_after(node: Node, value: Value, ranges: dict[Value, CodeRange]) -> CodeRange:
    x = node.optional_input(0)
    if x is None or x not in ranges or not takes_codes(node):
        return _all_codes(value)
    before = ranges[x]
    if node.op in PRODUCTS:
        return _after_product(node, before)
    if node.op == "mean":
        (_, zero), count = fp.single_quant(x), mean_count(node)
        ends = (count * (bound - zero) for bound in (before.low, before.high))
        span, to = (LOWEST, HIGHEST), fp.single_quant(value)[1]
        return CodeRange(*(fp.requantize(end, mean_multiplier(node), to, span) for end in ends))
    if node.op in GROWING:
        low, high = fp.output_range(node.attrs["activation"], value)
        return CodeRange(np.clip(before.low, low, high), np.clip(before.high, low, high))
    if node.op == "reshape" and x.shape[-1:] == value.shape[-1:]:
        return before
    table = table_of(node)
    return _all_codes(value) if table is None else _after_table(table, before)


def takes_codes(node: Node) -> bool:
    """Whether a node makes int8 codes of int8 codes and meets all constraints of its operator."""
    values = (node.optional_input(0), *node.outputs)
    codes = all(
        v is not None and v.dtype is DType.INT8 and v.quant is not None and v.quant.is_per_tensor for v in values
    )
    return codes and all(met(node) for met in spec_of(node.op).constraints)


def table_of(node: Node) -> Array | None:
    """The 256 results of a node that `takes_codes` one by one, by the code less the lowest; None for any other."""
    spec = spec_of(node.op)
    return spec.table(node).astype(np.int64) if isinstance(spec, (Unary, Requantize)) else None


def _after_table(table: Array, before: CodeRange) -> CodeRange:
    spans = [table[low - LOWEST : high - LOWEST + 1] for low, high in zip(before.low, before.high, strict=True)]
    return CodeRange(np.array([s.min() for s in spans], np.int64), np.array([s.max() for s in spans], np.int64))


def centred_weights(node: Node) -> Array:
    """int64 [outputs, taps, inputs of a group]: a product's weights less their zero point; depthwise: one input."""
    weights = node.input(1)
    quant = weights.quant
    zero = quant.zero_point[0] if quant is not None and quant.is_per_tensor else 0
    codes = weights.array.astype(np.int64) - zero
    if node.op == "depthwise_conv2d":
        return np.moveaxis(codes, 2, 0).reshape(codes.shape[2], -1, 1)
    return codes.reshape(codes.shape[0], -1, codes.shape[-1])


def pads(node: Node) -> bool:
    """Whether windows read zero points around the input."""
    return any(node.attrs.get("padding", ()))


def _after_product(node: Node, before: CodeRange) -> CodeRange:
    """Accumulators grow by each tap's least and largest product; a padded tap may also be 0."""
    weights = centred_weights(node)
    outputs, _, depth = weights.shape
    groups = len(before.low) if node.op == "depthwise_conv2d" else groups_of(node)
    # [outputs, 1, depth]: the channels that an output reads.
    reads = (np.arange(outputs) // (outputs // groups))[:, None, None] * depth + np.arange(depth)
    ends = [weights * fp.steps(node.input(0), bound)[reads] for bound in (before.low, before.high)]
    least, most = np.minimum(*ends), np.maximum(*ends)
    if pads(node):
        least, most = np.minimum(least, 0), np.maximum(most, 0)
    sums = np.stack([least.sum(axis=(1, 2)), most.sum(axis=(1, 2))]) + bias_or_zero(node)
    codes = product_requantize(node, sums).astype(np.int64)
    return CodeRange(codes[0], codes[1])
