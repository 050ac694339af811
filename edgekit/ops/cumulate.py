"""cum_sum, cum_prod: running sums and products along an axis, in its order; sums on int8 codes too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.binary import NUMBERS
from edgekit.ops.matmul import plain_numbers
from edgekit.ops.quantize import requantize_scale
from edgekit.ops.ranking import checked_axis
from edgekit.ops.spec import (
    Case,
    Constraint,
    OpSpec,
    Shape,
    is_quantized,
    random_codes,
    random_numbers,
    single_node_graph,
)


class Cumulate(OpSpec):
    """Input x; attrs axis, exclusive (without the element itself), reverse (from the end)."""

    rewrite = "use --precision float32"

    def __init__(
        self, name: str, step: Callable[[Array, Array], Array], start: int, onnx: str, tflite: tuple[str, ...]
    ) -> None:  # fmt: skip
        self.name, self.step, self.start, self.onnx, self.tflite = name, step, start, (onnx,), tflite
        self.summary = f"running {'product' if start else 'sum'} along an axis"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (plain_numbers,)

    def infer(self, node: Node) -> list[Shape]:
        checked_axis(node)
        return [node.input(0).shape]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [self.running(node, inputs[0])]

    def running(self, node: Node, x: Array) -> Array:
        """The running result in x's own type."""
        lines = np.moveaxis(x, node.attrs["axis"], 0)
        y, acc = np.empty_like(lines), np.full(lines.shape[1:], self.start, lines.dtype)
        with np.errstate(all="ignore"):
            for k in reversed(range(len(lines))) if node.attrs["reverse"] else range(len(lines)):
                after = self.step(acc, lines[k])
                y[k] = acc if node.attrs["exclusive"] else after
                acc = after
        return np.ascontiguousarray(np.moveaxis(y, 0, node.attrs["axis"]))

    def cases(self) -> Iterable[Case]:
        shape, rng = (3, 5, 2), np.random.default_rng(1820)
        settings = [(d, False, False) for d in NUMBERS]
        settings += [(DType.FLOAT32, True, False), (DType.FLOAT32, False, True), (DType.INT32, True, True)]
        for index, (dtype, exclusive, reverse) in enumerate(settings):
            attrs: dict[str, object] = {"axis": 1, "exclusive": exclusive, "reverse": reverse}
            graph = single_node_graph(self.name, [Value("x", shape, dtype)], [Value("y", shape, dtype)], attrs)
            yield Case(f"c{index}", graph, ((random_numbers(rng, shape, dtype),),))


def numbers_or_int8(node: Node) -> bool:
    """the input must be plain numbers and not bool, or int8 codes with an int8 result."""
    codes = all(v.dtype is DType.INT8 and v.quant is not None for v in (node.input(0), node.output))
    return codes if is_quantized(node) else plain_numbers(node)


def running_sum_fits(node: Node) -> bool:
    """sums of codes must fit 32 bits, also after the shift to the output's scale."""
    if not is_quantized(node) or not numbers_or_int8(node):
        return True
    shift = requantize_scale(node)[1]
    count: int = node.input(0).shape[node.attrs["axis"]]
    return (256 * count) << max(shift, 0) < 1 << 31


class CumSum(Cumulate):
    """Codes: exact sums of centred codes, each rescaled on its own (TFLite's two rounding steps) and saturated."""

    rewrite = "sum a shorter axis, or use --precision float32"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (numbers_or_int8, running_sum_fits)

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        (_, zx), (_, zy) = fp.single_quant(node.input(0)), fp.single_quant(node.output)
        sums = self.running(node, inputs[0].astype(np.int64) - zx)
        codes = fp.multiply_by_quantized_multiplier(sums, *requantize_scale(node)) + zy
        return [np.clip(codes, -128, 127).astype(np.int8)]

    def cases(self) -> Iterable[Case]:
        yield from super().cases()
        settings = [
            # shape, axis, exclusive, reverse, output scale and zero point
            ((3, 5, 2), 1, False, False, 0.2, -5), ((3, 5, 2), 1, True, True, 0.01, 127),
            ((130,), 0, False, True, 3.0, 0), ((2, 3, 7), 2, True, False, 0.05, -128),
            ((4, 1), 1, False, False, 0.05, 3),
        ]  # fmt: skip
        for index, (shape, axis, exclusive, reverse, scale, zero) in enumerate(settings):
            attrs: dict[str, object] = {"axis": axis, "exclusive": exclusive, "reverse": reverse}
            x = Value("x", shape, DType.INT8, QuantType.per_tensor(0.05, 3))
            y = Value("y", shape, DType.INT8, QuantType.per_tensor(scale, zero))
            codes = random_codes(np.random.default_rng(1830 + index), shape)
            yield Case(f"codes_{index}", single_node_graph(self.name, [x], [y], attrs), ((codes,),))


CUMULATE_OPS: tuple[Cumulate, ...] = (
    CumSum("cum_sum", lambda a, b: a + b, 0, "CumSum", ("CUMSUM",)),
    Cumulate("cum_prod", lambda a, b: a * b, 1, "CumProd", ()),
)
