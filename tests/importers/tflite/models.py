"""Small .tflite models made here, and LiteRT's reference kernels on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.importers.tflite import import_tflite
from edgekit.ir import Array
from edgekit.ops.reference import run_reference
from edgekit.ops.supported import require_supported_graph

_TYPES = {
    "float32": schema.TensorType.FLOAT32, "float16": schema.TensorType.FLOAT16, "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8, "int16": schema.TensorType.INT16, "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64, "uint32": schema.TensorType.UINT32, "bool": schema.TensorType.BOOL,
}  # fmt: skip


@dataclass
class T:
    """A tensor: quantization is (scale, zero point), or (scales, zero points, axis); data makes it a constant."""

    shape: Sequence[int]
    dtype: str = "float32"
    quant: tuple[Any, ...] | None = None
    data: Array | None = None
    variable: bool = False


def const(array: Any, dtype: str = "int32", quant: tuple[Any, ...] | None = None) -> T:
    """A constant tensor."""
    data = np.asarray(array, dtype)
    return T(data.shape, dtype, quant, data)


@dataclass
class Op:
    """An operator over tensors; None is an absent input. Options are the fields of the operator's options table."""

    name: str
    inputs: Sequence[T | None]
    outputs: Sequence[T]
    options: dict[str, Any] = field(default_factory=dict)
    table: str | None = None
    version: int = 1
    intermediates: Sequence[T] = ()


def _options_table(op: Op) -> str | None:
    if op.table:
        return op.table
    special = {
        "AVERAGE_POOL_2D": "Pool2DOptions", "MAX_POOL_2D": "Pool2DOptions", "MEAN": "ReducerOptions",
        "SUM": "ReducerOptions", "REDUCE_MAX": "ReducerOptions", "REDUCE_MIN": "ReducerOptions",
        "REDUCE_PROD": "ReducerOptions", "REDUCE_ANY": "ReducerOptions", "REDUCE_ALL": "ReducerOptions",
        "MAXIMUM": "MaximumMinimumOptions", "MINIMUM": "MaximumMinimumOptions", "L2_NORMALIZATION": "L2NormOptions",
        "BATCH_MATMUL": "BatchMatMulOptions", "PADV2": "PadV2Options", "SELECT_V2": "SelectV2Options",
        "REVERSE_V2": "ReverseV2Options", "GATHER_ND": "GatherNdOptions", "SCATTER_ND": "ScatterNdOptions",
        "TOPK_V2": "TopKV2Options", "ADD_N": "AddNOptions", "SVDF": "SVDFOptions",
        "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
        "SPACE_TO_BATCH_ND": "SpaceToBatchNDOptions", "BATCH_TO_SPACE_ND": "BatchToSpaceNDOptions",
        "CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    }  # fmt: skip
    name = special.get(op.name) or "".join(part.capitalize() for part in op.name.split("_")) + "Options"
    return name if hasattr(schema, f"{name}T") else None


def write_model(path: Path, inputs: Sequence[T], outputs: Sequence[T], ops: Sequence[Op]) -> Path:
    """Write a model of one subgraph."""
    return finish(path, build_model(inputs, outputs, ops))


def finish(path: Path, model: Any) -> Path:
    """Write a model of the schema's own objects."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def build_model(inputs: Sequence[T], outputs: Sequence[T], ops: Sequence[Op]) -> Any:
    """A model of one subgraph as the schema's own objects."""
    tensors: list[T] = []

    def index(tensor: T | None) -> int:
        if tensor is None:
            return -1
        for i, known in enumerate(tensors):
            if known is tensor:
                return i
        tensors.append(tensor)
        return len(tensors) - 1

    graph, model = schema.SubGraphT(), schema.ModelT()
    graph.name = b"main"
    graph.inputs = [index(t) for t in inputs]
    graph.operators, model.operatorCodes = [], []
    for op in ops:
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        number = getattr(schema.BuiltinOperator, op.name)
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), op.version
        operator.opcodeIndex = len(model.operatorCodes)
        model.operatorCodes.append(code)
        operator.inputs, operator.outputs = [index(t) for t in op.inputs], [index(t) for t in op.outputs]
        operator.intermediates = [index(t) for t in op.intermediates]
        table = _options_table(op)
        if table is not None:
            options = getattr(schema, f"{table}T")()
            for key, value in op.options.items():
                assert hasattr(options, key), (table, key)
                setattr(options, key, value)
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            operator.builtinOptions = options
        graph.operators.append(operator)
    graph.outputs = [index(t) for t in outputs]
    model.buffers = [schema.BufferT()]
    graph.tensors = [_tensor(t, i, model) for i, t in enumerate(tensors)]
    model.version, model.subgraphs, model.description = 3, [graph], b"test"
    return model


def _tensor(t: T, index: int, model: Any) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type = f"t{index}".encode(), list(t.shape), _TYPES[t.dtype]
    tensor.isVariable = t.variable
    tensor.buffer = 0
    if t.data is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(t.data).tobytes(), np.uint8)
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
    if t.quant is not None:
        quant = schema.QuantizationParametersT()
        scale, zero = (np.atleast_1d(v) for v in t.quant[:2])
        quant.scale, quant.zeroPoint = [float(s) for s in scale], [int(z) for z in zero]
        quant.quantizedDimension = t.quant[2] if len(t.quant) > 2 else 0
        tensor.quantization = quant
    return tensor


def random_input(rng: np.random.Generator, t: T) -> Array:
    """Codes over the whole range with both ends, or floats of ordinary size."""
    if t.dtype == "float32":
        return rng.normal(0, 2, tuple(t.shape)).astype(np.float32)
    if t.dtype == "bool":
        return rng.integers(0, 2, tuple(t.shape)).astype(bool)
    info = np.iinfo(t.dtype)
    wide = t.dtype in ("int8", "uint8", "int16")
    low, high = (info.min, info.max) if wide else (-9, 9)
    codes = rng.integers(low, high + 1, tuple(t.shape)).astype(t.dtype)
    if codes.size > 1:
        codes.reshape(-1)[0], codes.reshape(-1)[-1] = low, high
    return codes


def litert(
    path: Path, inputs: Sequence[Array], resolver: str = "BUILTIN_REF", states: Sequence[int] = ()
) -> list[Array]:
    """The outputs of LiteRT's reference kernels; of its only ones for operators that have no reference kernel. Tensors
    `states` are inputs and outputs too.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        interpreter = Interpreter(str(path), experimental_op_resolver_type=OpResolverType[resolver])
    except ValueError as error:
        if "Didn't find op" not in str(error):
            raise
        resolver = "BUILTIN_WITHOUT_DEFAULT_DELEGATES"
        interpreter = Interpreter(str(path), experimental_op_resolver_type=OpResolverType[resolver])
    interpreter.allocate_tensors()
    for index, array in zip([*(d["index"] for d in interpreter.get_input_details()), *states], inputs, strict=True):
        interpreter.set_tensor(index, array)
    interpreter.invoke()
    outputs = [*(d["index"] for d in interpreter.get_output_details()), *states]
    return [interpreter.get_tensor(index) for index in outputs]


def compare(
    path: Path,
    inputs: Sequence[T],
    outputs: Sequence[T],
    ops: Sequence[Op],
    data: Sequence[Sequence[Array]] | None = None,
    samples: int = 3,
    resolver: str = "BUILTIN_REF",
    states: Sequence[T] = (),
) -> None:
    """Import a model and hold its numpy reference against LiteRT: codes must be equal, floats close. `states` are the
    variables that the model has as inputs and outputs.
    """
    write_model(path, inputs, outputs, ops)
    graph = import_tflite(path)
    require_supported_graph(graph)
    # write_model names tensors by their place.
    places = [int(value.name.removeprefix("t")) for value in graph.inputs[len(inputs) :]]
    rng = np.random.default_rng(7)
    for sample in data or [[random_input(rng, t) for t in (*inputs, *states)] for _ in range(samples)]:
        values = run_reference(graph, sample)
        for ours, theirs in zip(graph.outputs, litert(path, sample, resolver, places), strict=True):
            got = values[ours]
            assert got.shape == theirs.shape and got.dtype == theirs.dtype, (got.dtype, got.shape, theirs.shape)
            if got.dtype.kind == "f":
                # Sums that cancel keep the error of their largest terms.
                largest = np.abs(theirs[np.isfinite(theirs)]).max(initial=1.0)
                np.testing.assert_allclose(got, theirs, rtol=1e-5, atol=1e-6 * float(largest))
            else:
                differing = int(np.sum(got != theirs))
                assert differing == 0, f"{differing} of {got.size} differ: {got.ravel()[:9]} {theirs.ravel()[:9]}"
