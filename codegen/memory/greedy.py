"""First-fit placement: a fast feasible plan that the exact solver starts from."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.codegen.memory.liveness import Lifetime


def align_up(value: int, alignment: int) -> int:
    """The smallest multiple of `alignment` that is at least `value`."""
    return -(-value // alignment) * alignment


def place_first_fit(lives: Sequence[Lifetime], order: Sequence[int]) -> list[int]:
    """Offsets, placing lifetimes in `order`, each at the lowest free offset of its whole life."""
    offsets = [-1] * len(lives)
    for index in order:
        life = lives[index]
        taken = sorted(
            (offsets[other], offsets[other] + lives[other].size)
            for other in range(len(lives))
            if offsets[other] >= 0 and lives[other].overlaps(life)
        )
        offset = 0
        for start, end in taken:
            if offset + life.size <= start:
                break
            offset = max(offset, align_up(end, life.alignment))
        offsets[index] = offset
    return offsets


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
    steps = range(max((life.last for life in lives), default=-1) + 1)
    return max((sum(life.size for life in lives if life.first <= s <= life.last) for s in steps), default=0)
