"""First-fit placement: a fast plan, often the smallest one, that the search starts from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.codegen.memory.block import Block, peak_of


def place_first_fit(blocks: Sequence[Block], order: Sequence[int]) -> list[int]:
    """Offsets, placing lifetimes in `order`, each at the lowest free offset of its whole block."""
    # As arrays: thousands of lifetimes make millions of pairs.
    first, last, size = (np.array([getattr(x, k) for x in blocks], np.int64) for k in ("first", "last", "size"))
    offsets = np.array([-1 if block.fixed is None else block.fixed for block in blocks], np.int64)
    for index in order:
        block = blocks[index]
        if block.fixed is not None:
            continue
        taken = np.flatnonzero((offsets >= 0) & (first <= block.last) & (last >= block.first))
        taken = taken[np.argsort(offsets[taken], kind="stable")]
        starts, ends = offsets[taken], offsets[taken] + size[taken]
        # Free from the end of all before it (aligned) to the next start.
        free = -(-np.maximum.accumulate(np.concatenate([[0], ends])) // block.alignment) * block.alignment
        fits = np.flatnonzero(free[:-1] + block.size <= starts)
        offsets[index] = free[fits[0]] if fits.size else free[-1]
    return [int(offset) for offset in offsets]


def place_greedy(blocks: Sequence[Block]) -> list[int]:
    """The best of several first-fit orders: by size, by life, by size times life, by time."""
    indices = range(len(blocks))
    keys = (
        lambda i: (-blocks[i].size, blocks[i].first, i),
        lambda i: (blocks[i].first - blocks[i].last, -blocks[i].size, i),
        lambda i: (-blocks[i].size * (blocks[i].last - blocks[i].first + 1), i),
        lambda i: (blocks[i].first, -blocks[i].size, i),
    )
    plans = [place_first_fit(blocks, sorted(indices, key=key)) for key in keys]
    return min(plans, key=lambda offsets: peak_of(blocks, offsets))
