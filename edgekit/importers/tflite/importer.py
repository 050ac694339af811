"""TFLite -> Graph: tensors to values, operators through the translators of operators.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgekit.errors import BadModel, UnsupportedModel
from edgekit.importers.tflite.file import CORRUPT, ModelRecord, OperatorRecord, TensorRecord, read_tflite
from edgekit.importers.tflite.layer import Layer, inner_value
from edgekit.importers.tflite.operators import LEGACY_UINT8, STATEFUL, TRANSLATORS, rewrite_of
from edgekit.ir import DType, Graph, Node, Value


def import_tflite(path: Path) -> Graph:
    """A model as a Graph; legacy uint8 models become int8 inside, with uint8 inputs and outputs.

    Raises BadModel for a malformed file, UnsupportedModel naming every layer that edgekit does not build.
    """
    return _GraphBuilder(read_tflite(path), path.stem, path.name).build()


class _GraphBuilder:
    """Builds values on demand; a tensor is written at most once and read only after that."""

    def __init__(self, record: ModelRecord, name: str, file: str) -> None:
        self.record, self.name, self.file = record, name, file
        self.values: dict[int, Value] = {}
        self.nodes: list[Node] = []
        self.lost: set[int] = set()
        self.problems: list[str] = []
        self.states: list[tuple[Value, Value]] = []
        self.variables: set[int] = set()

    def build(self) -> Graph:
        inputs = [self._input(self.record.tensors[i]) for i in self.record.inputs]
        for op in self.record.operators:
            try:
                self._translate(op)
            except UnsupportedModel as error:
                # Go on, to name every layer that is not built.
                self.problems.append(str(error))
                self.lost.update(op.outputs)
        if self.problems:
            raise UnsupportedModel(f"{self.file} uses what edgekit does not build:\n  " + "\n  ".join(self.problems))
        outputs: list[Value] = []
        for index in self.record.outputs:
            outputs.append(self._output(index, outputs))
        before, after = [s for s, _ in self.states], [s for _, s in self.states]
        return Graph(self.name, inputs + before, outputs + after, self.nodes)

    def _input(self, tensor: TensorRecord) -> Value:
        if min(tensor.shape, default=1) < 1 or tensor.data is not None or tensor.index in self.values:
            raise BadModel(f"input {tensor.name!r} has shape {list(tensor.shape)}, or is a constant, or listed twice")
        value = Value(tensor.name, tensor.shape, tensor.dtype, tensor.quant)
        inner = value
        if tensor.dtype is DType.UINT8 and tensor.quant is not None:
            inner = self._requantized(value, inner_value(tensor))
        self.values[tensor.index] = inner
        return value

    def _output(self, index: int, others: Sequence[Value]) -> Value:
        tensor = self.record.tensors[index]
        value = self.values.get(index)
        if value is None or tensor.data is not None:
            raise BadModel(f"output {tensor.name!r} is never computed")
        if value.is_constant:
            raise UnsupportedModel(f"output {tensor.name!r} does not depend on the input: remove it from the model")
        if tensor.dtype is DType.UINT8 and tensor.quant is not None:
            return self._requantized(value, Value(tensor.name, tensor.shape, DType.UINT8, tensor.quant))
        if value.producer is None or any(value is other for other in others):
            return self._copy(value, tensor)
        return value

    def _requantized(self, source: Value, target: Value) -> Value:
        self.nodes.append(Node("requantize", f"{target.name} as {target.dtype.value}", [source], [target]))
        return target

    def _copy(self, source: Value, tensor: TensorRecord) -> Value:
        target = Value(tensor.name, source.shape, source.dtype, source.quant)
        self.nodes.append(Node("reshape", tensor.name, [source], [target], {"shape": source.shape}))
        return target

    def _operand(self, index: int, reader: str) -> Value:
        """The value of a tensor that an operator reads; a variable's is a placeholder that only states may be."""
        if index not in self.values:
            tensor = self.record.tensors[index]
            if tensor.variable:
                return Value(tensor.name, tensor.shape, tensor.dtype, tensor.quant)
            if tensor.data is None:
                raise BadModel(f"{reader} reads tensor {tensor.name!r} before anything writes it")
            self.values[index] = inner_value(tensor, tensor.data)
        return self.values[index]

    def _translate(self, op: OperatorRecord) -> None:
        tensors = self.record.tensors
        name = tensors[op.outputs[0]].name if op.outputs else f"operator {op.index}"
        where = f"layer {name!r} ({op.op})"
        for index in op.outputs:
            if index in self.values or tensors[index].data is not None:
                raise BadModel(
                    f"tensor {tensors[index].name!r} is written twice (the graph has a cycle or a duplicate)"
                )
        if op.op not in TRANSLATORS:
            raise UnsupportedModel(f"{where}: the operator is not supported; {rewrite_of(op.op)}")
        if not op.outputs:
            raise BadModel(f"{where} has no outputs")
        if self.lost.intersection(op.inputs):
            self.lost.update(op.outputs)
            return
        layer = Layer(
            op, name, [None if i < 0 else self._operand(i, where) for i in op.inputs],
            [None if i < 0 else tensors[i] for i in op.inputs], [tensors[i] for i in op.outputs],
            [tensors[i] for i in op.intermediates],
        )  # fmt: skip
        if op.op not in STATEFUL and any(i >= 0 and tensors[i].variable for i in (*op.inputs, *op.outputs)):
            raise layer.unsupported("a variable tensor", rewrite_of("VAR_HANDLE"))
        variables = {i for i in op.inputs if i >= 0 and tensors[i].variable}
        if self.variables & variables:
            raise layer.unsupported("a state that another layer has too", "give every layer a state of its own")
        self.variables |= variables
        if layer.legacy_uint8 and op.op not in LEGACY_UINT8:
            raise layer.unsupported("uint8 codes", "convert the model to int8")
        try:
            made = TRANSLATORS[op.op](layer)
        except CORRUPT as error:
            raise BadModel(f"{where} is corrupt ({type(error).__name__}: {error})") from error
        self.nodes += layer.nodes
        self.states += layer.states
        results = [made] if isinstance(made, Value) else list(made)
        if len(results) != len(op.outputs):
            raise BadModel(f"{where} makes {len(results)} tensors, the file says {len(op.outputs)}")
        for index, result in zip(op.outputs, results, strict=True):
            self._accept(tensors[index], result, where)

    def _accept(self, tensor: TensorRecord, value: Value, where: str) -> None:
        wanted = inner_value(tensor)
        if value.shape != wanted.shape:
            raise BadModel(f"{where} makes {list(value.shape)}, the file says {list(wanted.shape)}")
        if value.dtype is not wanted.dtype:
            raise BadModel(f"{where} makes {value.dtype.value}, the file says {wanted.dtype.value}")
        self.values[tensor.index] = value
