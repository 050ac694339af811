"""ONNX -> Graph: every operator through its translator, all that is unsupported in one error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgekit.errors import BadModel, BadUsage, UnsupportedModel
from edgekit.importers.limits import MAX_OPERANDS
from edgekit.importers.onnx import constants
from edgekit.importers.onnx.branches import expand_branch
from edgekit.importers.onnx.builder import Constant, GraphBuilder, Layer, Operand
from edgekit.importers.onnx.codebooks import check_narrow, gathered_weights, stored
from edgekit.importers.onnx.definitions import expand_definition, expand_function, has_definition
from edgekit.importers.onnx.file import InputRecord, ModelRecord, NodeRecord, read_onnx
from edgekit.importers.onnx.grids import ON_GRID
from edgekit.importers.onnx.operators import DEFAULT_REWRITE, REWRITES, TRANSLATORS
from edgekit.importers.onnx.qdq import settle_quantization
from edgekit.importers.onnx.qlinear import as_qdq
from edgekit.importers.onnx.tensors import MAX_ELEMENTS, MAX_GROWN_ELEMENTS, is_large_fill
from edgekit.ir import Array, DType, Graph, Node, QuantType, Value
from edgekit.ops import spec_of
from edgekit.ops.effort import steps_of
from edgekit.ops.spatial import SPATIAL_OPS
from edgekit.ops.spec import check_constraints, require_supported

# Multiply-accumulates that one layer of constants may cost at import.
MAX_FOLDED_MACS = 1 << 24
# What makes a model a description of an integer graph.
_MAKES_CODES = ("QuantizeLinear", "DequantizeLinear", ON_GRID)
# Layers that read a constant as weights, and those that only look at it another way.
_READS_FILLS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Identity", "Dropout", "Transpose", "Reshape")

_INPUT_TYPES = {
    "FLOAT": DType.FLOAT32,
    "DOUBLE": DType.FLOAT64,
    "BOOL": DType.BOOL,
    **{d.name: d for d in DType if d.is_integer},
}


def import_onnx(
    path: Path, shapes: dict[str, list[int]], literal: bool = False, bound: Mapping[str, Array] | None = None
) -> Graph:
    """A float or QDQ model as a Graph: plain numbers, or an integer graph with int8 inputs and outputs.

    Layouts of inputs and outputs stay as in the file; 4-D operators work in NHWC between transposes, which passes
    remove. Axes that the file leaves open come from `shapes`, by input name; an open first axis is 1.

    Args:
        literal: take QuantizeLinear, DequantizeLinear and edgekit.OnGrid as the arithmetic on plain numbers that they
            are, instead of as the description of an integer graph.
        bound: inputs by name that are constants from now on.

    Raises BadModel for a malformed file, BadUsage for shapes that do not fit it, UnsupportedModel naming every
    layer that edgekit does not build.
    """
    return graph_of(read_onnx(path), path, shapes, literal, bound or {})


def graph_of(
    record: ModelRecord, path: Path, shapes: dict[str, list[int]], literal: bool, bound: Mapping[str, Array]
) -> Graph:
    """`import_onnx` of a record; `path` names the model."""
    if max(len(record.inputs), len(record.outputs)) > MAX_OPERANDS:
        counts = f"{len(record.inputs)} inputs and {len(record.outputs)} outputs"
        raise BadModel(f"{path.name} has {counts}, over the limit of {MAX_OPERANDS}")
    record = as_qdq(record, literal)
    quantized = not literal and any(node.op in _MAKES_CODES for node in record.nodes)
    builder = GraphBuilder(record.opset, quantized, record.functions)
    for name, array in record.initializers.items():
        builder.tensors[name] = stored(name, array, name in record.narrow)
    unknown = (set(shapes) | set(bound)) - {info.name for info in record.inputs}
    if unknown:
        known = ", ".join(info.name for info in record.inputs)
        raise BadUsage(f"{', '.join(sorted(unknown))}: no such input; the model's inputs are {known}")
    for name, array in bound.items():
        builder.tensors[name] = Constant(name, array)
    least = 0 if literal else 1
    inputs = [_add_input(builder, info, shapes, path, least) for info in record.inputs if info.name not in bound]
    translate_all(builder, record, path)
    outputs: list[Value] = []
    for name in record.outputs:
        outputs.append(_output(builder, name, outputs))
    graph = Graph(path.stem, inputs, outputs, builder.nodes)
    return settle_quantization(graph) if quantized else graph


def _add_input(
    builder: GraphBuilder, info: InputRecord, shapes: dict[str, list[int]], path: Path, least: int
) -> Value:  # fmt: skip
    dtype = _INPUT_TYPES.get(info.type_name)
    if dtype is None:
        known = ", ".join(_INPUT_TYPES)
        raise UnsupportedModel(f"input {info.name!r} of {path.name} is {info.type_name}: use one of {known}")
    if builder.quantized and dtype not in (DType.FLOAT32, DType.INT8, DType.UINT8):
        raise UnsupportedModel(
            f"input {info.name!r} of {path.name} is {info.type_name} in a quantized model: use FLOAT, INT8 or UINT8"
        )
    shape = _resolve_shape(info, shapes.get(info.name), least)
    if dtype is DType.FLOAT32 and builder.quantized:
        dtype = DType.INT8
    value = Value(info.name, shape, dtype)
    if max(value.elements, *shape, 0) > MAX_ELEMENTS:
        raise BadModel(f"input {info.name!r} has shape {list(shape)}, over the limit of {MAX_ELEMENTS} elements")
    if not value.elements:
        builder.tensors[info.name] = _empty(value)
        return value
    inner = value
    if dtype is DType.UINT8 and builder.quantized:
        inner = Value(f"{info.name} as int8", shape, DType.INT8)
        builder.nodes.append(Node("requantize", builder.unique_name(inner.name), [value], [inner]))
        builder.code_types[info.name] = DType.UINT8
    builder.tensors[info.name] = inner
    return value


def _resolve_shape(info: InputRecord, given: list[int] | None, least: int) -> tuple[int, ...]:
    example = f"--shape {info.name}=" + ",".join(str(d or 1) for d in info.shape or (1, 3, 32, 32))
    if given is None:
        if info.shape is None or any(d is None for d in info.shape[1:]):
            raise BadUsage(f"input {info.name!r} has axes of unknown size: give them, such as {example}")
        resolved = tuple(1 if d is None else d for d in info.shape)
    else:
        resolved = tuple(given)
        fixed = info.shape or (None,) * len(resolved)
        if len(fixed) != len(resolved) or any(f not in (None, g) for f, g in zip(fixed, resolved, strict=True)):
            raise BadUsage(f"--shape {info.name}={','.join(map(str, given))} does not fit the file's {list(fixed)}")
    if min(resolved, default=1) < least or len(resolved) > 8:
        raise BadModel(
            f"input {info.name!r} has shape {list(resolved)}: needs at most 8 axes of at least {least}; {example}"
        )
    return resolved


def _empty(value: Value) -> Constant:
    """A value without elements is known at import; what is computed from it (sums of nothing) is then too."""
    return Constant(value.name, np.zeros(value.shape, value.dtype.numpy))


def translate_all(builder: GraphBuilder, record: ModelRecord, path: Path) -> None:
    """Translate in file order; go on after an unsupported layer, to find all of them."""
    problems: list[str] = []
    lost: set[str] = set()
    written = set(builder.tensors)
    for node in record.nodes:
        layer = Layer(builder, node)
        _check_order(layer, written)
        try:
            if not known(node.op):
                raise layer.unsupported("the operator is not supported", REWRITES.get(node.op, DEFAULT_REWRITE))
            if lost.intersection(node.inputs) - {""}:
                lost.update(node.outputs)
                continue
            results = _translate(layer)
            for name, result in zip(node.outputs, results, strict=False):
                if name:
                    builder.tensors[name] = result
            lost.update(node.outputs[len(results) :])
        except UnsupportedModel as error:
            problems.append(str(error))
            lost.update(node.outputs)
    missing = [name for name in record.outputs if name not in builder.tensors and name not in lost]
    if missing:
        raise BadModel(f"{path.name}: output {missing[0]!r} is never computed")
    if not problems and lost.intersection(_reads(record)) - {""}:
        several = (n for n in record.nodes if (set(n.outputs) & lost) - {""})
        problems = [f"layer {n.name!r} ({n.op}): not all of its outputs are supported" for n in several]
    if problems:
        raise UnsupportedModel(f"{path.name} uses what edgekit does not build:\n  " + "\n  ".join(problems))


def known(op: str) -> bool:
    """Whether an operator has a translator, a definition by others, or is computed at import."""
    return (
        op in TRANSLATORS or op in constants.FOLDERS or op in ("Shape", "Size", "Constant", "If") or has_definition(op)
    )


def _reads(record: ModelRecord) -> list[str]:
    return [*record.outputs, *(name for node in record.nodes for name in node.inputs)]


def _check_order(layer: Layer, written: set[str]) -> None:
    node: NodeRecord = layer.record
    if not any(node.outputs):
        raise layer.bad("has no output")
    for name in node.inputs:
        if name and name not in written:
            raise layer.bad(f"reads tensor {name!r} before anything writes it (missing, or the graph has a cycle)")
    for name in node.outputs:
        if name and name in written:
            raise layer.bad(f"tensor {name!r} is written twice")
        written.add(name)


def _translate(layer: Layer) -> Sequence[Operand]:
    """The operands that the layer's outputs become, at most as many as the operator has here."""
    record, builder = layer.record, layer.builder
    if record.op == "Constant":
        return (constants.constant_node(layer),)
    if record.op in ("Shape", "Size"):
        source = layer.operand(0)
        return (constants.shape_of(layer, source.array.shape if isinstance(source, Constant) else source.shape),)
    _check_fills(layer)
    check_narrow(layer)
    constant = bool(record.inputs) and all(layer.is_constant(i) for i in range(len(record.inputs)) if layer.has(i))
    if constant:
        levels = gathered_weights(layer) if record.op == "Gather" else None
        folded = levels or constants.fold(layer)
        if folded is not None:
            return (folded,)
    start = len(builder.nodes)
    result = TRANSLATORS[record.op](layer) if record.op in TRANSLATORS else None
    if record.op == "If":
        return tuple(expand_branch(layer, translate_all))
    if result is not None:
        results = (result,) if isinstance(result, (Value, Constant)) else tuple(result)
    elif record.op in builder.functions:
        results = tuple(expand_function(layer, builder.functions[record.op], translate_all))
    elif has_definition(record.op):
        results = tuple(expand_definition(layer, translate_all))
    else:
        raise layer.unsupported("the operator is not supported", REWRITES.get(record.op, DEFAULT_REWRITE))
    return results if builder.quantized else tuple(_folded(layer, start, r) for r in results)


def _check_fills(layer: Layer) -> None:
    """Refuse giant arrays of one number wherever they are more than weights, which are made when a layer reads them."""
    if layer.op in _READS_FILLS:
        return
    for index in range(len(layer.record.inputs)):
        if layer.is_constant(index) and is_large_fill(layer.constant(index).array):
            size = layer.constant(index).array.size
            raise layer.bad(f"input {index} repeats one number {size} times, over the limit of {MAX_GROWN_ELEMENTS}")


def _folded(layer: Layer, start: int, result: Operand) -> Operand:
    """A result as a constant where the nodes from `start` on compute it from constants alone."""
    if isinstance(result, Constant) or (result.producer is None and not result.is_constant):
        return result
    if not result.elements:
        return _empty(result)
    arrays: dict[Value, Array] = {}
    for node in layer.builder.nodes[start:]:
        if node.op in SPATIAL_OPS:
            continue
        operands = [None if v is None else arrays.get(v, v.data) for v in node.inputs]
        if any(v is not None and a is None for v, a in zip(node.inputs, operands, strict=True)):
            continue
        require_supported(check_constraints(node, spec_of(node.op)))
        if spec_of(node.op).macs(node) > MAX_FOLDED_MACS:
            raise UnsupportedModel(
                f"layer {node.name!r} ({node.op}) multiplies large constants: compute it before the export"
            )
        layer.spend(steps_of(node))
        layer.claim(sum(value.nbytes for value in node.outputs))
        for value, array in zip(node.outputs, spec_of(node.op).reference(node, operands), strict=True):
            arrays[value] = array
    if result.is_constant:
        return Constant(result.name, result.array, result.quant)
    return Constant(result.name, np.asarray(arrays[result])) if result in arrays else result


def _output(builder: GraphBuilder, name: str, others: list[Value]) -> Value:
    """A graph output under the file's name; uint8 codes of the file stay uint8."""
    operand = builder.tensors[name]
    if isinstance(operand, Constant):
        if builder.quantized or str(operand.array.dtype) not in {d.value for d in DType}:
            raise UnsupportedModel(f"output {name!r} does not depend on the input: remove it from the model")
        constant = Value.constant(f"{name} constant", operand.real())
        return builder.emit("expand", name, [constant], {"shape": constant.shape})
    if builder.code_types.get(name) is DType.UINT8 and operand.quant is not None:
        quant = QuantType(operand.quant.scale, (operand.quant.zero_point[0] + 128,))
        value = Value(name, operand.shape, DType.UINT8, quant)
        builder.nodes.append(Node("requantize", builder.unique_name(f"{name} as uint8"), [operand], [value]))
        return value
    if operand.producer is None or operand in others:
        # A copy of its own for an output that is an input, or another output too.
        return builder.emit("reshape", name, [operand], {"shape": operand.shape})
    operand.name = name
    return operand
