"""How products on DSP cores are cut into tiles: the trade of scratch memory for instructions, see ek_tiling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgekit.codegen.program import Fields

# Instructions on a Cortex-M7, counted in the emulator; only their ratios matter.
_GATHER_QUAD = 7
_GATHER_RAGGED_QUAD = 22
_WIDEN_PAIR_QUAD = 16
_CALL = 45
_PAIR_CONSTANTS_BYTES = 24  # ek_columns.h: two biases, two multipliers, two shifts


@dataclass(frozen=True)
class Products:
    """The sizes of a layer of products.

    Attributes:
        pixels: rows of the product (pixels or tokens); pairs: pairs of output channels.
        quads: groups of four inputs; ragged: whether a window's bytes are put side by side before they are widened.
    """

    pixels: int
    pairs: int
    quads: int
    ragged: bool


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
    options = list(_tilings(products))
    fitting = [option for option in options if option.scratch <= room]
    if not fitting:
        return min(options, key=lambda t: (t.scratch, t.instructions))
    return min(fitting, key=lambda t: (t.instructions, t.scratch))


def _tilings(products: Products) -> Iterator[Tiling]:
    for tile in _cuts(products.pairs):
        yield _tiling(products, tile, 1, True)
    for group in _cuts((products.pixels + 1) // 2):
        yield _tiling(products, 1, group, False)


def _cuts(count: int) -> list[int]:
    """The sizes of equal parts of `count`, as far as they differ."""
    return sorted({-(-count // parts) for parts in range(1, count + 1)})


def _tiling(products: Products, tile: int, group: int, tiles_outer: bool) -> Tiling:
    tiles, pixel_pairs = -(-products.pairs // tile), (products.pixels + 1) // 2
    gathered = products.pixels * products.quads * (_GATHER_RAGGED_QUAD if products.ragged else _GATHER_QUAD)
    widened = products.pairs * products.quads * _WIDEN_PAIR_QUAD
    repeated = gathered * tiles + widened if tiles_outer else gathered + widened * -(-pixel_pairs // group)
    tile_bytes = tile * (16 * products.quads + _PAIR_CONSTANTS_BYTES)
    column_bytes = 16 * products.quads * group + (4 * products.quads if products.ragged else 0)
    return Tiling(tile, group, tiles_outer, tile_bytes + column_bytes, repeated + _CALL * tiles * pixel_pairs)
