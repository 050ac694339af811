"""Affine post-training quantization with TFLite's conventions: a float graph and samples to an integer graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np

from edgekit.errors import UnsupportedModel
from edgekit.ir import Array, DType, Graph, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops import spec_of
from edgekit.ops.conv2d import is_product
from edgekit.ops.integer_forms import integer_form
from edgekit.ops.verify import verify_graph
from edgekit.quant.activations import Groups, activation_quants, constant_quant, is_moved, least_product_scale
from edgekit.quant.calibrate import calibrate, require_float
from edgekit.quant.constants import infinite_ranges, require_codable
from edgekit.quant.observers import Range
from edgekit.quant.power import CodedRows
from edgekit.quant.scores import mask_ranges, masked_scores
from edgekit.quant.short_channels import are_short, nearby_outputs
from edgekit.quant.weights import quantize_product


def quantize_graph(
    graph: Graph,
    samples: Sequence[Sequence[Array]],
    observer: str = "minmax",
    coded: Mapping[str, CodedRows] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Graph:
    """A new int8 graph with the names of the float one, which is left as it is.

    Activations: int8, asymmetric, per tensor, 0 always exact. Weights: symmetric per output channel. Bias: int32.
    Graph inputs and outputs are int8 codes with a QuantType.

    Args:
        graph: float32, optimised (activations fused, constants folded).
        samples: real-valued float32 arrays, one list per sample.
        observer: how ranges are chosen: "minmax", "percentile" or "mse".
        coded: weights of fewer bits by the name of their layer; those of others have 8.
        progress: called with the number of samples calibrated.

    Raises UnsupportedModel for a graph that is not float32, BadData for samples that do not fit it.
    """
    return quantize_ranges(graph, calibrate(graph, samples, observer, progress), coded)


def quantize_ranges(
    graph: Graph,
    ranges: Mapping[Value, Range],
    coded: Mapping[str, CodedRows] | None = None,
    grids: Mapping[Value, QuantType] | None = None,
) -> Graph:
    """`quantize_graph` of values whose ranges `calibrate` has found.

    grids: of activations that are not to be even int8 codes (`edgekit.quant.activation_grids`).
    """
    result = _Rewriter(graph, ranges, coded or {}, grids or {}).run()
    verify_graph(result, "quantize")
    return result


def quantize_shape(graph: Graph, coded: Mapping[str, CodedRows] | None = None) -> Graph:
    """The graph as `quantize_graph` makes it of any samples, with scales that mean nothing: right in every size, but
    for channels of `coded` weights whose biases take more bits by other scales.

    Nothing is run, so it is quick for large models too. Raises UnsupportedModel as `quantize_graph`.
    """
    require_float(graph)
    require_codable(graph)
    computed = [v for v in graph.values() if not v.is_constant and v.dtype is DType.FLOAT32]
    # Ranges that differ: tables that happen to be equal are stored once.
    ranges = {value: (_least(value), 1.0 + 0.01 * index) for index, value in enumerate(computed)}
    constants = infinite_ranges(graph, ranges) | mask_ranges(masked_scores(graph), ranges)
    return quantize_ranges(graph, ranges | constants, coded)


def _least(value: Value) -> float:
    """-1, or what a fused activation leaves of it, as in calibration: kernels differ by whether it cuts codes off."""
    activation: str = "none" if value.producer is None else value.producer.attrs.get("activation", "none")
    return max(-1.0, fp.ACTIVATIONS[activation][0])


# How TFLite rounds in files that it quantized: no part of a float model.
_TFLITE_ROUNDING = ("double_rounding", "single_precision_scale")
# Operators that always give one quantization, and are requantized where another one is wanted.
_FIXED = ("softmax", "int_log_softmax")


def _are_short(weights: Value, x: QuantType, y: QuantType) -> bool:
    """Whether every channel's multiplier is one of few bits."""
    assert weights.quant is not None
    return are_short(np.array(weights.quant.scale), x, y)


class _Rewriter:
    def __init__(
        self, graph: Graph, ranges: Mapping[Value, Range], coded: Mapping[str, CodedRows],
        grids: Mapping[Value, QuantType],
    ) -> None:  # fmt: skip
        self.graph, self.ranges, self.coded = graph, ranges, coded
        self.quants = activation_quants(graph, ranges, grids)
        self.values: dict[Value, Value] = {}
        self.nodes: list[Node] = []

    def run(self) -> Graph:
        inputs = [self._code_value(v) for v in self.graph.inputs]
        for node in self.graph.nodes:
            self._rewrite(node)
        return Graph(self.graph.name, inputs, [self.values[v] for v in self.graph.outputs], self.nodes)

    @cached_property
    def groups(self) -> Groups:
        """What shares quantizations; few graphs ask."""
        return Groups(self.graph)

    def _code_value(self, value: Value) -> Value:
        """The codes of a float value; whole numbers and bools stay as they are."""
        if value.dtype is DType.FLOAT32:
            self.values[value] = Value(value.name, value.shape, DType.INT8, self.quants[value])
        else:
            self.values[value] = Value(value.name, value.shape, value.dtype)
        return self.values[value]

    def _rewrite(self, node: Node) -> None:
        if is_product(node):
            weights, bias = self._product(node)
            operands: list[Value | None] = [self.values[node.input(0)], weights]
            operands += [] if bias is None else [bias]
        else:
            operands = [None if v is None else self._operand(node, v) for v in node.inputs]
        outputs = [self._code_value(v) for v in node.outputs]
        output = outputs[0]
        op, attrs = integer_form(node)
        if attrs.pop("count_padding", False) and any(node.attrs["padding"]):
            operands[0] = self._padded(node, operands[0])
            attrs["padding"] = (0, 0, *node.attrs.get("overhang", (0, 0)))
        for rounding in _TFLITE_ROUNDING:
            attrs.pop(rounding, None)
        fixed = spec_of(op).fixed_output_quant
        own_codes = fixed is None or output.quant == QuantType.per_tensor(*fixed)
        if op in _FIXED and not own_codes and (output.quant is None or not output.quant.is_coded):
            assert fixed is not None
            own = Value(output.name, output.shape, DType.INT8, QuantType.per_tensor(*fixed))
            self.nodes.append(Node(op, node.name, operands, [own], attrs))
            self.nodes.append(Node("requantize", f"{node.name} requantize", [own], [output]))
            return
        made = Node(op, node.name, operands, outputs, attrs)
        if any(v.dtype is not dtype for v, dtype in zip(outputs, spec_of(op).infer_types(made), strict=True)):
            raise UnsupportedModel(
                f"layer {node.name!r} ({node.op}): makes {outputs[0].dtype.value} codes of what is no codes; remove "
                "it, or use --precision float32"
            )
        self.nodes.append(made)

    def _product(self, node: Node) -> tuple[Value, Value | None]:
        """Weights and bias of a product; of coded ones, with an output whose scale lets channels take few bits."""
        x, y, coded = self.quants[node.input(0)], self.quants[node.output], self.coded.get(node.name)
        first = quantize_product(node, x, y, coded)
        if coded is None or coded.bits == 8 or _are_short(first[0], x, y) or not self._is_free(node, y):
            return first
        for other in nearby_outputs(y):
            made = quantize_product(node, x, other, coded)
            if _are_short(made[0], x, other):
                self.quants |= dict.fromkeys(self.groups.of(node.output), other)
                return made
        return first

    def _is_free(self, node: Node, y: QuantType) -> bool:
        """Whether the scale of an output of even codes is this product's alone to choose, and one a little less will
        do: its own multipliers stay below 1, and no quotient by it is near its limit.
        """
        same = self.groups.of(node.output)
        alone = all(value is node.output or (is_moved(value) and value not in self.values) for value in same)
        least = least_product_scale(node, self.quants[node.input(0)].scale[0])
        divides = any(other.op == "div" and other.input(1) in same for other in self.graph.nodes)
        return y.grid is None and alone and least * 1.001 < y.scale[0] and not divides

    def _padded(self, node: Node, x: Value | None) -> Value:
        """The input of a mean that counts zeros around it, with those zeros."""
        assert x is not None
        top, left, bottom, right = node.attrs["padding"]
        attrs = {"before": (0, top, left, 0), "after": (0, bottom, right, 0), "value": 0.0}
        padded = Value(f"{x.name} padded", (), x.dtype, x.quant)
        pad = Node("pad", f"{node.name} padding", [x], [padded], attrs)
        (padded.shape,) = spec_of("pad").infer(pad)
        self.nodes.append(pad)
        return padded

    def _operand(self, node: Node, value: Value) -> Value:
        """The codes of an operand; a constant takes the result's quantization where the operator shares one."""
        if value not in self.values:
            if value.dtype is not DType.FLOAT32 or spec_of(node.op).keeps_float_constants:
                return Value.constant(value.name, value.array)
            tied = spec_of(node.op).tied(node)
            shared = next((v for v in tied if v in self.quants), None) if value in tied else None
            quant = constant_quant(value, self.ranges) if shared is None else self.quants[shared]
            return Value.constant(value.name, quant.quantize(value.array, DType.INT8), quant)
        return self.values[value]
