"""add, sub, mul and div on int8 codes: TFLite's fixed point for the first three, one exact rounding for div."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.binary import Arithmetic, _divide
from edgekit.ops.spec import Case, Constraint, is_quantized, random_codes, single_node_graph

# Bits that TFLite's ADD and SUB shift operands up by: int16 codes have less room.
ADD_LEFT_SHIFTS = {DType.INT8: 20, DType.INT16: 15}
DIV_BITS = 15


@dataclass(frozen=True)
class AddScales:
    """(multiplier, shift) of both inputs and of the output; all shifts are at most 0 except the output's."""

    a: tuple[int, int]
    b: tuple[int, int]
    output: tuple[int, int]


def add_scales(node: Node) -> AddScales:
    """Scales of TFLite's ADD and SUB: inputs are brought to twice the larger scale, shifted left (ADD_LEFT_SHIFTS)."""
    (sa, _), (sb, _), (sy, _) = (fp.single_quant(v) for v in (node.input(0), node.input(1), node.output))
    twice = 2.0 * max(sa, sb)
    return AddScales(
        fp.quantize_multiplier(sa / twice),
        fp.quantize_multiplier(sb / twice),
        fp.quantize_multiplier(twice / ((1 << ADD_LEFT_SHIFTS[node.output.dtype]) * sy)),
    )


def moderate_output_scale(node: Node) -> bool:
    """the output's scale must not be so small that sums overflow (below 1/2**19 of an input's; int16: 1/2**14)."""
    known = node.output.quant is not None and node.output.dtype in ADD_LEFT_SHIFTS
    return not is_quantized(node) or not known or add_scales(node).output[1] <= 0


def mul_scale(node: Node) -> tuple[int, int]:
    """(multiplier, shift) of scale_a * scale_b / scale_y."""
    (sa, _), (sb, _), (sy, _) = (fp.single_quant(v) for v in (node.input(0), node.input(1), node.output))
    return fp.quantize_multiplier(float(sa) * float(sb) / float(sy))


def moderate_product_scale(node: Node) -> bool:
    """the output's scale must not be below 1/2**13 (int16: 1) of the product of the input scales."""
    limit = 13 if node.output.dtype is DType.INT8 else 0
    return not is_quantized(node) or node.output.quant is None or mul_scale(node)[1] <= limit


def div_scale(node: Node) -> int:
    """scale_a / (scale_b * scale_y) in units of 2**-15, at least 1."""
    (sa, _), (sb, _), (sy, _) = (fp.single_quant(v) for v in (node.input(0), node.input(1), node.output))
    return max(1, int(np.floor(float(sa) / (float(sb) * float(sy)) * (1 << DIV_BITS) + 0.5)))


def moderate_quotient_scale(node: Node) -> bool:
    """the output's scale must not be below 1/2**7 of the quotient of the input scales."""
    return not is_quantized(node) or node.output.quant is None or div_scale(node) < 1 << (DIV_BITS + 7)


def _centred(node: Node, inputs: Sequence[Array | None]) -> tuple[Array, Array]:
    a, b = inputs
    assert a is not None and b is not None
    (_, zero_a), (_, zero_b) = fp.single_quant(node.input(0)), fp.single_quant(node.input(1))
    return a.astype(np.int64) - zero_a, b.astype(np.int64) - zero_b


class QuantizedArithmetic(Arithmetic):
    """Shared by the four: clamp to the activation, and cases."""

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        y = node.output
        low, high = fp.output_range(node.attrs["activation"], y)
        codes = self.rescaled(node, *_centred(node, inputs)) + fp.single_quant(y)[1]
        return [np.clip(codes, low, high).astype(y.dtype.numpy)]

    def rescaled(self, node: Node, a: Array, b: Array) -> Array:
        """The result in output steps, before its zero point, from centred codes."""
        raise NotImplementedError

    def cases(self) -> Iterable[Case]:
        yield from super().cases()
        quants = [
            (0.1, 3, 0.07, -5, 0.15, 0), (0.01, -128, 1.3, 127, 1.0, 10), (0.5, 0, 0.5, 0, 0.5, -128),
            (0.58, 127, 0.55, -128, 0.01, 127), (1.0, 5, 0.9, -1, 0.01, 0),
        ]  # fmt: skip
        for index, (sa, za, sb, zb, sy, zy) in enumerate(quants):
            for activation, first, second in (
                ("none", (1, 3, 5, 7), (1, 3, 5, 7)),
                ("relu", (1, 3, 5, 7), (1, 3, 5, 7)),
                ("none", (2, 3, 1, 7), (5, 1)),
                ("relu", (5, 1), (2, 3, 1, 9)),
                ("relu6", (3, 22), (1,)),
                ("relu_n1_to_1", (3, 22), (3, 22)),
            ):
                rng = np.random.default_rng(400 + index)
                a = Value("a", first, DType.INT8, QuantType.per_tensor(sa, za))
                b = Value("b", second, DType.INT8, QuantType.per_tensor(sb, zb))
                y = Value("y", (), DType.INT8, QuantType.per_tensor(sy, zy))
                graph = single_node_graph(self.name, [a, b], [y], {"activation": activation})
                y.shape = self.infer(graph.nodes[0])[0]
                codes = (random_codes(rng, first), random_codes(rng, second)[::-1].copy())
                yield Case(f"c{index}_{activation}_{len(first)}_{len(second)}", graph, (codes,))
        if self.name != "div":
            yield from self._wide_cases()

    def _wide_cases(self) -> Iterable[Case]:
        for index, (sa, sb, sy) in enumerate([(0.001, 0.0007, 0.0011), (0.0001, 0.01, 0.02)]):
            for activation, first, second in (("none", (3, 37), (3, 37)), ("relu", (2, 3, 1, 7), (5, 1))):
                rng = np.random.default_rng(490 + index)
                a = Value("a", first, DType.INT16, QuantType.per_tensor(sa, 0))
                b = Value("b", second, DType.INT16, QuantType.per_tensor(sb, 0))
                y = Value("y", (), DType.INT16, QuantType.per_tensor(sy, 0))
                graph = single_node_graph(self.name, [a, b], [y], {"activation": activation})
                y.shape = self.infer(graph.nodes[0])[0]
                codes = tuple(random_codes(rng, s, DType.INT16) for s in (first, second))
                yield Case(f"s16_{index}_{activation}", graph, (codes,))


class Add(QuantizedArithmetic):
    """a + b."""

    sign = 1

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (*super().constraints, moderate_output_scale)

    def rescaled(self, node: Node, a: Array, b: Array) -> Array:
        scales, up = add_scales(node), ADD_LEFT_SHIFTS[node.output.dtype]
        first = fp.multiply_by_quantized_multiplier(a << up, *scales.a)
        second = fp.multiply_by_quantized_multiplier(b << up, *scales.b)
        return fp.multiply_by_quantized_multiplier(first + self.sign * second, *scales.output)


class Sub(Add):
    """a - b."""

    sign = -1


class Mul(QuantizedArithmetic):
    """a * b."""

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (*super().constraints, moderate_product_scale)

    def rescaled(self, node: Node, a: Array, b: Array) -> Array:
        return fp.multiply_by_quantized_multiplier(a * b, *mul_scale(node))


class Div(QuantizedArithmetic):
    """a / b, rounded once, half away from zero; a quotient by 0 saturates with the sign of a."""

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (*super().constraints, moderate_quotient_scale)

    def rescaled(self, node: Node, a: Array, b: Array) -> Array:
        scaled = a * div_scale(node)
        divisor = np.abs(b) << DIV_BITS
        magnitude = (np.abs(scaled) + (divisor >> 1)) // np.where(divisor == 0, 1, divisor)
        magnitude = np.where(b == 0, np.where(a == 0, 0, 1 << 10), magnitude)
        return np.where((a < 0) != (b < 0), -magnitude, magnitude)


# TFLite operators that are made of these, beside the ones of their names.
_TFLITE = {
    "add": ("ADD_N",),
    "div": ("FLOOR_DIV", "L2_NORMALIZATION"),
    "mul": ("SQUARE", "SQUARED_DIFFERENCE"),
}


def _arithmetic(
    kind: type[QuantizedArithmetic], name: str, function: Callable[[Array, Array], Array], *onnx: str
) -> QuantizedArithmetic:
    return kind(name, function, onnx, (name.upper(), *_TFLITE.get(name, ())))


ARITHMETIC_OPS: tuple[QuantizedArithmetic, ...] = (
    _arithmetic(Add, "add", np.add, "Add", "Sum", "Mean"),
    _arithmetic(Sub, "sub", np.subtract, "Sub"),
    _arithmetic(Mul, "mul", np.multiply, "Mul"),
    _arithmetic(Div, "div", _divide, "Div"),
)
