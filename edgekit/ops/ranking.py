"""arg_max, arg_min, top_k: places of numbers by their size; codes of one quantization compare like their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops.binary import NUMBERS
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

_QUANT = QuantType.per_tensor(0.05, 3)


def checked_axis(node: Node) -> int:
    """Attr axis of input 0, counted from the front; raises BadModel outside the input or where that has no elements."""
    shape, axis = node.input(0).shape, int(node.attrs["axis"])
    if not 0 <= axis < len(shape):
        raise bad_shape(node, f"axis {axis} is outside the input")
    return axis


def numbers_or_codes(node: Node) -> bool:
    """the input must be int8 or int16 codes, or plain numbers of a type that the operator has."""
    x = node.input(0)
    return x.dtype in (DType.INT8, DType.INT16) if is_quantized(node) else x.dtype in NUMBERS


class Arg(OpSpec):
    """Input x; attrs axis, keep_dims, last (of several equal numbers). Output int64; NaN counts as the best."""

    rewrite = "compare along one axis of numbers"

    def __init__(self, name: str, onnx: tuple[str, ...], tflite: str, least: bool) -> None:
        self.name, self.onnx, self.tflite, self.least = name, onnx, (tflite,), least
        self.summary = f"index of the {'smallest' if least else 'largest'} number along an axis"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (numbers_or_codes,)

    def infer(self, node: Node) -> list[Shape]:
        shape, axis = node.input(0).shape, checked_axis(node)
        if not shape[axis]:
            raise bad_shape(node, "there is no best number among none")
        kept = (1,) if node.attrs["keep_dims"] else ()
        return [(*shape[:axis], *kept, *shape[axis + 1 :])]

    def infer_types(self, node: Node) -> list[DType]:
        return [DType.INT64]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        (x,), axis = inputs, node.attrs["axis"]
        assert x is not None
        best = np.argmin if self.least else np.argmax
        places = best(x, axis=axis)
        if node.attrs["last"]:
            places = x.shape[axis] - 1 - best(np.flip(x, axis), axis=axis)
        return [np.asarray(places, np.int64).reshape(node.output.shape)]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        return self.float_reference(node, inputs)

    def cases(self) -> Iterable[Case]:
        for dtype in NUMBERS:
            yield self._case(dtype.suffix, (3, 4, 5), {"axis": 1, "keep_dims": True, "last": False}, dtype, None)
        yield self._case("last", (7, 6), {"axis": 0, "keep_dims": False, "last": True}, DType.FLOAT32, None)
        yield self._case("codes", (2, 3, 9), {"axis": 2, "keep_dims": False, "last": False}, DType.INT8, _QUANT)

    def _case(
        self, name: str, shape: Shape, attrs: dict[str, object], dtype: DType, quant: QuantType | None
    ) -> Case:  # fmt: skip
        rng = np.random.default_rng(1800)
        y = Value("y", (), DType.INT64)
        graph = single_node_graph(self.name, [Value("x", shape, dtype, quant)], [y], attrs)
        y.shape = self.infer(graph.nodes[0])[0]
        data = random_codes(rng, shape, dtype) if quant else random_numbers(rng, shape, dtype)
        # Equal numbers and, among floats, several NaN.
        data[-1] = data[0]
        if dtype.is_float:
            data.reshape(-1)[[8, -2]] = np.nan
        return Case(name, graph, ((data,),))


class TopK(OpSpec):
    """Input x; attrs axis, k, largest. Outputs the k best numbers in order, and their int64 indices."""

    name = "top_k"
    summary = "the largest or smallest numbers along an axis, sorted, with their indices"
    onnx = ("TopK",)
    tflite = ("TOPK_V2",)
    rewrite = "take the best along one axis of numbers"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (numbers_or_codes,)

    def tied(self, node: Node) -> list[Value]:
        return [node.input(0), node.outputs[0]]

    def infer(self, node: Node) -> list[Shape]:
        shape, axis, k = node.input(0).shape, checked_axis(node), int(node.attrs["k"])
        if not 0 <= k <= shape[axis]:
            raise bad_shape(node, f"an axis of {shape[axis]} has no {k} best numbers")
        result = (*shape[:axis], k, *shape[axis + 1 :])
        return [result, result]

    def infer_types(self, node: Node) -> list[DType]:
        return [node.input(0).dtype, DType.INT64]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        (x,), axis, k = inputs, node.attrs["axis"], node.attrs["k"]
        assert x is not None
        if node.attrs["largest"]:
            # The ascending order of the reversed line, read backwards: of equal numbers the first stays first.
            order = x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
        else:
            order = np.argsort(x, axis=axis, kind="stable")
        best = np.take(order, np.arange(k), axis=axis).astype(np.int64)
        return [np.take_along_axis(x, best, axis), best]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        return self.float_reference(node, inputs)

    def cases(self) -> Iterable[Case]:
        for dtype in NUMBERS:
            yield self._case(f"{dtype.suffix}_largest", (3, 7, 2), 1, 3, True, dtype, None)
        yield self._case("f32_smallest", (2, 9), 1, 9, False, DType.FLOAT32, None)
        yield self._case("u64_smallest", (9, 2), 0, 1, False, DType.UINT64, None)
        yield self._case("codes_8", (4, 30), 1, 5, True, DType.INT8, _QUANT)
        yield self._case("codes_16", (4, 30), 1, 5, True, DType.INT16, QuantType.per_tensor(0.05, 0))

    def _case(
        self, name: str, shape: Shape, axis: int, k: int, largest: bool, dtype: DType, quant: QuantType | None
    ) -> Case:  # fmt: skip
        rng = np.random.default_rng(1810)
        outputs = [Value("y", (), dtype, quant), Value("i", (), DType.INT64)]
        attrs: dict[str, object] = {"axis": axis, "k": k, "largest": largest}
        graph = single_node_graph(self.name, [Value("x", shape, dtype, quant)], outputs, attrs)
        for value, inferred in zip(outputs, self.infer(graph.nodes[0]), strict=True):
            value.shape = inferred
        data = random_codes(rng, shape, dtype) if quant else random_numbers(rng, shape, dtype)
        data[-1] = data[0]
        if dtype.is_float:
            data.reshape(-1)[[3, -1]] = np.nan
        return Case(name, graph, ((data,),))


RANKING_OPS: tuple[OpSpec, ...] = (
    Arg("arg_max", ("ArgMax", "Hardmax"), "ARG_MAX", False),
    Arg("arg_min", ("ArgMin",), "ARG_MIN", True),
    TopK(),
)
