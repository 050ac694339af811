"""Geometry of windows over one to three spatial axes in the file's own layout [N, C, *spatial].

A window joins a wide and a narrow tensor: narrow position i of an axis meets wide position
i * stride + k * dilation - before for every k of the kernel. A convolution reads the wide one and writes the narrow
one, a transposed convolution the other way round.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.ir import Node
from edgekit.ops.spec import Shape, bad_shape, is_quantized

MAX_SPATIAL = 3
# Operators whose work is not bounded by the size of their result: never computed at build time.
SPATIAL_OPS = ("conv", "conv_transpose", "deform_conv", "avg_pool", "max_pool", "roi_align")
Slices = tuple[slice, ...]


@dataclass(frozen=True)
class Grid:
    """Sizes of the wide and the narrow tensor, kernel, stride, dilation and what is cut off before, all per axis."""

    wide: Shape
    narrow: Shape
    kernel: Shape
    stride: Shape
    dilation: Shape
    before: Shape

    def taps(self) -> Iterator[tuple[Shape, Slices, Slices]]:
        """Every place of the kernel, in order, with the parts of the wide and the narrow tensor that meet there."""
        for place in itertools.product(*map(range, self.kernel)):
            parts = [self._axis(axis, k) for axis, k in enumerate(place)]
            if all(part is not None for part in parts):
                wide, narrow = zip(*(part for part in parts if part is not None), strict=True)
                yield place, wide, narrow

    def _axis(self, axis: int, k: int) -> tuple[slice, slice] | None:
        first, stride = k * self.dilation[axis] - self.before[axis], self.stride[axis]
        low = max(0, -(first // stride))
        high = min(self.narrow[axis], -(-(self.wide[axis] - first) // stride))
        if high <= low:
            return None
        start = first + low * stride
        return slice(start, start + (high - 1 - low) * stride + 1, stride), slice(low, high)


def reach_of(kernel: Sequence[int], dilation: Sequence[int]) -> Shape:
    """How many wide positions a window spans per axis."""
    return tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))


def narrow_shape(
    node: Node, wide: Shape, kernel: Shape, stride: Shape, dilation: Shape, before: Shape, after: Shape
) -> Shape:
    """How many windows fit; raises BadModel where none does, or where an attribute is out of range."""
    check_window(node, len(wide), kernel, stride, dilation, before, after)
    reach = reach_of(kernel, dilation)
    spans = [w + b + a - r for w, b, a, r in zip(wide, before, after, reach, strict=True)]
    if min(spans) < 0:
        raise bad_shape(node, "the window is larger than its padded input")
    return tuple(span // s + 1 for span, s in zip(spans, stride, strict=True))


def check_window(node: Node, axes: int, *attributes: Sequence[int]) -> None:
    """Raise BadModel unless kernel, stride and dilation are positive, the paddings not negative, all one per axis."""
    if not 1 <= axes <= MAX_SPATIAL:
        raise bad_shape(node, f"needs 1 to {MAX_SPATIAL} spatial axes")
    if any(len(numbers) != axes for numbers in attributes):
        raise bad_shape(node, f"needs one number per spatial axis, {axes}")
    if min(map(min, attributes[:3])) < 1 or min(map(min, attributes[3:])) < 0:
        raise bad_shape(node, "kernel, stride and dilation must be positive, padding not negative")


def split_padding(node: Node) -> tuple[Shape, Shape]:
    """Attribute padding (before of every axis, then after of every axis) as (before, after)."""
    padding = tuple(node.attrs["padding"])
    half = len(padding) // 2
    return padding[:half], padding[half:]


def at(*places: Any) -> Any:
    """An index over several axes: `x[at(..., *parts)]`."""
    return places


def plain_floats(node: Node) -> bool:
    """operands must be plain float32 numbers."""
    values = [v for v in (*node.inputs, *node.outputs[:1]) if v is not None]
    return not is_quantized(node) and all(v.dtype.value == "float32" for v in values)
