"""Functions of two tensors of codes with scales of their own, as TFLite's kernels define them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.binary import broadcast_shape
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


class IntBinary(OpSpec):
    """Inputs a, b of int8 codes, which broadcast."""

    rewrite = "convert with scales of ordinary size, or dequantize before it"

    def __init__(self, name: str, summary: str, tflite: tuple[str, ...]) -> None:
        self.name, self.summary, self.tflite = name, summary, tflite

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (all_int8, self._moderate)

    def _moderate(self, node: Node) -> bool:
        """the scales must be of a size that TFLite's kernel can handle (below 1 for comparisons)."""
        return all_int8(node) and all(shift <= 0 for _, shift in self._shifts(node))

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
        shapes: list[tuple[Shape, Shape]] = [((2, 3, 37), (2, 3, 37)), ((2, 3, 1, 7), (5, 1))]
        for index, (sa, za, sb, zb, sy, zy) in enumerate([(0.1, 3, 0.07, -5, 0.2, 9), (0.02, -128, 0.9, 127, 1.0, 0)]):
            for first, second in shapes:
                rng = np.random.default_rng(470 + index)
                a = Value("a", first, DType.INT8, QuantType.per_tensor(sa, za))
                b = Value("b", second, DType.INT8, QuantType.per_tensor(sb, zb))
                boolean = isinstance(self, IntComparison)
                y_quant = None if boolean else QuantType.per_tensor(sy, zy)
                y = Value("y", (), DType.BOOL if boolean else DType.INT8, y_quant)
                graph = single_node_graph(self.name, [a, b], [y], {})
                y.shape = self.infer(graph.nodes[0])[0]
                data = (random_codes(rng, first), random_codes(rng, second))
                yield Case(f"c{index}_{len(second)}", graph, (data,))


class IntComparison(IntBinary):
    """A comparison of codes brought to one scale."""

    def __init__(self, name: str, function: Callable[[Array, Array], Array], tflite: tuple[str, ...]) -> None:
        super().__init__(f"int_{name}", f"elementwise {name} of int8 codes of two scales", tflite)
        self.function = function

    def scales(self, node: Node) -> BinaryScales:
        (sa, _), (sb, _) = (fp.single_quant(node.input(i)) for i in range(2))
        return BinaryScales(fp.quantize_multiplier(sa), fp.quantize_multiplier(sb))

    def infer_types(self, node: Node) -> list[DType]:
        return [DType.BOOL]

    def computed(self, node: Node, a: Array, b: Array) -> Array:
        scales = self.scales(node)
        first = fp.multiply_by_quantized_multiplier(a << COMPARE_SHIFT, *scales.a)
        second = fp.multiply_by_quantized_multiplier(b << COMPARE_SHIFT, *scales.b)
        return np.asarray(self.function(first, second))


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


INT_BINARY_OPS: tuple[IntBinary, ...] = (
    IntComparison("equal", np.equal, ("EQUAL", "NOT_EQUAL")),
    IntComparison("less", np.less, ("LESS", "GREATER")),
    IntComparison("less_equal", np.less_equal, ("LESS_EQUAL", "GREATER_EQUAL")),
    SquaredDifference(),
    IntPrelu(),
)
