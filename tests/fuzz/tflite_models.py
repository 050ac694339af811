"""Small TFLite models of one or a few operators, built through the schema's object form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.ir import Array
from tests.fuzz.mutate_tflite import packed

_CODES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32, np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.uint8): schema.TensorType.UINT8, np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int16): schema.TensorType.INT16,
}  # fmt: skip


class TfliteModel:
    """A model in the making: tensors by index, operators in order."""

    def __init__(self) -> None:
        self.model, self.graph = schema.ModelT(), schema.SubGraphT()
        self.model.version = 3
        self.model.buffers, self.model.operatorCodes = [schema.BufferT()], []
        self.model.subgraphs = [self.graph]
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []

    def tensor(
        self, shape: Sequence[int], dtype: Any = np.float32, scale: float | None = None, zero: int = 0,
        data: Array | None = None, variable: bool = False,
    ) -> int:  # fmt: skip
        """A tensor, constant with `data`, quantized with `scale`; returns its index."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = f"t{len(self.graph.tensors)}", list(shape), _CODES[np.dtype(dtype)]
        tensor.buffer, tensor.isVariable = 0, variable
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.asarray(data, dtype).tobytes(), np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero]
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def op(
        self, name: str, inputs: Sequence[int], outputs: Sequence[int], options: str = "", inner: Sequence[int] = (),
        **fields: Any,
    ) -> None:  # fmt: skip
        """An operator; `options` names the schema's table without its suffix, `inner` are intermediate tensors."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        self.model.operatorCodes.append(code)
        op = schema.OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = len(self.model.operatorCodes) - 1, list(inputs), list(outputs)
        if inner:
            op.intermediates = list(inner)
        if options:
            op.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            op.builtinOptions = getattr(schema, f"{options}T")()
            for key, value in fields.items():
                setattr(op.builtinOptions, key, value)
        self.graph.operators.append(op)

    def bytes(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The file."""
        self.graph.inputs, self.graph.outputs = list(inputs), list(outputs)
        return packed(self.model)


def _unary(
    name: str, options: str = "", shape: Sequence[int] = (1, 4), dtype: Any = np.float32, **fields: Any
) -> bytes:
    m = TfliteModel()
    quant = {} if dtype is np.float32 else {"scale": 0.1, "zero": 3}
    x, y = m.tensor(shape, dtype, **quant), m.tensor(shape, dtype, **quant)
    m.op(name, [x], [y], options, **fields)
    return m.bytes([x], [y])


def _conv(dtype: Any, depthwise: bool = False) -> bytes:
    m, rng = TfliteModel(), np.random.default_rng(5)
    floats = dtype is np.float32
    x = m.tensor((1, 4, 4, 2), dtype, None if floats else 0.1, 0 if floats else 3)
    shape = (1, 3, 3, 2) if depthwise else (3, 3, 3, 2)
    w_type = np.float32 if floats else dtype
    w = m.tensor(shape, w_type, None if floats else 0.02, 0, rng.integers(0, 9, shape))
    out = shape[3] if depthwise else 3
    b = m.tensor((out,), np.float32 if floats else np.int32, None if floats else 0.1 * 0.02, 0, np.ones(out))
    y = m.tensor((1, 4, 4, out), dtype, None if floats else 0.2, 0 if floats else 5)
    name, options = ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions") if depthwise else ("CONV_2D", "Conv2DOptions")
    fields = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "fusedActivationFunction": 1}
    m.op(name, [x, w, b], [y], options, **fields | ({"depthMultiplier": 1} if depthwise else {}))
    return m.bytes([x], [y])


def _fully_connected(dtype: Any) -> bytes:
    m = TfliteModel()
    floats = dtype is np.float32
    x = m.tensor((1, 6), dtype, None if floats else 0.1)
    w = m.tensor((4, 6), dtype, None if floats else 0.02, 0, np.arange(24) % 7)
    y = m.tensor((1, 4), dtype, None if floats else 0.2)
    m.op("FULLY_CONNECTED", [x, w, -1], [y], "FullyConnectedOptions")
    return m.bytes([x], [y])


def _pool(name: str, dtype: Any) -> bytes:
    m = TfliteModel()
    quant = {} if dtype is np.float32 else {"scale": 0.1, "zero": 3}
    x, y = m.tensor((1, 4, 4, 2), dtype, **quant), m.tensor((1, 2, 2, 2), dtype, **quant)
    m.op(name, [x], [y], "Pool2DOptions", strideH=2, strideW=2, filterHeight=2, filterWidth=2, padding=1)
    return m.bytes([x], [y])


def _pair(name: str, options: str, out: Sequence[int], dtype: Any = np.float32, **fields: Any) -> bytes:
    m = TfliteModel()
    quant = {} if dtype is np.float32 else {"scale": 0.1, "zero": 3}
    a, b, y = m.tensor((1, 2, 3), dtype, **quant), m.tensor((1, 2, 3), dtype, **quant), m.tensor(out, dtype, **quant)
    m.op(name, [a, b], [y], options, **fields)
    return m.bytes([a, b], [y])


def _with_constant(
    name: str, constant: Sequence[Any], shape: Sequence[int], out: Sequence[int], options: str = "", **fields: Any
) -> bytes:  # fmt: skip
    m, data = TfliteModel(), np.array(constant, np.int32)
    x, c = m.tensor(shape), m.tensor(data.shape, np.int32, data=data)
    y = m.tensor(out)
    m.op(name, [x, c], [y], options, **fields)
    return m.bytes([x], [y])


def _converted(name: str, source: Any, target: Any) -> bytes:
    m = TfliteModel()
    x = m.tensor((1, 4), source, None if source is np.float32 else 0.1)
    y = m.tensor((1, 4), target, None if target is np.float32 else 0.2, 0 if target is np.float32 else 7)
    m.op(name, [x], [y])
    return m.bytes([x], [y])


def _network() -> bytes:
    m = TfliteModel()
    x, a = m.tensor((1, 4, 4, 2), np.int8, 0.1), m.tensor((1, 2, 2, 2), np.int8, 0.1)
    m.op("MAX_POOL_2D", [x], [a], "Pool2DOptions", strideH=2, strideW=2, filterHeight=2, filterWidth=2)
    shape = m.tensor((2,), np.int32, data=np.array([1, 8]))
    b, c = m.tensor((1, 8), np.int8, 0.1), m.tensor((1, 3), np.int8, 0.2)
    m.op("RESHAPE", [a, shape], [b], "ReshapeOptions", newShape=[1, 8])
    w = m.tensor((3, 8), np.int8, 0.02, 0, np.arange(24) % 5)
    m.op("FULLY_CONNECTED", [b, w, -1], [c], "FullyConnectedOptions")
    y = m.tensor((1, 3), np.int8, 1 / 256, -128)
    m.op("SOFTMAX", [c], [y], "SoftmaxOptions", beta=1.0)
    return m.bytes([x], [y])


def _svdf() -> bytes:
    m = TfliteModel()
    x, y = m.tensor((1, 3), np.int8, 0.05, 3), m.tensor((1, 2), np.int8, 0.04, -128)
    features = m.tensor((4, 3), np.int8, 0.01, 0, np.arange(12) - 6)
    memory = m.tensor((4, 2), np.int16, 0.0001, 0, np.arange(8) * 900)
    state = m.tensor((1, 8), np.int16, 0.003, variable=True)
    m.op("SVDF", [x, features, memory, -1, state], [y], "SVDFOptions", rank=2, fusedActivationFunction=1)
    return m.bytes([x], [y])


def _lstm() -> bytes:
    m, units = TfliteModel(), 2
    x, y = m.tensor((1, 3, 4), np.int8, 0.03, -4), m.tensor((1, 3, units), np.int8, 0.008, 3)
    fed = [m.tensor((units, 4), np.int8, 0.01, 0, np.arange(8) * g) for g in range(4)]
    back = [m.tensor((units, units), np.int8, 0.01, 0, np.arange(4) * g) for g in range(4)]
    biases = [m.tensor((units,), np.int32, 0.0003, 0, np.full(units, g)) for g in range(4)]
    states = [m.tensor((1, units), np.int8, 0.008, 3, variable=True)]
    states.append(m.tensor((1, units), np.int16, 2.0**-12, variable=True))
    hidden = [m.tensor((), np.int8, 0.008, 3) for _ in range(5)]
    operands = [x, *fed, *back, -1, -1, -1, *biases, -1, -1, *states, -1, -1, -1, -1]
    options = "UnidirectionalSequenceLSTMOptions"
    m.op("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [y], options, hidden, fusedActivationFunction=4)
    return m.bytes([x], [y])


def all_models() -> dict[str, bytes]:
    """Every model by its file name."""
    models: dict[str, bytes] = {"network.tflite": _network()}
    for dtype in (np.float32, np.int8, np.uint8):
        kind = np.dtype(dtype).name
        models[f"conv_{kind}.tflite"] = _conv(dtype)
        models[f"depthwise_{kind}.tflite"] = _conv(dtype, depthwise=True)
        models[f"dense_{kind}.tflite"] = _fully_connected(dtype)
        models[f"average_{kind}.tflite"] = _pool("AVERAGE_POOL_2D", dtype)
        models[f"maximum_{kind}.tflite"] = _pool("MAX_POOL_2D", dtype)
        models[f"add_{kind}.tflite"] = _pair("ADD", "AddOptions", (1, 2, 3), dtype)
        models[f"concat_{kind}.tflite"] = _pair("CONCATENATION", "ConcatenationOptions", (1, 4, 3), dtype, axis=1)
    models["softmax.tflite"] = _unary("SOFTMAX", "SoftmaxOptions", beta=1.0)
    for name in ("RELU", "RELU6", "TANH", "LOGISTIC", "LOG_SOFTMAX", "HARD_SWISH", "ELU", "ABS", "EXP"):
        models[f"{name.lower()}.tflite"] = _unary(name)
    for name in ("MUL", "SUB", "DIV", "MINIMUM", "MAXIMUM"):
        options = f"{name.capitalize()}Options" if name in ("MUL", "SUB", "DIV") else "MaximumMinimumOptions"
        models[f"{name.lower()}.tflite"] = _pair(name, options, (1, 2, 3))
    models["mean.tflite"] = _with_constant("MEAN", [1, 2], (1, 4, 4, 2), (1, 2), "ReducerOptions")
    models["sum.tflite"] = _with_constant("SUM", [1], (1, 4, 2), (1, 2), "ReducerOptions")
    models["transpose.tflite"] = _with_constant("TRANSPOSE", [0, 2, 1], (1, 2, 3), (1, 3, 2), "TransposeOptions")
    models["reshape.tflite"] = _with_constant("RESHAPE", [2, 3], (1, 6), (2, 3), "ReshapeOptions")
    models["pad.tflite"] = _with_constant("PAD", [[0, 0], [1, 1], [1, 1], [0, 0]], (1, 2, 2, 1), (1, 4, 4, 1))
    models["gather.tflite"] = _with_constant("GATHER", [1, 0], (3, 4), (2, 4), "GatherOptions")
    models["tile.tflite"] = _with_constant("TILE", [2, 1], (1, 3), (2, 3), "TileOptions")
    models["resize.tflite"] = _with_constant(
        "RESIZE_NEAREST_NEIGHBOR", [4, 4], (1, 2, 2, 1), (1, 4, 4, 1), "ResizeNearestNeighborOptions"
    )
    models["cum_sum.tflite"] = _with_constant("CUMSUM", [1], (2, 3), (2, 3), "CumsumOptions")
    models["arg_max.tflite"] = _with_constant("ARG_MAX", [1], (2, 3), (2,), "ArgMaxOptions", outputType=2)
    models["gather_nd.tflite"] = _with_constant("GATHER_ND", [[1], [0]], (3, 4), (2, 4))
    models["reverse_sequence.tflite"] = _with_constant(
        "REVERSE_SEQUENCE", [1, 2], (2, 3), (2, 3), "ReverseSequenceOptions", seqDim=1
    )
    models["div_int8.tflite"] = _pair("DIV", "DivOptions", (1, 2, 3), np.int8)
    models["svdf.tflite"], models["lstm.tflite"] = _svdf(), _lstm()
    models["quantize.tflite"] = _converted("QUANTIZE", np.float32, np.int8)
    models["requantize.tflite"] = _converted("QUANTIZE", np.int8, np.int8)
    models["dequantize.tflite"] = _converted("DEQUANTIZE", np.int8, np.float32)
    return models
