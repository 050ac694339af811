"""Blocks that must stand at one offset become one block, before the search for a tight placement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import lcm

from edgekit.codegen.memory.block import Block


def contract(blocks: Sequence[Block], capacity: int) -> tuple[list[Block], list[int]]:
    """Fewer blocks with the same placements within `capacity`, and for each given block the one that stands for it.

    Where live blocks fill the capacity and one of them makes room for one other of its size, the hole that it leaves is
    the only room: both have one offset. Chains of such successions become one block.
    """
    births: dict[int, list[int]] = {}
    deaths: dict[int, list[int]] = {}
    for index, block in enumerate(blocks):
        births.setdefault(block.first, []).append(index)
        deaths.setdefault(block.last + 1, []).append(index)
    merged: list[Block] = []
    stands_for = [-1] * len(blocks)
    live = 0
    for step in sorted({*births, *deaths}):
        born, died = births.get(step, []), deaths.get(step, [])
        if len(born) == len(died) == 1 and live == capacity and _same_place(blocks[born[0]], blocks[died[0]]):
            chain = stands_for[died[0]]
            joined = _joined(merged[chain], blocks[born[0]])
            # Multiples of huge alignments would not fit the search's numbers.
            if joined.alignment <= capacity:
                merged[chain] = joined
                stands_for[born[0]] = chain
                continue
        for index in born:
            stands_for[index] = len(merged)
            merged.append(blocks[index])
        live += sum(blocks[i].size for i in born) - sum(blocks[i].size for i in died)
    return merged, stands_for


def _same_place(one: Block, other: Block) -> bool:
    # Two fixed offsets that differ have no placement; the search says so.
    return one.size == other.size and (one.fixed is None or other.fixed is None or one.fixed == other.fixed)


def _joined(earlier: Block, later: Block) -> Block:
    fixed = earlier.fixed if earlier.fixed is not None else later.fixed
    return replace(earlier, last=later.last, alignment=lcm(earlier.alignment, later.alignment), fixed=fixed)
