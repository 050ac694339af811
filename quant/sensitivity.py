"""What fewer bits for the weights of one layer cost: the error that they alone make in a network's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgekit.ir import Array, Graph, Node, QuantType, Value
from edgekit.ops import spec_of
from edgekit.ops.reference import run_reference
from edgekit.progress import Progress
from edgekit.quant.affine import quantize_ranges
from edgekit.quant.observers import Range
from edgekit.quant.power import CodedRows

Values = Mapping[Value, Array]
# What changes no answer: scores are looked at before it.
_PASSING = ("reshape", "requantize", "softmax", "int_log_softmax")


def measured_errors(
    graph: Graph,
    ranges: Mapping[Value, Range],
    coded: Mapping[int, Mapping[str, CodedRows]],
    samples: Sequence[Sequence[Array]],
    progress: Progress,
    grids: Mapping[Value, QuantType] | None = None,
) -> dict[str, dict[int, float]]:
    """By layer and bits, the squared error of the answer relative to its square, all other layers at 8 bits.

    Codes of 8 bits in `coded` stand for the 8-bit weights themselves, which make no error.

    The answer is that of the integer graph, before a last softmax, whose saturation would hide errors.

    Args:
        graph: float32, with `ranges` of its values.
        coded: by bits, codes by the name of every layer to measure.
        samples: real-valued inputs, float32.
        grids: of activations, as of `quantize_ranges`.
    """
    base = quantize_ranges(graph, ranges, None, grids)
    narrow = {
        bits: {n.name: n for n in quantize_ranges(graph, ranges, codes, grids).nodes if n.name in codes}
        for bits, codes in coded.items()
        if bits < 8
    }
    codes = [
        [v.quant.quantize(a, v.dtype) if v.quant else a for v, a in zip(base.inputs, s, strict=True)] for s in samples
    ]
    known = [run_reference(base, sample) for sample in codes]
    answers = [_before_softmax(value) for value in base.outputs]
    layers = [node for node in base.nodes if any(node.name in nodes for nodes in narrow.values())]
    return {
        node.name: dict.fromkeys(coded, 0.0)
        | {bits: _error(base, node, nodes[node.name], known, answers) for bits, nodes in narrow.items()}
        for node in progress.track(layers, "measuring sensitivity")
    }


def _before_softmax(value: Value) -> Value:
    while value.producer is not None and value.producer.op in _PASSING:
        value = value.producer.input(0)
    return value


def _error(graph: Graph, node: Node, narrow: Node, known: Sequence[Values], answers: Sequence[Value]) -> float:
    """The error with the weights and bias of `narrow`, which has the node's name in another graph, in the node."""
    original = node.inputs
    for index in range(1, len(original)):
        node.set_input(index, narrow.inputs[index])
    try:
        sums = np.zeros(2)
        for values in known:
            changed = _run_again(graph, node, values)
            for answer in answers:
                exact = _real(answer, values[answer])
                sums += ((_real(answer, changed.get(answer, values[answer])) - exact) ** 2).sum(), (exact**2).sum()
    finally:
        for index in range(1, len(original)):
            node.set_input(index, original[index])
    return float(sums[0] / max(sums[1], np.finfo(np.float64).tiny))


def _run_again(graph: Graph, first: Node, known: Values) -> dict[Value, Array]:
    """The values that a change in one node changes."""
    changed: dict[Value, Array] = {}
    for node in graph.nodes[graph.nodes.index(first) :]:
        if node is not first and not any(v in changed for v in node.inputs if v is not None):
            continue
        operands = [
            None if v is None else v.array if v.is_constant else changed.get(v, known.get(v)) for v in node.inputs
        ]
        changed |= zip(node.outputs, spec_of(node.op).reference(node, operands, True), strict=True)
    return changed


def _real(value: Value, array: Array) -> Array:
    real: Array = (array if value.quant is None else value.quant.dequantize(array)).astype(np.float64)
    return real
