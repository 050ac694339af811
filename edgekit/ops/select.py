"""where and cast: a choice between two tensors, and numbers in another type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops.binary import NUMBERS, broadcast_shape
from edgekit.ops.spec import (
    Case,
    Constraint,
    OpSpec,
    Shape,
    is_quantized,
    random_numbers,
    single_node_graph,
)


class Where(OpSpec):
    """Inputs c (bool), a, b, which broadcast: a where c holds, else b."""

    name = "where"
    summary = "choice between two tensors, with broadcasting"
    onnx = ("Where", "Hardmax", "OneHot", "Trilu")
    tflite = ("SELECT", "SELECT_V2", "ONE_HOT")
    rewrite = "quantize both choices and the result with one scale"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (_bool_condition, _one_choice_type)

    def tied(self, node: Node) -> list[Value]:
        return [node.input(1), node.input(2), node.output]

    def infer(self, node: Node) -> list[Shape]:
        return [broadcast_shape(node)]

    def infer_types(self, node: Node) -> list[DType]:
        return [node.input(1).dtype]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        condition, a, b = inputs
        assert condition is not None and a is not None and b is not None
        return [np.where(condition, a, b)]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        return self.float_reference(node, inputs)

    def cases(self) -> Iterable[Case]:
        shapes: list[tuple[Shape, Shape, Shape]] = [((2, 3, 5), (2, 3, 5), (2, 3, 5)), ((3, 1), (2, 1, 5), ())]
        for number, dtype in enumerate((DType.FLOAT32, DType.INT8, DType.INT16, DType.INT64)):
            for index, (c_shape, a_shape, b_shape) in enumerate(shapes):
                rng = np.random.default_rng(440 + number)
                quant = QuantType.per_tensor(0.05, 3) if dtype is DType.INT8 else None
                shapes_of = (c_shape, a_shape, b_shape)
                c = Value("c", c_shape, DType.BOOL)
                a, b = Value("a", a_shape, dtype, quant), Value("b", b_shape, dtype, quant)
                y = Value("y", np.broadcast_shapes(*shapes_of), dtype, quant)
                data = tuple(random_numbers(rng, v.shape, v.dtype) for v in (c, a, b))
                yield Case(f"{dtype.suffix}_{index}", single_node_graph(self.name, [c, a, b], [y], {}), (data,))


def _bool_condition(node: Node) -> bool:
    """the condition must be bool."""
    return node.input(0).dtype is DType.BOOL


def _one_choice_type(node: Node) -> bool:
    """both choices must have one type, and one quantization where they are codes."""
    a, b = node.input(1), node.input(2)
    return a.dtype is b.dtype and a.quant == b.quant == node.output.quant


def one_data_type(node: Node) -> bool:
    """data and updates must have one type, and one quantization where they are codes."""
    x, updates = node.input(0), node.input(2)
    return x.dtype is updates.dtype and x.quant == updates.quant == node.output.quant


def _target(node: Node) -> DType:
    """Attr to; a quantized result, which the constraint refuses, has the type that it has."""
    return DType(node.attrs["to"]) if node.output.quant is None else node.output.dtype


class Cast(OpSpec):
    """Input x; attr to: the name of a DType. Floats truncate and saturate, NaN gives 0; integers wrap around."""

    name = "cast"
    summary = "numbers in another type"
    onnx = ("Cast", "CastLike")
    tflite = ("CAST",)
    rewrite = "quantize or dequantize instead of casting codes"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (_plain,)

    def infer(self, node: Node) -> list[Shape]:
        return [node.input(0).shape]

    def infer_types(self, node: Node) -> list[DType]:
        return [_target(node)]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [cast_array(inputs[0], DType(node.attrs["to"]))]

    def cases(self) -> Iterable[Case]:
        kinds = (*NUMBERS, DType.BOOL)
        for source in kinds:
            for target in kinds:
                if source is target:
                    continue
                rng = np.random.default_rng(450)
                data = random_numbers(rng, (2, 37), source)
                if source.is_float:
                    data.reshape(-1)[-6:] = [np.nan, np.inf, -np.inf, 300.7, -40000.5, 5e9]
                if source is DType.FLOAT64 and target is DType.FLOAT32:
                    data = np.clip(data, -1e30, 1e30)
                graph = single_node_graph(
                    self.name, [Value("x", (2, 37), source)], [Value("y", (2, 37), target)], {"to": target.value}
                )
                yield Case(f"{source.value}_{target.value}", graph, ((data,),))


class Bitcast(OpSpec):
    """Input x; attr to: the name of a DType of the same size."""

    name = "bitcast"
    summary = "the same bytes as numbers of another type"
    onnx = ("BitCast",)
    tflite = ("BITCAST",)
    rewrite = "cast plain numbers to a type of the same size"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (_plain, _same_size)

    def infer(self, node: Node) -> list[Shape]:
        return [node.input(0).shape]

    def infer_types(self, node: Node) -> list[DType]:
        return [_target(node)]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [np.frombuffer(inputs[0].tobytes(), node.output.dtype.numpy).reshape(inputs[0].shape)]

    def cases(self) -> Iterable[Case]:
        for source, target in ((DType.FLOAT32, DType.INT32), (DType.UINT64, DType.FLOAT64), (DType.INT8, DType.UINT8)):
            data = random_numbers(np.random.default_rng(460), (3, 7), source)
            x, y = Value("x", (3, 7), source), Value("y", (3, 7), target)
            graph = single_node_graph(self.name, [x], [y], {"to": target.value})
            yield Case(f"{source.suffix}_{target.suffix}", graph, ((data,),))


def _same_size(node: Node) -> bool:
    """both types must have the same size, and bool is only read."""
    return node.input(0).dtype.size == node.output.dtype.size and node.output.dtype is not DType.BOOL


def _plain(node: Node) -> bool:
    """the input must be plain numbers, not quantized codes."""
    return not is_quantized(node)


def cast_array(x: Array, dtype: DType) -> Array:
    """x in another type, with C's rounding made total: see Cast."""
    if dtype is DType.BOOL:
        return np.asarray(x != 0)
    if x.dtype.kind != "f" or dtype.is_float:
        with np.errstate(all="ignore"):
            return x.astype(dtype.numpy)
    info = np.iinfo(dtype.numpy)
    limit = float(info.max) if info.max < 1 << 53 else float(np.nextafter(2.0 ** (8 * dtype.size - (info.min < 0)), 0))
    whole = np.trunc(np.nan_to_num(x.astype(np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf))
    inside = np.clip(whole, float(info.min), limit).astype(dtype.numpy)
    return np.asarray(np.where(whole > limit, dtype.numpy.type(info.max), inside), dtype.numpy)
