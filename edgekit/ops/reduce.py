"""reduce_sum, reduce_prod, reduce_max, reduce_min: plain numbers over any axes, in the order of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

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


def reduced_shape(node: Node) -> Shape:
    """The input's shape reduced over attr axes (sorted, counted from the front), each kept as 1 with attr keep_dims."""
    shape, axes = node.input(0).shape, node.attrs["axes"]
    if any(not 0 <= a < len(shape) for a in axes):
        raise bad_shape(node, f"axes {axes} are outside the input")
    if node.attrs["keep_dims"]:
        return tuple(1 if i in axes else d for i, d in enumerate(shape))
    return tuple(d for i, d in enumerate(shape) if i not in axes)


def rows_to_reduce(node: Node, x: Array) -> Array:
    """x as [outer, reduced]: the axes that stay, then those that go, both in their order."""
    axes = tuple(node.attrs["axes"])
    stay = [a for a in range(x.ndim) if a not in axes]
    outer = int(np.prod([x.shape[a] for a in stay], dtype=np.int64))
    rows: Array = x.transpose(*stay, *axes).reshape(outer, -1 if outer else 0)
    return rows


def ordered_sum(rows: Array) -> Array:
    """Sums over the last axis with one accumulator per row that starts at +0; np.sum adds pairwise."""
    if rows.shape[-1] == 0:
        return np.zeros(rows.shape[:-1], rows.dtype)
    with np.errstate(all="ignore"):
        total: Array = np.add.accumulate(rows, axis=-1, dtype=rows.dtype)[..., -1] + rows.dtype.type(0)
    return total


def _ordered_product(rows: Array) -> Array:
    if rows.shape[-1] == 0:
        return np.ones(rows.shape[:-1], rows.dtype)
    with np.errstate(all="ignore"):
        product: Array = np.multiply.accumulate(rows, axis=-1, dtype=rows.dtype)[..., -1]
    return product


def _extreme(better: Callable[[Array, Array], Array], empty: float) -> Callable[[Array], Array]:
    """The extreme of every row as the kernel finds it from the left: of equal ones the last, of NaNs any.

    Joining neighbours in pairs keeps that order, and takes as many steps as the row's length has bits.
    """

    def function(rows: Array) -> Array:
        if rows.shape[-1] == 0:
            fill: float = empty
            if rows.dtype.kind != "f":
                fill = np.iinfo(rows.dtype).max if empty > 0 else np.iinfo(rows.dtype).min
            return np.full(rows.shape[:-1], fill, rows.dtype)
        while rows.shape[-1] > 1:
            paired = rows.shape[-1] // 2 * 2
            a, b = rows[..., 0:paired:2], rows[..., 1:paired:2]
            joined = np.where(better(a, b) | (a != a), a, b)
            rows = np.concatenate([joined, rows[..., paired:]], axis=-1)
        return rows[..., 0]

    return function


class Reduce(OpSpec):
    """Input x; attrs axes, keep_dims."""

    rewrite = "reduce over the axes one layer at a time, or use --precision float32"

    def __init__(
        self, name: str, function: Callable[[Array], Array], onnx: tuple[str, ...], tflite: tuple[str, ...],
        types: tuple[DType, ...] = NUMBERS, keeps_codes: bool = False,
    ) -> None:  # fmt: skip
        self.name, self.function, self.onnx, self.tflite, self.types = name, function, onnx, tflite, types
        self.summary = f"{name.removeprefix('reduce_')} over any axes"
        self.shares_quantization = keeps_codes

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (self._has_type,)

    def _has_type(self, node: Node) -> bool:
        """the input must be plain numbers of a supported type (maxima and minima: int8 or int16 codes too)."""
        if is_quantized(node):
            x, y = node.input(0), node.output
            return self.shares_quantization and x.dtype in (DType.INT8, DType.INT16) and x.quant == y.quant
        return node.input(0).dtype in self.types

    def infer(self, node: Node) -> list[Shape]:
        return [reduced_shape(node)]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [np.asarray(self.function(rows_to_reduce(node, inputs[0]))).reshape(node.output.shape)]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        return self.float_reference(node, inputs)

    def cases(self) -> Iterable[Case]:
        for number, (shape, axes, keep) in enumerate(
            [((3, 4, 5), (0, 1, 2), False), ((2, 3, 4, 5), (1, 3), True), ((4, 7), (0,), False), ((5, 6), (1,), True)]
        ):
            for dtype in self.types if number == 1 else self.types[:1]:
                yield self._case(f"{dtype.suffix}_{number}", shape, axes, keep, dtype, None)
        if self.shares_quantization:
            yield self._case("codes", (2, 3, 4, 5), (1, 3), False, DType.INT8, QuantType.per_tensor(0.1, -4))

    def _case(
        self, name: str, shape: Shape, axes: Shape, keep: bool, dtype: DType, quant: QuantType | None
    ) -> Case:  # fmt: skip
        rng = np.random.default_rng(1500)
        y = Value("y", (), dtype, quant)
        x = Value("x", shape, dtype, quant)
        graph = single_node_graph(self.name, [x], [y], {"axes": axes, "keep_dims": keep})
        y.shape = self.infer(graph.nodes[0])[0]
        data = random_codes(rng, shape) if quant else random_numbers(rng, shape, dtype)
        return Case(name, graph, ((data,),))


REDUCE_OPS: tuple[Reduce, ...] = (
    Reduce("reduce_sum", ordered_sum,
           ("ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp",
            "LpNormalization"), ("SUM",)),
    Reduce("reduce_prod", _ordered_product, ("ReduceProd",), ("REDUCE_PROD",)),
    Reduce("reduce_max", _extreme(np.greater, -np.inf), ("ReduceMax",),
           ("REDUCE_MAX", "REDUCE_ANY"), keeps_codes=True),
    Reduce("reduce_min", _extreme(np.less, np.inf), ("ReduceMin",),
           ("REDUCE_MIN", "REDUCE_ALL"), keeps_codes=True),
)  # fmt: skip
