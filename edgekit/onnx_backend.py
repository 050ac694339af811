"""ONNX's backend interface: ONNX models through edgekit's C, compiled for this computer.

    import edgekit.onnx_backend as backend
    outputs = backend.prepare(model).run([x])

Code is generated for fixed shapes. Inputs that some shape depends on (the second one of Reshape, for example) are
compiled in: a prepared model keeps one library for each of their values that `run` has met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx.backend.base import Backend, BackendRep, Device, DeviceType

from edgekit.errors import BadData, EdgekitError
from edgekit.host.library import HostModel
from edgekit.host.source import build_onnx, record_onnx
from edgekit.importers.onnx.file import ModelRecord
from edgekit.importers.onnx.shape_operands import shape_inputs
from edgekit.ir import Array


class EdgekitRep(BackendRep):  # type: ignore[misc]
    """A prepared model."""

    def __init__(self, record: ModelRecord) -> None:
        self.record = record
        self.bound = shape_inputs(record)
        self._built: dict[tuple[object, ...], HostModel] = {}
        if not self.bound:
            self._model({})

    def _model(self, bound: Mapping[str, Array]) -> HostModel:
        key = tuple((name, a.dtype.str, a.shape, a.tobytes()) for name, a in bound.items())
        if key not in self._built:
            self._built[key] = build_onnx(self.record, bound)
        return self._built[key]

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Array, ...]:
        """Outputs for inputs given as a list in the model's order, or as a dictionary by name."""
        names = [info.name for info in self.record.inputs]
        given = dict(inputs) if isinstance(inputs, Mapping) else dict(zip(names, inputs, strict=False))
        missing = [name for name in names if name not in given]
        if missing:
            raise BadData(f"input {missing[0]!r} is missing")
        arrays = {name: np.asarray(given[name]) for name in names}
        model = self._model({name: arrays[name] for name in self.bound})
        return tuple(model([arrays[value.name] for value in model.inputs]))


class EdgekitBackend(Backend):  # type: ignore[misc]
    """onnx.backend.base.Backend on edgekit. Only the CPU is a device."""

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether the model can be compiled; for one whose shapes depend on inputs, whether it can be read."""
        try:
            EdgekitRep(record_onnx(model))
        except EdgekitError:
            return False
        return cls.supports_device(device)

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> EdgekitRep:
        """Compile a model; raises EdgekitError (UnsupportedModel, BadModel, ..) where that is not possible."""
        return EdgekitRep(record_onnx(model))

    @classmethod
    def run_model(
        cls, model: onnx.ModelProto, inputs: Sequence[Array], device: str = "CPU", **kwargs: Any
    ) -> tuple[Array, ...]:
        """Prepare and run once."""
        return cls.prepare(model, device).run(inputs)

    @classmethod
    def run_node(
        cls, node: onnx.NodeProto, inputs: Sequence[Array], device: str = "CPU", outputs_info: Any = None, **kwargs: Any
    ) -> tuple[Array, ...]:
        """One operator on arrays, in the newest opset."""
        given = [name for name in node.input if name]
        graph = onnx.helper.make_graph(
            [node],
            "node",
            [
                onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
                for name, a in zip(given, inputs, strict=True)
            ],
            [onnx.helper.make_empty_tensor_value_info(name) for name in node.output if name],
        )
        return cls.run_model(onnx.helper.make_model(graph), inputs, device)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Only "CPU"."""
        return bool(Device(device).type == DeviceType.CPU)


is_compatible = EdgekitBackend.is_compatible
prepare = EdgekitBackend.prepare
run_model = EdgekitBackend.run_model
run_node = EdgekitBackend.run_node
supports_device = EdgekitBackend.supports_device
