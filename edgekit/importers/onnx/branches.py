"""If with a condition that is known at import: the chosen branch takes the layer's place, the other is never read."""

from __future__ import annotations

from pathlib import Path

from onnx import AttributeProto, GraphProto

from edgekit.importers.onnx.builder import Constant, Layer, Operand
from edgekit.importers.onnx.definitions import MAX_DEPTH, Translate, renamed
from edgekit.importers.onnx.file import MAX_NODES, ModelRecord, Unreadable, node_record
from edgekit.importers.onnx.tensors import read_tensor


def expand_branch(layer: Layer, translate: Translate) -> list[Operand]:
    """Translate the branch of a constant condition; the operands of its outputs, in order.

    Raises UnsupportedModel for a computed condition, BadModel for a branch that makes no sense.
    """
    if not layer.is_constant(0):
        raise layer.unsupported("the condition is computed", "export with the branch that the device takes")
    condition = layer.constant(0).array
    if condition.size != 1:
        raise layer.bad("the condition must be one value")
    builder, key = layer.builder, "then_branch" if condition.reshape(-1)[0] else "else_branch"
    graph, folder = _graph(layer, key)
    if builder.depth >= MAX_DEPTH:
        raise layer.unsupported(f"stands in {builder.depth} other layers", f"nest at most {MAX_DEPTH} of them")
    builder.nested_nodes += len(graph.node)
    if builder.nested_nodes > MAX_NODES:
        raise layer.bad(f"its branch brings the model to more than {MAX_NODES} operators")
    if graph.input or len(graph.output) != len(layer.record.outputs) or graph.sparse_initializer:
        raise layer.bad(f"{key!r} must have no inputs, dense initializers and one output per output of the layer")
    prefix, names = builder.unique_name(f"{layer.name} {key}"), dict[str, str]()
    for tensor in graph.initializer:
        if not tensor.name or tensor.name in names:
            raise layer.bad(f"initializer {tensor.name!r} of {key!r} has no name, or is there twice")
        names[tensor.name] = f"{prefix}/{tensor.name}"
        builder.tensors[names[tensor.name]] = Constant(names[tensor.name], read_tensor(tensor, folder))
    nodes = [renamed(node_record(i, n, folder), names, prefix) for i, n in enumerate(graph.node)]
    wanted = [names.get(output.name, output.name) for output in graph.output]
    builder.depth += 1
    try:
        translate(builder, ModelRecord(layer.opset, nodes, [], wanted, {}), Path(layer.name))
    finally:
        builder.depth -= 1
    return [builder.tensors[name] for name in wanted]


def _graph(layer: Layer, key: str) -> tuple[GraphProto, Path]:
    value = layer.record.attrs.get(key)
    if not isinstance(value, Unreadable) or value.proto.type != AttributeProto.GRAPH:
        raise layer.bad(f"attribute {key!r} must be a graph")
    return value.proto.g, value.folder
