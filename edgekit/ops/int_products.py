"""Transposed convolution and batched matrix products as TFLite's kernels define them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Graph, Grid, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.coded_cases import coded_cases, grouped_cases, zeroless_cases
from edgekit.ops.conv2d import (
    PRODUCT_CONSTRAINTS,
    bias_or_zero,
    float_product_case,
    product_case,
    product_requantize,
    weight_codes,
)
from edgekit.ops.matmul import matrix_shapes, product_shape
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, random_codes, single_node_graph
from edgekit.ops.tflite_fixed import multiply_int64

CODES = (DType.INT8, DType.INT16)


class TransposeConv2D(OpSpec):
    """Inputs x [N,H,W,I], w [O,KH,KW,I], optional b [O]; attrs stride, before (rows and columns cut off at the start),
    size (h, w) of the output, activation.
    """

    name = "transpose_conv2d"
    summary = "transposed 2-D convolution, fused activation"
    tflite = ("TRANSPOSE_CONV",)
    rewrite = "export with constant weights"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return PRODUCT_CONSTRAINTS

    def infer(self, node: Node) -> list[Shape]:
        x, w, (height, width) = node.input(0).shape, node.input(1).shape, node.attrs["size"]
        if len(x) != 4 or len(w) != 4 or w[3] != x[3] or min(height, width, *node.attrs["stride"]) < 1:
            raise bad_shape(node, "weights must be [O,KH,KW,I] with I the input's channels")
        return [(x[0], height, width, w[0])]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, w, b = inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else None
        assert x is not None and w is not None
        y = _scattered(node, x, w)
        return [fp.clamp_float(node.attrs["activation"], y if b is None else y + b)]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x = inputs[0]
        assert x is not None
        zero = fp.single_quant(node.input(0))[1]
        acc = _scattered(node, x.astype(np.int64) - zero, weight_codes(node).astype(np.int64))
        return [product_requantize(node, acc + bias_or_zero(node))]

    def macs(self, node: Node) -> int:
        return int(np.prod(node.input(0).shape[:3])) * int(np.prod(node.input(1).shape))

    def cases(self) -> Iterable[Case]:
        shapes = [
            # x, w, stride, before, size, activation
            ((1, 4, 5, 3), (4, 3, 3, 3), (2, 2), (0, 0), (8, 10), "none"),
            ((2, 3, 3, 6), (5, 2, 4, 6), (1, 3), (0, 1), (4, 8), "relu"),
            ((1, 5, 1, 1), (1, 3, 1, 1), (3, 1), (1, 0), (14, 1), "relu6"),
        ]
        for index, (x, w, stride, before, size, activation) in enumerate(shapes):
            attrs: dict[str, object] = {"stride": stride, "before": before, "size": size, "activation": activation}
            double = {**attrs, "double_rounding": True}
            yield product_case(self, f"c{index}", np.random.default_rng(190 + index), x, w, 0, 0, double)
            yield float_product_case(self, f"f32_{index}", x, w, attrs)
            yield product_case(self, f"s16_{index}", np.random.default_rng(195 + index), x, w, 0, 0, attrs, DType.INT16)
            if index == 1:
                yield from coded_cases(self, [(x, w)], 0, {**attrs, "activation": "none"}, 197)
                yield from zeroless_cases(self, [(x, w)], 0, {**attrs, "activation": "none"}, 198)
                yield from grouped_cases(self, [(x, w)], 0, {**attrs, "activation": "none"}, 198)


def _scattered(node: Node, x: Array, w: Array) -> Array:
    """Accumulators [N,OH,OW,O]; every output adds kernel rows, columns and channels in their order."""
    (sh, sw), (top, left) = node.attrs["stride"], node.attrs["before"]
    (n, h, width, depth), (o, kh, kw, _) = x.shape, w.shape
    height, columns = node.attrs["size"]
    # Room for all that is cut off at either side.
    acc = np.zeros((n, max((h - 1) * sh + kh, top + height), max((width - 1) * sw + kw, left + columns), o), x.dtype)
    for i, j in np.ndindex(kh, kw):
        part = acc[:, i : i + (h - 1) * sh + 1 : sh, j : j + (width - 1) * sw + 1 : sw]
        for c in range(depth):
            part += x[..., c, None] * w[:, i, j, c]
    return acc[:, top : top + height, left : left + columns]


class IntMatMul(OpSpec):
    """Inputs a [..,M,K], b [..,K,N] of codes, whose batch axes broadcast; attrs transpose_a, transpose_b."""

    name = "int_matmul"
    summary = "batched matrix product of two tensors of int8 or int16 codes"
    tflite = ("BATCH_MATMUL",)
    rewrite = "dequantize before it, or split the product"
    decodes = True

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (codes_of_one_type, product_fits)

    def infer(self, node: Node) -> list[Shape]:
        return [product_shape(node)]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        operands = []
        for index, key in enumerate(("transpose_a", "transpose_b")):
            x = inputs[index]
            assert x is not None
            centred = fp.steps(node.input(index), x)
            operands.append(np.swapaxes(centred, -1, -2) if node.attrs[key] else centred)
        acc, scale = operands[0] @ operands[1], matmul_scale(node)
        wide = node.output.dtype is DType.INT16
        scaled = multiply_int64(acc, *scale) if wide else fp.multiply_by_quantized_multiplier(acc, *scale)
        info = np.iinfo(node.output.dtype.numpy)
        codes = np.clip(scaled + fp.single_quant(node.output)[1], info.min, info.max)
        return [codes.astype(node.output.dtype.numpy)]

    def macs(self, node: Node) -> int:
        return node.output.elements * matrix_shapes(node)[0][-1]

    def cases(self) -> Iterable[Case]:
        shapes: list[tuple[Shape, Shape, bool, bool]] = [
            ((3, 4), (4, 5), False, False),
            ((2, 1, 3, 40), (5, 40, 6), False, False),
            ((4, 3), (5, 4), True, True),
            ((2, 3, 9), (2, 7, 9), False, True),
            ((2, 5, 37), (2, 37, 15), False, False),
            ((13, 16), (11, 16), False, True),
            ((6, 8), (6, 1), True, False),
        ]
        for dtype, zeros in ((DType.INT8, (3, -100, 7)), (DType.INT16, (0, 0, 0))):
            for index, (first, second, left, right) in enumerate(shapes):
                rng = np.random.default_rng(1650 + index)
                a, b = (
                    Value(n, s, dtype, QuantType.per_tensor(0.03, z))
                    for n, s, z in (("a", first, zeros[0]), ("b", second, zeros[1]))
                )
                y = Value("y", (), dtype, QuantType.per_tensor(0.2, zeros[2]))
                graph = single_node_graph(self.name, [a, b], [y], {"transpose_a": left, "transpose_b": right})
                y.shape = self.infer(graph.nodes[0])[0]
                data = tuple(random_codes(rng, s, dtype) for s in (first, second))
                yield Case(f"{dtype.suffix}_{index}", graph, (data,))
                if dtype is DType.INT8:
                    yield self._levels_case(f"levels_{index}", graph, data, Grid(8, 0.45, 30 * index, 1 << 13))

    def _levels_case(self, name: str, graph: Graph, data: tuple[Array, ...], grid: Grid) -> Case:
        """The same product of a first matrix that is codes of a grid."""
        a, b, y = (Value(v.name, v.shape, v.dtype, v.quant) for v in (*graph.inputs, *graph.outputs))
        a.quant = QuantType.on_grid(4.0 / grid.largest, grid)
        return Case(name, single_node_graph(self.name, [a, b], [y], graph.nodes[0].attrs), (data,))


def codes_of_one_type(node: Node) -> bool:
    """operands and result must be int8 or int16 codes of one type, quantized per tensor."""
    values = [node.input(0), node.input(1), node.output]
    per_tensor = all(v.quant is not None and v.quant.is_per_tensor for v in values)
    return per_tensor and values[0].dtype in CODES and all(v.dtype is values[0].dtype for v in values)


def matmul_scale(node: Node) -> tuple[int, int]:
    """(multiplier, shift) of the product's scale, whose factors are multiplied in float32."""
    (sa, _), (sb, _), (sy, _) = (fp.single_quant(v) for v in (node.input(0), node.input(1), node.output))
    return fp.quantize_multiplier(float(np.float32(sa) * np.float32(sb)) / float(sy))


def product_fits(node: Node) -> bool:
    """accumulators must fit 32 bits (int16 codes: 46 bits), also after the shift to the output's scale."""
    if not codes_of_one_type(node):
        return False
    shift, depth = matmul_scale(node)[1], max(1, matrix_shapes(node)[0][-1])
    if node.output.dtype is DType.INT16:
        return (depth << 30) < 1 << 46 and -31 <= shift <= 7
    return (depth * product_reach(node.input(0).quant)) << max(shift, 0) < 1 << 31


def product_reach(codes: QuantType | None) -> int:
    """The most that a product with an int8 code can be: 255 * 255, or what the levels of a grid make of it."""
    return 255 * (codes.reach if codes is not None and codes.is_coded else 255)


INT_PRODUCT_OPS: tuple[OpSpec, ...] = (TransposeConv2D(), IntMatMul())
