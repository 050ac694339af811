"""cum_sum, cum_prod: running sums and products along an axis, in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, Value
from edgekit.ops.binary import NUMBERS
from edgekit.ops.matmul import plain_numbers
from edgekit.ops.ranking import checked_axis
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, random_numbers, single_node_graph


class Cumulate(OpSpec):
    """Input x; attrs axis, exclusive (without the element itself), reverse (from the end)."""

    rewrite = "use --precision float32"

    def __init__(
        self, name: str, step: Callable[[Array, Array], Array], start: int, onnx: str, tflite: tuple[str, ...]
    ) -> None:  # fmt: skip
        self.name, self.step, self.start, self.onnx, self.tflite = name, step, start, (onnx,), tflite
        self.summary = f"running {'product' if start else 'sum'} along an axis"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (plain_numbers,)

    def infer(self, node: Node) -> list[Shape]:
        checked_axis(node)
        return [node.input(0).shape]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        lines = np.moveaxis(inputs[0], node.attrs["axis"], 0)
        y, acc = np.empty_like(lines), np.full(lines.shape[1:], self.start, lines.dtype)
        with np.errstate(all="ignore"):
            for k in reversed(range(len(lines))) if node.attrs["reverse"] else range(len(lines)):
                after = self.step(acc, lines[k])
                y[k] = acc if node.attrs["exclusive"] else after
                acc = after
        return [np.ascontiguousarray(np.moveaxis(y, 0, node.attrs["axis"]))]

    def cases(self) -> Iterable[Case]:
        shape, rng = (3, 5, 2), np.random.default_rng(1820)
        settings = [(d, False, False) for d in NUMBERS]
        settings += [(DType.FLOAT32, True, False), (DType.FLOAT32, False, True), (DType.INT32, True, True)]
        for index, (dtype, exclusive, reverse) in enumerate(settings):
            attrs: dict[str, object] = {"axis": 1, "exclusive": exclusive, "reverse": reverse}
            graph = single_node_graph(self.name, [Value("x", shape, dtype)], [Value("y", shape, dtype)], attrs)
            yield Case(f"c{index}", graph, ((random_numbers(rng, shape, dtype),),))


CUMULATE_OPS: tuple[Cumulate, ...] = (
    Cumulate("cum_sum", lambda a, b: a + b, 0, "CumSum", ("CUMSUM",)),
    Cumulate("cum_prod", lambda a, b: a * b, 1, "CumProd", ()),
)
