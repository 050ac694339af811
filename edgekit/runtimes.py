"""Other runtimes on the same model and inputs: what edgekit's results are held against, beside its own reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.importers.tflite.file import tensor_name
from edgekit.ir import Array, Graph, Value

# Floats that differ by less count as equal: other runtimes add in another order.
RELATIVE, ABSOLUTE = 1e-4, 1e-5


def compare_with_runtime(
    model: Path, graph: Graph, samples: Sequence[Sequence[Array]], references: Sequence[Sequence[Array]]
) -> dict[str, Any]:
    """The runtime that the model file is made for: LiteRT for TFLite, onnxruntime for ONNX."""
    if model.suffix == ".tflite":
        return compare_with_litert(model, graph, samples, references)
    return compare_with_onnxruntime(model, graph, samples, references)


def compare_with_onnxruntime(
    model: Path, graph: Graph, samples: Sequence[Sequence[Array]], references: Sequence[Sequence[Array]]
) -> dict[str, Any]:
    """Count the output elements that differ from onnxruntime's; what is a code here may be a real number there."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # As the file says, and the same everywhere: fused products of uint8 and int8 saturate on x86 without VNNI.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except _refusals() as error:
        return {"name": "onnxruntime", "outputs": 0, "differing": 0, "refused": str(error).splitlines()[0][:200]}
    elements = differing = 0
    largest = 0.0
    for sample, reference in zip(samples, references, strict=True):
        feeds = {
            declared.name: _as_declared(value, array, declared.type)
            for declared, value, array in zip(session.get_inputs(), graph.inputs, sample, strict=True)
        }
        for got, value, want in zip(session.run(None, feeds), graph.outputs, reference, strict=True):
            wanted = want if value.quant is None or got.dtype == want.dtype else value.quant.dequantize(want)
            apart, distance = _apart(np.asarray(got), wanted)
            elements, differing, largest = elements + got.size, differing + apart, max(largest, distance)
    return {"name": "onnxruntime", "outputs": elements, "differing": differing, "max_abs_difference": largest}


def _refusals() -> tuple[type[Exception], ...]:
    """What onnxruntime raises for a model that it cannot load."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    found = (getattr(state, name) for name in ("Fail", "InvalidArgument", "InvalidGraph", "NotImplemented"))
    return tuple(kind for kind in found if issubclass(kind, Exception))


def _as_declared(value: Value, array: Array, declared: str) -> Array:
    return value.quant.dequantize(array) if value.quant is not None and declared == "tensor(float)" else array


def _apart(got: Array, want: Array) -> tuple[int, float]:
    """How many elements differ, and by how much at most."""
    if got.dtype.kind != "f":
        return int(np.sum(got != want)), 0.0
    equal = np.isclose(got, want, RELATIVE, ABSOLUTE, equal_nan=True)
    finite = np.isfinite(got) & np.isfinite(want)
    return int(np.sum(~equal)), float(np.abs(got[finite].astype(np.float64) - want[finite]).max(initial=0.0))


def compare_with_litert(
    model: Path, graph: Graph, samples: Sequence[Sequence[Array]], references: Sequence[Sequence[Array]]
) -> dict[str, Any]:
    """Count the output elements that differ from LiteRT's reference kernels (BUILTIN_REF) on the same inputs.

    Inputs of the graph that the file does not have are states: variables of LiteRT, also after the inference.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(str(model), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    inputs, outputs = ([int(d["index"]) for d in get()] for get in
                       (interpreter.get_input_details, interpreter.get_output_details))  # fmt: skip
    named = {tensor_name(d["name"], d["index"]): int(d["index"]) for d in reversed(interpreter.get_tensor_details())}
    states = [named[value.name] for value in graph.inputs[len(inputs) :]]
    elements = differing = 0
    largest = 0.0
    for sample, reference in zip(samples, references, strict=True):
        # All other states start from zeros at every inference here; LiteRT would keep them.
        interpreter.reset_all_variables()
        for index, array in zip([*inputs, *states], sample, strict=True):
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        for index, want in zip([*outputs, *states], reference, strict=True):
            got = interpreter.get_tensor(index)
            apart, distance = _apart(got, want)
            elements, differing, largest = elements + got.size, differing + apart, max(largest, distance)
    record: dict[str, Any] = {"name": "LiteRT BUILTIN_REF", "outputs": elements, "differing": differing}
    return record | ({"max_abs_difference": largest} if largest else {})
