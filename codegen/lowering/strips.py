"""Depthwise convolution by strips on cores with 128-bit vectors: which layers, and their tables; see ek_strips.h."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.codegen.lowering.dots import MOST_RIGHT, vector_constants
from edgekit.codegen.lowering.requantize import channel_tables, usual_rounding, zero_of_weights
from edgekit.ir import Array, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.window import Window, window_of

CHANNELS = 4
VECTOR = 16


@dataclass(frozen=True)
class Shape:
    """How a kernel cuts a layer.

    Attributes:
        name: between the kernel's size and rounding in its function's name.
        rows: of a strip.
        block: rows and columns of output that a layer has at least: a band's and a block's.
        places: (row, column) of the windows that have weights of their own in a strip's first vectors.
    """

    name: str
    rows: int
    block: tuple[int, int]
    places: tuple[tuple[int, int], ...] = ((0, 0),)


_DENSE_3 = Shape("", 4, (2, 2), ((0, 0), (0, 1), (1, 0), (1, 1)))
_APART_3 = Shape("apart_", 4, (1, 4))
_DENSE_5 = Shape("", 8, (4, 1))
_APART_5 = Shape("apart_", 8, (2, 2))


@dataclass(frozen=True)
class Strips:
    """A layer by strips.

    Attributes:
        kernel: the function that computes it.
        shape: how.
        scratch: bytes.
    """

    kernel: str
    shape: Shape
    scratch: int


def strips_of(node: Node, records: Array) -> Strips | None:
    """How strips compute a depthwise layer with these channels (see `channel_tables`), or None where they do not: for
    other kernels, strides and dilations, weights with a zero point, channels that are no multiple of four, and outputs
    smaller than a block.
    """
    kernel_h, kernel_w, channels = node.input(1).shape
    window = window_of(node, (kernel_h, kernel_w))
    shape = shape_of(window, channels)
    if shape is None or zero_of_weights(node):
        return None
    rounding = usual_rounding(node, records, MOST_RIGHT)
    if rounding is None:
        return None
    kernel = f"ek_depthwise_{kernel_h}x{kernel_w}_s8_mve_{shape.name}{rounding}"
    return Strips(kernel, shape, scratch_of(window, shape))


def scratch_of(window: Window, shape: Shape) -> int:
    """Bytes of the strips of four channels."""
    unit, reach = VECTOR // shape.rows, (window.output[1] - 1) * window.stride[1] + 2 * ((window.kernel[1] + 1) // 2)
    return 2 * CHANNELS * shape.rows * (-(-reach // unit) * unit)


def shape_of(window: Window, channels: int) -> Shape | None:
    """How a kernel cuts a window over so many channels, or None where none does or the output is too small."""
    shape = None if channels % CHANNELS else _shape(window)
    small = shape is not None and (window.output[0] < shape.block[0] or window.output[1] < shape.block[1])
    return None if small else shape


def _shape(window: Window) -> Shape | None:
    """The kernel for a window, if there is one."""
    if window.dilation != (1, 1):
        return None
    if window.kernel == (3, 3):
        if window.stride == (1, 1):
            return _DENSE_3
        return _APART_3 if window.stride[1] == 2 else None
    if window.kernel == (5, 5):
        return {(1, 1): _DENSE_5, (2, 2): _APART_5}.get(window.stride)
    return None


def strip_taps(size: int, shape: Shape) -> int:
    """Codes of a channel of a kernel of `size` in all places of `strip_places`."""
    return len(shape.places) * _strip_columns(size, shape) * shape.rows


def _strip_columns(size: int, shape: Shape) -> int:
    return -(-size * shape.rows // VECTOR) * VECTOR // shape.rows


def strip_places(codes: Array, shape: Shape) -> Array:
    """[K, K, C] weights as [C, places, codes]: once for each place of a window, column by column as in a strip."""
    size, _, channels = codes.shape
    columns = _strip_columns(size, shape)
    windows = np.zeros((channels, len(shape.places), columns, shape.rows), codes.dtype)
    for index, (row, column) in enumerate(shape.places):
        windows[:, index, column : column + size, row : row + size] = codes.transpose(2, 1, 0)
    return windows.reshape(channels, len(shape.places), -1)


def strips_table(node: Node, shape: Shape) -> Array:
    """int32 words of each channel as ek_strips.h orders them: weights, then constants."""
    records, codes = channel_tables(node, 2, 1)
    words = strip_places(codes, shape).reshape(codes.shape[2], -1).view("<i4")
    sums = codes.reshape(-1, codes.shape[2]).sum(axis=0, dtype=np.int64)
    constants = vector_constants(records, sums, fp.single_quant(node.input(0))[1])
    return np.concatenate([words, constants.T], axis=1).reshape(-1)
