"""What a translator sees of one operator, and how it adds nodes to the graph under construction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.errors import BadModel, UnsupportedModel
from edgekit.importers.tflite.file import OperatorRecord, TensorRecord
from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import spec_of
from edgekit.ops.spec import check_constraints, require_supported

# Nodes of constants alone are computed at import up to this size: shape arithmetic is small.
MAX_FOLDED_ELEMENTS = 1 << 20
_NEVER_FOLDED = ("conv2d", "depthwise_conv2d", "fully_connected", "matmul", "avg_pool2d", "max_pool2d")

_ACTIVATIONS = {
    schema.ActivationFunctionType.NONE: "none",
    schema.ActivationFunctionType.RELU: "relu",
    schema.ActivationFunctionType.RELU6: "relu6",
    schema.ActivationFunctionType.RELU_N1_TO_1: "relu_n1_to_1",
}


class Layer:
    """One operator of the file.

    Attributes:
        name: the layer's name, for errors.
        record: the operator with its options.
        operands: IR values, None where an optional input is absent.
        inputs, outputs: the file's own tensor records (original types).
        nodes: the nodes made so far, in order; the importer takes them over.
    """

    def __init__(
        self,
        record: OperatorRecord,
        name: str,
        operands: Sequence[Value | None],
        inputs: Sequence[TensorRecord | None],
        outputs: Sequence[TensorRecord],
    ) -> None:
        self.record, self.name = record, name
        self.operands, self.inputs, self.outputs = list(operands), list(inputs), list(outputs)
        self.nodes: list[Node] = []

    @property
    def op(self) -> str:
        return self.record.op

    @property
    def options(self) -> Any:
        if self.record.options is None:
            raise self.bad("has no options")
        return self.record.options

    def bad(self, text: str) -> BadModel:
        """The error for a malformed operator."""
        return BadModel(f"layer {self.name!r} ({self.op}) {text}")

    def unsupported(self, text: str, rewrite: str) -> UnsupportedModel:
        """The error for a form that edgekit does not build."""
        return UnsupportedModel(f"layer {self.name!r} ({self.op}): {text}; {rewrite}")

    @property
    def legacy_uint8(self) -> bool:
        """Whether the file's own codes are uint8; inside they are int8."""
        first = self.inputs[0] if self.inputs else None
        return first is not None and first.dtype is DType.UINT8 and first.quant is not None

    @property
    def quantized(self) -> bool:
        """Whether the first input holds codes."""
        value = self.optional(0)
        return value is not None and value.quant is not None

    def optional(self, index: int) -> Value | None:
        """Operand `index`, or None where it is absent."""
        return self.operands[index] if index < len(self.operands) else None

    def value(self, index: int) -> Value:
        """Operand `index`; raises BadModel where it is absent."""
        value = self.optional(index)
        if value is None:
            raise self.bad(f"has no input {index}")
        return value

    def constant(self, index: int) -> Array:
        """The data of operand `index`; raises UnsupportedModel where it is computed at run time."""
        value = self.value(index)
        if not value.is_constant:
            raise self.unsupported(f"input {index} must be a constant", "export with fixed shapes")
        return value.array

    def ints(self, index: int) -> tuple[int, ...]:
        """A short constant vector (or scalar) of whole numbers."""
        array = np.atleast_1d(self.constant(index))
        if array.ndim != 1 or array.dtype.kind not in "iu" or array.size > 64:
            raise self.bad(f"input {index} is no short list of whole numbers")
        return tuple(int(v) for v in array)

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front; raises BadModel outside the tensor."""
        if not -rank <= axis < rank:
            raise self.bad(f"axis {axis} is outside a tensor of {rank} axes")
        return axis % rank

    def activation(self) -> str:
        """The fused activation's name."""
        code = self.options.FusedActivationFunction()
        if code not in _ACTIVATIONS:
            raise self.unsupported(f"fused activation {code}", "use none, relu, relu6 or relu_n1_to_1")
        return _ACTIVATIONS[code]

    def float_only(self) -> None:
        """Refuse codes, for operators that TFLite has no integer definition of, or none that is built."""
        if any(v is not None and v.quant is not None for v in self.operands):
            raise self.unsupported("is built in float models only", "dequantize before it, or use another operator")

    def emit(
        self,
        op: str,
        inputs: Sequence[Value | None],
        attrs: dict[str, Any],
        part: str,
        quant: QuantType | None = None,
    ) -> Value:
        """A node whose output is not the layer's: shape and type follow from the inputs; `part` names it."""
        return self._add(op, inputs, attrs, Value(f"{self.name} {part}", (), DType.INT8, quant))

    def result(self, op: str, inputs: Sequence[Value | None], attrs: dict[str, Any], index: int = 0) -> Value:
        """The node that makes output `index` of the layer, with the quantization that the file gives it."""
        wanted = inner_value(self.outputs[index])
        return self._add(op, inputs, attrs, Value(wanted.name, (), wanted.dtype, wanted.quant))

    def output_quant(self, index: int = 0) -> QuantType | None:
        """The quantization of an output as the graph has it (uint8 codes moved down by 128)."""
        return inner_quant(self.outputs[index])

    def reshaped(self, value: Value, shape: Sequence[int], part: str = "reshaped") -> Value:
        """`value` in another shape."""
        return self.emit("reshape", [value], {"shape": tuple(shape)}, part, value.quant)

    def _add(self, op: str, inputs: Sequence[Value | None], attrs: dict[str, Any], output: Value) -> Value:
        spec = spec_of(op)
        node = Node(op, output.name, inputs, [output], attrs)
        output.dtype = output.dtype if op in ("quantize", "dequantize", "requantize") else spec.infer_types(node)[0]
        output.shape = tuple(int(d) for d in spec.infer(node)[0])
        if math.prod(output.shape) > MAX_FOLDED_ELEMENTS or not _is_constant(node):
            self.nodes.append(node)
            return output
        require_supported(check_constraints(node, spec))
        with np.errstate(all="ignore"):
            (array,) = spec.reference(node, [None if v is None else v.array for v in node.inputs])
        node.detach()
        # np.ascontiguousarray would turn a scalar into a vector.
        return Value(output.name, array.shape, output.dtype, None, np.asarray(array, order="C"))


def _is_constant(node: Node) -> bool:
    values = [v for v in node.inputs if v is not None]
    plain = all(v.is_constant and v.quant is None for v in values) and node.output.quant is None
    return plain and node.op not in _NEVER_FOLDED


def inner_quant(tensor: TensorRecord) -> QuantType | None:
    """The quantization of a tensor's value in the graph: legacy uint8 codes become int8."""
    quant = tensor.quant
    if quant is None or tensor.dtype is not DType.UINT8:
        return quant
    return QuantType(quant.scale, tuple(z - 128 for z in quant.zero_point), quant.axis)


def inner_value(tensor: TensorRecord, data: Array | None = None) -> Value:
    """The value of a tensor: uint8 codes move down by 128, and their zero point with them, which is exact."""
    if tensor.dtype is not DType.UINT8 or tensor.quant is None:
        return Value(tensor.name, tensor.shape, tensor.dtype, tensor.quant, data)
    codes = None if data is None else (data.astype(np.int16) - 128).astype(np.int8)
    return Value(tensor.name, tensor.shape, DType.INT8, inner_quant(tensor), codes)
