"""Functions of two tensors of codes with scales of their own, as TFLite's kernels define them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.binary import broadcast_shape
from edgekit.ops.softmax import one_over_one_plus_x
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, random_codes, single_node_graph

COMPARE_SHIFT, DIFFERENCE_SHIFT = 8, 7
Scale = tuple[int, int]
F32 = np.float32


@dataclass(frozen=True)
class BinaryScales:
    """(multiplier, shift) of both inputs and of the output."""

    a: Scale
    b: Scale
    output: Scale = (0, 0)


def all_int8(node: Node) -> bool:
    """both operands must be int8 codes, and the result int8 codes or bool."""
    values = [node.input(0), node.input(1), *(v for v in node.outputs if v.dtype is not DType.BOOL)]
    return all(v.dtype is DType.INT8 and v.quant is not None and v.quant.is_per_tensor for v in values)


def one_type_of_codes(node: Node) -> bool:
    """both operands must be int8 codes, or int16 codes with zero point 0; the result is bool."""
    values = [node.input(0), node.input(1)]
    narrow = all(v.dtype is DType.INT8 and v.quant is not None and v.quant.is_per_tensor for v in values)
    return narrow or _wide(node)


def _wide(node: Node) -> bool:
    """Both operands are int16 codes with one scale each and zero point 0."""
    return all(
        v.dtype is DType.INT16 and v.quant is not None and v.quant.is_per_tensor and v.quant.zero_point[0] == 0
        for v in (node.input(0), node.input(1))
    )


def ordered_int16_codes_have_one_scale(node: Node) -> bool:
    """int16 codes must have one scale, except for equality: TFLite orders the codes as they are."""
    return node.op == "int_equal" or not _wide(node) or node.input(0).quant == node.input(1).quant


class IntBinary(OpSpec):
    """Inputs a, b of codes, which broadcast."""

    rewrite = "convert with scales of ordinary size, or dequantize before it"

    def __init__(self, name: str, summary: str, tflite: tuple[str, ...]) -> None:
        self.name, self.summary, self.tflite = name, summary, tflite

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (all_int8, self._moderate)

    def _well_typed(self, node: Node) -> bool:
        return all_int8(node)

    def _moderate(self, node: Node) -> bool:
        """the scales must be of a size that TFLite's kernel can handle (below 1 for comparisons)."""
        return self._well_typed(node) and all(shift <= 0 for _, shift in self._shifts(node))

    def _shifts(self, node: Node) -> Sequence[Scale]:
        scales = self.scales(node)
        return (scales.a, scales.b, scales.output)

    def scales(self, node: Node) -> BinaryScales:
        """The kernel's multipliers."""
        raise NotImplementedError

    def computed(self, node: Node, a: Array, b: Array) -> Array:
        """The result, before the output's zero point, from centred codes."""
        raise NotImplementedError

    def infer(self, node: Node) -> list[Shape]:
        return [broadcast_shape(node)]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        a, b = inputs
        assert a is not None and b is not None
        first, second = (
            x.astype(np.int64) - fp.single_quant(v)[1] for x, v in ((a, node.input(0)), (b, node.input(1)))
        )
        y = self.computed(node, first, second)
        if node.output.dtype is DType.BOOL:
            return [y]
        return [np.clip(y + fp.single_quant(node.output)[1], -128, 127).astype(np.int8)]

    def cases(self) -> Iterable[Case]:
        settings = [(0.1, 3, 0.07, -5, 0.2, 9), (0.02, -128, 0.9, 127, 1.0, 0)]
        for index, (sa, za, sb, zb, sy, zy) in enumerate(settings):
            boolean = isinstance(self, IntComparison)
            y_quant = None if boolean else QuantType.per_tensor(sy, zy)
            quants = (QuantType.per_tensor(sa, za), QuantType.per_tensor(sb, zb), y_quant)
            yield from self._broadcast_cases(f"c{index}", 470 + index, DType.INT8, quants)

    def _broadcast_cases(
        self, name: str, seed: int, dtype: DType, quants: tuple[QuantType, QuantType, QuantType | None]
    ) -> Iterable[Case]:
        shapes: list[tuple[Shape, Shape]] = [((2, 3, 37), (2, 3, 37)), ((2, 3, 1, 7), (5, 1))]
        for first, second in shapes:
            rng = np.random.default_rng(seed)
            a, b = Value("a", first, dtype, quants[0]), Value("b", second, dtype, quants[1])
            y = Value("y", (), DType.BOOL if quants[2] is None else dtype, quants[2])
            graph = single_node_graph(self.name, [a, b], [y], {})
            y.shape = self.infer(graph.nodes[0])[0]
            data = (random_codes(rng, first, dtype), random_codes(rng, second, dtype))
            yield Case(f"{name}_{len(second)}", graph, (data,))


class IntComparison(IntBinary):
    """A comparison of codes brought to one scale; int16 codes of one scale are ordered as they are."""

    def __init__(self, name: str, function: Callable[[Array, Array], Array], tflite: tuple[str, ...]) -> None:
        super().__init__(f"int_{name}", f"elementwise {name} of int8 or int16 codes of two scales", tflite)
        self.function = function

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (one_type_of_codes, ordered_int16_codes_have_one_scale, self._moderate)

    def _well_typed(self, node: Node) -> bool:
        return one_type_of_codes(node)

    def _as_they_are(self, node: Node) -> bool:
        return self.name != "int_equal" and _wide(node)

    def scales(self, node: Node) -> BinaryScales:
        if self._as_they_are(node):
            return BinaryScales((0, 0), (0, 0))
        (sa, _), (sb, _) = (fp.single_quant(node.input(i)) for i in range(2))
        return BinaryScales(fp.quantize_multiplier(sa), fp.quantize_multiplier(sb))

    def infer_types(self, node: Node) -> list[DType]:
        return [DType.BOOL]

    def computed(self, node: Node, a: Array, b: Array) -> Array:
        if self._as_they_are(node):
            return np.asarray(self.function(a, b))
        scales = self.scales(node)
        first = fp.multiply_by_quantized_multiplier(a << COMPARE_SHIFT, *scales.a)
        second = fp.multiply_by_quantized_multiplier(b << COMPARE_SHIFT, *scales.b)
        return np.asarray(self.function(first, second))

    def cases(self) -> Iterable[Case]:
        yield from super().cases()
        second = 0.003 if self.name == "int_equal" else 0.001
        quants = (QuantType.per_tensor(0.001, 0), QuantType.per_tensor(second, 0), None)
        yield from self._broadcast_cases("s16", 475, DType.INT16, quants)


class SquaredDifference(IntBinary):
    """(a - b) squared."""

    def __init__(self) -> None:
        super().__init__(
            "squared_difference", "squared difference of int8 codes of two scales", ("SQUARED_DIFFERENCE",)
        )

    def scales(self, node: Node) -> BinaryScales:
        (sa, _), (sb, _), (sy, _) = (fp.single_quant(v) for v in (node.input(0), node.input(1), node.output))
        twice = 2.0 * max(sa, sb)
        output = twice * twice / ((1 << 2 * DIFFERENCE_SHIFT) * float(sy))
        return BinaryScales(
            fp.quantize_multiplier(sa / twice), fp.quantize_multiplier(sb / twice), fp.quantize_multiplier(output)
        )

    def computed(self, node: Node, a: Array, b: Array) -> Array:
        scales = self.scales(node)
        first = fp.multiply_by_quantized_multiplier(a << DIFFERENCE_SHIFT, *scales.a)
        second = fp.multiply_by_quantized_multiplier(b << DIFFERENCE_SHIFT, *scales.b)
        return fp.multiply_by_quantized_multiplier((first - second) ** 2, *scales.output)


class IntPrelu(IntBinary):
    """a where it is not negative, else a * b. `scales`: a is that of a, output that of the product."""

    def __init__(self) -> None:
        super().__init__("int_prelu", "parametric rectifier of int8 codes, slopes broadcast", ("PRELU",))

    def _shifts(self, node: Node) -> Sequence[Scale]:
        # Left shifts are the kernel's business up to these; products of codes are below 2**16.
        (first, product) = self.scales(node).a[1], self.scales(node).output[1]
        return ((0, first - 20), (0, product - 13))

    def scales(self, node: Node) -> BinaryScales:
        sa, sb, sy = (F32(fp.single_quant(v)[0]) for v in (node.input(0), node.input(1), node.output))
        return BinaryScales(fp.quantize_multiplier(float(sa / sy)), (0, 0), fp.quantize_multiplier(float(sa * sb / sy)))

    def computed(self, node: Node, a: Array, b: Array) -> Array:
        scales = self.scales(node)
        kept = fp.multiply_by_quantized_multiplier(a, *scales.a)
        return np.where(a >= 0, kept, fp.multiply_by_quantized_multiplier(a * b, *scales.output))


class IntDiv(IntBinary):
    """a / b by the reciprocal of b. A quotient by 0 saturates with the sign of a.

    `scales`: only output. Quotients that would be shifted by more than 31 bits are 0: they are far below one step.
    TFLite's kernel does not define them.
    """

    def __init__(self) -> None:
        super().__init__("int_div", "quotient of int8 codes of two scales", ("DIV",))

    def _shifts(self, node: Node) -> Sequence[Scale]:
        # The dividend alone takes 23 bits of shift.
        return ((0, self.scales(node).output[1] - 23),)

    def scales(self, node: Node) -> BinaryScales:
        sa, sb, sy = (F32(fp.single_quant(v)[0]) for v in (node.input(0), node.input(1), node.output))
        return BinaryScales((0, 0), (0, 0), fp.quantize_multiplier(float(sa / (sb * sy))))

    def computed(self, node: Node, a: Array, b: Array) -> Array:
        multiplier, output_shift = self.scales(node).output
        dividend, divisor = np.broadcast_arrays(np.where(b < 0, -a, a), np.abs(b))
        zeros = _leading_zeros(np.maximum(divisor, 1))
        reciprocal = one_over_one_plus_x((np.maximum(divisor, 1) << zeros) - (1 << 31))
        headroom = np.where(dividend < 0, _leading_zeros(-2 * dividend - 1), _leading_zeros(dividend) - 1)
        fine = fp.saturating_rounding_doubling_high_mul(dividend << headroom, reciprocal)
        fine = fp.saturating_rounding_doubling_high_mul(fine, multiplier)
        shift = 31 - zeros + headroom - output_shift
        quotient = np.where(shift > 31, 0, fp.rounding_divide_by_pot(fine, np.minimum(shift, 31)))
        # Any zero point leaves this outside of int8.
        return np.where(divisor == 0, np.sign(dividend) * 256, quotient)


def _leading_zeros(x: Array) -> Array:
    """Of 32 bits of positive numbers; 32 for the others."""
    return np.asarray(32 - np.frexp(np.maximum(x, 0).astype(np.float64))[1], np.int64)


INT_BINARY_OPS: tuple[IntBinary, ...] = (
    IntComparison("equal", np.equal, ("EQUAL", "NOT_EQUAL")),
    IntComparison("less", np.less, ("LESS", "GREATER")),
    IntComparison("less_equal", np.less_equal, ("LESS_EQUAL", "GREATER_EQUAL")),
    SquaredDifference(),
    IntPrelu(),
    IntDiv(),
)
