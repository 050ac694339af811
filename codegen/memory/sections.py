"""Time as the search for a placement sees it: sets of blocks that are live together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.memory.block import Block

Indices = NDArray[np.int32]


@dataclass(frozen=True)
class Sections:
    """The sets of blocks live at one step that no other step's set contains, in order of time.

    Attributes:
        count: how many.
        first, last: [blocks] the range of sections that each block is live in, both included.
    """

    count: int
    first: Indices
    last: Indices

    def members(self) -> tuple[Indices, Indices]:
        """Starts in the second array, one more than sections, and the blocks of each section."""
        return _rows([np.flatnonzero((self.first <= t) & (self.last >= t)) for t in range(self.count)])

    def neighbours(self) -> tuple[Indices, Indices]:
        """Starts in the second array, one more than blocks, and the other blocks that each is live together with."""
        rows = []
        for index, (first, last) in enumerate(zip(self.first, self.last, strict=True)):
            near = np.flatnonzero((self.first <= last) & (self.last >= first))
            rows.append(near[near != index])
        return _rows(rows)

    def fullest(self, blocks: Sequence[Block]) -> NDArray[np.float64]:
        """[blocks] bytes of the fullest section that each block is live in."""
        total = np.zeros(self.count)
        for block, first, last in zip(blocks, self.first, self.last, strict=True):
            total[first : last + 1] += block.size
        return np.array([total[f : n + 1].max() for f, n in zip(self.first, self.last, strict=True)], np.float64)


def sections_of(blocks: Sequence[Block]) -> Sections:
    """The sections of some blocks: a set is complete when a block dies after another has come."""
    births: dict[int, list[int]] = {}
    deaths: dict[int, list[int]] = {}
    for index, block in enumerate(blocks):
        births.setdefault(block.first, []).append(index)
        deaths.setdefault(block.last + 1, []).append(index)
    first, last = np.zeros(len(blocks), np.int32), np.zeros(len(blocks), np.int32)
    count, grown = 0, False
    for step in sorted({*births, *deaths}):
        if step in deaths:
            count += grown
            grown = False
            last[deaths[step]] = count - 1
        if step in births:
            first[births[step]] = count
            grown = True
    return Sections(count, first, last)


def _rows(rows: Sequence[NDArray[np.intp]]) -> tuple[Indices, Indices]:
    starts = np.cumsum([0, *(len(row) for row in rows)])
    return starts.astype(np.int32), np.concatenate([np.empty(0, np.int32), *rows]).astype(np.int32)
