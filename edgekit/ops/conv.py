"""conv and conv_transpose: convolutions over 1 to 3 axes in the file's layout, of plain numbers with constant or
computed weights; conv of int8 codes too, with constant ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.coded_cases import coded_cases, zeroless_cases
from edgekit.ops.conv2d import (
    bias_or_zero,
    constant_weights,
    product_case,
    product_requantize,
    symmetric_or_per_tensor,
    weight_codes,
)
from edgekit.ops.spatial import Grid, at, check_window, narrow_shape, reach_of, split_padding
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, is_quantized, random_numbers, single_node_graph

CONV_TYPES = (DType.FLOAT32, DType.FLOAT64, DType.INT32)


def plain_products(node: Node) -> bool:
    """Whether all operands are plain numbers of one type of CONV_TYPES."""
    kinds = {v.dtype for v in (*node.inputs, *node.outputs) if v is not None}
    return not is_quantized(node) and len(kinds) == 1 and kinds <= set(CONV_TYPES)


def plain_transposed_products(node: Node) -> bool:
    """operands must be plain numbers of one type: float32, float64 or int32; int8 codes have a transposed convolution
    of two axes with constant weights, without groups and dilations.
    """
    return plain_products(node)


def products_of_numbers_or_codes(node: Node) -> bool:
    """operands must be plain numbers of one type: float32, float64 or int32; or int8 codes with an int32 bias."""
    if not is_quantized(node):
        return plain_products(node)
    x, w, bias, y = node.input(0), node.input(1), node.optional_input(2), node.output
    codes = all(v.dtype is DType.INT8 and v.quant is not None for v in (x, w, y))
    return codes and (bias is None or bias.dtype is DType.INT32)


def constant_weights_of_codes(node: Node) -> bool:
    """weights and bias of codes must be constants."""
    return not is_quantized(node) or constant_weights(node)


def scales_along_outputs(node: Node) -> bool:
    """weights in codes must be quantized per tensor or per output channel, their first axis."""
    quant = node.input(1).quant
    return quant is None or quant.is_per_tensor or (quant.axis == 0 and len(quant.scale) == node.output.shape[1])


class _Convolution(OpSpec):
    """Inputs x [N,C,*S], w, optional b [O]; attrs groups, stride, dilation (per axis), padding (before of every axis,
    then after of every axis).

    Every output is one accumulator that starts at 0 and adds by input channel, then by place in the kernel; places in
    the padding are left out, the bias comes last.
    """

    def _check(self, node: Node, outputs: int, fits: bool) -> None:
        w, bias = node.input(1).shape, node.optional_input(2)
        if len(w) != len(node.input(0).shape) or len(w) < 3 or min(w) < 1:
            raise bad_shape(node, "weights must have as many axes as the input, of at least 1")
        if node.attrs["groups"] < 1 or not fits or (bias is not None and bias.shape != (outputs,)):
            raise bad_shape(node, f"weights, bias and {node.attrs['groups']} groups do not fit the channels")

    def macs(self, node: Node) -> int:
        x, w, y = node.input(0).shape, node.input(1).shape, node.output.shape
        narrow = math.prod((y if self.name == "conv" else x)[2:])
        return x[0] * math.prod(w) * narrow

    def _operands(self, node: Node, inputs: Sequence[Array | None]) -> tuple[Array, Array, Array, Array | None]:
        """x [N,G,C/G,*S], w with its groups apart, an accumulator [N,G,O/G,*S'] of zeros, and the bias."""
        x, w, b = inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else None
        assert x is not None and w is not None
        groups, y = node.attrs["groups"], node.output.shape
        acc = np.zeros((y[0], groups, y[1] // groups, *y[2:]), x.dtype)
        return (
            x.reshape(x.shape[0], groups, -1, *x.shape[2:]), w.reshape(groups, -1, *w.shape[1:]), acc, b,
        )  # fmt: skip

    def _with_bias(self, node: Node, acc: Array, bias: Array | None) -> list[Array]:
        y = acc.reshape(node.output.shape)
        return [y if bias is None else y + bias.reshape(-1, *(1,) * (y.ndim - 2))]

    def cases(self) -> Iterable[Case]:
        for index, (x_shape, w_shape, groups, stride, padding, dilation, bias) in enumerate(self._case_shapes()):
            for dtype in CONV_TYPES if index == 1 else CONV_TYPES[:1]:
                rng = np.random.default_rng(1900 + index)
                outputs = w_shape[0] if self.name == "conv" else w_shape[1] * groups
                shapes = [x_shape, w_shape, (outputs,)][: 3 if bias else 2]
                attrs: dict[str, object] = {
                    "groups": groups, "stride": stride, "padding": padding, "dilation": dilation, **self._extra(index)
                }  # fmt: skip
                values = [Value(f"x{i}", s, dtype) for i, s in enumerate(shapes)]
                arrays = [random_numbers(rng, s, dtype) for s in shapes]
                if index == 2:
                    values[1:] = [Value.constant(v.name, a) for v, a in zip(values[1:], arrays[1:], strict=True)]
                y = Value("y", (), dtype)
                graph = single_node_graph(self.name, values, [y], attrs)
                y.shape = self.infer(graph.nodes[0])[0]
                yield Case(f"{dtype.suffix}_{index}", graph, (tuple(arrays[: 1 if index == 2 else 3]),))

    def _case_shapes(self) -> Sequence[tuple[Shape, Shape, int, Shape, Shape, Shape, bool]]:
        return ()

    def _extra(self, index: int) -> dict[str, object]:
        return {}


class Conv(_Convolution):
    """w [O,C/G,*K]. Codes: exact sums, then one rounding (attr double_rounding: TFLite's two) per output channel."""

    name = "conv"
    summary = "1-D to 3-D convolution in the file's layout: plain numbers, weights constant or computed, or int8"
    onnx = ("Conv", "ConvInteger", "QLinearConv")
    rewrite = "export convolutions with constant weights, or use --precision float32"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (
            products_of_numbers_or_codes, constant_weights_of_codes, symmetric_or_per_tensor, scales_along_outputs,
        )  # fmt: skip

    def infer(self, node: Node) -> list[Shape]:
        x, w, groups = node.input(0).shape, node.input(1).shape, node.attrs["groups"]
        self._check(node, w[0], w[1] * groups == x[1] and w[0] % max(groups, 1) == 0)
        before, after = split_padding(node)
        narrow = narrow_shape(node, x[2:], w[2:], node.attrs["stride"], node.attrs["dilation"], before, after)
        return [(x[0], w[0], *narrow)]

    def grid(self, node: Node) -> Grid:
        """Wide is the input, narrow the output."""
        return Grid(
            node.input(0).shape[2:], node.output.shape[2:], node.input(1).shape[2:], tuple(node.attrs["stride"]),
            tuple(node.attrs["dilation"]), split_padding(node)[0],
        )  # fmt: skip

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, w, acc, bias = self._operands(node, inputs)
        with np.errstate(all="ignore"):
            self._add_products(node, x, w, acc)
            return self._with_bias(node, acc, bias)

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        codes = inputs[0]
        assert codes is not None
        centred = codes.astype(np.int64) - fp.single_quant(node.input(0))[1]
        x, w, acc, _ = self._operands(node, [centred, weight_codes(node).astype(np.int64)])
        self._add_products(node, x, w, acc)
        sums = np.moveaxis(acc.reshape(node.output.shape), 1, -1) + bias_or_zero(node)
        return [np.ascontiguousarray(np.moveaxis(product_requantize(node, sums), -1, 1))]

    def _add_products(self, node: Node, x: Array, w: Array, acc: Array) -> None:
        column = (1,) * (acc.ndim - 3)
        for c in range(x.shape[2]):
            for place, wide, narrow in self.grid(node).taps():
                weights = w[at(slice(None), slice(None), c, *place)]
                acc[at(..., *narrow)] += x[at(slice(None), slice(None), c, None, *wide)] * weights.reshape(
                    *weights.shape, *column
                )

    def cases(self) -> Iterable[Case]:
        yield from super().cases()
        for index, (x, w, groups, stride, padding, dilation, _) in enumerate(self._case_shapes()):
            for zero in (0, 11):
                attrs: dict[str, object] = {
                    "groups": groups, "stride": stride, "padding": padding, "dilation": dilation
                }  # fmt: skip
                yield product_case(
                    self, f"s8_{index}_{zero}", np.random.default_rng(1950 + index), x, w, 0, zero, attrs
                )
        x, w, groups, stride, padding, dilation, _ = self._case_shapes()[1]
        attrs = {"groups": groups, "stride": stride, "padding": padding, "dilation": dilation}
        yield from coded_cases(self, [(x, w)], 0, attrs, 1970)
        yield from zeroless_cases(self, [(x, w)], 0, attrs, 1980)

    def _case_shapes(self) -> Sequence[tuple[Shape, Shape, int, Shape, Shape, Shape, bool]]:
        return (
            ((2, 3, 9), (4, 3, 3), 1, (2,), (1, 2), (2,), True),
            ((1, 4, 5, 6), (6, 2, 3, 2), 2, (1, 2), (1, 0, 2, 1), (1, 1), True),
            ((1, 2, 4, 5, 3), (3, 2, 2, 3, 2), 1, (2, 1, 1), (1, 1, 0, 0, 1, 1), (1, 2, 1), True),
            ((2, 3, 3, 3, 4), (3, 1, 3, 1, 2), 3, (1, 1, 3), (2, 0, 1, 2, 0, 1), (1, 1, 2), False),
        )


class ConvTranspose(_Convolution):
    """w [C,O/G,*K]; attr output_padding (per axis): how far the output reaches behind the last window."""

    name = "conv_transpose"
    summary = "1-D to 3-D transposed convolution of plain numbers, weights constant or computed"
    onnx = ("ConvTranspose",)
    rewrite = "use Resize (nearest) followed by Conv, or --precision float32"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (plain_transposed_products,)

    def infer(self, node: Node) -> list[Shape]:
        x, w, groups = node.input(0).shape, node.input(1).shape, node.attrs["groups"]
        outputs = w[1] * groups if len(w) > 1 else 0
        self._check(node, outputs, w[0] == x[1] and x[1] % max(groups, 1) == 0)
        stride, dilation, extra = (tuple(node.attrs[k]) for k in ("stride", "dilation", "output_padding"))
        before, after = split_padding(node)
        check_window(node, len(x) - 2, w[2:], stride, dilation, before, after, extra)
        sizes = zip(x[2:], stride, extra, reach_of(w[2:], dilation), before, after, strict=True)
        wide = tuple(s * (size - 1) + e + r - b - a for size, s, e, r, b, a in sizes)
        if min(wide) < 1:
            raise bad_shape(node, "the padding cuts the whole output off")
        return [(x[0], outputs, *wide)]

    def grid(self, node: Node) -> Grid:
        """Wide is the output, narrow the input."""
        return Grid(
            node.output.shape[2:], node.input(0).shape[2:], node.input(1).shape[2:], tuple(node.attrs["stride"]),
            tuple(node.attrs["dilation"]), split_padding(node)[0],
        )  # fmt: skip

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, w, acc, bias = self._operands(node, inputs)
        column = (1,) * (acc.ndim - 3)
        with np.errstate(all="ignore"):
            for c in range(x.shape[2]):
                for place, wide, narrow in self.grid(node).taps():
                    weights = w[at(slice(None), c, slice(None), *place)]
                    acc[at(..., *wide)] += x[at(slice(None), slice(None), c, None, *narrow)] * weights.reshape(
                        *weights.shape, *column
                    )
            return self._with_bias(node, acc, bias)

    def _case_shapes(self) -> Sequence[tuple[Shape, Shape, int, Shape, Shape, Shape, bool]]:
        return (
            ((2, 3, 5), (3, 4, 3), 1, (2,), (1, 0), (1,), True),
            ((1, 4, 3, 4), (4, 3, 3, 2), 2, (2, 1), (1, 0, 1, 1), (1, 2), True),
            ((1, 2, 2, 3, 3), (2, 2, 2, 3, 2), 1, (2, 1, 3), (0, 1, 0, 1, 1, 1), (1, 1, 1), True),
            ((2, 2, 3, 2), (2, 1, 1, 2), 2, (3, 2), (0, 0, 0, 0), (1, 1), False),
        )

    def _extra(self, index: int) -> dict[str, object]:
        return {"output_padding": ((1,), (1, 0), (0, 0, 1), (1, 1))[index]}
