"""Replacement whose stays on the chip have addresses: capacity alone first, and what cannot be placed is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgekit.codegen.memory.block import Block
from edgekit.codegen.memory.replacement import Kept, Replacement, ReplacementProblem, Residence, residences, solve
from edgekit.codegen.memory.solver import EFFORT, Placement, place

# How many sets of stays may be refused, and the effort of the search for a small one that has no placement.
ROUNDS = 12
WINDOW_EFFORT = EFFORT // 16


def solve_placed(problem: ReplacementProblem, alignment: int = 1) -> tuple[Replacement, Placement] | None:
    """The cheapest replacement found whose stays have a placement, and that; None where none was found.

    Its lower bound holds for replacements by live bytes alone until a placement is refused without proof that there is
    none; from then on it stays as it was.
    """
    refused: list[Kept] = []
    bound, exact = 0, True
    for _ in range(ROUNDS):
        solution = solve(problem, refused)
        if solution is None:
            return None
        bound = max(bound, solution.lower_bound) if exact else bound
        stays = residences(problem, solution)
        blocks = [Block(problem.tensors[stay.tensor].size, alignment, stay.first, stay.last) for stay in stays]
        placement = place(blocks, problem.capacity)
        if placement.peak <= problem.capacity:
            return replace(solution, lower_bound=min(bound, solution.cost)), placement
        conflict, proven = _conflict(blocks, problem)
        exact = exact and proven
        refused.append(_kept(problem, solution, [stays[index] for index in conflict]))
    return None


def _conflict(blocks: Sequence[Block], problem: ReplacementProblem) -> tuple[list[int], bool]:
    """Blocks for which no placement was found, those of few steps if there are such, and whether there is none."""
    for window in _windows(problem.steps):
        inside = [
            i for i, block in enumerate(blocks) if block.first in window or block.first < window.start <= block.last
        ]
        found = place([blocks[index] for index in inside], problem.capacity, WINDOW_EFFORT)
        if found.lower_bound > problem.capacity:
            return inside, True
    return list(range(len(blocks))), place(blocks, problem.capacity).lower_bound > problem.capacity


def _windows(steps: int) -> Iterator[range]:
    """Stretches of steps, short ones first; each overlaps the next by half."""
    length = 4
    while length < steps:
        yield from (range(start, start + length) for start in range(0, steps, length // 2))
        length *= 2


def _kept(problem: ReplacementProblem, solution: Replacement, stays: Sequence[Residence]) -> Kept:
    """What keeps these stays as they are: their tensors are not outside, and no gap within them is dropped."""
    kept = set[tuple[int, int]]()
    for stay in stays:
        kept.add((stay.tensor, -1))
        for number, gap in enumerate(problem.tensors[stay.tensor].gaps(problem.steps)):
            if number not in solution.dropped[stay.tensor] and stay.first <= gap.first <= gap.last <= stay.last:
                kept.add((stay.tensor, number))
    return frozenset(kept)
