"""Bilinear interpolation as TFLite's kernels define it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops.pool import same_quantization
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, is_quantized, random_codes, single_node_graph

F32 = np.float32
BITS = 10


class ResizeBilinear(OpSpec):
    """Input x [N,H,W,C]; attrs size (h, w), align_corners, half_pixel_centers. Codes keep their quantization."""

    name = "resize_bilinear"
    summary = "bilinear interpolation of NHWC activations to any size"
    tflite = ("RESIZE_BILINEAR",)
    shares_quantization = True
    rewrite = "resize float32, int8 or int16 tensors"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (same_quantization, _codes_or_float)

    def infer(self, node: Node) -> list[Shape]:
        shape, (height, width) = node.input(0).shape, node.attrs["size"]
        if len(shape) != 4 or min(height, width, *shape) < 1:
            raise bad_shape(node, "needs a 4-D input and a size of at least 1")
        return [(shape[0], height, width, shape[3])]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        (rows, v), (columns, u) = (places_f32(node, axis) for axis in range(2))
        v, u = v[:, None, None], u[None, :, None]
        a, b, c, d = _corners(inputs[0], rows, columns)
        one = F32(1)
        return [a * (one - v) * (one - u) + b * v * (one - u) + c * (one - v) * u + d * v * u]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        (rows, v), (columns, u) = (places_codes(node, axis) for axis in range(2))
        v, u = v[:, None, None], u[None, :, None]
        a, b, c, d = _corners(inputs[0].astype(np.int64), rows, columns)
        one = 1 << BITS
        total = a * (one - v) * (one - u) + b * v * (one - u) + c * (one - v) * u + d * v * u
        half = 1 << (2 * BITS - 1)
        rounded = total + np.where(total > 0, half, -half)
        codes = np.sign(rounded) * (np.abs(rounded) >> 2 * BITS)
        return [codes.astype(inputs[0].dtype)]

    def cases(self) -> Iterable[Case]:
        settings = [((7, 9), False, False), ((7, 9), True, False), ((7, 9), False, True), ((2, 1), False, True)]
        for dtype in (DType.INT8, DType.INT16, DType.FLOAT32):
            for index, (size, align, half) in enumerate(settings):
                rng, shape = np.random.default_rng(910 + index), (2, 3, 4, 5)
                quant = None if dtype is DType.FLOAT32 else QuantType.per_tensor(0.1, 3 if dtype is DType.INT8 else 0)
                attrs: dict[str, object] = {"size": size, "align_corners": align, "half_pixel_centers": half}
                y = Value("y", (), dtype, quant)
                graph = single_node_graph(self.name, [Value("x", shape, dtype, quant)], [y], attrs)
                y.shape = self.infer(graph.nodes[0])[0]
                data = rng.normal(0, 2, shape).astype(F32) if quant is None else random_codes(rng, shape, dtype)
                yield Case(f"{dtype.suffix}_{index}", graph, ((data,),))


def _codes_or_float(node: Node) -> bool:
    """the input must be float32, or int8 or int16 codes."""
    x = node.input(0)
    return x.dtype in ((DType.INT8, DType.INT16) if is_quantized(node) else (DType.FLOAT32,))


def _corners(x: Array, rows: Array, columns: Array) -> list[Array]:
    """Four neighbours of every output pixel: (low, low), (high, low), (low, high), (high, high) of (row, column)."""
    return [x[:, rows[:, i]][:, :, columns[:, j]] for j in range(2) for i in range(2)]


def places_f32(node: Node, axis: int) -> tuple[Array, Array]:
    """(low and high neighbour [n, 2], fraction above the low one float32 [n]) along H (0) or W (1)."""
    size, wanted = node.input(0).shape[1 + axis], node.attrs["size"][axis]
    scale = F32(size) / F32(wanted)
    if node.attrs["align_corners"] and wanted > 1:
        scale = F32(size - 1) / F32(wanted - 1)
    places = np.arange(wanted).astype(F32)
    shift = F32(0.5 if node.attrs["half_pixel_centers"] else 0)
    places = (places + shift) * scale - shift
    low = np.maximum(np.floor(places).astype(np.int64), 0)
    high = np.minimum(np.ceil(places).astype(np.int64), size - 1)
    return np.stack([np.minimum(low, size - 1), np.maximum(high, 0)], axis=1), places - low.astype(F32)


def places_codes(node: Node, axis: int) -> tuple[Array, Array]:
    """As `places_f32` in steps of 1/1024: (neighbours [n, 2], fraction [n]), int64."""
    size, wanted = node.input(0).shape[1 + axis], node.attrs["size"][axis]
    scale = ((size << BITS) + wanted // 2) // wanted
    if node.attrs["align_corners"] and wanted > 1:
        scale = (((size - 1) << BITS) + (wanted - 1) // 2) // (wanted - 1)
    places = np.arange(wanted, dtype=np.int64) * scale
    if node.attrs["half_pixel_centers"]:
        places = places + scale // 2 - (1 << (BITS - 1))
    # C divides towards zero; below zero both neighbours are the first element.
    low = np.maximum(np.where(places < 0, 0, places >> BITS), 0)
    high = np.where(places < 0, 0, (places + (1 << BITS) - 1) >> BITS)
    return np.stack([np.minimum(low, size - 1), np.minimum(high, size - 1)], axis=1), places - (low << BITS)
