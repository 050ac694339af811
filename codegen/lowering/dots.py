"""Which layers of products take 128-bit vectors, and the tables that their kernels read; see ek_dots.h."""

from __future__ import annotations

import numpy as np

from edgekit.codegen.lowering.requantize import channel_tables, usual_rounding, zero_of_weights
from edgekit.ir import Array, Node
from edgekit.ops import fixed_point as fp

CHANNELS = 4
INPUTS = 16
# What a lane can be shifted by.
MOST_RIGHT = 31


def dots_of(node: Node) -> tuple[str, Array] | None:
    """(rounding, table) of a convolution or fully-connected layer, or None where vectors do not compute it.

    The table is int32 words as ek_dots.h orders them. Sums of products, and a bias with the input's zero point in it,
    are modulo 2^32; `channel_tables` proves that what is left at the end fits.
    """
    if zero_of_weights(node):
        return None
    records, codes = channel_tables(node, 0, CHANNELS)
    rounding = usual_rounding(node, records, MOST_RIGHT)
    return None if rounding is None else (rounding, dots_table(records, codes, fp.single_quant(node.input(0))[1]))


def vector_constants(records: Array, sums: Array, zero_x: int) -> Array:
    """int32 [3, channels]: biases that the input's zero point is folded into, multipliers, negative right shifts.

    sums: of each channel's weights. The biases are modulo 2^32.
    """
    return np.stack([records[:, 0] - zero_x * sums, records[:, 1], -records[:, 3]]).astype(np.uint32).view(np.int32)


def dots_table(records: Array, codes: Array, zero_x: int) -> Array:
    """int32 words of channel records (see `channel_tables`) and int8 weights [O, ..]."""
    channels = records.shape[0]
    rows = codes.reshape(codes.shape[0], -1)
    padded = np.zeros((channels, -(-rows.shape[1] // INPUTS) * INPUTS), np.int8)
    padded[: rows.shape[0], : rows.shape[1]] = rows
    constants = vector_constants(records, padded.sum(axis=1, dtype=np.int64), zero_x)
    fours = constants.reshape(3, -1, CHANNELS).transpose(1, 0, 2).reshape(-1, 3 * CHANNELS)
    blocks = padded.reshape(-1, CHANNELS, padded.shape[1] // INPUTS, INPUTS).transpose(0, 2, 1, 3)
    words = np.ascontiguousarray(blocks).view("<i4").reshape(fours.shape[0], -1)
    return np.concatenate([words, fours], axis=1).reshape(-1)


def four_bytes(inputs: int) -> int:
    """Bytes of a table that belong to four channels."""
    return int(4 * (INPUTS * -(-inputs // INPUTS) + 3 * CHANNELS))


def fours_of_matmul(depth: int, columns: int, room: int) -> tuple[int, int]:
    """(fours, scratch): how many fours of columns a product of two computed matrices takes at a time, as far as their
    table and two rows fit into `room` bytes but at least one, and the bytes of both.
    """
    four, rows = four_bytes(depth), 2 * -(-depth // INPUTS) * INPUTS
    fours = max(1, min((room - rows) // four, -(-columns // CHANNELS)))
    return fours, fours * four + rows
