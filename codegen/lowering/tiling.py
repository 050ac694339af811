"""How products on DSP cores are cut into tiles: the trade of scratch memory for instructions, see ek_tiling."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from edgekit.codegen.lowering.context import Target
from edgekit.codegen.program import Fields

# Instructions on a Cortex-M7, counted in the emulator; only their ratios matter.
_GATHER_QUAD = 5
_GATHER_LEVELS_QUAD = 14
_GATHER_ROW = 9
_GATHER_REST = 6
_GATHER_PIXEL = 80
_WIDEN_PAIR = 35
_WIDEN_PAIR_QUAD = 6
_TURN_PAIR_QUAD = 16
_WIDEN_CALL = 78
_DECODE_PAIR_QUAD = 11
_CALL = 40
_GROUP = 90
# Beyond this many pairs in the inner of the two loops, calls are rare enough.
_FEW = 6
_PAIR_CONSTANTS_BYTES = 32  # ek_columns.h: two biases, then multiplier, shift and offset of both
_RESULT = 9
# Instructions for a multiply-accumulate up to which a layer may have a loop of fewer cycles, see docs/kernels.md.
# For so many channels c of the input: the less of a + b / c for both.
_FOR_SPEED = ((0.72, 14.5), (1.1, 1.2))


@dataclass(frozen=True)
class Loop:
    """An inner loop of ek_columns.h or ek_fours.h.

    Attributes:
        suffix: of the kernels that have it.
        instructions, cycles: for four inputs of two pixels and two channels, on the core that it is for.
        bounded: whether a layer has it only up to a number of instructions (`Products.most_for_speed`).
    """

    suffix: str
    instructions: float
    cycles: float
    bounded: bool = False


# Of single-issue cores the cycles are Cortex-M4's; Cortex-M33 has two fewer in both.
TWOS, _GROUPED = Loop("", 10.4, 18.6), Loop("_grouped", 14.2, 16.4)
_TWOS_DUAL, _BESIDE = Loop("", 10.4, 12.2), Loop("_beside", 14.2, 8.2, bounded=True)


@dataclass(frozen=True)
class Products:
    """The sizes of a layer of products.

    Attributes:
        pixels: rows of the product (pixels or tokens); outputs: channels.
        rows, row: a window's kernel rows and the inputs in each of them.
        channels: inputs of a pixel.
        pointwise: a pixel is its own window, whole quads of inputs.
        turned: channels stand side by side, and are widened two pairs at a time.
        coded: weights are decoded as they are widened.
        levels: so are inputs, pixel by pixel (ek_level_columns.h).
    """

    pixels: int
    outputs: int
    rows: int
    row: int
    channels: int
    pointwise: bool
    turned: bool = False
    coded: bool = False
    levels: bool = False

    @property
    def pairs(self) -> int:
        """Pairs of output channels."""
        return -(-self.outputs // 2)

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.pixels * self.outputs * self.rows * self.row

    @property
    def quads(self) -> int:
        """Groups of four inputs."""
        return -(-self.rows * self.row // 4)

    @property
    def order(self) -> list[int]:
        """The order in which ek_im2col.h lists a window's inputs: whole quads of each kernel row, then their rests."""
        whole = self.row // 4 * 4
        places = [(row * self.row + i, i >= whole) for row in range(self.rows) for i in range(self.row)]
        return [at for at, rest in places if not rest] + [at for at, rest in places if rest]

    @property
    def widening(self) -> int:
        """Instructions that widen a pair of channels."""
        quad = _TURN_PAIR_QUAD if self.turned else _DECODE_PAIR_QUAD if self.coded else _WIDEN_PAIR_QUAD
        return self.quads * quad + _WIDEN_PAIR

    @property
    def gathering(self) -> int:
        """Instructions that make one pixel's column."""
        if self.levels:
            return _GATHER_LEVELS_QUAD * self.quads + _GATHER_ROW
        if self.pointwise:
            return _GATHER_QUAD * self.quads + _GATHER_ROW
        row = _GATHER_ROW + _GATHER_REST * (self.row % 4)
        return _GATHER_QUAD * self.quads + self.rows * row + _GATHER_PIXEL

    @property
    def gathering_bytes(self) -> int:
        """Scratch that gathering takes beside the columns."""
        return 0 if self.pointwise or self.levels else 4 * (-(-self.row // 4) + -(-self.rows * (self.row % 4) // 4))

    @property
    def most_for_speed(self) -> float:
        """Instructions up to which a loop of fewer cycles may be taken: more of them where few channels share what is
        done for a pixel.
        """
        return self.macs * min(a + b / self.channels for a, b in _FOR_SPEED)


@dataclass(frozen=True)
class Tiling:
    """One way to cut a layer.

    Attributes:
        tile_pairs, group_pairs, tiles_outer, fours: the ek_tiling struct.
        loop: that of pixels by fours; of pairs of pixels where there are none.
        scratch: bytes.
        instructions: of the whole layer; cycles: those of the products, and an instruction each for what else it does.
    """

    tile_pairs: int
    group_pairs: int
    tiles_outer: bool
    fours: int
    loop: Loop
    scratch: int
    instructions: float
    cycles: float

    @property
    def fields(self) -> Fields:
        """The ek_tiling struct."""
        return {
            "tile_pairs": self.tile_pairs,
            "group_pairs": self.group_pairs,
            "tiles_outer": int(self.tiles_outer),
            "fours": self.fours,
        }


def loops_of(target: Target, fewest_cycles: bool = False) -> tuple[Loop, Loop]:
    """The inner loops of a convolution on a core: by pairs of pixels, and by fours.

    Args:
        fewest_cycles: with any number of instructions.
    """
    if not target.dual_issue:
        return TWOS, _GROUPED
    return _TWOS_DUAL, replace(_BESIDE, bounded=not fewest_cycles)


def fastest_tiling(products: Products, room: int, loops: tuple[Loop, ...] = (TWOS,)) -> Tiling:
    """The tiling of fewest cycles whose scratch is at most `room` bytes; the smallest where none is.

    Args:
        loops: by pairs of pixels, and by fours where there is one.
    """
    options = tilings(products, loops)
    fitting = [option for option in options if option.scratch <= room]
    if not fitting:
        return min(options, key=lambda t: (t.scratch, t.cycles))
    return min(fitting, key=lambda t: (t.cycles, t.scratch))


# Blocks of equal size, heads, and repeated lowerings ask for the same.
@functools.lru_cache(maxsize=256)
def tilings(products: Products, loops: tuple[Loop, ...]) -> tuple[Tiling, ...]:
    """All ways to cut a layer that are looked at."""
    return tuple(_all_tilings(products, loops))


def _all_tilings(products: Products, loops: tuple[Loop, ...]) -> Iterator[Tiling]:
    groups = _cuts((products.pixels + 1) // 2)
    tiles = [tile for tile in _cuts(products.pairs) if not products.turned or tile % 2 == 0 or tile == products.pairs]
    for tile in tiles:
        for group in groups[:_FEW]:
            yield _tiling(products, tile, group, True, loops)
    for group in groups:
        for tile in tiles[:_FEW]:
            yield _tiling(products, tile, group, False, loops)


def _cuts(count: int) -> list[int]:
    """The sizes of equal parts of `count`, as far as they differ."""
    return sorted({-(-count // parts) for parts in range(1, count + 1)})


def _tiling(products: Products, tile: int, group: int, tiles_outer: bool, loops: tuple[Loop, ...]) -> Tiling:
    tiles, pixel_pairs = -(-products.pairs // tile), (products.pixels + 1) // 2
    groups = -(-pixel_pairs // group)
    gathered = products.pixels * products.gathering
    widened = products.pairs * products.widening
    repeated = gathered * tiles + widened if tiles_outer else gathered + widened * groups
    tile_bytes = tile * (16 * products.quads + _PAIR_CONSTANTS_BYTES)
    scratch = tile_bytes + 16 * products.quads * group + products.gathering_bytes
    calls = _CALL * tiles * pixel_pairs + _GROUP * groups * (tiles if tiles_outer else 1)
    calls += _WIDEN_CALL * tiles * (1 if tiles_outer else groups)
    beside = repeated + calls + _RESULT * products.pixels * products.outputs
    twos, units = loops[0], products.quads * products.pairs
    instructions = beside + units * pixel_pairs * twos.instructions
    cycles = beside + units * pixel_pairs * twos.cycles
    fours = _fours(products, group, instructions, loops)
    if not fours:
        return Tiling(tile, group, tiles_outer, 0, twos, scratch, instructions, cycles)
    loop = loops[1]
    whole, rest = divmod(products.pixels, 2 * group)
    taken = 2 * units * (fours * whole + min(fours, rest // 4))
    instructions += taken * (loop.instructions - twos.instructions)
    cycles += taken * (loop.cycles - twos.cycles)
    return Tiling(tile, group, tiles_outer, fours, loop, scratch, instructions, cycles)


def _fours(products: Products, group: int, instructions: float, loops: tuple[Loop, ...]) -> int:
    """How many times four pixels of a group go together: all, or up to the instructions that are allowed.

    Args:
        group: in pairs of pixels; instructions: of the layer by pairs alone.
    """
    if len(loops) == 1:
        return 0
    twos, loop = loops
    if not loop.bounded:
        return group // 2
    groups = -(-products.pixels // (2 * group))
    more = 2 * products.quads * products.pairs * groups * (loop.instructions - twos.instructions)
    return int(min(group // 2, max(0.0, (products.most_for_speed - instructions) / more)))
