"""How products on DSP cores are cut into tiles: the trade of scratch memory for instructions, see ek_tiling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgekit.codegen.lowering.context import Target
from edgekit.codegen.program import Fields

# Instructions on a Cortex-M7, counted in the emulator; only their ratios matter.
_GATHER_QUAD = 5
_GATHER_ROW = 9
_GATHER_REST = 6
_GATHER_PIXEL = 80
_WIDEN_PAIR = 35
_WIDEN_PAIR_QUAD = 6
_TURN_PAIR_QUAD = 16
_CALL = 60
_GROUP = 90
# Beyond this many pairs in the inner of the two loops, calls are rare enough.
_FEW = 6
_PAIR_CONSTANTS_BYTES = 32  # ek_columns.h: two biases, then multiplier, shift and offset of both
_RESULT = 10
# Instructions for a multiply-accumulate that windows may take so that they need fewer cycles.
_MOST_FOR_SPEED = 1.15


@dataclass(frozen=True)
class Loop:
    """An inner loop of ek_columns.h or ek_fours.h.

    Attributes:
        suffix: of the kernels that have it.
        pairs: of pixels that it takes at once.
        instructions, cycles: for four inputs of two pixels and two channels, on the core that it is for.
    """

    suffix: str
    pairs: int
    instructions: float
    cycles: float


# Of single-issue cores the cycles are Cortex-M4's; Cortex-M33 has two fewer in both.
TWOS, _GROUPED = Loop("", 1, 10.4, 18.6), Loop("_grouped", 2, 14.4, 16.6)
_TWOS_DUAL, _BESIDE = Loop("", 1, 10.4, 12.2), Loop("_beside", 2, 14.4, 8.2)


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
        return self.quads * (_TURN_PAIR_QUAD if self.turned else _WIDEN_PAIR_QUAD) + _WIDEN_PAIR

    @property
    def gathering(self) -> int:
        """Instructions that make one pixel's column."""
        if self.pointwise:
            return _GATHER_QUAD * self.quads + _CALL
        row = _GATHER_ROW + _GATHER_REST * (self.row % 4)
        return _GATHER_QUAD * self.quads + self.rows * row + _GATHER_PIXEL

    @property
    def gathering_bytes(self) -> int:
        """Scratch that gathering takes beside the columns."""
        return 0 if self.pointwise else 4 * (-(-self.row // 4) + -(-self.rows * (self.row % 4) // 4))


    def together(self, loop: Loop, group_pairs: int) -> int:
        """Pairs of pixels that a loop takes at once, where a group is gathered at a time."""
        groups, rest = divmod(self.pixels, 2 * group_pairs)
        at_once = 2 * loop.pairs
        return loop.pairs * (groups * (2 * group_pairs // at_once) + rest // at_once)


def loops_of(target: Target, products: Products) -> tuple[Loop, ...]:
    """The inner loops that a convolution may have on a core; that of pairs of pixels first."""
    if not target.dual_issue:
        return TWOS, _GROUPED
    return (_TWOS_DUAL,) if products.pointwise else (_TWOS_DUAL, _BESIDE)


@dataclass(frozen=True)
class Tiling:
    """One way to cut a layer.

    Attributes:
        tile_pairs, group_pairs, tiles_outer: the ek_tiling struct.
        loop: the inner loop.
        scratch: bytes.
        instructions: of the whole layer; cycles: those of the products, and an instruction each for what else it does.
    """

    tile_pairs: int
    group_pairs: int
    tiles_outer: bool
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
        }


def fastest_tiling(products: Products, room: int, loops: Sequence[Loop] = (TWOS,)) -> Tiling:
    """The tiling of fewest cycles whose scratch is at most `room` bytes; the smallest where none is.

    Args:
        loops: those to choose from, that of pairs of pixels first: all others only up to `_MOST_FOR_SPEED`.
    """
    most = _MOST_FOR_SPEED * products.macs
    options = [
        option
        for loop in loops
        for option in _tilings(products, loop, loops[0])
        if loop is loops[0] or option.instructions <= most
    ]
    fitting = [option for option in options if option.scratch <= room]
    if not fitting:
        return min(options, key=lambda t: (t.scratch, t.cycles))
    return min(fitting, key=lambda t: (t.cycles, t.scratch))


def _tilings(products: Products, loop: Loop, twos: Loop) -> Iterator[Tiling]:
    groups = _cuts((products.pixels + 1) // 2)
    tiles = [tile for tile in _cuts(products.pairs) if not products.turned or tile % 2 == 0 or tile == products.pairs]
    for tile in tiles:
        for group in groups[:_FEW]:
            yield _tiling(products, tile, group, True, (loop, twos))
    for group in groups:
        for tile in tiles[:_FEW]:
            yield _tiling(products, tile, group, False, (loop, twos))


def _cuts(count: int) -> list[int]:
    """The sizes of equal parts of `count`, as far as they differ."""
    return sorted({-(-count // parts) for parts in range(1, count + 1)})


def _tiling(products: Products, tile: int, group: int, tiles_outer: bool, loops: tuple[Loop, Loop]) -> Tiling:
    """One tiling with the first of two loops; the second one takes the pairs of pixels that are left."""
    loop, twos = loops
    tiles, pixel_pairs = -(-products.pairs // tile), (products.pixels + 1) // 2
    gathered = products.pixels * products.gathering
    widened = products.pairs * products.widening
    repeated = gathered * tiles + widened if tiles_outer else gathered + widened * -(-pixel_pairs // group)
    tile_bytes = tile * (16 * products.quads + _PAIR_CONSTANTS_BYTES)
    scratch = tile_bytes + 16 * products.quads * group + products.gathering_bytes
    groups = -(-pixel_pairs // group)
    together = products.together(loop, group)
    alone = pixel_pairs - together
    calls = _CALL * tiles * (alone + together // loop.pairs) + _GROUP * groups * (tiles if tiles_outer else 1)
    beside = repeated + calls + _RESULT * products.pixels * products.outputs
    units = products.quads * products.pairs
    instructions = beside + units * (together * loop.instructions + alone * twos.instructions)
    cycles = beside + units * (together * loop.cycles + alone * twos.cycles)
    return Tiling(tile, group, tiles_outer, loop, scratch, instructions, cycles)
