"""Integer graphs as ONNX files in QDQ format, which onnxruntime runs and edgekit reads back to the same graph."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from edgekit.errors import BadUsage, UnsupportedModel
from edgekit.exporters.onnx.operators import write_node
from edgekit.exporters.onnx.writer import OnnxWriter
from edgekit.ir import DType, Graph, Value


def export_onnx(graph: Graph, path: Path) -> None:
    """Write an int8 graph, as `quantize_graph` makes it, whose inputs and outputs are float32 in the file.

    Raises UnsupportedModel naming every layer that has no form in ONNX, BadUsage where the file cannot be written.
    """
    model = onnx_model(graph)
    try:
        path.write_bytes(model.SerializeToString(deterministic=True))
    except OSError as error:
        raise BadUsage(f"cannot write {path}: {error.strerror}") from error


def onnx_model(graph: Graph) -> onnx.ModelProto:
    """`export_onnx` in memory."""
    writer = OnnxWriter()
    inputs = [_input(writer, value) for value in graph.inputs]
    names = [writer.reserve(value.name) for value in graph.outputs]
    problems = []
    for node in graph.nodes:
        try:
            write_node(writer, node)
        except UnsupportedModel as error:
            problems.append(str(error))
            for value in node.outputs:
                writer.put(value, "")
    if problems:
        raise UnsupportedModel(f"{graph.name} has layers without a form in ONNX:\n  " + "\n  ".join(problems))
    outputs = []
    for name, value in zip(names, graph.outputs, strict=True):
        writer.emit("Identity", f"{name} output", [writer.own(value)], output=name)
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))
    return writer.model(graph.name, inputs, outputs)


def _input(writer: OnnxWriter, value: Value) -> onnx.ValueInfoProto:
    if value.dtype is not DType.INT8 or value.quant is None:
        raise UnsupportedModel(f"input {value.name!r} is {value.dtype.value}, which has no QDQ form")
    name = writer.reserve(value.name)
    writer.put(value, writer.rounded(name, value, name))
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
