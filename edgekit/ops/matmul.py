"""matmul: batches of matrix products of two computed tensors, in plain numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, Node, Value
from edgekit.ops.binary import NUMBERS, one_input_type
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, is_quantized, random_numbers, single_node_graph


def ordered_matmul(x: Array, w: Array) -> Array:
    """[.., K] x [O, K] -> [.., O], each output one accumulator that adds k = 0, 1, ..; BLAS adds in another order."""
    acc = np.zeros((*x.shape[:-1], w.shape[0]), x.dtype)
    with np.errstate(all="ignore"):
        for k in range(w.shape[1]):
            acc += x[..., k, None] * w[:, k]
    return acc


def product_shape(node: Node) -> Shape:
    """[..,M,N] of operands [..,M,K] and [..,K,N]; raises BadModel where they do not go together."""
    a, b = matrix_shapes(node)
    if a[-1] != b[-2]:
        raise bad_shape(node, "the matrices do not go together")
    try:
        return (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])
    except ValueError as error:
        raise bad_shape(node, "the batches do not broadcast") from error


class MatMul(OpSpec):
    """Inputs a [..,M,K], b [..,K,N], whose batch axes broadcast; attrs transpose_a, transpose_b."""

    name = "matmul"
    summary = "batched matrix product of two computed tensors"
    onnx = ("MatMul", "Gemm", "Einsum", "MatMulInteger", "QLinearMatMul")
    tflite = ("BATCH_MATMUL",)
    rewrite = "use --precision float32"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (one_input_type, plain_numbers)

    def infer(self, node: Node) -> list[Shape]:
        return [product_shape(node)]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        a, b = _operands(node, inputs)
        acc = np.zeros(node.output.shape, a.dtype)
        with np.errstate(all="ignore"):
            for k in range(a.shape[-1]):
                acc += a[..., :, k, None] * b[..., None, k, :]
        return [acc]

    def estimate(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        a, b = _operands(node, inputs)
        return [np.asarray(a @ b, a.dtype)]

    def macs(self, node: Node) -> int:
        return node.output.elements * matrix_shapes(node)[0][-1]

    def cases(self) -> Iterable[Case]:
        shapes: list[tuple[Shape, Shape, bool, bool]] = [
            ((3, 4), (4, 5), False, False),
            ((2, 3, 4), (4, 5), False, False),
            ((2, 1, 3, 4), (5, 4, 6), False, False),
            ((4, 3), (5, 4), True, True),
            ((2, 3, 9), (2, 7, 9), False, True),
        ]
        for index, (first, second, left, right) in enumerate(shapes):
            for dtype in NUMBERS if index == 1 else NUMBERS[:1]:
                rng = np.random.default_rng(1600 + index)
                y = Value("y", (), dtype)
                operands = [Value("a", first, dtype), Value("b", second, dtype)]
                graph = single_node_graph(self.name, operands, [y], {"transpose_a": left, "transpose_b": right})
                y.shape = self.infer(graph.nodes[0])[0]
                data = tuple(random_numbers(rng, s, dtype) for s in (first, second))
                yield Case(f"{dtype.suffix}_{index}", graph, (data,))


def plain_numbers(node: Node) -> bool:
    """operands must be plain numbers, not codes, and not bool."""
    return not is_quantized(node) and node.input(0).dtype in NUMBERS


def matrix_shapes(node: Node) -> tuple[Shape, Shape]:
    """Both operands' shapes after their transposition; raises BadModel below two axes."""
    a, b = node.input(0).shape, node.input(1).shape
    if min(len(a), len(b)) < 2:
        raise bad_shape(node, "needs matrices")
    a = (*a[:-2], a[-1], a[-2]) if node.attrs["transpose_a"] else a
    b = (*b[:-2], b[-1], b[-2]) if node.attrs["transpose_b"] else b
    return a, b


def _operands(node: Node, inputs: Sequence[Array | None]) -> tuple[Array, Array]:
    a, b = inputs
    assert a is not None and b is not None
    return (
        np.swapaxes(a, -1, -2) if node.attrs["transpose_a"] else a,
        np.swapaxes(b, -1, -2) if node.attrs["transpose_b"] else b,
    )
