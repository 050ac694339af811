"""Bounds-checked reading of a .tflite flatbuffer: tensors, operators, buffers. Knows the format, not the operators.

The file is untrusted. The generated schema code of ai-edge-litert raises on reads outside the buffer; what it does not
check (vector lengths, absurd shapes, shared indices) is checked here before anything is allocated or looped over.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.errors import BadModel, UnsupportedModel
from edgekit.importers.limits import MAX_OPERANDS
from edgekit.ir import Array, DType, QuantType

MAX_FILE_BYTES = 1 << 28
MAX_ELEMENTS = 1 << 27
MAX_TABLES = 20_000
MAX_AXES = 8

_DTYPES = {
    schema.TensorType.FLOAT32: DType.FLOAT32,
    schema.TensorType.INT32: DType.INT32,
    schema.TensorType.UINT8: DType.UINT8,
    schema.TensorType.INT64: DType.INT64,
    schema.TensorType.BOOL: DType.BOOL,
    schema.TensorType.INT16: DType.INT16,
    schema.TensorType.INT8: DType.INT8,
    schema.TensorType.FLOAT64: DType.FLOAT64,
    schema.TensorType.UINT16: DType.UINT16,
    schema.TensorType.UINT32: DType.UINT32,
    schema.TensorType.UINT64: DType.UINT64,
}
# Types that only constants may have, and what they are read as.
_STORED = {schema.TensorType.FLOAT16: DType.FLOAT32, schema.TensorType.INT4: DType.INT8}
_TYPE_NAMES = {code: name for name, code in vars(schema.TensorType).items() if not name.startswith("_")}
_OP_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
_OPTION_NAMES = {code: name for name, code in vars(schema.BuiltinOptions).items() if not name.startswith("_")}

CONTROL_FLOW = ("IF", "WHILE", "CALL", "CALL_ONCE", "STABLEHLO_WHILE", "STABLEHLO_COMPOSITE")

# What the generated accessors raise, and nothing else, on offsets that lead outside the file.
CORRUPT = (struct.error, IndexError, TypeError, ValueError, OverflowError, AttributeError, UnicodeDecodeError)

T = TypeVar("T")


@dataclass(frozen=True)
class TensorRecord:
    """One tensor as the file gives it; `data` is None where it is computed at run time.

    Constants stored as float16 or int4 are float32 or int8 here: the same numbers. `variable` tensors keep their
    contents between runs, starting from zeros.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: DType
    quant: QuantType | None
    data: Array | None
    variable: bool = False


@dataclass(frozen=True)
class OperatorRecord:
    """One operator: inputs may hold -1 for an absent operand. `options` is the typed table or None; `intermediates`
    are tensors that only have a quantization.
    """

    index: int
    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any
    intermediates: tuple[int, ...] = ()


@dataclass(frozen=True)
class ModelRecord:
    """A model of one subgraph."""

    tensors: tuple[TensorRecord, ...]
    operators: tuple[OperatorRecord, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_tflite(path: Path) -> ModelRecord:
    """Read a file; raises BadModel where it is malformed, UnsupportedModel for several subgraphs."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise BadModel(f"{path.name}: {size} B is larger than edgekit reads ({MAX_FILE_BYTES} B)")
        buffer = path.read_bytes()
    except OSError as error:
        raise BadModel(f"cannot read {path.name}: {error.strerror}") from error
    if len(buffer) < 8 or buffer[4:8] != b"TFL3":
        raise BadModel(f"{path.name} is no TFLite model (identifier TFL3 is missing)")
    try:
        return _Reader(buffer, path.name).model()
    except CORRUPT as error:
        raise BadModel(f"{path.name} is truncated or corrupt ({type(error).__name__}: {error})") from error


def tensor_name(name: str, index: int) -> str:
    """What a tensor is called here: names may be missing or endless."""
    return name[:200] or f"tensor {index}"


def _name_of(tensor: Any, index: int) -> str:
    return tensor_name((tensor.Name() or b"").decode(errors="replace"), index)


def _unpacked(pairs: Array, elements: int) -> Array:
    """Signed 4-bit numbers, two in a byte, the low half first."""
    halves = np.stack([pairs & 15, pairs >> 4], axis=1).reshape(-1)[:elements].astype(np.int8)
    return np.where(halves > 7, halves - 16, halves).astype(np.int8)


class _Reader:
    def __init__(self, buffer: bytes, name: str) -> None:
        self.buffer, self.name = buffer, name
        self.budget = 2 * len(buffer)

    def model(self) -> ModelRecord:
        model = schema.Model.GetRootAs(self.buffer)
        if model.SubgraphsLength() < 1:
            raise BadModel(f"{self.name} has no subgraph")
        graph = model.Subgraphs(0)
        codes = [self._op_name(model.OperatorCodes(i)) for i in range(self._count(model.OperatorCodesLength(), 4))]
        count = self._count(graph.TensorsLength(), 4)
        operators = [
            self._operator(graph.Operators(i), i, codes, count) for i in range(self._count(graph.OperatorsLength(), 4))
        ]
        if model.SubgraphsLength() != 1:
            raise self._several_subgraphs(model, graph, operators)
        # Where a tensor cannot be read, the error names the operator that it belongs to.
        users = {index: op.op for op in reversed(operators) for index in (*op.inputs, *op.outputs)}
        tensors = [self._tensor(model, graph, i, users.get(i, "no operator")) for i in range(count)]
        inputs = self._indices(graph.InputsLength(), graph.Inputs, len(tensors), "subgraph inputs")
        outputs = self._indices(graph.OutputsLength(), graph.Outputs, len(tensors), "subgraph outputs")
        if min((*inputs, *outputs), default=0) < 0:
            raise BadModel(f"{self.name}: a subgraph input or output is absent")
        return ModelRecord(tuple(tensors), tuple(operators), inputs, outputs)

    def _several_subgraphs(self, model: Any, graph: Any, operators: list[OperatorRecord]) -> UnsupportedModel:
        calls = [op for op in operators if op.op in CONTROL_FLOW and op.outputs]
        layers = [f"layer {_name_of(graph.Tensors(op.outputs[0]), op.outputs[0])!r} ({op.op})" for op in calls[:8]]
        calling = f", called by {', '.join(layers)}" if layers else ""
        return UnsupportedModel(
            f"{self.name} has {model.SubgraphsLength()} subgraphs{calling}; edgekit builds models of one: "
            "export without control flow (unroll loops, keep one branch) and with a single signature"
        )

    def _count(self, length: int, element_bytes: int) -> int:
        if length * element_bytes > len(self.buffer) or length > MAX_TABLES:
            raise BadModel(f"{self.name}: a vector of {length} elements does not fit the file")
        return length

    def _list(self, length: int, get: Callable[[int], T], element_bytes: int) -> list[T]:
        self._spend(self._count(length, element_bytes) * element_bytes)
        return [get(i) for i in range(length)]

    def _spend(self, size: int) -> None:
        """Count bytes read: tables may share vectors, so that a small file could hold gigabytes of them."""
        self.budget -= size
        if self.budget < 0:
            raise BadModel(f"{self.name}: its tables share vectors that are many times the file's {len(self.buffer)} B")

    def _axes(self, length: int, get: Callable[[int], int], name: str) -> tuple[int, ...]:
        if length > MAX_AXES:
            raise BadModel(f"tensor {name!r} has {length} axes, over the limit of {MAX_AXES}")
        return tuple(int(d) for d in self._list(length, get, 4))

    def _indices(self, length: int, get: Callable[[int], int], tensors: int, what: str) -> tuple[int, ...]:
        if length > MAX_OPERANDS:
            raise BadModel(f"{self.name}: {what} are {length}, over the limit of {MAX_OPERANDS}")
        values = tuple(int(v) for v in self._list(length, get, 4))
        if any(not -1 <= v < tensors for v in values):
            raise BadModel(f"{self.name}: {what} refer to tensors that do not exist: {list(values)[:8]}")
        return values

    @staticmethod
    def _op_name(code: Any) -> str:
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if number == schema.BuiltinOperator.CUSTOM:
            custom = code.CustomCode() or b"?"
            return f"CUSTOM:{custom.decode(errors='replace')[:64]}"
        name: str = _OP_NAMES.get(number, f"operator {number}")
        return name

    def _operator(self, op: Any, index: int, codes: list[str], tensors: int) -> OperatorRecord:
        code = op.OpcodeIndex()
        if code >= len(codes):
            raise BadModel(f"{self.name}: operator {index} has opcode index {code} of {len(codes)}")
        where = f"operator {index} ({codes[code]})"
        inputs = self._indices(op.InputsLength(), op.Inputs, tensors, f"inputs of {where}")
        outputs = self._indices(op.OutputsLength(), op.Outputs, tensors, f"outputs of {where}")
        if min(outputs, default=0) < 0:
            raise BadModel(f"{self.name}: an output of {where} is absent")
        inner = self._indices(op.IntermediatesLength(), op.Intermediates, tensors, f"intermediates of {where}")
        if min(inner, default=0) < 0:
            raise BadModel(f"{self.name}: an intermediate tensor of {where} is absent")
        kind, options = _OPTION_NAMES.get(op.BuiltinOptionsType(), "NONE"), None
        if kind != "NONE" and op.BuiltinOptions() is not None:
            table = op.BuiltinOptions()
            options = getattr(schema, kind)()
            options.Init(table.Bytes, table.Pos)
        return OperatorRecord(index, codes[code], inputs, outputs, options, inner)

    def _tensor(self, model: Any, graph: Any, index: int, user: str) -> TensorRecord:
        tensor = graph.Tensors(index)
        name = _name_of(tensor, index)
        self._spend(len(tensor.Name() or b""))
        dtype = _DTYPES.get(tensor.Type()) or _STORED.get(tensor.Type())
        if dtype is None:
            kind = _TYPE_NAMES.get(tensor.Type(), str(tensor.Type()))
            raise UnsupportedModel(
                f"tensor {name!r} of {user} has element type {kind}; edgekit builds numbers only: freeze variables "
                "before exporting, and convert without strings and complex numbers"
            )
        shape = self._axes(tensor.ShapeLength(), tensor.Shape, name)
        signature = list(self._axes(tensor.ShapeSignatureLength(), tensor.ShapeSignature, name))
        if any(d < 0 for d in signature[1:]):
            raise UnsupportedModel(
                f"tensor {name!r} of {user} has dynamic dimensions {signature}: export with a fixed shape"
            )
        if any(not 0 <= d <= MAX_ELEMENTS for d in shape) or math.prod(shape) > MAX_ELEMENTS:
            raise BadModel(f"tensor {name!r} has an impossible shape {list(shape)}")
        if tensor.Sparsity() is not None:
            raise UnsupportedModel(f"tensor {name!r} of {user} is sparse: export it dense")
        data = self._data(model, tensor, name, shape, dtype)
        if tensor.IsVariable() and data is not None:
            raise BadModel(f"tensor {name!r} of {user} is a variable with data")
        if data is None and tensor.Type() in _STORED:
            kind = _TYPE_NAMES[tensor.Type()]
            raise UnsupportedModel(f"tensor {name!r} of {user} is computed in {kind}: convert to float32 or int8")
        quant = None if dtype.is_float or dtype is DType.BOOL else self._quant(tensor.Quantization(), name, shape)
        return TensorRecord(index, name, shape, dtype, quant, data, bool(tensor.IsVariable()))

    def _data(self, model: Any, tensor: Any, name: str, shape: tuple[int, ...], dtype: DType) -> Array | None:
        number = tensor.Buffer()
        if number >= model.BuffersLength():
            raise BadModel(f"tensor {name!r} refers to buffer {number}, which does not exist")
        buffer = model.Buffers(number)
        if buffer.Offset() or buffer.Size():
            raise UnsupportedModel(f"tensor {name!r} is stored outside the flatbuffer: convert to a file below 2 GB")
        length = self._count_bytes(buffer.DataLength())
        if length == 0:
            return None
        kind, elements = tensor.Type(), math.prod(shape)
        packed = kind == schema.TensorType.INT4
        stored: np.dtype[Any] = dtype.numpy
        if kind in _STORED:
            stored = np.dtype("uint8" if packed else "float16")
        expected = -(-elements // 2) if packed else elements * stored.itemsize
        if length != expected:
            raise BadModel(f"tensor {name!r} holds {length} B, its shape and type need {expected} B")
        self._spend(length)
        array: Array = np.frombuffer(buffer.DataAsNumpy().tobytes(), stored)
        if packed:
            array = _unpacked(array, elements)
        array = array.reshape(shape).astype(dtype.numpy)
        # A single number may be a limit or a fill value that nothing exceeds.
        if dtype.is_float and not (np.isfinite(array).all() or (elements == 1 and np.isinf(array).all())):
            raise BadModel(f"tensor {name!r} holds a value that is not finite")
        return array

    def _count_bytes(self, length: int) -> int:
        if length > len(self.buffer):
            raise BadModel(f"{self.name}: a buffer of {length} B does not fit the file")
        return length

    def _quant(self, quant: Any, name: str, shape: tuple[int, ...]) -> QuantType | None:
        if quant is None or quant.ScaleLength() == 0:
            return None
        if quant.DetailsType():
            raise UnsupportedModel(f"tensor {name!r} has custom quantization: use TFLite's own")
        scale = [float(s) for s in self._list(quant.ScaleLength(), quant.Scale, 4)]
        zero = [int(z) for z in self._list(quant.ZeroPointLength(), quant.ZeroPoint, 8)] or [0] * len(scale)
        if not all(math.isfinite(s) and s > 0 for s in scale):
            raise BadModel(f"tensor {name!r} has a scale that is not a positive finite number")
        if len(zero) != len(scale) or any(abs(z) > 1 << 31 for z in zero):
            raise BadModel(f"tensor {name!r} has {len(scale)} scales and {len(zero)} zero points (or absurd ones)")
        if len(scale) == 1:
            return QuantType.per_tensor(scale[0], zero[0])
        axis = int(quant.QuantizedDimension())
        if not 0 <= axis < len(shape) or shape[axis] != len(scale):
            raise BadModel(f"tensor {name!r} has {len(scale)} scales along axis {axis} of shape {list(shape)}")
        return QuantType(tuple(scale), tuple(zero), axis)
