"""Integer graphs as ONNX files."""

from edgekit.exporters.onnx.export import export_onnx, onnx_model

__all__ = ["export_onnx", "onnx_model"]
