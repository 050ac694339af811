"""Elementwise functions of two tensors, with broadcasting: on plain numbers of any type, some on int8 codes too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops import math_f32 as m
from edgekit.ops.spec import (
    Case,
    Constraint,
    OpSpec,
    Shape,
    bad_shape,
    is_quantized,
    random_codes,
    random_numbers,
    single_node_graph,
)

Function = Callable[[Array, Array], Array]

SIGNED = (DType.INT8, DType.INT16, DType.INT32, DType.INT64)
UNSIGNED = (DType.UINT8, DType.UINT16, DType.UINT32, DType.UINT64)
INTEGERS = (*SIGNED, *UNSIGNED)
NUMBERS = (DType.FLOAT32, DType.FLOAT64, *INTEGERS)


def broadcast_shape(node: Node) -> Shape:
    """The common shape of all inputs; raises BadModel where there is none."""
    try:
        return tuple(np.broadcast_shapes(*(v.shape for v in node.inputs if v is not None)))
    except ValueError as error:
        raise bad_shape(node, "operands do not broadcast") from error


def one_input_type(node: Node) -> bool:
    """both operands must have one type."""
    return node.input(0).dtype is node.input(1).dtype


class Binary(OpSpec):
    """Inputs a, b, which broadcast; the result has their type, or is bool.

    Attributes:
        function: on numpy arrays of one type; runtime_c/src/ek_<name>.c does the same.
        types: element types that the plain form takes.
        result: the result's type where it is not the operands'.
    """

    rewrite = "cast the operands to one supported type"

    def __init__(
        self,
        name: str,
        function: Function,
        onnx: tuple[str, ...],
        tflite: tuple[str, ...] = (),
        types: tuple[DType, ...] = NUMBERS,
        result: DType | None = None,
    ) -> None:
        self.name, self.function, self.onnx, self.tflite = name, function, onnx, tflite
        self.types, self.result = types, result
        self.summary = f"elementwise {name} with broadcasting"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (one_input_type, self._has_type)

    def _has_type(self, node: Node) -> bool:
        """operands must be plain numbers of a type that the operator has (no quantized form)."""
        return not is_quantized(node) and node.input(0).dtype in self.types

    def infer(self, node: Node) -> list[Shape]:
        return [broadcast_shape(node)]

    def infer_types(self, node: Node) -> list[DType]:
        return [self.result or node.input(0).dtype]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        a, b = inputs
        assert a is not None and b is not None
        with np.errstate(all="ignore"):
            return [np.asarray(self.function(a, b), node.output.dtype.numpy)]

    def cases(self) -> Iterable[Case]:
        for index, dtype in enumerate(self.types):
            shapes = _SHAPES if index == 0 else _SHAPES[:1]
            for number, (first, second) in enumerate(shapes):
                yield self._plain_case(f"{dtype.value}_{number}", first, second, dtype)

    def _plain_case(self, name: str, first: Shape, second: Shape, dtype: DType) -> Case:
        rng = np.random.default_rng(400)
        a, b = random_numbers(rng, first, dtype), random_numbers(rng, second, dtype)
        if dtype.is_integer and b.ndim:
            b.reshape(-1)[:3] = [0, 1, np.array(-1).astype(dtype.numpy)]
        y = Value("y", (), self.result or dtype)
        graph = single_node_graph(self.name, [Value("a", first, dtype), Value("b", second, dtype)], [y], {})
        y.shape = self.infer(graph.nodes[0])[0]
        return Case(name, graph, ((a, b),))


_SHAPES: list[tuple[Shape, Shape]] = [
    ((3, 4, 5), (3, 4, 5)),
    ((2, 1, 5, 1), (3, 1, 4)),
    ((), (2, 3)),
    ((2, 3, 4, 5), (3, 1, 1)),
]


class Shared(Binary):
    """A binary operator that keeps or compares codes: its quantized operands share one quantization."""

    def tied(self, node: Node) -> list[Value]:
        return [v for v in (*node.inputs, *node.outputs) if v is not None and v.dtype is not self.result]

    def _has_type(self, node: Node) -> bool:
        """operands must be int8 or int16 codes of one quantization, or plain numbers of a type the operator has."""
        if is_quantized(node):
            values = self.tied(node)
            kind = values[0].dtype
            return kind in (DType.INT8, DType.INT16) and all(
                v.dtype is kind and v.quant == values[0].quant for v in values
            )
        return node.input(0).dtype in self.types

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        return self.float_reference(node, inputs)

    def cases(self) -> Iterable[Case]:
        yield from super().cases()
        quant, shape = QuantType.per_tensor(0.05, 3), (2, 3, 7)
        y = Value("y", shape, self.result or DType.INT8, None if self.result else quant)
        operands = [Value("a", shape, DType.INT8, quant), Value("b", (3, 1), DType.INT8, quant)]
        rng = np.random.default_rng(430)
        graph = single_node_graph(self.name, operands, [y], {})
        yield Case("codes", graph, ((random_codes(rng, shape), random_codes(rng, (3, 1))),))


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    zero, safe = b == 0, np.where(b == 0, b.dtype.type(1), b)
    if a.dtype.kind == "u":
        return np.where(zero, b.dtype.type(0), a // safe)
    # Truncated; numpy rounds down, and the smallest number divided by -1 stays itself.
    floored = np.where(safe == -1, b.dtype.type(0) - a, a // np.where(safe == -1, b.dtype.type(1), safe))
    uneven = (safe != -1) & (floored * safe != a) & ((a < 0) != (safe < 0))
    return np.asarray(np.where(zero, b.dtype.type(0), floored + uneven.astype(a.dtype)))


def _remainder(whole: Function) -> Function:
    def function(a: Array, b: Array) -> Array:
        if a.dtype.kind == "f":
            return whole(a, b)
        trivial = (b == 0) | ((b == -1) if a.dtype.kind == "i" else False)
        return np.where(trivial, a.dtype.type(0), whole(a, np.where(trivial, b.dtype.type(1), b)))

    return function


def power(a: Array, b: Array) -> Array:
    """a to the power of b, of one plain type; integers wrap around, negative powers of them are -1, 0 or 1."""
    if a.dtype.kind == "f":
        return m.power(a, b)
    a, b = np.broadcast_arrays(a, b)
    wide, exponent = a.astype(np.uint64), np.where(b < 0, 0, b).astype(np.uint64)
    result = np.ones_like(wide)
    for _ in range(64):
        result = np.where(exponent & np.uint64(1), result * wide, result)
        exponent, wide = exponent >> np.uint64(1), wide * wide
    sign = np.where(a == 1, 1, np.where(a == -1, np.where(b % 2 == 0, 1, -1), 0)) if a.dtype.kind == "i" else result
    return np.where(b < 0, sign, result.astype(np.int64) if a.dtype.kind == "i" else result).astype(a.dtype)


def _shift(function: Callable[[Array, Array], Array], fill: int) -> Function:
    def shifted(a: Array, b: Array) -> Array:
        inside = (b >= 0) & (b < 8 * a.dtype.itemsize)
        beyond = np.where(a < 0, a.dtype.type(fill), a.dtype.type(0)) if a.dtype.kind == "i" else a.dtype.type(0)
        return np.where(inside, function(a, np.where(inside, b, b.dtype.type(0))), beyond)

    return shifted


def _minimum(a: Array, b: Array) -> Array:
    return np.where((a < b) | (a != a), a, b)


def _maximum(a: Array, b: Array) -> Array:
    return np.where((a > b) | (a != a), a, b)


_BOOL, _F32 = (DType.BOOL,), (DType.FLOAT32,)

PLAIN_BINARY_OPS: tuple[Binary, ...] = (
    Shared("min", _minimum, ("Min",), ("MINIMUM",)),
    Shared("max", _maximum, ("Max",), ("MAXIMUM",)),
    Shared("equal", np.equal, ("Equal",), ("EQUAL", "NOT_EQUAL"), (*NUMBERS, DType.BOOL), DType.BOOL),
    Shared("less", np.less, ("Less", "Greater"), ("LESS", "GREATER"), NUMBERS, DType.BOOL),
    Shared("less_equal", np.less_equal, ("LessOrEqual", "GreaterOrEqual"), ("LESS_EQUAL", "GREATER_EQUAL"), NUMBERS,
           DType.BOOL),
    Binary("mod", _remainder(np.mod), ("Mod",), ("FLOOR_MOD",), (DType.FLOAT32, *INTEGERS)),
    Binary("fmod", _remainder(np.fmod), ("Mod",), (), (DType.FLOAT32, *INTEGERS)),
    Binary("prelu", lambda a, b: np.where(a < 0, a * b, a), ("PRelu",), ("PRELU",), _F32),
    Binary("logical_and", np.logical_and, ("And",), ("LOGICAL_AND",), _BOOL, DType.BOOL),
    Binary("logical_or", np.logical_or, ("Or",), ("LOGICAL_OR",), _BOOL, DType.BOOL),
    Binary("logical_xor", np.logical_xor, ("Xor",), (), _BOOL, DType.BOOL),
    Binary("bitwise_and", np.bitwise_and, ("BitwiseAnd",), (), INTEGERS),
    Binary("bitwise_or", np.bitwise_or, ("BitwiseOr",), (), INTEGERS),
    Binary("bitwise_xor", np.bitwise_xor, ("BitwiseXor",), ("BITWISE_XOR",), INTEGERS),
    Binary("shift_left", _shift(np.left_shift, 0), ("BitShift",), (), INTEGERS),
    Binary("shift_right", _shift(np.right_shift, -1), ("BitShift",), ("RIGHT_SHIFT",), INTEGERS),
)  # fmt: skip


class Arithmetic(Binary):
    """add, sub, mul, div with attr activation; on int8 codes in TFLite's fixed point (see quantized_arithmetic)."""

    def __init__(self, name: str, function: Function, onnx: tuple[str, ...], tflite: tuple[str, ...]) -> None:
        super().__init__(name, function, onnx, tflite)
        self.summary += ", fused activation"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (one_input_type, self._has_type, activation_of_floats)

    def _has_type(self, node: Node) -> bool:
        """operands must be int8 codes, symmetric int16 codes (not for div), or plain numbers of one type."""
        if is_quantized(node):
            values = [node.input(0), node.input(1), node.output]
            kind, quants = values[0].dtype, [v.quant for v in values]
            if kind not in (DType.INT8, DType.INT16) or any(v.dtype is not kind for v in values):
                return False
            if any(q is None or not q.is_per_tensor for q in quants):
                return False
            return kind is DType.INT8 or (self.name != "div" and not any(q.zero_point[0] for q in quants if q))
        return node.input(0).dtype in self.types

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        (y,) = super().float_reference(node, inputs)
        return [y if node.attrs["activation"] == "none" else fp.clamp_float(node.attrs["activation"], y)]

    def _plain_case(self, name: str, first: Shape, second: Shape, dtype: DType) -> Case:
        case = super()._plain_case(name, first, second, dtype)
        case.graph.nodes[0].attrs["activation"] = "relu6" if dtype is DType.FLOAT32 and first == second else "none"
        return case


def activation_of_floats(node: Node) -> bool:
    """only float32 numbers and int8 codes can have a fused activation."""
    return is_quantized(node) or node.attrs["activation"] == "none" or node.output.dtype is DType.FLOAT32
