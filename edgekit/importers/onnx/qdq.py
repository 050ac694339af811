"""Settle what a QDQ model leaves open: quantizations that movement passes on, fixed ones, and biases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.errors import UnsupportedModel
from edgekit.ir import Array, DType, Graph, Node, QuantType, Value
from edgekit.ops import spec_of
from edgekit.ops.conv2d import is_product
from edgekit.ops.integer_forms import integer_form
from edgekit.passes import REWRITES, run_to_rest
from edgekit.passes.affine import scaled_value

# One bit of an int32 accumulator is left to the products.
MAX_BIAS = 1 << 30

# Indices and answers are no codes.
_PLAIN = (DType.INT64, DType.BOOL)

_REWRITE = "put QuantizeLinear and DequantizeLinear behind it, or quantize the model here from float"


def settle_quantization(graph: Graph) -> Graph:
    """The integer graph; raises UnsupportedModel naming each layer that the file leaves without quantization."""
    _spread(graph)
    graph = run_to_rest(graph, REWRITES)
    _spread(graph)
    for node in list(graph.nodes):
        _apply_fixed(graph, node)
    _spread(graph)
    for node in list(graph.nodes):
        _reconcile(graph, node)
    _spread(graph)
    for node in graph.nodes:
        _scale_codes(node)
    for node in graph.nodes:
        node.op, node.attrs = integer_form(node)
    problems = [text for node in graph.nodes if (text := _problem(node)) is not None]
    problems += [f"input {v.name!r} is not quantized; {_REWRITE}" for v in graph.inputs if v.quant is None]
    if problems:
        raise UnsupportedModel("the QDQ model is not fully quantized:\n  " + "\n  ".join(problems))
    for node in graph.nodes:
        if is_product(node) and len(node.inputs) > 2 and node.optional_input(2) is not None:
            _settle_bias(node)
    return graph


def _spread(graph: Graph) -> None:
    """Carry quantizations across operators that keep them, both ways, until nothing moves."""
    moved = True
    while moved:
        moved = False
        for node in graph.nodes:
            if node.op == "requantize":
                moved |= _spread_uint8(node)
            values = spec_of(node.op).tied(node)
            known = {v.quant for v in values if v.quant is not None}
            if len(known) == 1 and any(v.quant is None for v in values):
                quant = known.pop()
                for value in values:
                    value.quant = quant
                moved = True


def _spread_uint8(node: Node) -> bool:
    """A uint8 input has the quantization of its int8 form, 128 codes higher."""
    x, y = node.input(0), node.output
    if x.quant is not None or y.quant is None or x.dtype is not DType.UINT8:
        return False
    x.quant = QuantType(y.quant.scale, (y.quant.zero_point[0] + 128,))
    return True


def _apply_fixed(graph: Graph, node: Node) -> None:
    """Softmax and the like: the operator's own output quantization, requantized where the file wants another."""
    fixed = spec_of(node.op).fixed_output_quant
    if fixed is None:
        return
    quant, y = QuantType.per_tensor(*fixed), node.output
    if y.quant is None:
        y.quant = quant
    elif y.quant != quant and node.op == "softmax" and not y.quant.is_coded:
        target = Value(y.name, y.shape, y.dtype, y.quant)
        graph.replace_value(y, target)
        y.quant = quant
        graph.insert_after(node, Node("requantize", f"{node.name} requantize", [y], [target]))


def _reconcile(graph: Graph, node: Node) -> None:
    """Where operands that must share one quantization have several: the result's own for all, else one that holds what
    each of them can be, but for constants that are chosen from: limits and masks may be far out, and saturate.
    """
    tied = spec_of(node.op).tied(node)
    quantized = [v for v in tied if v.quant is not None]
    if len({v.quant for v in quantized}) < 2:
        return
    results = [v.quant for v in node.outputs if v in quantized and v.quant is not None]
    computed = [v for v in quantized if not v.is_constant] or quantized
    target = results[0] if results else _covering(quantized if node.op == "concat" else computed)
    for value in node.outputs:
        if value in tied:
            value.quant = target
    for index, operand in enumerate(node.inputs):
        if operand in quantized and operand is not None and operand.quant != target:
            node.set_input(index, _requantized(graph, node, index, operand, target))


def _covering(values: Sequence[Value]) -> QuantType:
    """The first of the quantizations of computed values that holds every number of all values, else a new one."""
    spans = [_span(value) for value in values]
    low, high = min(lowest for lowest, _ in spans), max(highest for _, highest in spans)
    for value, span in zip(values, spans, strict=True):
        if span == (low, high) and not value.is_constant and value.quant is not None:
            return value.quant
    return QuantType.covering(low, high)


def _span(value: Value) -> tuple[float, float]:
    """The lowest and the highest number that a quantized value can be."""
    assert value.quant is not None
    codes = value.array if value.is_constant else np.arange(-128, 128)
    with np.errstate(over="ignore"):
        # Scales of any file: `require_supported_graph` refuses what is too large, once the layer is known.
        numbers = np.nan_to_num(value.quant.dequantize(codes))
    return float(numbers.min(initial=0.0)), float(numbers.max(initial=0.0))


def _requantized(graph: Graph, node: Node, index: int, operand: Value, target: QuantType) -> Value:
    """An operand in another quantization: constants once and for all, others by a node before this one."""
    assert operand.quant is not None
    if operand.is_constant:
        codes = target.quantize(operand.quant.dequantize(operand.array), DType.INT8)
        return Value.constant(operand.name, codes, target)
    fixed = Value(f"{operand.name} requantized", operand.shape, DType.INT8, target)
    graph.insert_before(node, Node("requantize", f"{node.name} requantize {index}", [operand], [fixed]))
    return fixed


def _scale_codes(node: Node) -> None:
    """A product with one positive number, left in float before a function, keeps the codes and changes their scale."""
    scaled = scaled_value(node) if node.op == "depthwise_conv2d" and node.output.quant is None else None
    quant = None if scaled is None else scaled[0].quant
    if scaled is None or quant is None:
        return
    scale = quant.scale[0] * scaled[1]
    if np.finfo(np.float32).tiny <= scale <= np.finfo(np.float32).max:
        node.output.quant = QuantType.per_tensor(float(np.float32(scale)), quant.zero_point[0])


def _problem(node: Node) -> str | None:
    where = f"layer {node.name!r} ({node.op})"
    if is_product(node) and node.input(1).dtype is not DType.INT8:
        return f"{where}: its weights are not int8; quantize them per output channel"
    if any(v is not None and v.quant is None and not v.is_constant and v.dtype not in _PLAIN for v in node.inputs):
        return f"{where}: its input is not quantized; {_REWRITE}"
    if any(v.quant is None and v.dtype not in _PLAIN for v in node.outputs):
        return f"{where}: its output is not quantized; {_REWRITE}"
    return None


def _settle_bias(node: Node) -> None:
    """int32 codes of scale x times scale w, the only scale that a bias can have in integers."""
    x, weights, bias = node.input(0), node.input(1), node.input(2)
    assert x.quant is not None and weights.quant is not None
    outputs = bias.array.size
    sw = np.broadcast_to(np.array(weights.quant.scale, np.float64), (outputs,))
    wanted = x.quant.scale[0] * sw
    axis = 0 if outputs == len(wanted) else None
    quant = QuantType(tuple(float(np.float32(s)) for s in wanted), (0,) * outputs, axis)
    codes = np.clip(np.rint(_in_units(bias, wanted)), -MAX_BIAS, MAX_BIAS).astype(np.int32)
    node.set_input(2, Value.constant(bias.name, codes, quant))


def _in_units(bias: Value, unit: Array) -> Array:
    """The bias in multiples of `unit`; codes that already are in that unit stay as they are."""
    codes = bias.array.astype(np.float64)
    if bias.quant is None:
        return codes / unit
    codes = codes - np.array(bias.quant.zero_point, np.float64)
    scale = np.array(bias.quant.scale, np.float64)
    same: bool = bool(np.allclose(scale, unit, rtol=1e-5, atol=0.0))
    return codes if same else codes * scale / unit
