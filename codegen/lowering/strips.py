"""Depthwise 3x3 convolution by strips on cores with 128-bit vectors: which layers, their tables; see ek_strips.h."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.codegen.lowering.dots import rounding_of_dots, vector_constants
from edgekit.codegen.lowering.requantize import channel_tables, zero_of_weights
from edgekit.ir import Array, Node
from edgekit.ops import fixed_point as fp
from edgekit.ops.window import window_of

CHANNELS = 4


@dataclass(frozen=True)
class Strips:
    """A layer by strips.

    Attributes:
        kernel: the function that computes it.
        table: int32 words as ek_strips.h orders them.
        scratch: bytes.
    """

    kernel: str
    table: Array
    scratch: int


def strips_of(node: Node) -> Strips | None:
    """How strips compute a depthwise layer, or None where they do not: they take 3x3 kernels at stride 1 or two columns
    apart, weights without zero point, whole fours of channels, and outputs of at least one block.
    """
    kernel_h, kernel_w, channels = node.input(1).shape
    window = window_of(node, (kernel_h, kernel_w))
    square = window.stride == (1, 1)
    usual = (kernel_h, kernel_w) == (3, 3) and window.dilation == (1, 1) and (square or window.stride[1] == 2)
    block = (2, 2) if square else (1, 4)
    large = window.output[0] >= block[0] and window.output[1] >= block[1]
    if not usual or not large or channels % CHANNELS or zero_of_weights(node):
        return None
    records, codes = channel_tables(node, 2, 1)
    rounding = rounding_of_dots(node, records)
    if rounding is None:
        return None
    places = ((0, 0), (0, 1), (1, 0), (1, 1)) if square else ((0, 0),)
    table = _table(records, codes, fp.single_quant(node.input(0))[1], places)
    columns = ((window.output[1] - 1) * window.stride[1] + 7) // 4 * 4
    kernel = f"ek_depthwise_3x3_s8_mve_{'' if square else 'apart_'}{rounding}"
    return Strips(kernel, table, 32 * columns)


def _table(records: Array, codes: Array, zero_x: int, places: tuple[tuple[int, int], ...]) -> Array:
    """Words of each channel: [3, 3, C] weights once for each place of a window among four rows and columns, column by
    column, then the channel's constants."""
    channels = codes.shape[2]
    windows = np.zeros((channels, len(places), 4, 4), np.int8)
    for index, (row, column) in enumerate(places):
        windows[:, index, column : column + 3, row : row + 3] = codes.transpose(2, 1, 0)
    words = windows.reshape(channels, -1).view("<i4")
    constants = vector_constants(records, codes.reshape(-1, channels).sum(axis=0, dtype=np.int64), zero_x)
    return np.concatenate([words, constants.T], axis=1).reshape(-1)
