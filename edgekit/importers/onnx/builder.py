"""What translators see: one layer of the file with its checked attributes and operands, and the graph that grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgekit.errors import BadModel, UnsupportedModel
from edgekit.importers.onnx.file import FunctionRecord, NodeRecord
from edgekit.importers.onnx.tensors import MAX_CONSTANT_BYTES, MAX_ELEMENTS, dense
from edgekit.ir import Array, Codebook, DType, Node, QuantType, Value
from edgekit.ops import spec_of

# Nodes that a graph may have before the passes run, where layers of the file become several.
MAX_EMITTED = 60_000
# Elements read and multiply-accumulates done at import, on constants, in all.
MAX_FOLDED_STEPS = 1 << 28

NCHW_TO_NHWC = (0, 2, 3, 1)
NHWC_TO_NCHW = (0, 3, 1, 2)


@dataclass(frozen=True)
class Constant:
    """A tensor known at import.

    Attributes:
        quant: says that the array holds codes of real numbers.
        codebook: what integers without `quant` may be, where the file stores them in less than 8 bits.
        levels_axis: along which channels have levels of their own, where the codebook has several groups.
        narrow: whether they are integers of 4 bits in the file, which few operators take.
    """

    name: str
    array: Array
    quant: QuantType | None = None
    codebook: Codebook | None = None
    narrow: bool = False
    levels_axis: int = 0

    def real(self) -> Array:
        """The numbers themselves: codes dequantized, others as they are."""
        return self.array if self.quant is None else self.quant.dequantize(self.array)

    def transposed(self, perm: Sequence[int]) -> Constant:
        """Axes permuted, the channel axis of the quantization with them."""
        quant = self.quant
        if quant is not None and quant.axis is not None:
            quant = replace(quant, axis=list(perm).index(quant.axis))
        return Constant(self.name, dense(self.array.transpose(perm)), quant)

    def scaled(self, factor: float) -> Constant:
        """All numbers times `factor`; the codes stay where there are codes."""
        if factor == 1.0:
            return self
        if self.quant is None:
            product = np.empty(self.array.shape, np.float32)
            with np.errstate(over="ignore", invalid="ignore"):  # whoever takes weights refuses what is not finite
                np.multiply(self.array, factor, out=product, dtype=np.float64, casting="same_kind")
            return Constant(self.name, product)
        if not factor > 0.0:
            return Constant(self.name, self.real()).scaled(factor)
        scale = tuple(float(np.float32(s * factor)) for s in self.quant.scale)
        return Constant(self.name, self.array, replace(self.quant, scale=scale))


Operand = Value | Constant


class GraphBuilder:
    """Tensors by their name in the file, and the nodes so far.

    In a quantized (QDQ) model a computed value has integer codes from the start; its `quant` is None until a
    QuantizeLinear says what the codes mean (`edgekit.importers.onnx.qdq` settles the rest). In any other model values
    are plain numbers of the file's own types.
    """

    def __init__(self, opset: int, quantized: bool, functions: Mapping[str, FunctionRecord]) -> None:
        self.opset, self.quantized, self.functions = opset, quantized, functions
        # How many definitions and branches (edgekit.importers.onnx.definitions, .branches) the current layer stands in.
        self.depth = 0
        # How many operators of branches have been translated.
        self.nested_nodes = 0
        self.tensors: dict[str, Operand] = {}
        self.code_types: dict[str, DType] = {}
        self.nodes: list[Node] = []
        self.constant_bytes, self.steps = 0, 0
        self._names: dict[str, int] = {}

    def unique_name(self, name: str) -> str:
        """`name`, with a number behind it where it has been used."""
        count = self._names.get(name, 0)
        self._names[name] = count + 1
        return name if count == 0 else self.unique_name(f"{name}#{count + 1}")

    def emit(self, op: str, name: str, inputs: Sequence[Value | None], attrs: dict[str, Any]) -> Value:
        """A node and its output, the shape from the operator's spec."""
        return self.emit_several(op, name, inputs, attrs, 1)[0]

    def emit_several(
        self, op: str, name: str, inputs: Sequence[Value | None], attrs: dict[str, Any], outputs: int
    ) -> list[Value]:
        """A node with several outputs, shapes and types from the operator's spec."""
        if len(self.nodes) >= MAX_EMITTED:
            raise BadModel(f"layer {name!r} ({op}): the model becomes more than {MAX_EMITTED} nodes")
        spec = spec_of(op)
        # What operators that convert to the type of their output start from.
        kind = DType.INT8 if self.quantized else DType.FLOAT32
        values = [Value(name if i == 0 else f"{name} {i}", (), kind) for i in range(outputs)]
        node = Node(op, self.unique_name(name), inputs, values, attrs)
        for value, shape, dtype in zip(values, spec.infer(node), spec.infer_types(node), strict=True):
            value.shape, value.dtype = tuple(shape), dtype
            if value.elements > MAX_ELEMENTS:
                raise BadModel(f"layer {name!r} ({op}) makes {list(value.shape)}: over {MAX_ELEMENTS} elements")
        tied = spec.tied(node)
        quants = {v.quant for v in tied if v not in values}
        if len(quants) == 1:
            (quant,) = quants
            for value in tied:
                value.quant = value.quant or quant
        self.nodes.append(node)
        return values


class Layer:
    """One operator of the file. All readers raise BadModel or UnsupportedModel that names it."""

    def __init__(self, builder: GraphBuilder, record: NodeRecord) -> None:
        self.builder, self.record = builder, record
        self.name, self.op, self.opset = record.name, record.op, builder.opset

    def bad(self, why: str) -> BadModel:
        return BadModel(f"layer {self.name!r} ({self.op}): {why}")

    def unsupported(self, why: str, rewrite: str) -> UnsupportedModel:
        return UnsupportedModel(f"layer {self.name!r} ({self.op}): {why}; {rewrite}")

    def claim(self, size: int) -> None:
        """Count bytes of an array that importing makes; raises BadModel where all of them are more than any model's."""
        self.builder.constant_bytes += size
        if self.builder.constant_bytes > MAX_CONSTANT_BYTES:
            raise self.bad(f"its constants bring the model to more than {MAX_CONSTANT_BYTES} bytes of them")

    def spend(self, steps: int) -> None:
        """Count steps of arithmetic done at import; raises BadModel where all of them are more than any model's."""
        self.builder.steps += steps
        if self.builder.steps > MAX_FOLDED_STEPS:
            raise self.bad("its constants take too long to compute: compute them before the export")

    # Attributes.

    def _attribute(self, name: str, kind: type | tuple[type, ...], default: Any) -> Any:
        value = self.record.attrs.get(name, default)
        if value is None:
            raise self.bad(f"attribute {name!r} is missing")
        if not isinstance(value, kind):
            raise self.bad(f"attribute {name!r} has the wrong type")
        return value

    def int_attr(self, name: str, default: int | None = None) -> int:
        return int(self._attribute(name, int, default))

    def float_attr(self, name: str, default: float | None = None) -> float:
        value = float(self._attribute(name, (float, int), default))
        if not np.isfinite(value):
            raise self.bad(f"attribute {name!r} is not finite")
        return value

    def str_attr(self, name: str, default: str | None = None) -> str:
        return str(self._attribute(name, str, default))

    def ints_attr(self, name: str, default: Sequence[int] | None = None, count: int | None = None) -> tuple[int, ...]:
        value = self._attribute(name, tuple, None if default is None else tuple(default))
        if any(not isinstance(v, int) or abs(v) > MAX_ELEMENTS for v in value):
            raise self.bad(f"attribute {name!r} must be a list of integers of reasonable size")
        if count is not None and len(value) != count:
            raise self.bad(f"attribute {name!r} has {len(value)} numbers, needs {count}")
        return tuple(value)

    def ints_attr_wide(self, name: str) -> tuple[int, ...]:
        """Integers of any size, such as the end of a slice that means "to the end"."""
        value = self._attribute(name, tuple, None)
        if any(not isinstance(v, int) for v in value):
            raise self.bad(f"attribute {name!r} must be a list of integers")
        return tuple(value)

    def floats_attr(self, name: str) -> tuple[float, ...]:
        value = self._attribute(name, tuple, None)
        if any(not isinstance(v, (float, int)) for v in value):
            raise self.bad(f"attribute {name!r} must be a list of numbers")
        return tuple(float(v) for v in value)

    def has_attr(self, name: str) -> bool:
        return name in self.record.attrs

    # Operands.

    def has(self, index: int) -> bool:
        """Whether optional operand `index` is there."""
        return index < len(self.record.inputs) and self.record.inputs[index] != ""

    def operand(self, index: int) -> Operand:
        if not self.has(index):
            raise self.bad(f"input {index} is missing")
        return self.builder.tensors[self.record.inputs[index]]

    def rank(self, index: int) -> int:
        """How many axes an operand has."""
        operand = self.operand(index)
        return operand.array.ndim if isinstance(operand, Constant) else len(operand.shape)

    def is_constant(self, index: int) -> bool:
        return self.has(index) and isinstance(self.operand(index), Constant)

    def constant(self, index: int) -> Constant:
        operand = self.operand(index)
        if not isinstance(operand, Constant):
            raise self.unsupported(f"input {index} must be a constant", "export weights as initializers")
        return operand

    def integers(self, index: int) -> tuple[int, ...]:
        """A constant list of integers, such as a shape or axes."""
        array = self.constant(index).array
        if array.dtype.kind not in "iu" or array.ndim > 1 or array.size > 64:
            raise self.bad(f"input {index} must be a short list of integers")
        return tuple(int(v) for v in array.reshape(-1))

    def scalar(self, index: int) -> float:
        """A constant of one number."""
        array = self.constant(index).real()
        if array.size != 1:
            raise self.bad(f"input {index} must be one number")
        return float(array.reshape(-1)[0])

    def integer(self, index: int) -> int:
        """A constant of one whole number, such as an axis or a count."""
        number = self.scalar(index)
        if not (number.is_integer() and abs(number) <= MAX_ELEMENTS):
            raise self.bad(f"input {index} is {number}, must be a whole number of reasonable size")
        return int(number)

    def value(self, index: int) -> Value:
        """A computed operand; a constant in its place becomes a constant value."""
        operand = self.operand(index)
        return self.constant_value(operand) if isinstance(operand, Constant) else operand

    def indices(self, index: int) -> Value:
        """A computed or constant operand of plain integers, in a quantized model too."""
        operand = self.operand(index)
        if not isinstance(operand, Constant):
            return operand
        if operand.quant is not None or operand.array.dtype.kind not in "iu":
            raise self.bad(f"input {index} must be integers")
        return Value.constant(operand.name, operand.array)

    def constant_value(self, constant: Constant) -> Value:
        """A value of plain numbers in their own type; of finite float32 numbers or codes in a quantized model."""
        if self.builder.quantized and (constant.quant is not None or constant.array.dtype.kind == "f"):
            return self.weights(constant)
        array = constant.real()
        if str(array.dtype) not in {d.value for d in DType}:
            raise self.unsupported(f"tensor {constant.name!r} is {array.dtype}", "use float32 or integers")
        self.claim(array.nbytes)
        return Value.constant(constant.name, array)

    def codes(self, index: int) -> Value:
        """An operand that is codes in a quantized model, where constant numbers become some."""
        value = self.value(index)
        floats = value.is_constant and value.dtype is DType.FLOAT32 and value.quant is None
        return self.as_codes(value) if self.builder.quantized and floats else value

    def as_codes(self, constant: Value) -> Value:
        """int8 codes of constant numbers, of a quantization of their own until the result's is known."""
        quant = QuantType.covering(float(constant.array.min(initial=0.0)), float(constant.array.max(initial=0.0)))
        return Value.constant(constant.name, quant.quantize(constant.array, DType.INT8), quant)

    def number(self, value: float, like: Value, part: str = "constant") -> Value:
        """A scalar constant in the type of another value."""
        return Value.constant(f"{self.name} {part}", np.array(value).astype(like.dtype.numpy))

    def dtype(self, index: int) -> np.dtype[Any]:
        """The element type of an operand, constant or computed."""
        operand = self.operand(index)
        return operand.array.dtype if isinstance(operand, Constant) else operand.dtype.numpy

    def weights(self, constant: Constant) -> Value:
        """A value of finite float32 numbers, or of int8 / int32 codes."""
        array, quant = constant.array, constant.quant
        self.claim(array.nbytes)
        if quant is not None and array.dtype == np.uint8:
            # Codes and zero points move down by 128 together, which changes no number.
            array = (array.astype(np.int16) - 128).astype(np.int8)
            quant = QuantType(quant.scale, tuple(z - 128 for z in quant.zero_point), quant.axis)
        if quant is None:
            if array.dtype.kind != "f":
                raise self.bad(f"tensor {constant.name!r} is {array.dtype}, must be float32")
            if not np.isfinite(array).all():
                raise BadModel(f"layer {self.name!r} ({self.op}): tensor {constant.name!r} has NaN or infinite numbers")
            array = array.astype(np.float32, copy=False)
        return Value.constant(constant.name, array, quant)

    def axis(self, value: int, rank: int) -> int:
        """An axis counted from the front; raises BadModel outside the tensor."""
        if not -rank <= value < max(rank, 1):
            raise self.bad(f"axis {value} is outside a tensor of {rank} axes")
        return value % max(rank, 1)

    # Nodes.

    def emit(self, op: str, inputs: Sequence[Value | None], attrs: dict[str, Any], part: str = "") -> Value:
        return self.builder.emit(op, f"{self.name} {part}" if part else self.name, inputs, attrs)

    def transpose(self, x: Value, perm: Sequence[int], part: str = "transpose") -> Value:
        return self.emit("transpose", [x], {"perm": tuple(perm)}, part)

    def reshape(self, x: Value, shape: Sequence[int], part: str = "reshape") -> Value:
        return self.emit("reshape", [x], {"shape": tuple(int(d) for d in shape)}, part)

    def nhwc(self, x: Value) -> Value:
        """A 4-D NCHW value as NHWC."""
        if len(x.shape) != 4:
            raise self.unsupported(
                f"the input has {len(x.shape)} axes, needs 4 (N, C, H, W)", "use the 2-D form with a height of 1"
            )
        return self.transpose(x, NCHW_TO_NHWC, "to NHWC")

    def nchw(self, x: Value) -> Value:
        """A 4-D NHWC value as NCHW."""
        return self.transpose(x, NHWC_TO_NCHW, "to NCHW")
