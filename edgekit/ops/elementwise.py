"""add: elementwise sum of two tensors of one shape, in TFLite's fixed point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, random_codes, single_node_graph

ADD_LEFT_SHIFT = 20


@dataclass(frozen=True)
class AddScales:
    """(multiplier, shift) of both inputs and of the output; all shifts are at most 0 except the output's."""

    a: tuple[int, int]
    b: tuple[int, int]
    output: tuple[int, int]


def add_scales(node: Node) -> AddScales:
    """Scales of TFLite's ADD: inputs are brought to twice the larger scale, shifted left by 20 bits."""
    (sa, _), (sb, _), (sy, _) = (fp.single_quant(v) for v in (node.input(0), node.input(1), node.output))
    twice = 2.0 * max(sa, sb)
    return AddScales(
        fp.quantize_multiplier(sa / twice),
        fp.quantize_multiplier(sb / twice),
        fp.quantize_multiplier(twice / ((1 << ADD_LEFT_SHIFT) * sy)),
    )


def equal_shapes(node: Node) -> bool:
    """both operands must have the same shape (no broadcasting)."""
    return node.input(0).shape == node.input(1).shape


def two_variables(node: Node) -> bool:
    """both operands must be computed values, not constants."""
    return not (node.input(0).is_constant or node.input(1).is_constant)


def moderate_output_scale(node: Node) -> bool:
    """the output's scale must not be so small that sums overflow (below 1/2**19 of the larger input scale)."""
    return node.output.quant is None or add_scales(node).output[1] <= 0


class Add(OpSpec):
    """Inputs a, b of one shape; attr activation."""

    name = "add"
    summary = "elementwise sum, fused activation"
    onnx = ("Add",)
    tflite = ("ADD",)
    rewrite = "expand the smaller operand, or fold the constant into the layer before"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (equal_shapes, two_variables, moderate_output_scale)

    def infer(self, node: Node) -> list[Shape]:
        try:
            return [tuple(np.broadcast_shapes(node.input(0).shape, node.input(1).shape))]
        except ValueError as error:
            raise bad_shape(node, "operands do not broadcast") from error

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        a, b = inputs
        assert a is not None and b is not None
        return [fp.clamp_float(node.attrs["activation"], a + b)]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        a, b = inputs
        assert a is not None and b is not None
        scales, y = add_scales(node), node.output
        total = np.zeros(y.shape, np.int64)
        for codes, value, scale in ((a, node.input(0), scales.a), (b, node.input(1), scales.b)):
            centred = codes.astype(np.int64) - fp.single_quant(value)[1]
            total += fp.multiply_by_quantized_multiplier(centred << ADD_LEFT_SHIFT, *scale)
        out = fp.requantize(total, scales.output, fp.single_quant(y)[1], fp.output_range(node.attrs["activation"], y))
        return [out.astype(y.dtype.numpy)]

    def cases(self) -> Iterable[Case]:
        quants = [(0.1, 3, 0.07, -5, 0.15, 0), (0.01, -128, 1.3, 127, 1.0, 10), (0.5, 0, 0.5, 0, 0.5, -128)]
        for index, (sa, za, sb, zb, sy, zy) in enumerate(quants):
            for activation in ("none", "relu"):
                rng = np.random.default_rng(400 + index)
                shape = (1, 3, 5, 7)
                a = Value("a", shape, DType.INT8, QuantType.per_tensor(sa, za))
                b = Value("b", shape, DType.INT8, QuantType.per_tensor(sb, zb))
                y = Value("y", shape, DType.INT8, QuantType.per_tensor(sy, zy))
                graph = single_node_graph(self.name, [a, b], [y], {"activation": activation})
                yield Case(
                    f"c{index}_{activation}",
                    graph,
                    ((random_codes(rng, shape), random_codes(rng, shape)[:, ::-1].copy()),),
                )
