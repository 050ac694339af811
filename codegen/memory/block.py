"""What a placement is about: blocks of memory with fixed lives, and what bounds every placement of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd


@dataclass(frozen=True)
class Block:
    """Bytes that must not overlap any other live ones from step `first` to step `last`, both included.

    Attributes:
        size, alignment: bytes, at least 1.
        fixed: the offset where it must stand, a multiple of `alignment`; None where that is open.
    """

    size: int
    alignment: int
    first: int
    last: int
    fixed: int | None = None

    def overlaps(self, other: Block) -> bool:
        """Whether both are live at some step."""
        return self.first <= other.last and other.first <= self.last


def align_up(value: int, alignment: int) -> int:
    """The smallest multiple of `alignment` that is at least `value`."""
    return -(-value // alignment) * alignment


def peak_of(blocks: Sequence[Block], offsets: Sequence[int]) -> int:
    """Bytes that a placement spans."""
    return max((offset + block.size for offset, block in zip(offsets, blocks, strict=True)), default=0)


def unit_of(blocks: Sequence[Block]) -> int:
    """What offsets are multiples of, at least in some smallest placement."""
    offsets = [block.fixed for block in blocks if block.fixed is not None]
    sizes = gcd(*(block.size for block in blocks), *offsets)
    if sizes and all(sizes % block.alignment == 0 for block in blocks):
        # Blocks can be moved down until each rests on another or on the start.
        return sizes
    return gcd(*(block.alignment for block in blocks), *offsets) or 1


def lower_bound(blocks: Sequence[Block]) -> int:
    """Bytes that no placement can do with less of: the most live at one step, or the end of a fixed block.

    What is live at one step takes whole units, but for the last one of the block on top.
    """
    unit = unit_of(blocks)
    changes: dict[int, list[int]] = {}
    for block in blocks:
        for step, sign in ((block.first, 1), (block.last + 1, -1)):
            change = changes.setdefault(step, [0, 0])
            change[0] += sign * block.size
            change[1] += sign * align_up(block.size, unit)
    spare = max((align_up(block.size, unit) - block.size for block in blocks), default=0)
    most = max((block.fixed + block.size for block in blocks if block.fixed is not None), default=0)
    live = rounded = 0
    for step in sorted(changes):
        live += changes[step][0]
        rounded += changes[step][1]
        most = max(most, live, rounded - spare)
    return most


def next_peak(blocks: Sequence[Block], capacity: int) -> int:
    """The smallest peak above `capacity` that a placement in whole units can have."""
    unit = unit_of(blocks)
    return min(capacity + 1 + (block.size - capacity - 1) % unit for block in blocks)
