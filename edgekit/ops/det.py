"""det: determinants of square matrices, by elimination with the largest pivot of every column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, Value
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, random_numbers, single_node_graph


def _float_matrices(node: Node) -> bool:
    """matrices must be float32 or float64 (no quantized form)."""
    return node.input(0).dtype.is_float


class Det(OpSpec):
    """Input x [..,N,N]."""

    name = "det"
    summary = "determinant of every matrix"
    onnx = ("Det",)
    rewrite = "use --precision float32"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (_float_matrices,)

    def infer(self, node: Node) -> list[Shape]:
        shape = node.input(0).shape
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise bad_shape(node, "needs square matrices")
        return [shape[:-2]]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        n = inputs[0].shape[-1]
        with np.errstate(all="ignore"):
            dets = [_eliminate(m.copy()) for m in inputs[0].reshape(-1, n, n)]
        return [np.array(dets, inputs[0].dtype).reshape(node.output.shape)]

    def macs(self, node: Node) -> int:
        return node.output.elements * node.input(0).shape[-1] ** 3 // 3

    def cases(self) -> Iterable[Case]:
        rng = np.random.default_rng(1830)
        for shape, dtype in (((2, 3, 5, 5), DType.FLOAT32), ((4, 4), DType.FLOAT64), ((1, 1, 1), DType.FLOAT32)):
            data = np.clip(random_numbers(rng, shape, dtype), -100, 100)
            y = Value("y", shape[:-2], dtype)
            graph = single_node_graph(self.name, [Value("x", shape, dtype)], [y], {})
            singular = np.ones(shape, dtype.numpy)
            yield Case(f"{dtype.suffix}_{shape[-1]}", graph, ((data,), (singular,)))


def _eliminate(m: Array) -> float:
    """The determinant of one matrix, which is used up; every step as ek_det has it."""
    det = m.dtype.type(1)
    for c in range(len(m)):
        pivot = c
        for r in range(c + 1, len(m)):
            pivot = r if abs(m[r, c]) > abs(m[pivot, c]) else pivot
        if m[pivot, c] == 0:
            return 0.0
        if pivot != c:
            m[[c, pivot], c:] = m[[pivot, c], c:]
        det = (-det if pivot != c else det) * m[c, c]
        factors = m[c + 1 :, c] / m[c, c]
        m[c + 1 :, c + 1 :] -= factors[:, None] * m[c, c + 1 :]
    return float(det)
