"""Models as shared libraries of this computer: the same C, called from Python."""

from edgekit.host.library import HostModel, build_host_model
from edgekit.host.source import build_onnx

__all__ = ["HostModel", "build_host_model", "build_onnx"]
