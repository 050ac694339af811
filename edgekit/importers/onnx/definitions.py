"""Operators that ONNX itself defines by other operators: the layer is replaced by its definition's nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import FunctionProto, NodeProto, defs, helper, numpy_helper

from edgekit.importers.onnx.builder import Constant, GraphBuilder, Layer, Operand
from edgekit.importers.onnx.file import FunctionRecord, ModelRecord, NodeRecord, Unreadable, node_record

MAX_DEPTH = 8
Translate = Callable[[GraphBuilder, ModelRecord, Path], None]


@lru_cache(maxsize=1024)
def has_definition(op: str) -> bool:
    """Whether the onnx package defines the operator by others, in any version."""
    domain, _, name = op.rpartition(".")
    schemas = [s for s in defs.get_all_schemas_with_history() if s.name == name and s.domain == domain]
    return any(s.has_function or s.has_context_dependent_function for s in schemas)


def expand_definition(layer: Layer, translate: Translate) -> list[Operand]:
    """Translate the nodes that define the layer; the operands of its outputs, in order.

    Raises UnsupportedModel where the model's opset has no definition, or the definition needs what is not built.
    """
    function = _function(layer)
    if function is None or layer.builder.depth >= MAX_DEPTH:
        raise layer.unsupported(f"has no definition in opset {layer.opset}", "export with a newer opset")
    opset = next((o.version for o in function.opset_import if o.domain in ("", "ai.onnx")), layer.opset)
    nodes = tuple(node_record(i, n, Path()) for i, n in enumerate(_bound(function, layer)))
    return expand_function(
        layer, FunctionRecord(opset, tuple(function.input), tuple(function.output), nodes), translate
    )


def expand_function(layer: Layer, function: FunctionRecord, translate: Translate) -> list[Operand]:
    """Translate the nodes of a function in the layer's place; the operands of its outputs, in order."""
    builder = layer.builder
    if builder.depth >= MAX_DEPTH:
        raise layer.unsupported(f"stands in {builder.depth} other layers", f"nest at most {MAX_DEPTH} of them")
    prefix = builder.unique_name(f"{layer.name} part")
    names = {"": ""} | dict(zip(function.inputs, layer.record.inputs, strict=False))
    names |= {formal: "" for formal in function.inputs if formal not in names}
    outer = builder.opset
    builder.opset, builder.depth = function.opset, builder.depth + 1
    try:
        nodes = [renamed(record, names, prefix) for record in function.nodes]
        wanted = [names[formal] for formal, given in zip(function.outputs, layer.record.outputs, strict=False) if given]
        if not wanted:
            raise layer.bad(f"has no output that its definition makes ({', '.join(function.outputs)})")
        translate(builder, ModelRecord(function.opset, nodes, [], wanted, {}), Path(layer.name))
        return [
            builder.tensors[names[formal]] if given else builder.tensors[wanted[0]]
            for formal, given in zip(function.outputs, layer.record.outputs, strict=False)
        ]
    finally:
        builder.opset, builder.depth = outer, builder.depth - 1


def _function(layer: Layer) -> FunctionProto | None:
    schema = _schema(layer)
    if schema is None:
        return None
    if schema.has_context_dependent_function:
        types = [_type(layer, i).SerializeToString() for i in range(len(layer.record.inputs))]
        try:
            body = schema.get_context_dependent_function(_node(layer).SerializeToString(), types)
        except (ValueError, RuntimeError) as error:
            # What the onnx package raises for attributes or types that its definition cannot be made of.
            raise layer.bad(f"has no definition with these inputs and attributes: {error}") from None
        return FunctionProto.FromString(body) if body else None
    versions = [v for v in schema.function_opset_versions if v <= layer.opset or schema.domain]
    if not versions:
        return None
    return FunctionProto.FromString(schema.get_function_with_opset_version(max(versions)))


def _type(layer: Layer, index: int) -> onnx.TypeProto:
    if not layer.has(index):
        return onnx.TypeProto()
    operand = layer.operand(index)
    shape = operand.array.shape if isinstance(operand, Constant) else operand.shape
    return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(layer.dtype(index)), shape)


def _node(layer: Layer) -> NodeProto:
    """The layer as a node again, for definitions that depend on attributes."""
    domain, _, name = layer.op.rpartition(".")
    attrs: dict[str, Any] = {
        key: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for key, value in layer.record.attrs.items()
        if not isinstance(value, Unreadable)
    }
    node = helper.make_node(name, layer.record.inputs, layer.record.outputs, layer.name, domain=domain, **attrs)
    node.attribute.extend(v.proto for v in layer.record.attrs.values() if isinstance(v, Unreadable))
    return node


def _schema(layer: Layer) -> defs.OpSchema | None:
    domain, _, name = layer.op.rpartition(".")
    try:
        return defs.get_schema(name, layer.opset if not domain else 1, domain)
    except defs.SchemaError:
        return None


def _defaults(layer: Layer) -> dict[str, onnx.AttributeProto]:
    """The attributes that the operator has where the layer gives none."""
    schema = _schema(layer)
    attributes = {} if schema is None else schema.attributes
    return {name: a.default_value for name, a in attributes.items() if a.default_value.name}


def _bound(function: FunctionProto, layer: Layer) -> list[NodeProto]:
    """The definition's nodes with references to the layer's attributes filled in."""
    own = {attribute.name: attribute for attribute in _node(layer).attribute}
    defaults = _defaults(layer) | {attribute.name: attribute for attribute in function.attribute_proto}
    nodes = []
    for template in function.node:
        node = NodeProto()
        node.CopyFrom(template)
        del node.attribute[:]
        for attribute in template.attribute:
            source = attribute
            if attribute.ref_attr_name:
                given = own.get(attribute.ref_attr_name, defaults.get(attribute.ref_attr_name))
                if given is None:
                    continue
                source = onnx.AttributeProto()
                source.CopyFrom(given)
                source.name = attribute.name
            node.attribute.append(source)
        nodes.append(node)
    return nodes


def renamed(record: NodeRecord, names: dict[str, str], prefix: str) -> NodeRecord:
    """The record with tensors renamed, also those that its subgraphs take from outside.

    What the record makes gets a name that no other layer has, and is added to `names`.
    """
    inputs = tuple(names.get(name, name) for name in record.inputs)
    attrs = {key: _outer_names(value, names) for key, value in record.attrs.items()}
    for name in record.outputs:
        names[name] = f"{prefix}/{name}" if name else ""
    outputs = tuple(names[name] for name in record.outputs)
    return replace(record, name=f"{prefix} {record.op}", inputs=inputs, outputs=outputs, attrs=attrs)


def _outer_names(value: Any, names: dict[str, str]) -> Any:
    """A subgraph whose tensors from outside have their new names; anything else as it is."""
    if not isinstance(value, Unreadable) or value.proto.type != onnx.AttributeProto.GRAPH:
        return value
    proto = onnx.AttributeProto()
    proto.CopyFrom(value.proto)
    pending = [(proto.g, names)]
    while pending:
        graph, outer = pending.pop()
        own = {t.name for t in graph.initializer} | {i.name for i in graph.input}
        own |= {name for node in graph.node for name in node.output}
        visible = {name: new for name, new in outer.items() if name not in own}
        for node in graph.node:
            node.input[:] = [visible.get(name, name) for name in node.input]
            pending += [(a.g, visible) for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
        for output in graph.output:
            output.name = visible.get(output.name, output.name)
    return Unreadable(proto, value.folder)
