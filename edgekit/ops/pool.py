"""avg_pool2d and max_pool2d over NHWC activations; padding never takes part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.reduce import ordered_sum
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, is_quantized, random_codes, single_node_graph
from edgekit.ops.window import patches, window_of


def same_quantization(node: Node) -> bool:
    """input and output must have the same quantization."""
    return node.input(0).quant == node.output.quant


def no_empty_window(node: Node) -> bool:
    """no window may lie wholly in the padding (padding must be smaller than the kernel)."""
    top, left, bottom, right = node.attrs["padding"]
    kh, kw = node.attrs["kernel"]
    return bool(max(top, bottom) < kh and max(left, right) < kw)


# Cases whose windows meet the input dilated too.
DILATED_CASES = 4


class _Pool(OpSpec):
    """Input x [N,H,W,C]; attrs kernel, stride, padding, activation; plain numbers also: dilation, count_padding (avg:
    divide by the window's part in the padded input, behind which nothing counts).
    """

    shares_quantization = True
    rewrite = "use a padding smaller than the kernel"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (same_quantization, no_empty_window, _codes_or_float)

    def infer(self, node: Node) -> list[Shape]:
        window = window_of(node, fp.as_pair(node.attrs["kernel"]))
        x = node.input(0).shape
        return [(x[0], *window.output, x[3])]

    def cases(self) -> Iterable[Case]:
        shapes = [
            ((1, 8, 8, 5), (2, 2), (2, 2), (0, 0, 0, 0), "none"),
            ((1, 7, 5, 4), (3, 3), (2, 2), (1, 1, 1, 1), "relu"),
            ((1, 6, 7, 16), (6, 7), (1, 1), (0, 0, 0, 0), "none"),
            ((1, 5, 9, 3), (2, 3), (1, 2), (1, 0, 0, 2), "relu6"),
            ((2, 3, 4, 21), (1, 2), (1, 1), (0, 1, 0, 1), "none"),
            ((1, 4, 3, 38), (2, 1), (2, 1), (1, 0, 1, 0), "relu_n1_to_1"),
            ((1, 5, 4, 7), (1, 1), (2, 3), (0, 0, 0, 0), "none"),
            ((1, 16, 17, 2), (16, 16), (1, 1), (0, 0, 0, 0), "none"),
            ((1, 17, 16, 5), (17, 16), (1, 1), (0, 0, 0, 0), "none"),
        ]
        for index, (shape, kernel, stride, padding, activation) in enumerate(shapes):
            rng = np.random.default_rng(500 + index)
            quant = QuantType.per_tensor(0.06, int(rng.integers(-128, 128)))
            attrs: dict[str, object] = {
                "kernel": kernel, "stride": stride, "padding": padding, "activation": activation
            }  # fmt: skip
            for variant, extra in self._case_variants():
                graph = single_node_graph(
                    self.name,
                    [Value("x", shape, DType.INT8, quant)],
                    [Value("y", (), DType.INT8, quant)],
                    {**attrs, **extra},
                )
                graph.outputs[0].shape = self.infer(graph.nodes[0])[0]
                yield Case(f"c{index}{variant}", graph, ((random_codes(rng, shape),),))

            wide = QuantType.per_tensor(0.0006, 0)
            y = Value("y", (), DType.INT16, wide)
            graph = single_node_graph(self.name, [Value("x", shape, DType.INT16, wide)], [y], dict(attrs))
            y.shape = self.infer(graph.nodes[0])[0]
            yield Case(f"s16_{index}", graph, ((random_codes(rng, shape, DType.INT16),),))
            if index < DILATED_CASES:
                yield self._float_case(index, shape, attrs)

    def _float_case(self, index: int, shape: Shape, attrs: dict[str, object]) -> Case:
        rng, batch = np.random.default_rng(550 + index), (2, *shape[1:])
        y = Value("y", (), DType.FLOAT32)
        extra: dict[str, object] = {"overhang": (0, 1), "dilation": (1, 1 + index % 2)}
        if self.name == "avg_pool2d":
            extra["count_padding"] = index % 2 == 1
        graph = single_node_graph(self.name, [Value("x", batch, DType.FLOAT32)], [y], {**attrs, **extra})
        y.shape = self.infer(graph.nodes[0])[0]
        return Case(f"f32_{index}", graph, ((rng.normal(0, 2, batch).astype(np.float32),),))

    def _case_variants(self) -> Sequence[tuple[str, dict[str, object]]]:
        return [("", {})]


def _codes_or_float(node: Node) -> bool:
    """the input must be float32, or int8 or int16 codes of an undilated window that does not count its padding."""
    if node.input(0).dtype is DType.FLOAT32:
        return True
    plain = (
        not any(node.attrs.get("overhang", ()))
        and tuple(node.attrs.get("dilation", (1, 1))) == (1, 1)
        and not node.attrs.get("count_padding", False)
    )
    return node.input(0).dtype in (DType.INT8, DType.INT16) and is_quantized(node) and plain


def rounded_mean(total: Array, count: Array | int, half_up: bool) -> Array:
    """total / count of int8 or int16 codes; halves away from zero, or up."""
    if half_up:
        # Codes of the uint8 original are these plus 128, and its sums are never negative.
        raised: Array = (total + 128 * count + count // 2) // count - 128
        return raised
    mean: Array = np.sign(total) * ((np.abs(total) + count // 2) // count)
    return mean


class AvgPool2D(_Pool):
    """Means over the window's part inside the input.

    attr half_up: round halves up (the legacy uint8 definition); otherwise halves go away from zero.
    """

    name = "avg_pool2d"
    summary = "average pooling (padding not counted), fused activation"
    onnx = ("AveragePool",)
    tflite = ("AVERAGE_POOL_2D",)

    def _sums(self, node: Node, x: Array) -> tuple[Array, Array]:
        window = window_of(node, fp.as_pair(node.attrs["kernel"]))
        total = patches(x, window, 0).sum(axis=(3, 4), dtype=x.dtype)
        count = patches(np.ones_like(x[:, :, :, :1]), window, 0).sum(axis=(3, 4), dtype=x.dtype)
        return total, count

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        columns = patches(inputs[0], window_of(node, fp.as_pair(node.attrs["kernel"])), 0.0)
        total = ordered_sum(np.moveaxis(columns, 5, 3).reshape(*columns.shape[:3], columns.shape[5], -1))
        return [fp.clamp_float(node.attrs["activation"], total / self._counts(node))]

    def _counts(self, node: Node) -> Array:
        """float32 [1,OH,OW,1]: what each mean divides by."""
        window, shape = window_of(node, fp.as_pair(node.attrs["kernel"])), node.input(0).shape
        ones = np.ones((1, shape[1], shape[2], 1), np.float32)
        if node.attrs.get("count_padding", False):
            top, left, bottom, right = node.attrs["padding"]
            ones = np.pad(ones, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=1)
            behind = node.attrs.get("overhang", (0, 0))
            window = replace(window, before=(0, 0), after=(behind[0], behind[1]))
        counts: Array = patches(ones, window, 0.0).sum(axis=(3, 4), dtype=np.float32)
        return counts

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        total, count = self._sums(node, inputs[0].astype(np.int64))
        mean = rounded_mean(total, count, bool(node.attrs.get("half_up", False)))
        low, high = fp.output_range(node.attrs["activation"], node.output)
        return [np.clip(mean, low, high).astype(node.output.dtype.numpy)]

    def _case_variants(self) -> Sequence[tuple[str, dict[str, object]]]:
        return [("", {}), ("_half_up", {"half_up": True})]


class MaxPool2D(_Pool):
    """Maxima over the window's part inside the input."""

    name = "max_pool2d"
    summary = "max pooling, fused activation"
    onnx = ("MaxPool", "GlobalMaxPool")
    tflite = ("MAX_POOL_2D",)

    def _maxima(self, node: Node, x: Array, fill: float) -> Array:
        window = window_of(node, fp.as_pair(node.attrs["kernel"]))
        maxima: Array = patches(x, window, fill).max(axis=(3, 4))
        return maxima

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        window = window_of(node, fp.as_pair(node.attrs["kernel"]))
        columns = patches(inputs[0], window, -np.inf)
        best = np.full(node.output.shape, -np.inf, np.float32)
        for i, j in np.ndindex(*window.kernel):
            best = np.where((best > columns[:, :, :, i, j]) | (best != best), best, columns[:, :, :, i, j])
        return [fp.clamp_float(node.attrs["activation"], best)]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        low, high = fp.output_range(node.attrs["activation"], node.output)
        lowest = np.iinfo(inputs[0].dtype).min
        return [np.clip(self._maxima(node, inputs[0], lowest), low, high).astype(inputs[0].dtype)]
