"""avg_pool, max_pool and max_unpool: pooling over 1 to 3 axes in the layout [N, C, *spatial]; maxima of codes too."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops.spatial import Grid, at, narrow_shape, reach_of, split_padding
from edgekit.ops.spec import (
    Case,
    Constraint,
    OpSpec,
    Shape,
    bad_shape,
    is_quantized,
    random_codes,
    random_numbers,
    single_node_graph,
)

DIVISORS = ("inside", "padded", "none")
_MAX_TYPES = (DType.FLOAT32, DType.FLOAT64, DType.INT8, DType.UINT8)
_MEAN_TYPES = (DType.FLOAT32, DType.FLOAT64)


class _SpatialPool(OpSpec):
    """Input x [N,C,*S]; attrs kernel, stride, dilation, overhang (per axis: how far the last windows reach behind the
    padding), padding (before of every axis, then after of every axis).
    """

    types: tuple[DType, ...] = ()
    rewrite = "export 1-D or 2-D pooling, or use --precision float32"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (self._plain, windows_touch_input)

    def _plain(self, node: Node) -> bool:
        """the input must be plain numbers: float32 or float64."""
        return not is_quantized(node) and node.input(0).dtype in self.types

    def infer(self, node: Node) -> list[Shape]:
        x = node.input(0).shape
        (before, after), overhang = split_padding(node), node.attrs["overhang"]
        kernel, stride, dilation = (tuple(node.attrs[k]) for k in ("kernel", "stride", "dilation"))
        if len(overhang) != len(after) or min(overhang, default=0) < 0:
            raise bad_shape(node, "needs an overhang of at least 0 per axis")
        behind = tuple(a + o for a, o in zip(after, overhang, strict=True))
        shape = (*x[:2], *narrow_shape(node, x[2:], kernel, stride, dilation, before, behind))
        return [shape] * len(node.outputs)

    def grid(self, node: Node) -> Grid:
        """Wide is the input, narrow the output."""
        return Grid(
            node.input(0).shape[2:], node.outputs[0].shape[2:], tuple(node.attrs["kernel"]),
            tuple(node.attrs["stride"]), tuple(node.attrs["dilation"]), split_padding(node)[0],
        )  # fmt: skip

    def _graph_attrs(self) -> Sequence[tuple[Shape, dict[str, object]]]:
        geometries: list[tuple[Shape, Shape, Shape, Shape, Shape, Shape]] = [
            ((2, 2, 9), (3,), (2,), (1, 1), (1,), (1,)),
            ((1, 3, 5, 6), (2, 3), (1, 2), (1, 0, 0, 2), (2, 1), (0, 0)),
            ((2, 2, 4, 5, 3), (2, 3, 2), (2, 1, 1), (1, 1, 0, 0, 1, 1), (1, 2, 1), (0, 1, 0)),
        ]
        return [
            (shape, {"kernel": k, "stride": s, "padding": p, "dilation": d, "overhang": o})
            for shape, k, s, p, d, o in geometries
        ]


def windows_touch_input(node: Node) -> bool:
    """no window may lie wholly in the padding (padding must be smaller than the window)."""
    reach = reach_of(node.attrs["kernel"], node.attrs["dilation"])
    before, after = split_padding(node)
    return all(max(b, a) < r for b, a, r in zip(before, after, reach, strict=True))


class SpatialAvgPool(_SpatialPool):
    """attr divisor: divide each sum by how many places of its window lie "inside" the input or in the "padded" input,
    or by "none" at all. One accumulator per output, in the order of the kernel.
    """

    name = "avg_pool"
    summary = "average and sum pooling of plain numbers over 1 to 3 axes"
    onnx = ("AveragePool", "LpPool", "GlobalLpPool", "LRN")
    types = _MEAN_TYPES

    def infer(self, node: Node) -> list[Shape]:
        if node.attrs["divisor"] not in DIVISORS:
            raise bad_shape(node, f"divisor {node.attrs['divisor']!r} is none of {DIVISORS}")
        return super().infer(node)

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x = inputs[0]
        assert x is not None
        acc = np.zeros(node.output.shape, x.dtype)
        with np.errstate(all="ignore"):
            for _, wide, narrow in self.grid(node).taps():
                acc[at(..., *narrow)] += x[at(..., *wide)]
            return [acc if node.attrs["divisor"] == "none" else acc / self.counts(node).astype(x.dtype)]

    def counts(self, node: Node) -> Array:
        """int64 [*S']: what each mean divides by."""
        grid, padded = self.grid(node), node.attrs["divisor"] == "padded"
        after = split_padding(node)[1]
        counts = np.ones((), np.int64)
        for axis, size in enumerate(grid.wide):
            low, high = (-grid.before[axis], size + after[axis]) if padded else (0, size)
            places = (
                np.arange(grid.narrow[axis])[:, None] * grid.stride[axis]
                + np.arange(grid.kernel[axis]) * grid.dilation[axis]
                - grid.before[axis]
            )
            counts = counts[..., None] * ((places >= low) & (places < high)).sum(axis=1)
        return counts

    def cases(self) -> Iterable[Case]:
        for index, (shape, attrs) in enumerate(self._graph_attrs()):
            for divisor in DIVISORS:
                dtype = DType.FLOAT64 if divisor == "padded" and index == 1 else DType.FLOAT32
                rng, y = np.random.default_rng(2000 + index), Value("y", (), dtype)
                graph = single_node_graph(self.name, [Value("x", shape, dtype)], [y], {**attrs, "divisor": divisor})
                y.shape = self.infer(graph.nodes[0])[0]
                yield Case(f"{divisor}_{index}", graph, ((random_numbers(rng, shape, dtype),),))


class SpatialMaxPool(_SpatialPool):
    """Outputs the maxima (NaN wins, of equals the first) and, where asked for, int64 positions of them in x counted as
    if it were stored row by row, or with attr column_major with the first spatial axis fastest.
    """

    name = "max_pool"
    summary = "max pooling over 1 to 3 axes, with positions of the maxima where asked for"
    onnx = ("MaxPool",)
    types = _MAX_TYPES

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (self._numbers_or_codes, windows_touch_input)

    def _numbers_or_codes(self, node: Node) -> bool:
        """the input must be plain float32, float64, int8 or uint8 numbers, or int8 codes, which keep their scale."""
        x = node.input(0)
        return x.dtype in self.types and x.quant == node.outputs[0].quant and (x.quant is None or x.dtype is DType.INT8)

    def tied(self, node: Node) -> list[Value]:
        return [node.input(0), node.outputs[0]]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        return self.float_reference(node, inputs)

    def infer_types(self, node: Node) -> list[DType]:
        return [node.input(0).dtype, DType.INT64][: len(node.outputs)]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x = inputs[0]
        assert x is not None
        lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        best = np.full(node.outputs[0].shape, lowest, x.dtype)
        places = self._positions(node, x.shape)
        found = np.full(best.shape, -1, np.int64)
        for _, wide, narrow in self.grid(node).taps():
            here, kept = x[at(..., *wide)], best[at(..., *narrow)]
            better = (here > kept) | ((here != here) & (kept == kept)) | (found[at(..., *narrow)] < 0)
            best[at(..., *narrow)] = np.where(better, here, kept)
            found[at(..., *narrow)] = np.where(better, places[at(..., *wide)], found[at(..., *narrow)])
        return [best, np.maximum(found, 0)][: len(node.outputs)]

    def _positions(self, node: Node, shape: Shape) -> Array:
        steps = index_steps(node)
        places = np.arange(math.prod(shape[:2]), dtype=np.int64).reshape(*shape[:2], *(1,) * len(steps))
        places = places * math.prod(shape[2:])
        for axis, step in enumerate(steps):
            column = np.arange(shape[2 + axis], dtype=np.int64) * step
            places = places + column.reshape(-1, *(1,) * (len(steps) - 1 - axis))
        return places

    def cases(self) -> Iterable[Case]:
        for index, (shape, attrs) in enumerate(self._graph_attrs()):
            for dtype in _MAX_TYPES if index == 1 else _MAX_TYPES[:1]:
                for outputs, column_major in ((1, False), (2, False), (2, True)):
                    rng = np.random.default_rng(2100 + index)
                    values = [Value("y", (), dtype), Value("places", (), DType.INT64)][:outputs]
                    graph = single_node_graph(
                        self.name, [Value("x", shape, dtype)], values, {**attrs, "column_major": column_major}
                    )
                    for value, own in zip(values, self.infer(graph.nodes[0]), strict=True):
                        value.shape = own
                    data = random_numbers(rng, shape, dtype)
                    name = f"{dtype.suffix}_{index}_{outputs}{'_columns' if column_major else ''}"
                    yield Case(name, graph, ((data,),))
        yield self._codes_case()

    def _codes_case(self) -> Case:
        shape, attrs = self._graph_attrs()[2]
        x, y = (Value(name, shape, DType.INT8, QuantType.per_tensor(0.05, 3)) for name in "xy")
        graph = single_node_graph(self.name, [x], [y], {**attrs, "column_major": False})
        y.shape = self.infer(graph.nodes[0])[0]
        return Case("codes", graph, ((random_codes(np.random.default_rng(2110), shape),),))


def index_steps(node: Node) -> Shape:
    """What one step along each spatial axis of the input adds to a position."""
    sizes = node.input(0).shape[2:]
    axes = range(len(sizes))
    if node.attrs.get("column_major", False):
        return tuple(math.prod(sizes[:axis]) for axis in axes)
    return tuple(math.prod(sizes[axis + 1 :]) for axis in axes)


class MaxUnpool(OpSpec):
    """Inputs x, positions (int64, x's shape); attr shape. Zeros, with x's elements at their positions in row-major
    order, later ones over earlier ones; a position outside the output is left out.
    """

    name = "max_unpool"
    summary = "zeros with elements at computed positions"
    onnx = ("MaxUnpool",)
    rewrite = "use --precision float32"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (plain_words,)

    def infer(self, node: Node) -> list[Shape]:
        shape = tuple(int(d) for d in node.attrs["shape"])
        if node.input(0).shape != node.input(1).shape or min(shape, default=1) < 1:
            raise bad_shape(node, f"needs one position per element and a shape of at least 1, not {list(shape)}")
        return [shape]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, places = inputs
        assert x is not None and places is not None
        y = np.zeros(node.output.elements, x.dtype)
        # numpy keeps the last of several assignments to one place.
        inside = (places >= 0) & (places < y.size)
        y[places[inside]] = x[inside]
        return [y.reshape(node.output.shape)]

    def cases(self) -> Iterable[Case]:
        for dtype in (DType.FLOAT32, DType.FLOAT64, DType.INT8):
            rng, shape = np.random.default_rng(2200), (1, 2, 3, 2)
            values = [Value("x", shape, dtype), Value("i", shape, DType.INT64)]
            y = Value("y", (1, 2, 5, 4), dtype)
            graph = single_node_graph(self.name, values, [y], {"shape": y.shape})
            places = rng.integers(-5, 45, shape)
            places.reshape(-1)[:2] = -(1 << 62), 1 << 62
            yield Case(dtype.suffix, graph, ((random_numbers(rng, shape, dtype), places),))


def plain_words(node: Node) -> bool:
    """operands must be plain numbers of 1, 4 or 8 bytes, positions int64."""
    return not is_quantized(node) and node.input(0).dtype.size in (1, 4, 8) and node.input(1).dtype is DType.INT64
