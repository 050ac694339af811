"""Weights of 4, 3 or 2 bits as kernels read them: packed codes, and channels as words; see ek_coding.h."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.codegen.lowering.context import LoweringContext
from edgekit.codegen.lowering.requantize import (
    INT32_LIMIT,
    LARGEST_RIGHT,
    accumulator_reach,
    channel_tables,
    rounding_of,
    split_shift,
)
from edgekit.codegen.program import ConstantArg, Fields, ParamsArg
from edgekit.errors import UnsupportedModel
from edgekit.ir import Array, Codebook, Node
from edgekit.ops.conv2d import CODES_AT_ONCE, can_lack_zero, channel_axis

# Of a channel's word: bits of the multiplier below its first one, of the shift, and of the bias.
MULTIPLIER_BITS, SHIFT_BITS, BIAS_BITS = 15, 4, 13
_MULTIPLIER_ZEROS = 30 - MULTIPLIER_BITS
_LARGEST_WEIGHT = 127
# What a channel's number is shifted right by to be 0, the group of all.
_ALL_CHANNELS = 31
# In the order of ek_coding.h, of the inputs of four.
_LANES = (0, 2, 1, 3)


@dataclass(frozen=True)
class CodedLayer:
    """The weights of a layer and its channels.

    Attributes:
        codebook: of the weights.
        codes: as `weights`, the code of each, 0 to 2 ** bits - 1.
        records: int64 [channels, 4] as of `channel_tables`, of weights that are 2 ** `scale` times the levels.
        scale: so that fewer channels need a left shift than their multipliers ask for, and biases have more bits.
    """

    node: Node
    codebook: Codebook
    codes: Array
    records: Array
    scale: int

    @property
    def tables(self) -> Array:
        """int8 [groups, 2 ** bits]: the weight of each code."""
        book = self.codebook
        tables = np.zeros((len(book.levels), 1 << book.bits), np.int8)
        tables[:, np.arange(book.lowest_code, book.largest_code + 1)] = book.tables << self.scale
        return tables

    def weights(self, ctx: LoweringContext, packed: Array) -> ConstantArg:
        """Packed codes, behind the tables of groups of channels."""
        tables = self.tables.reshape(-1).view(np.uint8)
        stored = np.concatenate([tables, packed]) if self.codebook.group else packed
        return ctx.constant("uint8_t", stored, self.codes.size)

    @property
    def rounding(self) -> str:
        """As of `rounding_of`."""
        return rounding_of(self.node, self.records)

    def channels(self, ctx: LoweringContext, words: bool = True) -> tuple[ParamsArg, ConstantArg]:
        """(ek_coding, channels): as words where they may be and can, else as records."""
        packed = channel_words(self.records, self.node.input(1).shape[channel_axis(self.node)]) if words else None
        book = self.codebook
        coded: Fields = {"group": _ALL_CHANNELS, "levels": tuple(self.tables[0].tolist())}
        if book.group:
            coded = {"group": book.group.bit_length() - 1, "tables": self.tables.size}
        fields: Fields = {"bits": book.bits, **coded}
        if packed is None:
            struct = ctx.struct("ek_coding", {**fields, "wide": 1, "left": 0, "right": 0, "fraction": 0})
            return struct, ConstantArg(ctx.constant("ek_channel", self.records).constant, "uint32_t")
        struct = ctx.struct("ek_coding", {**fields, "wide": 0, **packed[0]})
        return struct, ctx.constant("uint32_t", packed[1])


def codebook_of(node: Node) -> Codebook | None:
    """The codebook of a product's int8 weights, if they are stored as its codes: not where those of a file lack a zero
    to pad with.
    """
    quant = node.input(1).quant
    book = None if quant is None else quant.codebook
    return book if book is None or book.has_zero or can_lack_zero(node) else None


def records_of(node: Node) -> Array:
    """int64 [channels, 4] as of `channel_tables`: how a layer is requantized, by which kernels are chosen."""
    codebook = codebook_of(node)
    return (
        channel_tables(node, channel_axis(node), 1)[0] if codebook is None else coded_layer(node, codebook, 1).records
    )


def coded_layer(node: Node, codebook: Codebook, pad_to: int) -> CodedLayer:
    """A layer whose weights are of a codebook, with channels padded to a multiple of `pad_to`.

    Raises UnsupportedModel as `channel_tables`, and where that makes weights 0 that have no code for it.
    """
    axis = channel_axis(node)
    records, weights = channel_tables(node, axis, pad_to)
    if not (codebook.has_zero or weights.all()):
        raise UnsupportedModel(
            f"layer {node.name!r} ({node.op}): a channel whose sums would not fit 32 bits has weights without a level "
            "0; lower its bias, or use weights of 4 bits"
        )
    codes = codebook.codes(weights, axis).astype(np.int64) % (1 << codebook.bits)
    scale = _scale(node, codebook, records[: weights.shape[axis]])
    if scale:
        records[:, 0] <<= scale
        records[:, 2], records[:, 3] = split_shift(records[:, 2] - records[:, 3] - 1 - scale, False)
    return CodedLayer(node, codebook, codes.astype(np.uint8), records, scale)


def _scale(node: Node, codebook: Codebook, records: Array) -> int:
    """By what power of two weights and biases are made larger: as far as levels, sums and right shifts allow.

    Coarse levels have large scales, which ask for left shifts. With one rounding the result is the same: what is
    shifted in is shifted out.
    """
    if bool(node.attrs.get("double_rounding")):
        return 0
    largest = np.abs(records[:, 0]) + accumulator_reach(node, channel_axis(node))
    shift = records[:, 2] - records[:, 3] - 1
    for scale in range((_LARGEST_WEIGHT // codebook.peak).bit_length() - 1, 0, -1):
        left, right = split_shift(shift - scale, False)
        if (largest << scale + left < INT32_LIMIT).all() and (right <= LARGEST_RIGHT).all():
            return scale
    return 0


def channel_words(records: Array, channels: int) -> tuple[Fields, Array] | None:
    """(left, right and fraction of the ek_coding struct, uint32 words) of records, or None where words cannot hold
    them; what is behind `channels` is padding.
    """
    bias, multiplier, left, right = records[:channels].T
    short = (multiplier >> 30 == 1) & (multiplier % (1 << _MULTIPLIER_ZEROS) == 0)
    base = int(right.min(initial=31))
    if not short.all() or (left != left[:1]).any() or (right - base >= 1 << SHIFT_BITS).any():
        return None
    for fraction in range(base, base - 32, -1):
        units = np.minimum(right - fraction, 31)
        steps = bias >> units
        if (steps << units == bias).all() and (np.abs(2 * steps + 1) < 1 << BIAS_BITS).all():
            break
    else:
        return None
    words = np.zeros(len(records), np.uint32)
    mantissa = multiplier >> _MULTIPLIER_ZEROS & (1 << MULTIPLIER_BITS) - 1
    step_bits = (steps % (1 << BIAS_BITS)) << MULTIPLIER_BITS + SHIFT_BITS
    words[:channels] = mantissa | right - base << MULTIPLIER_BITS | step_bits
    return {"left": int(left[0]), "right": base, "fraction": fraction}, words


def packed_pairs(codes: Array, bits: int) -> Array:
    """uint8: codes [O,K] in pairs of channels, with 3 bits a byte more that the DSP kernels read."""
    rows, inputs = codes.shape
    padded = np.zeros((-(-rows // 2) * 2, -(-inputs // 4) * 4), np.uint8)
    padded[:rows, :inputs] = codes
    quads = padded.reshape(len(padded) // 2, 2, -1, 4).transpose(0, 2, 1, 3)[..., _LANES]
    return np.append(_fields(quads.reshape(-1, 8), bits), np.zeros(int(bits == 3), np.uint8))


def packed_in_order(codes: Array, bits: int) -> Array:
    """uint8: codes one after the other, padded to eight."""
    return _fields(np.pad(codes.reshape(-1), (0, -codes.size % 8)).reshape(-1, 8), bits)


def _fields(codes: Array, bits: int) -> Array:
    """Eights of codes [N,8] to `bits` bytes each."""
    words = (codes.astype(np.uint64) << np.arange(0, 8 * bits, bits, dtype=np.uint64)).sum(axis=1, dtype=np.uint64)
    return np.ascontiguousarray(words.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :bits]).reshape(-1)


def packed_fours(codes: Array, bits: int) -> Array:
    """uint8: codes [O,K] in fours of channels and sixteens of inputs; see ek_coded_dots.h."""
    rows, inputs = codes.shape
    padded = np.zeros((-(-rows // 4) * 4, -(-inputs // CODES_AT_ONCE) * CODES_AT_ONCE), np.uint8)
    padded[:rows, :inputs] = codes
    chunks = padded.reshape(len(padded) // 4, 4, -1, CODES_AT_ONCE).transpose(0, 2, 1, 3)
    if bits == 4:
        halves: Array = chunks[..., 0::2, :] | chunks[..., 1::2, :] << 4
        return halves.reshape(-1)
    shifts = np.arange(0, 8, 2, dtype=np.uint8)[:, None]
    low: Array = ((chunks & 3) << shifts).sum(axis=2, dtype=np.uint8)
    if bits == 2:
        return low.reshape(-1)
    third = (chunks >> 2 << np.arange(4, dtype=np.uint8)[:, None]).sum(axis=2, dtype=np.uint8)
    return np.concatenate([low, third[..., 0::2] | third[..., 1::2] << 4], axis=2).reshape(-1)
