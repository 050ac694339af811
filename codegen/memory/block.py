"""What a placement is about: blocks of memory with fixed lives, and what bounds every placement of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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


def lower_bound(blocks: Sequence[Block]) -> int:
    """Bytes that no placement can do with less of: the most live at one step, or the end of a fixed block."""
    changes: dict[int, int] = {}
    for block in blocks:
        changes[block.first] = changes.get(block.first, 0) + block.size
        changes[block.last + 1] = changes.get(block.last + 1, 0) - block.size
    live, most = 0, max((block.fixed + block.size for block in blocks if block.fixed is not None), default=0)
    for step in sorted(changes):
        live += changes[step]
        most = max(most, live)
    return most
