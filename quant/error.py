"""How far a quantized graph is from its float original, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.ir import Array, DType, Graph, Value
from edgekit.ops.reference import run_reference


@dataclass(frozen=True)
class LayerError:
    """Error of one layer's output, accumulated over all samples and all layers before it.

    Attributes:
        name, op: of the node.
        sqnr_db: signal to quantization noise, 10 log10(sum x**2 / sum (x - q)**2); inf where both are equal.
        max_abs_error: largest |x - q|, in real units.
        max_abs_value: largest |x|.
    """

    name: str
    op: str
    sqnr_db: float
    max_abs_error: float
    max_abs_value: float


def layer_errors(float_graph: Graph, int_graph: Graph, samples: Sequence[Sequence[Array]]) -> list[LayerError]:
    """One row per node of `int_graph` whose name a node of `float_graph` has too, in execution order.

    `samples` are real-valued float32 arrays; the integer graph gets their codes.
    """
    originals = {node.name: node.outputs[0] for node in float_graph.nodes}
    pairs = [
        (node, originals[node.name])
        for node in int_graph.nodes
        if node.name in originals and originals[node.name].dtype is DType.FLOAT32
    ]
    sums = np.zeros((len(pairs), 4))
    for sample in samples:
        real = run_reference(float_graph, list(sample))
        codes = run_reference(int_graph, [_codes(v, a) for v, a in zip(int_graph.inputs, sample, strict=True)])
        for row, (node, original) in enumerate(pairs):
            x = real[original].astype(np.float64)
            error = x - _real(node.outputs[0], codes[node.outputs[0]]).reshape(x.shape)
            sums[row, 0] += float((x**2).sum())
            sums[row, 1] += float((error**2).sum())
            sums[row, 2] = max(sums[row, 2], float(np.abs(error).max(initial=0.0)))
            sums[row, 3] = max(sums[row, 3], float(np.abs(x).max(initial=0.0)))
    return [
        LayerError(node.name, node.op, _decibels(signal, noise), largest_error, largest)
        for (node, _), (signal, noise, largest_error, largest) in zip(pairs, sums.tolist(), strict=True)
    ]


def _codes(value: Value, real: Array) -> Array:
    return real if value.quant is None else value.quant.quantize(real, value.dtype)


def _real(value: Value, array: Array) -> Array:
    return array if value.dtype is DType.FLOAT32 or value.quant is None else value.quant.dequantize(array)


def _decibels(signal: float, noise: float) -> float:
    if noise == 0.0:
        return math.inf
    return 10.0 * math.log10(signal / noise) if signal > 0.0 else -math.inf
