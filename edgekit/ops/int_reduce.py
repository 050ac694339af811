"""Reductions over codes as TFLite's kernels define them: mean, sum, product, L2 norm, log-softmax."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.reduce import reduced_shape, rows_to_reduce
from edgekit.ops.softmax import softmax_scale, table_of_exponentials
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, random_codes, single_node_graph
from edgekit.ops.tflite_fixed import inverse_square_root, log_of_sum, multiply_int64

CODES = (DType.INT8, DType.INT16)
INT32 = 1 << 31
Scale = tuple[int, int]


def reduced_count(node: Node) -> int:
    """How many elements each result is made of."""
    return int(np.prod([node.input(0).shape[a] for a in node.attrs["axes"]], dtype=np.int64))


def codes_of_one_type(node: Node) -> bool:
    """input and output must be int8 or int16 codes, of one type."""
    x, y = node.input(0), node.output
    return x.dtype in CODES and y.dtype is x.dtype and x.quant is not None and y.quant is not None


def int8_codes(node: Node) -> bool:
    """input and output must be int8 codes."""
    return codes_of_one_type(node) and node.input(0).dtype is DType.INT8


def reach_fits(node: Node) -> bool:
    """sums must fit 32 bits, also after the shift to the output's scale."""
    if not codes_of_one_type(node):
        return False
    scale = sum_scale(node)
    reach = (1 << 8 * node.input(0).dtype.size) * max(1, reduced_count(node))
    return reach << max(scale[1], 0) < INT32 and scale[1] >= -31


def sum_scale(node: Node) -> Scale:
    """(multiplier, shift) of a sum, or of a mean with the division folded in as TFLite does."""
    (sx, _), (sy, _) = fp.single_quant(node.input(0)), fp.single_quant(node.output)
    multiplier, shift = fp.quantize_multiplier(float(sx) / float(sy))
    if node.op == "int_reduce_sum":
        return multiplier, shift
    count = max(1, reduced_count(node))
    grow = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << grow) // count, shift - grow


def _clipped(node: Node, codes: Array) -> list[Array]:
    info = np.iinfo(node.output.dtype.numpy)
    y = codes + fp.single_quant(node.output)[1]
    return [np.clip(y, info.min, info.max).astype(node.output.dtype.numpy).reshape(node.output.shape)]


class IntReduce(OpSpec):
    """Input x; attrs axes, keep_dims."""

    rewrite = "dequantize before it"

    def infer(self, node: Node) -> list[Shape]:
        return [reduced_shape(node)]

    def centred(self, node: Node, inputs: Sequence[Array | None]) -> Array:
        """Rows of centred codes to reduce, int64."""
        assert inputs[0] is not None
        return rows_to_reduce(node, inputs[0].astype(np.int64) - fp.single_quant(node.input(0))[1])

    def cases(self) -> Iterable[Case]:
        shapes: list[tuple[Shape, Shape, bool]] = [
            ((3, 4, 5), (0, 1, 2), False), ((2, 3, 4, 5), (1, 3), True), ((4, 7), (0,), False), ((5, 6), (1,), True)
        ]  # fmt: skip
        for dtype, zeros in ((DType.INT8, (-20, 4)), (DType.INT16, (0, 0))):
            for index, (shape, axes, keep) in enumerate(shapes):
                rng = np.random.default_rng(1510 + index)
                x = Value("x", shape, dtype, QuantType.per_tensor(0.05, zeros[0]))
                y = Value(
                    "y", (), dtype, QuantType.per_tensor(0.07 if self.name != "int_reduce_sum" else 0.9, zeros[1])
                )
                graph = single_node_graph(self.name, [x], [y], {"axes": axes, "keep_dims": keep})
                y.shape = self.infer(graph.nodes[0])[0]
                yield Case(f"{dtype.suffix}_{index}", graph, ((random_codes(rng, shape, dtype),),))


class IntSum(IntReduce):
    """Sums or means over any axes."""

    def __init__(self, name: str, summary: str, tflite: str) -> None:
        self.name, self.summary, self.tflite = name, f"{summary} of int8 or int16 codes over any axes", (tflite,)

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (codes_of_one_type, reach_fits)

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        total = self.centred(node, inputs).sum(axis=-1)
        return _clipped(node, fp.multiply_by_quantized_multiplier(total, *sum_scale(node)))


def product_scale(node: Node) -> Scale:
    """(multiplier, shift) that every step of a product is scaled by."""
    (sx, _), (sy, _) = fp.single_quant(node.input(0)), fp.single_quant(node.output)
    return fp.quantize_multiplier(float(sx) / float(sy) ** (1.0 / max(1, reduced_count(node))))


def product_scale_is_moderate(node: Node) -> bool:
    """the scale of each step of a product must be below 2**7."""
    return codes_of_one_type(node) and product_scale(node)[1] <= 7


def _wrapped(x: Array) -> Array:
    return x.astype(np.int32).astype(np.int64)


class IntProd(IntReduce):
    """Products, scaled at every step."""

    name = "int_reduce_prod"
    summary = "product of int8 or int16 codes over any axes"
    tflite = ("REDUCE_PROD",)

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (codes_of_one_type, product_scale_is_moderate)

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        rows, scale = self.centred(node, inputs), product_scale(node)
        acc = rows[..., 0]
        for k in range(1, rows.shape[-1]):
            acc = _wrapped(multiply_int64(acc * rows[..., k], *scale))
        return _clipped(node, _wrapped(multiply_int64(acc, *scale)))


class L2Normalization(OpSpec):
    """Input x [..,C]: rows divided by their Euclidean norm, in steps of 1/128."""

    name = "l2_normalization"
    summary = "rows of int8 codes divided by their Euclidean norm"
    tflite = ("L2_NORMALIZATION",)
    fixed_output_quant = (1 / 128, 0)
    rewrite = "dequantize before it, or convert again: its output has scale 1/128 and zero point 0"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (int8_codes, unit_norm_output)

    def infer(self, node: Node) -> list[Shape]:
        return [node.input(0).shape]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        x = inputs[0].astype(np.int64) - fp.single_quant(node.input(0))[1]
        rows = x.reshape(-1, x.shape[-1])
        y = np.empty_like(rows)
        for index, row in enumerate(rows):
            multiplier, shift = inverse_square_root(int((row * row).sum()))
            y[index] = fp.multiply_by_quantized_multiplier(row, multiplier, shift + 7)
        return _clipped(node, y)

    def cases(self) -> Iterable[Case]:
        for index, shape in enumerate([(3, 17), (1, 2, 300), (4, 1)]):
            rng = np.random.default_rng(1530 + index)
            x = Value("x", shape, DType.INT8, QuantType.per_tensor(0.05, -20))
            y = Value("y", shape, DType.INT8, QuantType.per_tensor(1 / 128, 0))
            graph = single_node_graph(self.name, [x], [y], {})
            flat = np.full(shape, -20, np.int8)
            flat[..., 0] = -19
            yield Case(f"c{index}", graph, ((random_codes(rng, shape),), (flat,)))


def unit_norm_output(node: Node) -> bool:
    """the output must have scale 1/128 and zero point 0, and rows at most 2**14 codes."""
    return node.output.quant == QuantType.per_tensor(1 / 128, 0) and node.input(0).shape[-1] <= 1 << 14


def scaled_differences(node: Node) -> tuple[Array, Array]:
    """int64 [256] each, by how far a code is below its row's largest: the difference, Q5.26, its exponential, Q0.31."""
    scale = softmax_scale(node)
    down = -np.arange(256, dtype=np.int64)
    rescaled = np.maximum(fp.multiply_by_quantized_multiplier(down, scale.multiplier, scale.shift), -INT32)
    return rescaled, table_of_exponentials(node)


def reverse_scale(node: Node) -> Scale:
    """(multiplier, shift) from Q5.26 back to codes."""
    scale = softmax_scale(node)
    return fp.quantize_multiplier((1 << (31 - scale.shift)) / scale.multiplier)


def smallest_difference(node: Node, logarithm: Array) -> Array:
    """Differences of codes must be larger than this for a result above the smallest code."""
    back = fp.multiply_by_quantized_multiplier(logarithm - INT32, *reverse_scale(node))
    return np.maximum(softmax_scale(node).diff_min - 1, back)


class IntLogSoftmax(OpSpec):
    """Input x [..,C]; attr beta, always 1: logarithms of the softmax, in steps of 1/16 below 0."""

    name = "int_log_softmax"
    summary = "log-softmax of int8 codes over the last axis"
    tflite = ("LOG_SOFTMAX",)
    fixed_output_quant = (16 / 256, 127)
    rewrite = "dequantize before it, or convert again: its output has scale 1/16 and zero point 127"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (int8_codes, log_softmax_output)

    def infer(self, node: Node) -> list[Shape]:
        return [node.input(0).shape]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        x = inputs[0].astype(np.int64)
        differences, exponentials = scaled_differences(node)
        down = x.max(axis=-1, keepdims=True) - x
        total = fp.rounding_divide_by_pot(exponentials, 12)[down].sum(axis=-1, keepdims=True)
        logarithm = np.vectorize(log_of_sum, otypes=[np.int64])(total)
        codes = fp.rounding_divide_by_pot(differences[down] - logarithm, 31 - 5 - 4) + 127
        least = smallest_difference(node, logarithm)
        return [np.where(-down > least, np.clip(codes, -128, 127), -128).astype(np.int8)]

    def cases(self) -> Iterable[Case]:
        for index, (shape, scale) in enumerate([((3, 17), 0.1), ((1, 300), 0.02), ((2, 1), 1.0), ((2, 9), 0.6)]):
            rng = np.random.default_rng(1540 + index)
            x = Value("x", shape, DType.INT8, QuantType.per_tensor(scale, 7))
            y = Value("y", shape, DType.INT8, QuantType.per_tensor(16 / 256, 127))
            graph = single_node_graph(self.name, [x], [y], {"beta": 1.0})
            yield Case(f"c{index}", graph, ((random_codes(rng, shape),), (np.full(shape, 5, np.int8),)))


def log_softmax_output(node: Node) -> bool:
    """the output must have scale 1/16 and zero point 127, x a scale of at least 2**-20, rows up to 4095 codes."""
    unit = node.output.quant == QuantType.per_tensor(16 / 256, 127)
    return unit and node.input(0).shape[-1] < 1 << 12 and fp.single_quant(node.input(0))[0] >= 2.0**-20


INT_REDUCE_OPS: tuple[OpSpec, ...] = (
    IntSum("int_mean", "mean", "MEAN"),
    IntSum("int_reduce_sum", "sum", "SUM"),
    IntProd(),
    L2Normalization(),
    IntLogSoftmax(),
)
