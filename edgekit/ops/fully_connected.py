"""fully_connected: y = x w^T + b over the last axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Grid, Node, QuantType
from edgekit.ops import fixed_point as fp
from edgekit.ops.coded_cases import coded_cases, grouped_cases
from edgekit.ops.conv2d import (
    PRODUCT_CONSTRAINTS,
    bias_or_zero,
    float_product_case,
    product_case,
    product_requantize,
    weight_codes,
)
from edgekit.ops.matmul import ordered_matmul
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape


def symmetric_beside_codes(node: Node) -> bool:
    """weights of an input of codes of a power must be symmetric (zero point 0), and sums rounded once."""
    x, w = node.input(0).quant, node.input(1).quant
    simple = w is None or (not any(w.zero_point) and not node.attrs.get("double_rounding"))
    return x is None or not x.is_coded or simple


class FullyConnected(OpSpec):
    """Inputs x [..,I], w [O,I], optional b [O]; attr activation. Output [..,O]."""

    name = "fully_connected"
    summary = "matrix product with constant weights (float32, int8 or coded) over the last axis, fused activation"
    onnx = ("Gemm", "MatMul", "DFT", "STFT")
    tflite = ("FULLY_CONNECTED", "UNIDIRECTIONAL_SEQUENCE_LSTM")
    rewrite = "export the weights as constants"
    decodes = True

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (*PRODUCT_CONSTRAINTS, symmetric_beside_codes)

    def infer(self, node: Node) -> list[Shape]:
        x, w = node.input(0).shape, node.input(1).shape
        if len(w) != 2 or not x or x[-1] != w[1]:
            raise bad_shape(node, "weights must be [O,I] with I the input's last axis")
        return [(*x[:-1], w[0])]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, w = inputs[0], inputs[1]
        assert x is not None and w is not None
        return [self._finished(node, inputs, ordered_matmul(x, w))]

    def estimate(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, w = inputs[0], inputs[1]
        assert x is not None and w is not None
        return [self._finished(node, inputs, x @ w.T)]

    def _finished(self, node: Node, inputs: Sequence[Array | None], y: Array) -> Array:
        bias = inputs[2] if len(inputs) > 2 else None
        return fp.clamp_float(node.attrs["activation"], y if bias is None else y + bias)

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x = inputs[0]
        assert x is not None
        acc = fp.steps(node.input(0), x).astype(np.float64) @ weight_codes(node).T
        return [product_requantize(node, acc.astype(np.int64) + bias_or_zero(node))]

    def macs(self, node: Node) -> int:
        return int(np.prod(node.output.shape)) * node.input(1).shape[1]

    def cases(self) -> Iterable[Case]:
        shapes = [
            ((1, 10), 4, "none"),
            ((1, 37), 9, "relu"),
            ((3, 16), 6, "relu6"),
            ((1, 1), 1, "none"),
            ((1, 64), 13, "relu_n1_to_1"),
            ((5, 48), 8, "none"),
            ((4, 20), 7, "none"),
        ]
        for index, (x_shape, outputs, activation) in enumerate(shapes):
            for zero_w in (0, 5):
                rng = np.random.default_rng(300 + index)
                attrs: dict[str, object] = {"activation": activation}
                yield product_case(self, f"c{index}_zw{zero_w}", rng, x_shape, (outputs, x_shape[-1]), 0, zero_w, attrs)
            yield float_product_case(self, f"c{index}_f32", x_shape, (outputs, x_shape[-1]), attrs)
            rng = np.random.default_rng(320 + index)
            shape = (outputs, x_shape[-1])
            yield product_case(self, f"c{index}_s16", rng, x_shape, shape, 0, 0, attrs, DType.INT16)
        coded: list[tuple[Shape, Shape]] = [
            ((5, 13), (7, 13)), ((1, 37), (9, 37)), ((1, 48), (13, 48)), ((6, 64), (12, 64)), ((1, 32), (6, 32)),
        ]  # fmt: skip
        yield from coded_cases(self, coded, 0, {"activation": "none"}, 350)
        yield from grouped_cases(self, coded, 0, {"activation": "none"}, 390)
        yield from self._levels_cases(coded)

    def _levels_cases(self, shapes: Sequence[tuple[Shape, Shape]]) -> Iterable[Case]:
        """Inputs that are codes of a grid, weights of 8 and of fewer bits, and a range of codes that is cut off."""
        for index, (x_shape, w_shape) in enumerate(shapes):
            attrs, named = dict[str, object](activation="none"), f"levels_{index}"
            few = [
                (name, next(iter(cases(self, [(x_shape, w_shape)], 0, attrs, 380 + index))))
                for name, cases in (("coded", coded_cases), ("groups", grouped_cases))
            ]
            whole = [
                product_case(self, f"{named}_{activation}", np.random.default_rng(370 + index), x_shape, w_shape, 0, 0,
                             {"activation": activation})
                for activation in ("none", "relu")
            ]  # fmt: skip
            for case in (*whole, *(Case(f"{named}_{name}", case.graph, case.inputs) for name, case in few)):
                grid = Grid(8, 0.5, 60 * index, 1 << 14)
                case.graph.inputs[0].quant = QuantType.on_grid(6.0 / grid.largest, grid)
                yield case
