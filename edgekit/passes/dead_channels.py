"""Channels that no result depends on, taken out of int8 graphs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edgekit.ir import Array, DType, Graph, Node, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.conv2d import CODES_AT_ONCE, bias_or_zero, groups_of, is_product
from edgekit.ops.supported import unsupported_layers
from edgekit.passes.base import Pass
from edgekit.passes.code_ranges import GROWING, CodeRange, centred_weights, code_ranges, pads, table_of, takes_codes

# Rows of channels stay whole words, which kernels read fastest: dead channels fill up the last one.
WORD = 4


@dataclass
class _Family:
    """Values that have the same channels, from the product that makes them to the products that read them.

    Attributes:
        source: the product that makes the first one.
        values: all of them, in order.
        inner: the nodes between them: one channel in, one channel out.
        sinks: the products that sum over the channels.
    """

    source: Node
    values: list[Value] = field(default_factory=list)
    inner: list[Node] = field(default_factory=list)
    sinks: list[Node] = field(default_factory=list)


class RemoveDeadChannels(Pass):
    """Requires nothing. Ensures that, in int8 graphs, no product makes channels, beyond a multiple of four, that all
    layers behind it read as one and the same code for every input, or with weights of zero. A graph that breaks an
    operator's constraints is left as it is: it will be refused.

    What such a channel adds is in the readers' biases, so that all other codes stay as they are. How many were taken
    out is the product's attribute dead_channels, for reports.
    """

    name = "dead-channels"

    def run(self, graph: Graph) -> bool:
        if unsupported_layers(graph):
            return False
        changed = False
        ranges = code_ranges(graph)
        for node in list(graph.nodes):
            family = _family(graph, node)
            if family is not None and _shrink(family, ranges):
                changed = True
        return changed


def _family(graph: Graph, node: Node) -> _Family | None:
    """The family of a product's output; None where a reader needs all channels as they are."""
    if not _sums_channels(node):
        return None
    family = _Family(node, [node.output])
    for value in family.values:
        if graph.is_output(value) or value.dtype is not DType.INT8:
            return None
        for reader, index in value.uses:
            if index != 0:
                return None
            if _sums_channels(reader):
                family.sinks.append(reader)
            elif _keeps_channels(reader):
                family.inner.append(reader)
                family.values.append(reader.output)
            else:
                return None
    return family if family.sinks else None


def _sums_channels(node: Node) -> bool:
    product = node.op == "fully_connected" or (node.op == "conv2d" and groups_of(node) == 1)
    return product and takes_codes(node)


def _keeps_channels(node: Node) -> bool:
    if not takes_codes(node):
        return False
    x, y = node.input(0).shape, node.output.shape
    if node.op == "depthwise_conv2d":
        return x[-1] == y[-1]
    return node.op in GROWING or (node.op == "reshape" and x[-1:] == y[-1:]) or table_of(node) is not None


def _shrink(family: _Family, ranges: dict[Value, CodeRange]) -> bool:
    """Take the family's dead channels out; False where there are none."""
    channels = family.values[0].shape[-1]
    dead = np.ones(channels, bool)
    for sink in family.sinks:
        dead &= _absorbed(sink, ranges[sink.input(0)])
    word = WORD if all(_has_zero(sink) for sink in family.sinks) else CODES_AT_ONCE
    kept = _filled_up(dead, _sharing(family), word)
    biases = {sink: _new_bias(sink, ranges[sink.input(0)], kept) for sink in family.sinks}
    limit = np.iinfo(np.int32).max
    if len(kept) == channels or len(kept) % word or any(np.abs(bias).max() > limit for bias in biases.values()):
        return False
    for sink, bias in biases.items():
        _set_bias(sink, bias)
        weights = sink.input(1)
        sink.set_input(1, Value.constant(weights.name, weights.array[..., kept], weights.quant))
    _keep_outputs(family.source, 0, kept)
    attrs = family.source.attrs
    attrs["dead_channels"] = attrs.get("dead_channels", 0) + channels - len(kept)
    for node in family.inner:
        if node.op == "depthwise_conv2d":
            _keep_outputs(node, 2, kept)
        elif node.op == "reshape":
            node.attrs["shape"] = (*node.output.shape[:-1], len(kept))
    for value in family.values:
        value.shape = (*value.shape[:-1], len(kept))
        ranges[value] = CodeRange(ranges[value].low[kept], ranges[value].high[kept])
    return True


def _sharing(family: _Family) -> int:
    """How many channels, one after the other, share levels of their weights in all layers that make them; 0: all do."""
    quants = [node.input(1).quant for node in (family.source, *family.inner) if is_product(node)]
    books = [quant.codebook for quant in quants if quant is not None and quant.codebook is not None]
    return min((book.group for book in books if book.group), default=0)


def _has_zero(sink: Node) -> bool:
    """Whether weights can be padded: codes without a zero cannot, and need whole rows."""
    quant = sink.input(1).quant
    return quant is None or quant.codebook is None or quant.codebook.has_zero


def _filled_up(dead: Array, sharing: int, word: int) -> Array:
    """The channels that stay: all that live, and dead ones up to whole words; words of channels that share levels, so
    that those that stay do.
    """
    parts = []
    for part in np.split(np.arange(len(dead)), range(sharing, len(dead), sharing) if sharing else []):
        alive, spare = part[~dead[part]], part[dead[part]]
        wanted = -(-len(alive) // word) * word
        parts.append(np.sort(np.concatenate([alive, spare[: wanted - len(alive)]])))
    kept = np.concatenate(parts)
    return kept if len(kept) else np.arange(min(word, len(dead)))


def _absorbed(sink: Node, codes: CodeRange) -> Array:
    """bool [C]: the channels that add the same to every accumulator, also where a window reads padding."""
    zero = fp.single_quant(sink.input(0))[1]
    unread = np.logical_not(np.any(centred_weights(sink), axis=(0, 1)))
    absorbed: Array = unread | (codes.constant & (codes.low == zero if pads(sink) else True))
    return absorbed


def _new_bias(sink: Node, codes: CodeRange, kept: Array) -> Array:
    """The bias with what the other channels add."""
    weights = centred_weights(sink)
    centred = np.where(codes.constant, fp.steps(sink.input(0), codes.low), 0)
    centred[kept] = 0
    bias: Array = (weights.sum(axis=1) * centred).sum(axis=1) + bias_or_zero(sink)
    return bias


def _set_bias(node: Node, codes: Array) -> None:
    old = node.optional_input(2)
    name, quant = (f"{node.name} bias", None) if old is None else (old.name, old.quant)
    bias = Value.constant(name, codes.astype(np.int32), quant)
    if len(node.inputs) > 2:
        node.set_input(2, bias)
    else:
        node.append_input(bias)


def _keep_outputs(node: Node, axis: int, kept: Array) -> None:
    """Weights and bias of the output channels that stay."""
    for index, along in ((1, axis), (2, 0)):
        value = node.optional_input(index)
        if value is not None:
            quant = None if value.quant is None else value.quant.of_channels(kept)
            node.set_input(index, Value.constant(value.name, value.array.take(kept, along), quant))
