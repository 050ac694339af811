"""Steps of a normalization on codes, where a quantized model has scales between them: variances of rows, and rows times
a function of one code each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Graph, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.integer_norm import MAX_COUNT
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, random_codes, single_node_graph

# A factor that saturates whatever is not 0.
POLE = (1 << 31) - 1
FACTOR_BITS = 30
MAX_SHIFT = 60


def int8_rows(node: Node) -> bool:
    """operands and result must be int8 codes, in rows of at most 32768."""
    values = [v for v in (*node.inputs[:2], *node.outputs) if v is not None]
    codes = all(v.dtype is DType.INT8 and v.quant is not None and v.quant.is_per_tensor for v in values)
    return codes and node.input(0).shape[-1] <= MAX_COUNT


def moderate_variance_scale(node: Node) -> bool:
    """the square of the input's scale must be below 2**30 of the output's."""
    return variance_scale(node)[2] <= 30


def moderate_factors(node: Node) -> bool:
    """a step of the input times the largest factor must be below 2**29 steps of the output."""
    return bool(np.abs(_in_steps(node)).max() < 2.0**29)


def _in_steps(node: Node) -> Array:
    """float64 factors from t to steps of the output; poles are 0."""
    (sx, _), (sy, _) = fp.single_quant(node.input(0)), fp.single_quant(node.output)
    unit = sx / sy / (node.input(0).shape[-1] if node.attrs["centred"] else 1)
    factors = node.input(2).array.astype(np.float64)
    return np.where(np.isfinite(factors), factors, 0.0) * unit


def variance_scale(node: Node) -> tuple[int, int, int]:
    """(down, multiplier, shift): n sum(x^2) - sum(x)^2 loses `down` bits, so that it fits 31, and is scaled."""
    (sx, _), (sy, _) = fp.single_quant(node.input(0)), fp.single_quant(node.output)
    width = node.input(0).shape[-1]
    down = max(0, (width * width * 255 * 255).bit_length() - 31)
    return down, *fp.quantize_multiplier(node.attrs["factor"] * sx * sx / (width * width) / sy * 2.0**down)


def row_factors(node: Node) -> tuple[Array, int]:
    """(int32 table, shift): a factor for every code from -128, or a single one, in units of 2**-shift."""
    steps, factors = _in_steps(node), node.input(2).array.astype(np.float64)
    largest = float(np.abs(steps).max())
    shift = int(np.clip(FACTOR_BITS - np.ceil(np.log2(largest)) if largest > 0 else 1, 1, MAX_SHIFT))
    table = np.rint(steps * 2.0**shift)
    table = np.where(np.isinf(factors), np.copysign(POLE, factors), table)
    return table.astype(np.int32), shift


class IntVariance(OpSpec):
    """Input x [..,C]; attrs centred, factor (positive). Output [..,1]: factor times the mean of (x - mean(x))^2, or
    of x^2 where it is not centred."""

    name = "int_variance"
    summary = "variance, or mean square, of rows of int8 codes"
    onnx = ("ReduceMean",)
    rewrite = "quantize the model here from float"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (int8_rows, moderate_variance_scale)

    def infer(self, node: Node) -> list[Shape]:
        shape = node.input(0).shape
        if not shape or shape[-1] < 1:
            raise bad_shape(node, "rows must have elements")
        return [(*shape[:-1], 1)]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        x = inputs[0].astype(np.int64) - fp.single_quant(node.input(0))[1]
        total = x.sum(axis=-1, keepdims=True) if node.attrs["centred"] else np.int64(0)
        spread = x.shape[-1] * (x * x).sum(axis=-1, keepdims=True) - total * total
        down, multiplier, shift = variance_scale(node)
        rounded = (spread + (1 << down >> 1)) >> down
        codes = fp.multiply_with_single_rounding(rounded, multiplier, shift) + fp.single_quant(node.output)[1]
        return [np.clip(codes, -128, 127).astype(np.int8)]

    def cases(self) -> Iterable[Case]:
        for index, (shape, centred, scale) in enumerate(
            [((3, 5, 37), True, 0.08), ((4, 1), False, 0.001), ((2, 300), True, 1e-4), ((2, 900), False, 0.3)]
        ):
            x = Value("x", shape, DType.INT8, QuantType.per_tensor(0.07, -20))
            y = Value("y", (*shape[:-1], 1), DType.INT8, QuantType.per_tensor(scale, -128))
            graph = single_node_graph(self.name, [x], [y], {"centred": centred, "factor": 1.0})
            codes = random_codes(np.random.default_rng(1700 + index), shape)
            data = (codes,), (np.full(shape, 9, np.int8),), (np.full(shape, -128, np.int8),)
            yield Case(f"c{index}", graph, data)


class IntRowScale(OpSpec):
    """Inputs x [..,C], optional s [..,1], constant factors: float32 [256], one for every code of s from -128, or [1]
    without s; attr centred. Output [..,C]: (x - mean(x)) * factor, or x * factor where it is not centred. Infinite
    factors saturate."""

    name = "int_row_scale"
    summary = "rows of int8 codes, their mean taken off, times a function of one code each"
    onnx = ("Div", "Mul", "Sub")
    rewrite = "quantize the model here from float"
    keeps_float_constants = True

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (int8_rows, moderate_factors)

    def infer(self, node: Node) -> list[Shape]:
        x, s, count = node.input(0).shape, node.optional_input(1), node.input(2).elements
        if not x or x[-1] < 1 or (s is not None and s.shape != (*x[:-1], 1)) or count != (1 if s is None else 256):
            raise bad_shape(node, "needs rows, one code for each, and 256 factors, or one factor alone")
        return [x]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, s = inputs[0], inputs[1]
        assert x is not None
        centred = x.astype(np.int64) - fp.single_quant(node.input(0))[1]
        if node.attrs["centred"]:
            centred = x.shape[-1] * centred - centred.sum(axis=-1, keepdims=True)
        table, shift = row_factors(node)
        factor = table.astype(np.int64)[0 if s is None else s.astype(np.int64) + 128]
        bits = np.where(np.abs(factor) == POLE, 0, shift)
        codes = (centred * factor + (np.int64(1) << bits >> 1)) >> bits
        return [np.clip(codes + fp.single_quant(node.output)[1], -128, 127).astype(np.int8)]

    def cases(self) -> Iterable[Case]:
        codes = np.arange(-128, 128, dtype=np.float64)
        with np.errstate(all="ignore"):
            roots = (1.0 / np.sqrt((codes + 128) * 0.02)).astype(np.float32)
        for index, (shape, centred, factors) in enumerate(
            [
                ((3, 5, 37), True, roots),
                ((6, 1), False, -roots),
                ((2, 300), True, np.ones(1, np.float32)),
                ((4, 16), False, np.full(1, 1e-4, np.float32)),
            ]
        ):
            rng = np.random.default_rng(1720 + index)
            x, y = (
                Value(n, shape, DType.INT8, QuantType.per_tensor(scale, zero))
                for n, scale, zero in (("x", 0.07, -20), ("y", 0.03, 4))
            )
            single = Value("s", (*shape[:-1], 1), DType.INT8, QuantType.per_tensor(0.02, -128))
            s = single if len(factors) > 1 else None
            node = Node(self.name, self.name, [x, s, Value.constant("f", factors)], [y], {"centred": centred})
            graph = Graph(self.name, [x] if s is None else [x, s], [y], [node])
            rows = [random_codes(rng, shape), np.full(shape, -128, np.int8)]
            ones = [random_codes(rng, single.shape), np.full(single.shape, -128, np.int8)]
            yield Case(
                f"c{index}", graph, tuple((r,) if s is None else (r, o) for r, o in zip(rows, ones, strict=True))
            )


ROW_STATISTICS_OPS: tuple[OpSpec, ...] = (IntVariance(), IntRowScale())
