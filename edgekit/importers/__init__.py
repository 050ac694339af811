"""Model files to graphs; file formats stay in here."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import BadModel
from edgekit.ir import Graph


def import_model(path: Path, shapes: dict[str, list[int]], literal: bool = False) -> Graph:
    """Read a .tflite or .onnx file, told apart by its content.

    `shapes` gives dynamic dimensions of ONNX inputs by name. `literal` takes the quantize and dequantize operators of
    an ONNX model as arithmetic on plain numbers. Raises BadModel for what is neither.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise BadModel(f"cannot read the model {path}: {error.strerror}") from error
    # Imported on demand: each brings a large library.
    if head[4:8] == b"TFL3":
        from edgekit.importers.tflite import import_tflite

        return import_tflite(path)
    if path.suffix.lower() == ".onnx":
        from edgekit.importers.onnx import import_onnx

        return import_onnx(path, shapes, literal)
    raise BadModel(f"{path.name} is neither a TFLite file (identifier TFL3) nor an .onnx file")


def layer_types(path: Path) -> dict[str, str]:
    """The operator types of a file that `import_model` reads, as the file format calls them, by layer name."""
    if path.suffix.lower() == ".onnx":
        from edgekit.importers.onnx.file import read_onnx

        return {node.name: node.op for node in read_onnx(path).nodes}
    from edgekit.importers.tflite.file import read_tflite

    record = read_tflite(path)
    return {record.tensors[op.outputs[0]].name: op.op for op in record.operators if op.outputs}
