"""roi_align: regions of images, each pooled to one size from samples between the elements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, Value
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, is_quantized, single_node_graph

F32 = np.float32
# A region without a given number of samples takes at most this many per element of the image's axis.
MAX_SAMPLES_PER_ELEMENT = 4


class RoiAlign(OpSpec):
    """Inputs x [N,C,H,W], regions [R,4] (left, top, right, bottom), images int64 [R]; attrs size (h, w), samples (per
    bin and axis, 0: as many as a bin has elements), scale of the regions, half_pixel, mode avg or max.

    A sample is linear in its four neighbours (for the maximum the largest of its four terms), 0 beyond one element
    outside the image. An image number outside the batch is moved to its nearest end.
    """

    name = "roi_align"
    summary = "pooling of computed regions"
    onnx = ("RoiAlign",)
    rewrite = "use --precision float32"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (plain_regions,)

    def infer(self, node: Node) -> list[Shape]:
        x, regions, images, size = node.input(0).shape, node.input(1).shape, node.input(2).shape, node.attrs["size"]
        if len(x) != 4 or min(x) < 1 or len(regions) != 2 or regions[1] != 4 or images != regions[:1] or min(size) < 1:
            raise bad_shape(node, "needs [N,C,H,W], regions [R,4] and images [R]")
        if node.attrs["mode"] not in ("avg", "max") or node.attrs["samples"] < 0:
            raise bad_shape(node, "needs mode avg or max, and samples of at least 0")
        return [(regions[0], x[1], *size)]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        x, regions, images = inputs
        assert x is not None and regions is not None and images is not None
        y = np.zeros(node.output.shape, F32)
        with np.errstate(all="ignore"):
            for r, image in enumerate(np.clip(images, 0, len(x) - 1)):
                y[r] = self._region(node, x[image], regions[r])
        return [y]

    def _region(self, node: Node, x: Array, region: Array) -> Array:
        """[C,OH,OW] of one region of x [C,H,W]."""
        size, scale = node.attrs["size"], F32(node.attrs["scale"])
        shift = F32(0.5) if node.attrs["half_pixel"] else F32(0)
        corners = region * scale - shift
        axes = []
        for axis in range(2):
            start, length = corners[1 - axis], corners[3 - axis] - corners[1 - axis]
            if not node.attrs["half_pixel"]:
                length = length if length > F32(1) else F32(1)
            bin_size = F32(length / F32(size[axis]))
            count = samples_of(bin_size, x.shape[1 + axis], node.attrs["samples"])
            axes.append((start, bin_size, count))
        (top, bin_h, rows), (left, bin_w, columns) = axes
        total = np.zeros((x.shape[0], *size), F32)
        for i in range(rows):
            down = (top + np.arange(size[0], dtype=F32) * bin_h) + F32(i + 0.5) * bin_h / F32(rows)
            for j in range(columns):
                right = (left + np.arange(size[1], dtype=F32) * bin_w) + F32(j + 0.5) * bin_w / F32(columns)
                terms = _terms(x, down.astype(F32)[:, None], right.astype(F32)[None, :])
                if node.attrs["mode"] == "avg":
                    total = total + (((terms[0] + terms[1]) + terms[2]) + terms[3])
                    continue
                best = terms[0]
                for term in terms[1:]:
                    best = np.where(term > best, term, best)
                total = best if i == j == 0 else np.where(best > total, best, total)
        if node.attrs["mode"] == "avg":
            total = total / F32(max(rows * columns, 1))
        return np.asarray(total, F32)

    def cases(self) -> Iterable[Case]:
        for index, (samples, half_pixel, mode) in enumerate([(2, True, "avg"), (0, False, "avg"), (0, True, "max")]):
            rng = np.random.default_rng(2800 + index)
            regions = rng.uniform(-3, 9, (6, 4)).astype(F32)
            regions[:, 2:] = regions[:, :2] + np.abs(regions[:, 2:])
            regions[0], regions[1, 0], regions[2] = (0, 0, 1e9, 1e9), np.nan, (5, 5, 1, 1)
            images = np.array([0, 1, -5, 7, 1, 1 << 40], np.int64)
            data = rng.normal(0, 1, (2, 3, 6, 5)).astype(F32)
            attrs: dict[str, object] = {
                "size": (2, 3), "samples": samples, "scale": 0.75, "half_pixel": half_pixel, "mode": mode
            }  # fmt: skip
            values = [
                Value("x", data.shape, DType.FLOAT32), Value("regions", (6, 4), DType.FLOAT32),
                Value("images", (6,), DType.INT64),
            ]  # fmt: skip
            y = Value("y", (6, 3, 2, 3), DType.FLOAT32)
            graph = single_node_graph(self.name, values, [y], attrs)
            yield Case(f"c{index}", graph, ((data, regions, images),))


def plain_regions(node: Node) -> bool:
    """input and regions must be plain float32 numbers, images int64."""
    kinds = [node.input(i).dtype for i in range(3)]
    return not is_quantized(node) and kinds == [DType.FLOAT32, DType.FLOAT32, DType.INT64]


def samples_of(bin_size: np.float32, size: int, given: int) -> int:
    """How many samples a bin has along an axis of `size` elements."""
    if given > 0:
        return given
    limit = MAX_SAMPLES_PER_ELEMENT * size
    if not bin_size > 0:
        return 0
    return limit if bin_size >= F32(limit) else int(np.ceil(bin_size))


def _terms(x: Array, down: Array, right: Array) -> list[Array]:
    """The four weighted neighbours of samples [OH,OW], [C,OH,OW] each."""
    height, width = x.shape[1:]
    inside = (down >= F32(-1)) & (down <= F32(height)) & (right >= F32(-1)) & (right <= F32(width))
    y0, y1, fy = _neighbours(np.where(inside, down, F32(0)), height)
    x0, x1, fx = _neighbours(np.where(inside, right, F32(0)), width)
    gy, gx = F32(1) - fy, F32(1) - fx
    weighted = ((gy * gx, y0, x0), (gy * fx, y0, x1), (fy * gx, y1, x0), (fy * fx, y1, x1))
    return [np.where(inside, weight * x[:, row, column], F32(0)).astype(F32) for weight, row, column in weighted]


def _neighbours(position: Array, size: int) -> tuple[Array, Array, Array]:
    """(element before, element behind, fraction between them) of positions that are not far outside."""
    position = np.where(position > F32(0), position, F32(0)).astype(F32)
    low = np.minimum(position.astype(np.int64), size - 1)
    edge = low >= size - 1
    fraction = np.where(edge, F32(0), position - low.astype(F32)).astype(F32)
    return low, np.where(edge, low, low + 1), fraction
