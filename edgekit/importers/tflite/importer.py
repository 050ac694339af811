"""TFLite -> Graph: tensors to values, operators through the translators of operators.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekit.errors import BadModel, UnsupportedModel
from edgekit.importers.tflite.file import CORRUPT, ModelRecord, OperatorRecord, TensorRecord, read_tflite
from edgekit.importers.tflite.operators import REWRITES, TRANSLATORS, Translation
from edgekit.ir import Array, DType, Graph, Node, QuantType, Value
from edgekit.ops import spec_of


def import_tflite(path: Path) -> Graph:
    """A float32 or 8-bit model as a Graph; legacy uint8 models become int8 inside, with uint8 inputs and outputs.

    Raises BadModel for a malformed file, UnsupportedModel naming every operator that edgekit does not build.
    """
    record = read_tflite(path)
    unsupported = [
        f"layer {_layer_name(op, record)!r}: {op.op} is not supported; {REWRITES.get(op.op, 'see edgekit ops')}"
        for op in record.operators
        if op.op not in TRANSLATORS
    ]
    if unsupported:
        raise UnsupportedModel(f"{path.name} uses operators edgekit does not build:\n  " + "\n  ".join(unsupported))
    return _GraphBuilder(record, path.stem).build()


def _layer_name(op: OperatorRecord, record: ModelRecord) -> str:
    return record.tensors[op.outputs[0]].name if op.outputs else f"operator {op.index}"


class _GraphBuilder:
    """Builds values on demand; a tensor is written at most once and read only after that."""

    def __init__(self, record: ModelRecord, name: str) -> None:
        self.record, self.name = record, name
        self.values: dict[int, Value] = {}
        self.nodes: list[Node] = []

    def build(self) -> Graph:
        inputs = [self._input(self.record.tensors[i]) for i in self.record.inputs]
        for op in self.record.operators:
            self._translate(op)
        outputs = [self._output(i) for i in self.record.outputs]
        return Graph(self.name, inputs, outputs, self.nodes)

    def _input(self, tensor: TensorRecord) -> Value:
        if not tensor.shape or min(tensor.shape) < 1 or tensor.data is not None or tensor.index in self.values:
            raise BadModel(f"input {tensor.name!r} has shape {list(tensor.shape)}, or is a constant, or listed twice")
        if tensor.dtype not in (DType.FLOAT32, DType.INT8, DType.UINT8):
            raise UnsupportedModel(f"input {tensor.name!r} is {tensor.dtype.value}: use float32, int8 or uint8")
        value = Value(tensor.name, tensor.shape, tensor.dtype, tensor.quant)
        inner = value
        if tensor.dtype is DType.UINT8:
            inner = self._requantized(value, _as_int8(tensor))
        self.values[tensor.index] = inner
        return value

    def _output(self, index: int) -> Value:
        tensor = self.record.tensors[index]
        value = self.values.get(index)
        if value is None or tensor.data is not None:
            raise BadModel(f"output {tensor.name!r} is never computed")
        if tensor.dtype is DType.UINT8:
            return self._requantized(value, Value(tensor.name, tensor.shape, DType.UINT8, tensor.quant))
        return value

    def _requantized(self, source: Value, target: Value) -> Value:
        self.nodes.append(Node("requantize", f"{target.name} as {target.dtype.value}", [source], [target]))
        return target

    def operand(self, index: int, reader: str) -> Value:
        """The value of a tensor that an operator reads."""
        if index not in self.values:
            tensor = self.record.tensors[index]
            if tensor.data is None:
                raise BadModel(f"{reader} reads tensor {tensor.name!r} before anything writes it")
            self.values[index] = _as_int8(tensor, tensor.data)
        return self.values[index]

    def _translate(self, op: OperatorRecord) -> None:
        name = _layer_name(op, self.record)
        translation = Translation(
            name,
            op,
            [None if i < 0 else self.operand(i, f"layer {name!r} ({op.op})") for i in op.inputs],
            [self.record.tensors[i] for i in op.inputs if i >= 0],
            [self.record.tensors[i] for i in op.outputs],
            [],
        )
        if len(op.outputs) != 1 or not op.inputs:
            raise BadModel(f"layer {name!r} ({op.op}) has {len(op.inputs)} inputs and {len(op.outputs)} outputs")
        if op.outputs[0] in self.values:
            raise BadModel(f"tensor {name!r} is written twice (the graph has a cycle or a duplicate)")
        try:
            ir_op, inputs, attrs = TRANSLATORS[op.op](translation)
        except CORRUPT as error:
            raise BadModel(f"layer {name!r} ({op.op}) is corrupt ({type(error).__name__}: {error})") from error
        self.nodes += translation.extra_nodes
        output = _as_int8(self.record.tensors[op.outputs[0]])
        node = Node(ir_op, name, inputs, [output], attrs)
        shapes = spec_of(ir_op).infer(node)
        if tuple(shapes[0]) != output.shape:
            raise BadModel(f"layer {name!r} ({op.op}) makes {list(shapes[0])}, the file says {list(output.shape)}")
        self.nodes.append(node)
        self.values[op.outputs[0]] = output


def _as_int8(tensor: TensorRecord, data: Array | None = None) -> Value:
    """The IR value of a tensor: uint8 codes move down by 128, and their zero point with them, which is exact."""
    if tensor.dtype is not DType.UINT8:
        return Value(tensor.name, tensor.shape, tensor.dtype, tensor.quant, data)
    quant = tensor.quant
    if quant is None:
        raise UnsupportedModel(f"tensor {tensor.name!r} is uint8 without quantization: use int8 or float32")
    shifted = QuantType(quant.scale, tuple(z - 128 for z in quant.zero_point), quant.axis)
    codes = None if data is None else (data.astype(np.int16) - 128).astype(np.int8)
    return Value(tensor.name, tensor.shape, DType.INT8, shifted, codes)
