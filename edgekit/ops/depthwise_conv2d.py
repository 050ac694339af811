"""depthwise_conv2d: each input channel has its own filters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.coded_cases import coded_cases, grouped_cases, zeroless_cases
from edgekit.ops.conv2d import (
    PRODUCT_CONSTRAINTS,
    bias_or_zero,
    float_product_case,
    halves_case,
    product_case,
    product_requantize,
    weight_codes,
)
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape
from edgekit.ops.window import patches, window_of


class DepthwiseConv2D(OpSpec):
    """Inputs x [N,H,W,C], w [KH,KW,C*M], optional b [C*M]; output channel c*M+m reads input channel c."""

    name = "depthwise_conv2d"
    summary = "depthwise 2-D convolution with any channel multiplier, weights also coded, fused activation"
    onnx = ("Conv", "BatchNormalization", "Mul", "Sub", "Div", "Neg", "Pad")
    tflite = ("DEPTHWISE_CONV_2D",)
    rewrite = "export with constant weights"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return PRODUCT_CONSTRAINTS

    def infer(self, node: Node) -> list[Shape]:
        x, w = node.input(0).shape, node.input(1).shape
        if len(w) != 3 or len(x) != 4 or w[2] % x[3]:
            raise bad_shape(node, "weights must be [KH,KW,C*M] with C the input's channels")
        window = window_of(node, (w[0], w[1]))
        return [(x[0], *window.output, w[2])]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, w, b = inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else None
        assert x is not None and w is not None
        y = self._accumulate(node, x, w, 0.0)
        return [fp.clamp_float(node.attrs["activation"], y if b is None else y + b)]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x = inputs[0]
        assert x is not None
        zero = fp.single_quant(node.input(0))[1]
        acc = self._accumulate(node, x.astype(np.float64) - zero, weight_codes(node), 0.0)
        return [product_requantize(node, acc.astype(np.int64) + bias_or_zero(node))]

    def _accumulate(self, node: Node, x: Array, w: Array, fill: float) -> Array:
        kh, kw, out_channels = w.shape
        columns = patches(x, window_of(node, (kh, kw)), fill)
        acc = np.zeros((*columns.shape[:3], out_channels), x.dtype)
        multiplier = out_channels // x.shape[3]
        for i in range(kh):
            for j in range(kw):
                acc += np.repeat(columns[:, :, :, i, j, :], multiplier, axis=-1) * w[i, j]
        return acc

    def macs(self, node: Node) -> int:
        kh, kw, _ = node.input(1).shape
        return int(np.prod(node.output.shape)) * kh * kw

    def cases(self) -> Iterable[Case]:
        shapes = [
            # h, w, channels, multiplier, kh, kw, stride, padding, dilation, activation
            (6, 5, 8, 1, 3, 3, (1, 1), (1, 1, 1, 1), (1, 1), "relu"),
            (7, 7, 4, 1, 3, 3, (2, 2), (0, 0, 1, 1), (1, 1), "relu6"),
            (9, 8, 7, 1, 5, 5, (1, 1), (2, 2, 2, 2), (1, 1), "none"),
            (10, 6, 1, 8, 4, 3, (2, 2), (1, 1, 2, 1), (1, 1), "relu"),
            (9, 9, 6, 1, 3, 3, (1, 1), (2, 2, 2, 2), (2, 2), "none"),
            (5, 4, 3, 2, 2, 3, (1, 2), (0, 1, 1, 1), (1, 1), "none"),
            (1, 1, 5, 1, 1, 1, (1, 1), (0, 0, 0, 0), (1, 1), "none"),
            (12, 12, 9, 1, 3, 3, (1, 1), (1, 1, 1, 1), (1, 1), "none"),
        ]
        for index, (h, w, c, m, kh, kw, stride, padding, dilation, activation) in enumerate(shapes):
            for zero_w in (0, -9):
                rng = np.random.default_rng(200 + index)
                attrs: dict[str, object] = {
                    "stride": stride,
                    "padding": padding,
                    "dilation": dilation,
                    "activation": activation,
                }
                yield product_case(
                    self, f"c{index}_zw{abs(zero_w)}", rng, (1, h, w, c), (kh, kw, c * m), 2, zero_w, attrs
                )
            if index in (0, 5):
                yield product_case(
                    self, f"c{index}_batch", np.random.default_rng(210), (2, h, w, c), (kh, kw, c * m), 2, 0, attrs
                )
                yield float_product_case(self, f"c{index}_f32", (2, h, w, c), (kh, kw, c * m), attrs)
                rng = np.random.default_rng(220)
                shape = (kh, kw, c * m)
                yield product_case(self, f"c{index}_s16", rng, (2, h, w, c), shape, 2, 0, attrs, DType.INT16)
        for index, (h, width, c, kernel, stride, padding) in enumerate((
            (7, 8, 4, 3, (1, 1), (1, 1, 1, 1)), (6, 9, 10, 3, (2, 2), (0, 0, 1, 1)), (5, 1, 6, 3, (1, 1), (1, 1, 1, 1)),
            (9, 7, 5, 3, (2, 1), (2, 2, 0, 2)), (3, 12, 8, 3, (1, 2), (0, 1, 0, 0)), (9, 6, 9, 5, (1, 1), (2, 2, 2, 2)),
            (8, 11, 4, 5, (2, 2), (1, 2, 2, 2)), (5, 5, 7, 5, (1, 2), (4, 0, 1, 3)),
            (11, 10, 6, 5, (1, 1), (0, 0, 0, 0)), (7, 7, 12, 3, (1, 1), (1, 1, 1, 1)),
            (9, 14, 8, 3, (2, 2), (1, 0, 1, 1)), (9, 6, 8, 5, (1, 1), (2, 2, 2, 2)),
            (5, 3, 4, 5, (1, 1), (2, 4, 1, 2)), (9, 9, 4, 5, (2, 2), (2, 2, 2, 2)),
            (14, 5, 6, 3, (1, 1), (1, 1, 1, 1)), (13, 3, 9, 3, (2, 1), (0, 1, 2, 1)),
            (12, 5, 5, 5, (1, 1), (2, 2, 1, 2)), (7, 10, 4, 3, (1, 3), (1, 0, 1, 2)),
            (10, 7, 5, 5, (2, 3), (1, 3, 0, 2)), (9, 7, 4, 3, (3, 1), (1, 2, 1, 0)),
        )):  # fmt: skip
            for double in (False, True):
                rng = np.random.default_rng(230 + index)
                usual: dict[str, object] = {
                    "stride": stride, "padding": padding, "dilation": (1, 1), "activation": "none",
                    "double_rounding": double,
                }  # fmt: skip
                shape = (kernel, kernel, c)
                yield product_case(self, f"planes_{index}_{int(double)}", rng, (1, h, width, c), shape, 2, 0, usual)
                if index in (0, 11):
                    yield halves_case(self, f"halves_{index}_{int(double)}", rng, (1, h, width, c), shape, 2, usual)
        yield from self._coded_cases({"dilation": (1, 1), "activation": "none"})

    def _coded_cases(self, attrs: dict[str, object]) -> Iterable[Case]:
        """What planes, strips, taps and the general kernels read."""
        same: dict[str, object] = {**attrs, "stride": (1, 1), "padding": (1, 1, 1, 1)}
        for name, own, shapes in (
            ("same", same, [((1, 5, 6, 8), (3, 3, 8)), ((1, 7, 8, 5), (3, 3, 5)), ((2, 6, 5, 4), (3, 3, 4))]),
            ("apart", {**same, "stride": (2, 2)}, [((1, 9, 14, 8), (3, 3, 8))]),
            ("five", {**same, "padding": (2, 2, 2, 2)}, [((1, 9, 6, 4), (5, 5, 4))]),
            ("times", same, [((1, 5, 4, 3), (3, 3, 6))]),
        ):
            for coded, seed in ((coded_cases, 250), (grouped_cases, 280), (zeroless_cases, 290)):
                for case in coded(self, shapes, 2, own, seed):
                    yield Case(f"{name}_{case.name}", case.graph, case.inputs)
