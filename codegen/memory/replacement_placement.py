"""Replacement whose stays on the chip have addresses: capacity alone first, and what cannot be placed is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgekit.codegen.memory.block import Block
from edgekit.codegen.memory.replacement import Replacement, ReplacementProblem, residences
from edgekit.codegen.memory.replacement_solver import EFFORT as SOLVER_EFFORT
from edgekit.codegen.memory.replacement_solver import REMADE, USES, Effort, Kept, solve
from edgekit.codegen.memory.solver import EFFORT, Placement, place

# How many sets of stays may be refused, and how many whatever the effort; the effort of the search for a small one that
# has no placement.
ROUNDS, SURE_ROUNDS = 12, 3
WINDOW_EFFORT = EFFORT // 16


def solve_placed(
    problem: ReplacementProblem, alignment: int = 1, effort: int = SOLVER_EFFORT, known: Replacement | None = None
) -> tuple[Replacement, Placement] | None:
    """The cheapest replacement found whose stays have a placement, and that; None where none was found.

    Args:
        effort: of all integer programs together, see `Effort`; where it is spent, a few more have one node each.
        known: the cheapest by live bytes alone, where that has been solved.

    Its lower bound holds for replacements by live bytes alone until a placement is refused without proof that there is
    none; from then on it stays as it was.
    """
    refused: list[Kept] = []
    bound, exact, left = 0, True, Effort(effort)
    for number in range(ROUNDS):
        if number >= SURE_ROUNDS and left.left <= 0:
            break
        solution = solve(problem, refused, left) if known is None or refused else known
        if solution is None:
            return None
        bound = max(bound, solution.lower_bound) if exact else bound
        blocks = blocks_of(problem, solution, alignment)
        placement = place(blocks, problem.capacity)
        if placement.peak <= problem.capacity:
            return replace(solution, lower_bound=min(bound, solution.cost)), placement
        conflict, proven = _conflict(blocks, problem, placement)
        exact = exact and proven
        refused.append(_kept(problem, solution, conflict))
    return None


def blocks_of(problem: ReplacementProblem, solution: Replacement, alignment: int = 1) -> list[Block]:
    """What a solution holds on the chip: its residences, then the scratch of each remake that has some, by number."""
    stays = residences(problem, solution)
    blocks = [Block(problem.tensors[stay.tensor].size, alignment, stay.first, stay.last) for stay in stays]
    making = [problem.remakes[number] for number in with_scratch(problem, solution)]
    return blocks + [Block(remake.scratch, alignment, remake.step, remake.step) for remake in making]


def with_scratch(problem: ReplacementProblem, solution: Replacement) -> list[int]:
    """The numbers of the remakes that happen and need scratch."""
    return [number for number in sorted(solution.remade) if problem.remakes[number].scratch]


def _conflict(blocks: Sequence[Block], problem: ReplacementProblem, placement: Placement) -> tuple[list[int], bool]:
    """Blocks for which no placement was found, those of few steps if there are such, and whether there is none.

    `placement` is the best one found of all blocks.
    """
    for window in _windows(problem.steps):
        inside = [
            i for i, block in enumerate(blocks) if block.first in window or block.first < window.start <= block.last
        ]
        found = place([blocks[index] for index in inside], problem.capacity, WINDOW_EFFORT)
        if found.lower_bound > problem.capacity:
            return inside, True
    return list(range(len(blocks))), placement.lower_bound > problem.capacity


def _windows(steps: int) -> Iterator[range]:
    """Stretches of steps, short ones first; each overlaps the next by half."""
    length = 4
    while length < steps:
        yield from (range(start, start + length) for start in range(0, steps, length // 2))
        length *= 2


def _kept(problem: ReplacementProblem, solution: Replacement, conflict: Sequence[int]) -> Kept:
    """What keeps these blocks as they are: their tensors are not outside, no gap within a stay is dropped, and what is
    made in it, or of it, is."""
    stays, kept = residences(problem, solution), set[tuple[int, int]]()
    kept.update(
        (REMADE, with_scratch(problem, solution)[index - len(stays)]) for index in conflict if index >= len(stays)
    )
    for stay in (stays[index] for index in conflict if index < len(stays)):
        kept.add((stay.tensor, USES))
        for number, gap in enumerate(problem.gaps[stay.tensor]):
            if number not in solution.dropped[stay.tensor] and stay.first <= gap.first <= gap.last <= stay.last:
                kept.add((stay.tensor, number))
        for number in solution.remade:
            remake = problem.remakes[number]
            if stay.first <= remake.step <= stay.last and stay.tensor in (remake.tensor, *remake.sources):
                kept.add((REMADE, number))
    return frozenset(kept)
