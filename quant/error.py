"""How far a quantized graph is from its float original, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgekit.ir import Array, DType, Graph, Node, Value
from edgekit.ops import spec_of
from edgekit.ops.conv2d import is_product
from edgekit.ops.reference import run_reference
from edgekit.quant.activation_grids import ChosenGrid
from edgekit.quant.power import CodedRows
from edgekit.quant.scores import score_floors


@dataclass(frozen=True)
class LayerError:
    """Error of one layer's output over all samples: accumulated over all layers before it, and its own part in it.

    Signal to quantization noise is 10 log10(sum x**2 / sum (x - q)**2); inf where both are equal.

    Attributes:
        name, op: of the node.
        sqnr_db: of the output, with all layers before it in integers too.
        max_abs_error: largest |x - q|, in real units.
        max_abs_value: largest |x|.
        codes_sqnr_db: of the exact output rounded to its codes.
        bits: of the weights' codes; None without weights.
        exponent: of the weights' codes, the least where groups of channels have their own; None for 8 bits.
        most_exponent: the largest of groups; None where all channels have one.
        weight_sqnr_db: of the weights themselves.
        weights_sqnr_db: of the output that the integer weights make of exact inputs; None without weights.
        cause: where most of the output's noise comes from: "weights", "codes" (rounding of the output), "inherited"
            (from the layers before), or "none".
        output_bits, output_exponent, output_gain_db: of an output that is codes of a power, or of 4 bits, and what the
            power gains over even codes of as many bits; None for even codes of 8.
    """

    name: str
    op: str
    sqnr_db: float
    max_abs_error: float
    max_abs_value: float
    codes_sqnr_db: float
    bits: int | None
    exponent: float | None
    most_exponent: float | None
    weight_sqnr_db: float | None
    weights_sqnr_db: float | None
    cause: str
    output_bits: int | None = None
    output_exponent: float | None = None
    output_gain_db: float | None = None

    def record(self) -> dict[str, Any]:
        """As report.json has it: no ratio, null, where there is no noise."""
        return {key: None if isinstance(v, float) and math.isinf(v) else v for key, v in asdict(self).items()}


@dataclass
class _Sums:
    """Energies of one layer's output, summed over samples."""

    signal: float = 0.0
    noise: float = 0.0
    of_codes: float = 0.0
    of_weights: float = 0.0
    largest_error: float = 0.0
    largest: float = 0.0

    def add(self, exact: Array, got: Array, rounded: Array, from_weights: Array | None) -> None:
        error = exact - got
        self.signal += float((exact**2).sum())
        self.noise += float((error**2).sum())
        self.of_codes += float(((exact - rounded) ** 2).sum())
        self.of_weights += 0.0 if from_weights is None else float(((exact - from_weights) ** 2).sum())
        self.largest_error = max(self.largest_error, float(np.abs(error).max(initial=0.0)))
        self.largest = max(self.largest, float(np.abs(exact).max(initial=0.0)))

    def cause(self) -> str:
        """The largest of the parts, which add up where they are independent."""
        inherited = self.noise - self.of_codes - self.of_weights
        parts = {"weights": self.of_weights, "codes": self.of_codes, "inherited": inherited}
        return "none" if self.noise == 0.0 else max(parts, key=lambda name: parts[name])


def layer_errors(
    float_graph: Graph,
    int_graph: Graph,
    samples: Sequence[Sequence[Array]],
    coded: Mapping[str, CodedRows] | None = None,
    grids: Sequence[ChosenGrid] = (),
) -> list[LayerError]:
    """One row per node of `int_graph` whose name a node of `float_graph` has too, in execution order.

    `samples` are real-valued float32 arrays; the integer graph gets their codes. `coded` are the layers' codes of fewer
    than 8 bits, `grids` what their outputs are where that is not even codes of 8 bits. Scores that count for nothing in
    a softmax (`edgekit.quant.scores`) are as right as any others that do.
    """
    chosen = {grid.layer: grid for grid in grids}
    originals = {node.name: node for node in float_graph.nodes}
    pairs = [
        (node, originals[node.name])
        for node in int_graph.nodes
        if node.name in originals and originals[node.name].outputs[0].dtype is DType.FLOAT32
    ]
    weights = {node: _real_weights(node) for node, original in pairs if is_product(original)}
    sums = [_Sums() for _ in pairs]
    for sample in samples:
        real = run_reference(float_graph, list(sample))
        codes = run_reference(int_graph, [_codes(v, a) for v, a in zip(int_graph.inputs, sample, strict=True)])
        floors = score_floors(float_graph, real)
        for row, (node, original) in zip(sums, pairs, strict=True):
            value, exact = node.outputs[0], real[original.outputs[0]]
            made = _from_weights(original, node, real, weights[node]) if node in weights else None
            compared = (
                exact.astype(np.float64),
                _real(value, codes[value]).reshape(exact.shape),
                _real(value, _codes(value, exact)),
            )
            floor = floors.get(original.outputs[0], -math.inf)
            exact, got, rounded = (np.maximum(x, floor) for x in compared)
            row.add(exact, got, rounded, None if made is None else np.maximum(made, floor))
    return [
        _error(node, original, row, weights.get(node), (coded or {}).get(node.name), chosen.get(node.name))
        for (node, original), row in zip(pairs, sums, strict=True)
    ]


def _error(
    node: Node, original: Node, sums: _Sums, weights: Array | None, coded: CodedRows | None,
    chosen: ChosenGrid | None,
) -> LayerError:  # fmt: skip
    of_weights = None
    if weights is not None:
        exact = original.input(1).array.astype(np.float64)
        of_weights = _decibels(float((exact**2).sum()), float(((exact - weights) ** 2).sum()))
    return LayerError(
        node.name,
        node.op,
        _decibels(sums.signal, sums.noise),
        sums.largest_error,
        sums.largest,
        _decibels(sums.signal, sums.of_codes),
        None if weights is None else 8 if coded is None else coded.bits,
        None if coded is None else min(coded.exponents),
        None if coded is None or not coded.group else max(coded.exponents),
        of_weights,
        None if weights is None else _decibels(sums.signal, sums.of_weights),
        sums.cause(),
        *((None, None, None) if chosen is None else (chosen.grid.bits, chosen.grid.exponent, chosen.gain_db)),
    )


def _real_weights(node: Node) -> Array:
    """What a product's integer weights stand for."""
    weights = node.input(1)
    assert weights.quant is not None
    return weights.quant.dequantize(weights.array)


def _from_weights(original: Node, node: Node, real: Mapping[Value, Array], weights: Array) -> Array:
    """What a float product makes of its exact input with the weights and bias of the integer one."""
    x, bias = original.input(0), node.optional_input(2)
    operands = [x.array if x.is_constant else real[x], weights]
    operands += [] if bias is None else [_real(bias, bias.array)]
    (made,) = spec_of(original.op).reference(original, operands, False)
    return made.astype(np.float64)


def _codes(value: Value, real: Array) -> Array:
    return real if value.quant is None else value.quant.quantize(real, value.dtype)


def _real(value: Value, array: Array) -> Array:
    return array if value.dtype is DType.FLOAT32 or value.quant is None else value.quant.dequantize(array)


def _decibels(signal: float, noise: float) -> float:
    if noise == 0.0:
        return math.inf
    return 10.0 * math.log10(signal / noise) if signal > 0.0 else -math.inf
