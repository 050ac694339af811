"""ONNX files."""

from edgekit.importers.onnx.importer import import_onnx

__all__ = ["import_onnx"]
