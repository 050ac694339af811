"""Geometry shared by convolutions and pooling: NHWC inputs, explicit padding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ir import Array, Node
from edgekit.ops.spec import bad_shape


@dataclass(frozen=True)
class Window:
    """A sliding window over H and W.

    Attributes: input and output sizes, kernel, stride, dilation, and zeros padded before and after, all as (h, w).
    """

    input: tuple[int, int]
    output: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]


def window_of(node: Node, kernel: tuple[int, int]) -> Window:
    """The window of a node with attributes stride (h, w), padding (top, left, bottom, right), dilation (h, w).

    attr overhang (h, w): how far the last windows reach beyond the padding (a pooling's ceil mode).
    """
    shape = node.input(0).shape
    if len(shape) != 4:
        raise bad_shape(node, "needs a 4-D NHWC input")
    stride = node.attrs["stride"]
    dilation = node.attrs.get("dilation", (1, 1))
    top, left, bottom, right = node.attrs["padding"]
    overhang = node.attrs.get("overhang", (0, 0))
    before, after = (top, left), (bottom + overhang[0], right + overhang[1])
    if min(*stride, *dilation, *kernel) < 1 or min(top, left, bottom, right) < 0:
        raise bad_shape(node, f"stride {stride}, dilation {dilation}, kernel {kernel} and padding must be positive")
    output = []
    for axis in range(2):
        reach = (kernel[axis] - 1) * dilation[axis] + 1
        span = shape[1 + axis] + before[axis] + after[axis] - reach
        if span < 0:
            raise bad_shape(node, "the window is larger than its padded input")
        output.append(span // stride[axis] + 1)
    return Window(
        (shape[1], shape[2]), (output[0], output[1]), kernel, (stride[0], stride[1]), (dilation[0], dilation[1]),
        before, after,
    )  # fmt: skip


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """(before, after) of TensorFlow's SAME padding along one axis."""
    out = -(-size // stride)
    total = max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - size)
    return total // 2, total - total // 2


def patches(x: Array, window: Window, fill: float) -> Array:
    """All windows of x [N, H, W, C] as a strided view [N, OH, OW, KH, KW, C]; outside is `fill`."""
    (top, left), (bottom, right) = window.before, window.after
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=x.dtype.type(fill))
    n, _, _, c = padded.shape
    sn, sh, sw, sc = padded.strides
    (oh, ow), (kh, kw), (th, tw), (dh, dw) = window.output, window.kernel, window.stride, window.dilation
    return np.lib.stride_tricks.as_strided(
        padded, (n, oh, ow, kh, kw, c), (sn, sh * th, sw * tw, sh * dh, sw * dw, sc), writeable=False
    )
