"""resample: every element along one axis becomes a weighted sum of elements at constant places."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
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

WEIGHT_BITS = 14


class Resample(OpSpec):
    """Inputs x, constant places (int32 [O,T], inside the axis) and weights (float32 [O,T]); attr axis.

    Each output is one accumulator that starts at 0 and adds weight times element, tap by tap. Codes keep their
    quantization; weights become multiples of 2**-14 that add up to what the real ones do, and the sum is rounded once.
    """

    name = "resample"
    summary = "linear or cubic resizing along one axis, positions and weights worked out at build time"
    onnx = ("Resize", "Upsample")
    rewrite = "use nearest-neighbour resizing, or --precision float32"
    keeps_float_constants = True

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (rows_of_numbers, constant_places)

    def tied(self, node: Node) -> list[Value]:
        return [node.input(0), node.output]

    def infer(self, node: Node) -> list[Shape]:
        shape, axis, table = node.input(0).shape, node.attrs["axis"], node.input(1).shape
        if not 0 <= axis < len(shape) or len(table) != 2 or table != node.input(2).shape or min(table) < 1:
            raise bad_shape(node, f"axis {axis} or the tables do not fit")
        return [(*shape[:axis], table[0], *shape[axis + 1 :])]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, places, weights = inputs
        assert x is not None and places is not None and weights is not None
        rows = np.moveaxis(x, node.attrs["axis"], 0)
        acc = np.zeros((len(places), *rows.shape[1:]), x.dtype)
        column = (1,) * (rows.ndim - 1)
        with np.errstate(all="ignore"):
            for tap in range(places.shape[1]):
                acc += weights[:, tap].reshape(-1, *column) * rows[places[:, tap]]
        return [np.ascontiguousarray(np.moveaxis(acc, 0, node.attrs["axis"]))]

    def integer_weights(self, node: Node) -> Array:
        """int16 [O,T]: weights in units of 2**-14; what rounding adds or takes goes to the largest one of each row."""
        real = node.input(2).array.astype(np.float64) * (1 << WEIGHT_BITS)
        whole = np.rint(real).astype(np.int64)
        rest = np.rint(real.sum(axis=1)).astype(np.int64) - whole.sum(axis=1)
        whole[np.arange(len(whole)), np.abs(real).argmax(axis=1)] += rest
        return whole.astype(np.int16)

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, places = inputs[0], inputs[1]
        assert x is not None and places is not None
        zero = fp.single_quant(node.output)[1]
        rows = np.moveaxis(x.astype(np.int64) - zero, node.attrs["axis"], 0)
        weights = self.integer_weights(node).astype(np.int64).reshape(*places.shape, *(1,) * (rows.ndim - 1))
        total = (weights * rows[places]).sum(axis=1)
        codes = np.clip(((total + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS) + zero, -128, 127).astype(np.int8)
        return [np.ascontiguousarray(np.moveaxis(codes, 0, node.attrs["axis"]))]

    def macs(self, node: Node) -> int:
        return node.output.elements * node.input(1).shape[1]

    def cases(self) -> Iterable[Case]:
        for axis, shape in enumerate([(5, 3), (2, 4, 3), (2, 3, 6)]):
            rng, y = np.random.default_rng(2400 + axis), Value("y", (), DType.FLOAT32)
            places = rng.integers(0, shape[axis], (7, 3)).astype(np.int32)
            values = [
                Value("x", shape, DType.FLOAT32), Value.constant("places", places),
                Value.constant("weights", rng.normal(0, 1, (7, 3)).astype(np.float32)),
            ]  # fmt: skip
            graph = single_node_graph(self.name, values, [y], {"axis": axis})
            y.shape = self.infer(graph.nodes[0])[0]
            yield Case(f"axis{axis}", graph, ((random_numbers(rng, shape, DType.FLOAT32),),))
            quant, mean = QuantType.per_tensor(0.05, -7), rng.uniform(-0.3, 1, (7, 3))
            weights = (mean / mean.sum(axis=1, keepdims=True)).clip(-1.9, 1.9).astype(np.float32)
            values = [
                Value("x", shape, DType.INT8, quant), Value.constant("places", places),
                Value.constant("weights", weights),
            ]  # fmt: skip
            y = Value("y", graph.outputs[0].shape, DType.INT8, quant)
            graph = single_node_graph(self.name, values, [y], {"axis": axis})
            yield Case(f"codes{axis}", graph, ((random_codes(rng, shape),),))


def rows_of_numbers(node: Node) -> bool:
    """the input must be float32, or int8 codes whose quantization the output shares, with weights below 2."""
    x, y = node.input(0), node.output
    if not is_quantized(node):
        return x.dtype is DType.FLOAT32
    weights = node.input(2)
    small = weights.is_constant and bool((np.abs(weights.array) < 1.99).all()) and node.input(1).shape[1] <= 64
    return x.dtype is DType.INT8 and x.quant == y.quant and small


def constant_places(node: Node) -> bool:
    """places and weights must be constants, places inside the axis."""
    places, weights = node.input(1), node.input(2)
    if not places.is_constant or not weights.is_constant or places.dtype is not DType.INT32:
        return False
    size = node.input(0).shape[node.attrs["axis"]]
    return weights.dtype is DType.FLOAT32 and bool(((places.array >= 0) & (places.array < size)).all())


def outer_and_inner(node: Node) -> tuple[int, int]:
    """Elements before and behind the axis."""
    shape, axis = node.input(0).shape, node.attrs["axis"]
    return math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
