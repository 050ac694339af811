"""ONNX models for this computer, in plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx

from edgekit.host.library import HostModel, build_host_model
from edgekit.importers.onnx.file import ModelRecord, record_of
from edgekit.importers.onnx.importer import graph_of
from edgekit.ir import Array
from edgekit.passes import optimise


def record_onnx(model: onnx.ModelProto, name: str = "model.onnx") -> ModelRecord:
    """The checked record of a model in memory; raises BadModel or UnsupportedModel."""
    return record_of(model, Path(name))


def build_onnx(record: ModelRecord, bound: Mapping[str, Array] | None = None) -> HostModel:
    """Compile a model's record; `bound` inputs are constants from now on.

    Raises BadModel, UnsupportedModel, BadUsage (open shapes), ToolchainError.
    """
    graph = optimise(graph_of(record, Path("model.onnx"), {}, literal=True, bound=bound or {}))
    return build_host_model(graph)
