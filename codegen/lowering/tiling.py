"""How products on DSP cores are cut into tiles: the trade of scratch memory for instructions, see ek_tiling."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from edgekit.codegen.program import Fields

# Instructions on a Cortex-M7, counted in the emulator; only their ratios matter.
_GATHER_QUAD = 5
_GATHER_ROW = 60
_GATHER_REST = 9
_WIDEN_PAIR = 35
_WIDEN_PAIR_QUAD = 6
_TURN_PAIR_QUAD = 16
_CALL = 60
_GROUP = 90
# Beyond this many pairs in the inner of the two loops, calls are rare enough.
_FEW = 6
_PAIR_CONSTANTS_BYTES = 32  # ek_columns.h: two biases, then multiplier, shift and offset of both


@dataclass(frozen=True)
class Products:
    """The sizes of a layer of products.

    Attributes:
        pixels: rows of the product (pixels or tokens); outputs: channels.
        rows, row: a window's kernel rows and the inputs in each of them.
        pointwise: a pixel is its own window, whole quads of inputs.
        turned: channels stand side by side, and are widened two pairs at a time.
    """

    pixels: int
    outputs: int
    rows: int
    row: int
    pointwise: bool
    turned: bool = False

    @property
    def pairs(self) -> int:
        """Pairs of output channels."""
        return -(-self.outputs // 2)

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
        return self.quads * (_TURN_PAIR_QUAD if self.turned else _WIDEN_PAIR_QUAD) + _WIDEN_PAIR

    @property
    def gathering(self) -> int:
        """Instructions that make one pixel's column."""
        if self.pointwise:
            return _GATHER_QUAD * self.quads + _CALL
        return _GATHER_QUAD * self.quads + self.rows * (_GATHER_ROW + _GATHER_REST * (self.row % 4))

    @property
    def gathering_bytes(self) -> int:
        """Scratch that gathering takes beside the columns."""
        return 0 if self.pointwise else 4 * (-(-self.row // 4) + -(-self.rows * (self.row % 4) // 4))


@dataclass(frozen=True)
class Tiling:
    """One way to cut a layer, with the scratch bytes that it needs and its instructions beside the products' own."""

    tile_pairs: int
    group_pairs: int
    tiles_outer: bool
    scratch: int
    instructions: int

    @property
    def fields(self) -> Fields:
        """The ek_tiling struct."""
        return {
            "tile_pairs": self.tile_pairs,
            "group_pairs": self.group_pairs,
            "tiles_outer": int(self.tiles_outer),
        }


def fastest_tiling(products: Products, room: int) -> Tiling:
    """The tiling with fewest instructions whose scratch is at most `room` bytes; the smallest where none is."""
    options = _tilings(products)
    fitting = [option for option in options if option.scratch <= room]
    if not fitting:
        return min(options, key=lambda t: (t.scratch, t.instructions))
    return min(fitting, key=lambda t: (t.instructions, t.scratch))


# Blocks of equal size, heads, and repeated lowerings ask for the same.
@functools.lru_cache(maxsize=256)
def _tilings(products: Products) -> tuple[Tiling, ...]:
    return tuple(_all_tilings(products))


def _all_tilings(products: Products) -> Iterator[Tiling]:
    groups = _cuts((products.pixels + 1) // 2)
    tiles = [tile for tile in _cuts(products.pairs) if not products.turned or tile % 2 == 0 or tile == products.pairs]
    for tile in tiles:
        for group in groups[:_FEW]:
            yield _tiling(products, tile, group, True)
    for group in groups:
        for tile in tiles[:_FEW]:
            yield _tiling(products, tile, group, False)


def _cuts(count: int) -> list[int]:
    """The sizes of equal parts of `count`, as far as they differ."""
    return sorted({-(-count // parts) for parts in range(1, count + 1)})


def _tiling(products: Products, tile: int, group: int, tiles_outer: bool) -> Tiling:
    tiles, pixel_pairs = -(-products.pairs // tile), (products.pixels + 1) // 2
    gathered = products.pixels * products.gathering
    widened = products.pairs * products.widening
    repeated = gathered * tiles + widened if tiles_outer else gathered + widened * -(-pixel_pairs // group)
    tile_bytes = tile * (16 * products.quads + _PAIR_CONSTANTS_BYTES)
    scratch = tile_bytes + 16 * products.quads * group + products.gathering_bytes
    groups = -(-pixel_pairs // group)
    calls = _CALL * tiles * pixel_pairs + _GROUP * groups * (tiles if tiles_outer else 1)
    return Tiling(tile, group, tiles_outer, scratch, repeated + calls)
