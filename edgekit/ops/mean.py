"""mean: average over H and W with a new scale (TFLite's MEAN)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.reduce import ordered_sum, reduced_shape, rows_to_reduce
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, is_quantized, random_codes, single_node_graph


def spatial_axes(node: Node) -> bool:
    """the reduced axes of int8 codes must be H and W of a 4-D input."""
    return not is_quantized(node) or (len(node.input(0).shape) == 4 and tuple(node.attrs["axes"]) == (1, 2))


def floats_or_codes(node: Node) -> bool:
    """the input must be of floats, or of int8 codes."""
    kind = node.input(0).dtype
    return kind is DType.INT8 if is_quantized(node) else kind.is_float


def mean_multiplier(node: Node) -> tuple[int, int]:
    """(multiplier, shift) of scale_x / (scale_y * count), the division folded in as TFLite does."""
    (sx, _), (sy, _) = fp.single_quant(node.input(0)), fp.single_quant(node.output)
    multiplier, shift = fp.quantize_multiplier(float(sx) / float(sy))
    count = mean_count(node)
    grow = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << grow) // count, shift - grow


def mean_count(node: Node) -> int:
    """How many elements each mean is over."""
    return int(np.prod([node.input(0).shape[a] for a in node.attrs["axes"]]))


class Mean(OpSpec):
    """Input x [N,H,W,C]; attrs axes (1, 2), keep_dims."""

    name = "mean"
    summary = "mean: over height and width in int8, over any axes in float32"
    onnx = ("ReduceMean", "GlobalAveragePool")
    tflite = ("MEAN",)
    rewrite = "use global average pooling over H and W"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (floats_or_codes, spatial_axes)

    def infer(self, node: Node) -> list[Shape]:
        return [reduced_shape(node)]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        rows = rows_to_reduce(node, inputs[0])
        return [(ordered_sum(rows) / np.float32(rows.shape[-1])).reshape(node.output.shape)]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        x = inputs[0].astype(np.int64) - fp.single_quant(node.input(0))[1]
        total = x.sum(axis=tuple(node.attrs["axes"])).reshape(node.output.shape)
        zero = fp.single_quant(node.output)[1]
        return [fp.requantize(total, mean_multiplier(node), zero, (-128, 127)).astype(np.int8)]

    def cases(self) -> Iterable[Case]:
        for index, (shape, keep, ratio) in enumerate(
            [
                ((1, 7, 7, 6), False, 1.0),
                ((1, 3, 5, 16), True, 2.7),
                ((1, 1, 1, 3), False, 0.3),
                ((2, 17, 16, 13), False, 1.0),
                ((1, 16, 16, 9), True, 1.0),
            ]
        ):
            rng = np.random.default_rng(600 + index)
            x = Value("x", shape, DType.INT8, QuantType.per_tensor(0.05, -20))
            y = Value("y", (), DType.INT8, QuantType.per_tensor(0.05 / ratio, 4))
            graph = single_node_graph(self.name, [x], [y], {"axes": (1, 2), "keep_dims": keep})
            y.shape = self.infer(graph.nodes[0])[0]
            yield Case(f"c{index}", graph, ((random_codes(rng, shape),), (np.full(shape, 127, np.int8),)))
        plain: list[tuple[Shape, Shape, bool]] = [((2, 3, 4, 5), (1, 2), True), ((3, 4, 5), (0, 2), False)]
        for index, (dense, axes, keep) in enumerate(plain):
            y = Value("y", (), DType.FLOAT32)
            x = Value("x", dense, DType.FLOAT32)
            graph = single_node_graph(self.name, [x], [y], {"axes": axes, "keep_dims": keep})
            y.shape = self.infer(graph.nodes[0])[0]
            data = np.random.default_rng(650).normal(0, 2, dense).astype(np.float32)
            yield Case(f"f32_{index}", graph, ((data,),))
