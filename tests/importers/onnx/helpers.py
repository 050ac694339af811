"""Small ONNX models, and their results in onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from edgekit.importers.onnx import import_onnx
from edgekit.ir import Graph
from edgekit.ops.reference import run_reference
from edgekit.ops.verify import verify_graph
from edgekit.passes import optimise

Arrays = Mapping[str, npt.NDArray[Any]]


def node(op: str, inputs: str, outputs: str, **attrs: Any) -> onnx.NodeProto:
    """A node; operand names are separated by spaces, `-` is an absent one."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(op, names, outputs.split(), name=f"{op}_{outputs.split()[0]}", **attrs)


def make_model(
    nodes: Sequence[onnx.NodeProto],
    shape: Sequence[int | str],
    constants: Arrays | None = None,
    opset: int = 17,
    outputs: Sequence[str] = ("y",),
    input_type: int = TensorProto.FLOAT,
    output_type: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A model with the input `x`."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("x", input_type, list(shape))],
        [helper.make_tensor_value_info(name, output_type, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


class ModelBuilder:
    """Nodes and weights under construction; nodes have names of their own."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, npt.NDArray[Any]] = {}

    def add(self, op: str, *inputs: str | npt.NDArray[Any] | np.generic, **attrs: Any) -> str:
        """A node of values by name and of constants, float32 but for int64; the name of its output."""
        names = [value if isinstance(value, str) else self._constant(np.asarray(value)) for value in inputs]
        output = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, names, [output], name=f"{op} {output}", **attrs))
        return output

    def _constant(self, array: npt.NDArray[Any]) -> str:
        name = f"c{len(self._constants)}"
        self._constants[name] = array if array.dtype == np.int64 else array.astype(np.float32)
        return name

    def made(self, y: str, shape: Sequence[int], output: Sequence[int]) -> onnx.ModelProto:
        """The model from the input "x" to `y`, float32, of these shapes."""
        ports = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, list(sizes))
            for name, sizes in (("x", shape), (y, output))
        ]
        initializers = [numpy_helper.from_array(array, name) for name, array in self._constants.items()]
        graph = helper.make_graph(self._nodes, "built", ports[:1], ports[1:], initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def save(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def run_onnxruntime(path: Path, arrays: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """Outputs without graph optimisation, so that QDQ nodes are computed as written."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return list(session.run(None, dict(zip(names, arrays, strict=True))))


def import_model(model: onnx.ModelProto, folder: Path, shapes: dict[str, list[int]] | None = None) -> Graph:
    return import_onnx(save(model, folder), shapes or {})


def check_equal(path: Path, seed: int = 0, scale: float = 1.0, shapes: dict[str, list[int]] | None = None) -> Graph:
    """Import, compare with onnxruntime before and after optimising; returns the optimised graph."""
    graph = import_onnx(path, shapes or {})
    verify_graph(graph, "import")
    rng = np.random.default_rng(seed)
    inputs = [(rng.normal(size=v.shape) * scale).astype(np.float32) for v in graph.inputs]
    expected = run_onnxruntime(path, inputs)
    names = [value.name for value in onnx.load(path, load_external_data=False).graph.output]
    for _ in range(2):
        values = run_reference(graph, inputs)
        assert [value.name for value in graph.outputs] == names
        for value, array in zip(graph.outputs, expected, strict=True):
            result = values[value]
            assert result.shape == array.shape
            np.testing.assert_allclose(result, array, rtol=1e-4, atol=1e-4 * max(1.0, float(np.abs(array).max())))
        graph = optimise(graph)
    return graph
