"""First-fit placement: a fast feasible plan that the exact solver starts from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.codegen.memory.liveness import Lifetime, live_bytes


def align_up(value: int, alignment: int) -> int:
    """The smallest multiple of `alignment` that is at least `value`."""
    return -(-value // alignment) * alignment


def place_first_fit(lives: Sequence[Lifetime], order: Sequence[int]) -> list[int]:
    """Offsets, placing lifetimes in `order`, each at the lowest free offset of its whole life."""
    # As arrays: thousands of lifetimes make millions of pairs.
    first, last, size = (np.array([getattr(x, k) for x in lives], np.int64) for k in ("first", "last", "size"))
    offsets = np.full(len(lives), -1, np.int64)
    for index in order:
        life = lives[index]
        taken = np.flatnonzero((offsets >= 0) & (first <= life.last) & (last >= life.first))
        taken = taken[np.argsort(offsets[taken], kind="stable")]
        starts, ends = offsets[taken], offsets[taken] + size[taken]
        # Free from the end of all before it (aligned) to the next start.
        free = -(-np.maximum.accumulate(np.concatenate([[0], ends])) // life.alignment) * life.alignment
        fits = np.flatnonzero(free[:-1] + life.size <= starts)
        offsets[index] = free[fits[0]] if fits.size else free[-1]
    return [int(offset) for offset in offsets]


def place_greedy(lives: Sequence[Lifetime]) -> list[int]:
    """The best of several first-fit orders: by size, by lifetime, by size times lifetime."""
    indices = range(len(lives))
    keys = (
        lambda i: (-lives[i].size, lives[i].first, i),
        lambda i: (lives[i].first - lives[i].last, -lives[i].size, i),
        lambda i: (-lives[i].size * (lives[i].last - lives[i].first + 1), i),
        lambda i: (lives[i].first, -lives[i].size, i),
    )
    plans = [place_first_fit(lives, sorted(indices, key=key)) for key in keys]
    return min(plans, key=lambda offsets: peak_of(lives, offsets))


def peak_of(lives: Sequence[Lifetime], offsets: Sequence[int]) -> int:
    """Bytes that a placement spans."""
    return max((o + life.size for o, life in zip(offsets, lives, strict=True)), default=0)


def lower_bound(lives: Sequence[Lifetime]) -> int:
    """The most bytes live at one step: no placement can be smaller."""
    return max(live_bytes(lives), default=0)
