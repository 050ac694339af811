"""Placement of blocks in one memory: first fit, then the search, up to the lower bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.codegen.memory.block import Block, lower_bound, next_peak, peak_of
from edgekit.codegen.memory.greedy import place_greedy
from edgekit.codegen.memory.search import MAX_BLOCKS, search

# Work of a search within a capacity (see search.py), a second or less; of one for a smaller placement a quarter, and at
# most SEARCHES of them.
EFFORT = 64_000_000
SEARCHES = 6


@dataclass(frozen=True)
class Placement:
    """Offsets of blocks in one memory.

    Attributes:
        peak: bytes spanned.
        lower_bound: no placement has a smaller peak; `proven` where this one reaches it.
    """

    offsets: tuple[int, ...]
    peak: int
    lower_bound: int

    @property
    def proven(self) -> bool:
        """Whether no smaller placement exists."""
        return self.peak == self.lower_bound


def place(blocks: Sequence[Block], capacity: int | None = None, effort: int = EFFORT) -> Placement:
    """The first placement found that needs at most `capacity`; without one, the smallest found.

    Args:
        effort: work of the search within the capacity; with 0, or more than MAX_BLOCKS blocks, the best first-fit
            placement is the result.

    Returns a placement above `capacity` where none within it was found; then there is none if its lower bound is above
    it too. Fixed blocks that overlap each other have no placement: do not give such.
    """
    bound = lower_bound(blocks)
    offsets = place_greedy(blocks)
    best = Placement(tuple(offsets), peak_of(blocks, offsets), bound)
    if effort <= 0 or len(blocks) > MAX_BLOCKS:
        return best
    if capacity is None:
        return _smallest(blocks, best, effort // 4)
    if best.peak <= capacity or bound > capacity:
        return best
    found = _within(blocks, capacity, best, effort, tighter=True)
    if found.peak <= capacity or found.lower_bound > capacity:
        return found
    # What is found without a capacity is found within one.
    return _smallest(blocks, best, effort // 4)


def _within(blocks: Sequence[Block], capacity: int, known: Placement, effort: int, tighter: bool) -> Placement:
    """A placement below `capacity`, or the known one, with the lower bound that the search proved."""
    outcome = search(blocks, capacity, effort, tighter)
    if outcome.offsets is not None:
        return Placement(tuple(outcome.offsets), peak_of(blocks, outcome.offsets), known.lower_bound)
    if not outcome.proven:
        return known
    return Placement(known.offsets, known.peak, next_peak(blocks, capacity))


def _smallest(blocks: Sequence[Block], best: Placement, effort: int) -> Placement:
    """Try the lower bound, then bisect between what was not found and what was."""
    target = best.lower_bound
    not_found = target - 1
    for _ in range(SEARCHES):
        if target >= best.peak:
            break
        best = _within(blocks, target, best, effort, tighter=False)
        if best.peak > target:
            not_found = target
        target = max(next_peak(blocks, not_found), (not_found + best.peak) // 2)
    return best
