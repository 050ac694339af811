"""An ONNX file as plain records: the protobuf is read, checked and left behind here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, FunctionProto, GraphProto, NodeProto, ValueInfoProto

from edgekit.errors import BadModel, UnsupportedModel
from edgekit.importers.limits import MAX_OPERANDS
from edgekit.importers.onnx.grid_function import DOMAIN
from edgekit.importers.onnx.tensors import is_narrow, read_narrow, read_tensor, require_few_listed, type_name
from edgekit.ir import Array

MAX_FILE_BYTES = 1 << 28
MAX_NODES = 12_000
# Names are copied into every node that a layer becomes.
MAX_NAME = 200
OLDEST_OPSET = 6


@dataclass(frozen=True)
class Unreadable:
    """An attribute as it stands in the file: a subgraph, which only If reads, or one that no operator reads.

    `folder` is the model's.
    """

    proto: AttributeProto
    folder: Path


@dataclass(frozen=True)
class NodeRecord:
    """One operator; `op` carries its domain as a prefix where that is not ONNX's own."""

    index: int
    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: dict[str, Any]


@dataclass(frozen=True)
class FunctionRecord:
    """The file's own definition of an operator by others; its names are formal."""

    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[NodeRecord, ...]


@dataclass(frozen=True)
class InputRecord:
    """A graph input; a dimension is None where it is not a number, shape is None where the file has none."""

    name: str
    type_name: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class ModelRecord:
    """What the file says, with initializers as arrays.

    Attributes:
        narrow: initializers that are integers of 4 bits.
        functions: definitions of the operators of edgekit's own domain.
    """

    opset: int
    nodes: list[NodeRecord]
    inputs: list[InputRecord]
    outputs: list[str]
    initializers: dict[str, Array] = field(repr=False)
    narrow: frozenset[str] = frozenset()
    functions: dict[str, FunctionRecord] = field(default_factory=dict)


def read_onnx(path: Path) -> ModelRecord:
    """Parse a file; raises BadModel for a malformed one, UnsupportedModel for an opset that edgekit does not know."""
    try:
        if not path.is_file():
            raise BadModel(f"{path.name}: no such file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadModel(f"{path.name} has {path.stat().st_size} bytes, over the limit of {MAX_FILE_BYTES}")
        model = onnx.ModelProto.FromString(path.read_bytes())
    except DecodeError:
        raise BadModel(f"{path.name} is not an ONNX file, or is truncated") from None
    except OSError as error:
        raise BadModel(f"cannot read {path.name}: {error.strerror}") from None
    return record_of(model, path)


def record_of(model: onnx.ModelProto, path: Path) -> ModelRecord:
    """The record of a model in memory; `path` names it, and external data stand in its folder."""
    try:
        return _record(model, path)
    except UnicodeDecodeError:
        raise BadModel(f"{path.name} has names that are not UTF-8 text") from None


def _record(model: onnx.ModelProto, path: Path) -> ModelRecord:
    graph = model.graph
    if not graph.output or not graph.node:
        raise BadModel(f"{path.name} is not an ONNX model, or has no operators or outputs")
    if len(graph.node) > MAX_NODES:
        raise BadModel(f"{path.name} has {len(graph.node)} operators, over the limit of {MAX_NODES}")
    if graph.sparse_initializer:
        raise UnsupportedModel(f"{path.name} has sparse initializers: export dense weights")
    require_few_listed([*graph.initializer, *(a.t for node in graph.node for a in node.attribute)], path.name)
    initializers: dict[str, Array] = {}
    for tensor in graph.initializer:
        if not tensor.name or tensor.name in initializers:
            raise BadModel(f"initializer {tensor.name!r} has no name, or is there twice")
        read = read_narrow if is_narrow(tensor) else read_tensor
        initializers[tensor.name] = read(tensor, path.parent)
    return ModelRecord(
        _opset(model, path),
        [node_record(index, node, path.parent) for index, node in enumerate(graph.node)],
        _inputs(graph, initializers),
        [output.name for output in graph.output],
        initializers,
        frozenset(tensor.name for tensor in graph.initializer if is_narrow(tensor)),
        _functions(model, path),
    )


def _functions(model: onnx.ModelProto, path: Path) -> dict[str, FunctionRecord]:
    """Definitions by operator; those of other domains are of operators that edgekit does not build."""
    records: dict[str, FunctionRecord] = {}
    for function in model.functions:
        if function.domain != DOMAIN:
            continue
        op = f"{function.domain}.{function.name}"
        if op in records:
            raise BadModel(f"{path.name} defines {op} twice")
        records[op] = function_record(function, path.parent)
    return records


def function_record(function: FunctionProto, folder: Path) -> FunctionRecord:
    """A definition; opset 0 where it names no version of ONNX's operators."""
    if len(function.node) > MAX_NODES:
        raise BadModel(f"function {function.name!r} has {len(function.node)} operators, over the limit of {MAX_NODES}")
    require_few_listed([a.t for node in function.node for a in node.attribute], function.name)
    opset = next((int(o.version) for o in function.opset_import if o.domain in ("", "ai.onnx")), 0)
    nodes = tuple(node_record(index, node, folder) for index, node in enumerate(function.node))
    return FunctionRecord(opset, tuple(function.input), tuple(function.output), nodes)


def _opset(model: onnx.ModelProto, path: Path) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    newest = onnx.defs.onnx_opset_version()
    if len(versions) != 1 or not OLDEST_OPSET <= versions[0] <= newest:
        found = ", ".join(map(str, versions)) or "none"
        raise UnsupportedModel(f"{path.name} uses opset {found}: export with one opset of {OLDEST_OPSET} to {newest}")
    return int(versions[0])


def node_record(index: int, node: NodeProto, folder: Path) -> NodeRecord:
    """One operator with its attributes as Python values; raises BadModel or UnsupportedModel naming it."""
    if not all(isinstance(text, str) for text in (node.op_type, node.domain, node.name, *node.input, *node.output)):
        raise BadModel(f"operator {index} has names that are not UTF-8 text")
    op = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    name = (node.name or (node.output[0] if node.output else "") or f"operator {index}")[:MAX_NAME]
    if max(len(node.input), len(node.output)) > MAX_OPERANDS:
        counts = f"{len(node.input)} inputs and {len(node.output)} outputs"
        raise BadModel(f"layer {name!r} ({op}): has {counts}, over the limit of {MAX_OPERANDS}")
    attrs: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.name in attrs:
            raise BadModel(f"layer {name!r} ({op}): attribute {attribute.name!r} is there twice")
        try:
            attrs[attribute.name] = _attribute(attribute, folder)
        except (BadModel, UnsupportedModel) as error:
            raise type(error)(f"layer {name!r} ({op}): attribute {attribute.name!r}: {error}") from None
    return NodeRecord(index, op, name, tuple(node.input), tuple(node.output), attrs)


def _attribute(attribute: AttributeProto, folder: Path) -> Any:
    kind = attribute.type
    if attribute.ref_attr_name:
        return Unreadable(attribute, folder)
    if kind == AttributeProto.FLOAT:
        return float(attribute.f)
    if kind == AttributeProto.INT:
        return int(attribute.i)
    if kind == AttributeProto.STRING:
        return attribute.s.decode("utf-8")
    if kind == AttributeProto.TENSOR:
        return read_tensor(attribute.t, folder)
    if kind == AttributeProto.FLOATS:
        return tuple(float(v) for v in attribute.floats)
    if kind == AttributeProto.INTS:
        return tuple(int(v) for v in attribute.ints)
    if kind == AttributeProto.STRINGS:
        return tuple(v.decode("utf-8") for v in attribute.strings)
    return Unreadable(attribute, folder)


def _inputs(graph: GraphProto, initializers: dict[str, Array]) -> list[InputRecord]:
    records = [_input(info) for info in graph.input if info.name not in initializers]
    names = [record.name for record in records]
    if not all(names) or len(set(names)) != len(names):
        raise BadModel("a model input has no name, or is there twice")
    return records


def _input(info: ValueInfoProto) -> InputRecord:
    if info.type.WhichOneof("value") != "tensor_type":
        return InputRecord(info.name, "no tensor", None)
    tensor = info.type.tensor_type
    shape = None
    if tensor.HasField("shape"):
        dims = tensor.shape.dim
        shape = tuple(int(d.dim_value) if d.WhichOneof("value") == "dim_value" else None for d in dims)
    return InputRecord(info.name, type_name(tensor.elem_type), shape)
