"""gather_elements, gather_nd, scatter_elements, scatter_nd: elements and rows by computed or constant indices.

Indices are int32 or int64, count from the end where negative, and are moved to the nearest end of their axis where they
lie outside it, as the kernels do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops.binary import NUMBERS
from edgekit.ops.movement import MAX_AXES, few_axes, whole_indices
from edgekit.ops.pool import same_quantization
from edgekit.ops.ranking import checked_axis
from edgekit.ops.select import one_data_type
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, is_quantized, random_numbers, single_node_graph

_QUANT = QuantType.per_tensor(0.1, 3)


def inside(indices: Array, size: int) -> Array:
    """Indices from 0 to size - 1."""
    return np.clip(np.where(indices < 0, indices + size, indices).astype(np.int64), 0, size - 1)


class _Indexing(OpSpec):
    """Codes keep their quantization; indices are no codes."""

    shares_quantization = True
    rewrite = "cast the indices to int32 or int64, and quantize all data with one scale"

    def tied(self, node: Node) -> list[Value]:
        return [v for i, v in enumerate((*node.inputs, *node.outputs)) if i != 1 and v is not None]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        return self.float_reference(node, inputs)

    def _case(
        self, name: str, shapes: Sequence[Shape], limits: Sequence[int], kind: DType, dtype: DType,
        attrs: dict[str, object], codes: bool = False,
    ) -> Case:  # fmt: skip
        """Data of shapes[0], indices of shapes[1] (a limit per number of a tuple), and updates of shapes[2], if any."""
        rng = np.random.default_rng(1720)
        quant = _QUANT if codes else None
        limit = np.array(limits)
        indices = rng.integers(-limit - 1, limit + 1, shapes[1]).astype(kind.numpy)
        data = [random_numbers(rng, shapes[0], dtype), indices]
        operands = [Value("x", shapes[0], dtype, quant), Value("i", shapes[1], kind)]
        if len(shapes) > 2:
            data.append(random_numbers(rng, shapes[2], dtype))
            operands.append(Value("u", shapes[2], dtype, quant))
        y = Value("y", (), dtype, quant)
        graph = single_node_graph(self.name, operands, [y], attrs)
        y.shape = self.infer(graph.nodes[0])[0]
        return Case(name, graph, (tuple(data),))


_KINDS = (
    (DType.INT8, DType.INT32, True), (DType.FLOAT32, DType.INT64, False), (DType.INT16, DType.INT64, False),
    (DType.INT64, DType.INT32, False),
)  # fmt: skip


class GatherElements(_Indexing):
    """Inputs x, indices (as many axes, all but attr axis no longer): y[.., i, ..] = x[.., indices[.., i, ..], ..]."""

    name = "gather_elements"
    summary = "single elements along an axis by indices"
    onnx = ("GatherElements",)

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (same_quantization, whole_indices, few_axes)

    def infer(self, node: Node) -> list[Shape]:
        axis = checked_axis(node)
        return [_beside(node, node.input(0).shape, axis)]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, indices = inputs
        assert x is not None and indices is not None
        return [x[element_places(x.shape, indices, node.attrs["axis"])]]

    def cases(self) -> Iterable[Case]:
        for dtype, kind, codes in _KINDS:
            yield self._case(f"{dtype.suffix}_0", [(5, 4), (7, 3)], [5], kind, dtype, {"axis": 0}, codes)
            yield self._case(f"{dtype.suffix}_1", [(3, 5, 4), (2, 6, 4)], [5], kind, dtype, {"axis": 1}, codes)


def _beside(node: Node, shape: Shape, axis: int) -> Shape:
    """The indices' shape, where it lies inside `shape` along all axes but one."""
    indices = node.input(1).shape
    if len(indices) != len(shape) or any(
        i > d for a, (i, d) in enumerate(zip(indices, shape, strict=True)) if a != axis
    ):
        raise bad_shape(node, "the indices reach beyond the input")
    if math.prod(indices) and not shape[axis]:
        raise bad_shape(node, "there is nothing to index")
    return indices


def element_places(shape: Shape, indices: Array, axis: int) -> tuple[Array, ...]:
    """The place in a tensor of `shape` that every index stands for."""
    places: list[Array] = list(np.indices(indices.shape, sparse=True))
    places[axis] = inside(indices, shape[axis])
    return tuple(places)


class GatherND(_Indexing):
    """Inputs x, indices [.., D]; attr batch_dims: every D numbers name a row x[i0, .., iD-1] of the batch."""

    name = "gather_nd"
    summary = "rows by tuples of indices"
    onnx = ("GatherND", "ReverseSequence")
    tflite = ("GATHER_ND", "REVERSE_SEQUENCE")

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (same_quantization, whole_indices, _few_indexed_axes)

    def infer(self, node: Node) -> list[Shape]:
        x, indices, batch = node.input(0).shape, node.input(1).shape, int(node.attrs["batch_dims"])
        if not (0 <= batch < len(indices) and batch <= len(x) and x[:batch] == indices[:batch]):
            raise bad_shape(node, f"{batch} batch axes do not fit")
        return [(*indices[:-1], *_row_shape(node, x[batch:], indices[-1]))]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, indices = inputs
        assert x is not None and indices is not None
        batch = node.attrs["batch_dims"]
        places = np.indices((*indices.shape[:-1], 1), sparse=True)[:batch]
        own = [p[..., 0] for p in places]
        place = (*own, *tuple_places(x.shape[batch:], indices))
        return [x[place]]

    def cases(self) -> Iterable[Case]:
        for dtype, kind, codes in _KINDS:
            attrs: dict[str, object] = {"batch_dims": 0}
            yield self._case(f"{dtype.suffix}_0", [(3, 4, 5), (2, 6, 2)], [3, 4], kind, dtype, attrs, codes)
            attrs = {"batch_dims": 1}
            yield self._case(f"{dtype.suffix}_1", [(2, 3, 4), (2, 5, 1)], [3], kind, dtype, attrs, codes)
        yield self._case("elements", [(3, 4), (6, 2)], [3, 4], DType.INT32, DType.FLOAT32, {"batch_dims": 0})


def _row_shape(node: Node, shape: Shape, depth: int) -> Shape:
    """What a tuple of `depth` indices names in a tensor of `shape`."""
    if not 0 <= depth <= len(shape):
        raise bad_shape(node, f"{depth} indices name more axes than there are")
    if 0 in shape[:depth] and node.input(1).elements:
        raise bad_shape(node, "there is nothing to index")
    return shape[depth:]


def tuple_places(shape: Shape, indices: Array) -> list[Array]:
    """The index along each axis that the last axis of `indices` names."""
    return [inside(indices[..., d], shape[d]) for d in range(indices.shape[-1])]


def _few_indexed_axes(node: Node) -> bool:
    """indices may name at most 8 axes."""
    return node.input(1).shape[-1] <= MAX_AXES


_REDUCTIONS: dict[str, Callable[[Array, Array], Array]] = {
    "none": lambda old, update: update,
    "add": lambda old, update: old + update,
    "mul": lambda old, update: old * update,
    "max": lambda old, update: old if old > update or old != old else update,
    "min": lambda old, update: old if old < update or old != old else update,
}


def _known_reduction(node: Node) -> bool:
    """codes can be replaced or compared (reductions none, max, min), plain numbers added and multiplied too."""
    reductions = ("none", "max", "min") if is_quantized(node) else tuple(_REDUCTIONS)
    return node.attrs["reduction"] in reductions


def _known_type(node: Node) -> bool:
    """data must be int8 codes, or plain numbers or bool (only replaced)."""
    dtype = node.input(0).dtype
    if is_quantized(node):
        return dtype is DType.INT8
    return dtype in NUMBERS or (dtype is DType.BOOL and node.attrs["reduction"] == "none")


class _Scatter(_Indexing):
    """Inputs x, indices, updates; attr reduction: none, add, mul, max or min. One update after the other."""

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (same_quantization, whole_indices, few_axes, one_data_type, _known_type, _known_reduction)

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, indices, updates = inputs
        assert x is not None and indices is not None and updates is not None
        y, step = x.copy(), _REDUCTIONS[node.attrs["reduction"]]
        places = self._places(node, x.shape, indices, updates.shape)
        with np.errstate(all="ignore"):
            for *place, update in zip(*(p.reshape(-1) for p in places), updates.reshape(-1), strict=True):
                y[tuple(place)] = step(y[tuple(place)], update)
        return [y]

    def _places(self, node: Node, shape: Shape, indices: Array, updates: Shape) -> list[Array]:
        """Per axis of the data, where every update goes."""
        raise NotImplementedError


class ScatterElements(_Scatter):
    """Attr axis; indices and updates have one shape, inside x's along all other axes."""

    name = "scatter_elements"
    summary = "single elements along an axis set, added, .. by indices"
    onnx = ("ScatterElements", "Scatter")

    def infer(self, node: Node) -> list[Shape]:
        shape, axis = node.input(0).shape, checked_axis(node)
        if _beside(node, shape, axis) != node.input(2).shape:
            raise bad_shape(node, "there is not one update per index")
        return [shape]

    def _places(self, node: Node, shape: Shape, indices: Array, updates: Shape) -> list[Array]:
        return [np.broadcast_to(p, updates) for p in element_places(shape, indices, node.attrs["axis"])]

    def cases(self) -> Iterable[Case]:
        shapes: list[Shape] = [(3, 5, 4), (2, 6, 3), (2, 6, 3)]
        for dtype in NUMBERS:
            for reduction in _REDUCTIONS if dtype in (DType.FLOAT32, DType.INT32) else ("mul",):
                attrs: dict[str, object] = {"axis": 1, "reduction": reduction}
                yield self._case(f"{dtype.suffix}_{reduction}", shapes, [5], DType.INT64, dtype, attrs)
        for reduction in ("none", "max", "min"):
            attrs = {"axis": 0, "reduction": reduction}
            yield self._case(f"codes_{reduction}", [(4, 3), (5, 3), (5, 3)], [4], DType.INT32, DType.INT8, attrs, True)


class ScatterND(_Scatter):
    """Indices [.., D]: every D numbers name the row of x that one row of updates goes to."""

    name = "scatter_nd"
    summary = "rows set, added, .. by tuples of indices"
    onnx = ("ScatterND", "TensorScatter")
    tflite = ("SCATTER_ND",)

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (*super().constraints, _few_indexed_axes)

    def infer(self, node: Node) -> list[Shape]:
        x, indices = node.input(0).shape, node.input(1).shape
        if not indices or (*indices[:-1], *_row_shape(node, x, indices[-1])) != node.input(2).shape:
            raise bad_shape(node, "there is not one row of updates per index")
        return [x]

    def _places(self, node: Node, shape: Shape, indices: Array, updates: Shape) -> list[Array]:
        depth, rows = indices.shape[-1], len(indices.shape) - 1
        extra = (1,) * (len(shape) - depth)
        named = [p.reshape(p.shape + extra) for p in tuple_places(shape, indices)]
        own = np.indices(updates, sparse=True)[rows:]
        return [np.broadcast_to(p, updates) for p in (*named, *own)]

    def cases(self) -> Iterable[Case]:
        shapes: list[Shape] = [(3, 4, 5), (2, 6, 2), (2, 6, 5)]
        for dtype in NUMBERS:
            for reduction in _REDUCTIONS if dtype in (DType.FLOAT32, DType.INT32) else ("add",):
                attrs: dict[str, object] = {"reduction": reduction}
                yield self._case(f"{dtype.suffix}_{reduction}", shapes, [3, 4], DType.INT64, dtype, attrs)
        for reduction in ("none", "max", "min"):
            attrs = {"reduction": reduction}
            yield self._case(f"codes_{reduction}", [(4, 3), (5, 1), (5, 3)], [4], DType.INT32, DType.INT8, attrs, True)


INDEXING_OPS: tuple[OpSpec, ...] = (GatherElements(), GatherND(), ScatterElements(), ScatterND())
