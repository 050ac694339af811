"""A program that does not fit on the chip, with copies of buffers off the chip and back, or steps that run again, where
that is cheaper.

What is moved and made is for replacement.py to say, over all memory on the chip as one; rewriting.py turns its
decisions into buffers and calls. Regions and offsets are then planned as for any program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from edgekit.codegen.memory.aim import DMA_CYCLES, PER_CYCLE, Aim, copy_cost
from edgekit.codegen.memory.liveness import Lifetime, lifetimes
from edgekit.codegen.memory.region import PlanRegion
from edgekit.codegen.memory.remakes import Axis, Making, makings_of, read_again
from edgekit.codegen.memory.replacement import Remake, Replacement, ReplacementProblem, Tensor, residences
from edgekit.codegen.memory.replacement_placement import solve_placed
from edgekit.codegen.memory.replacement_solver import full_steps, solve
from edgekit.codegen.memory.rewriting import rewritten
from edgekit.codegen.memory.traffic import bytes_moved, passes, traffic
from edgekit.codegen.program import Buffer, Program

_TIME = Aim()


def with_moves(program: Program, regions: Sequence[PlanRegion], aim: Aim = _TIME, share: float = 1.0) -> Program:
    """The program with what the cheapest replacement moves and makes again; as it is where that does nothing.

    Only steps whose cycles the aim knows may run again.

    Args:
        share: of the memory on the chip that may be live at once: several regions may not have room for all of it.
    """
    inside = [region for region in regions if not region.external]
    outside = [region for region in regions if region.external]
    if not (inside and program.steps):
        return program
    lives = lifetimes(program)
    prices = _Prices(program, inside, outside[0] if outside else None, aim, share)
    problem = prices.problem(lives)
    tight = [bool(excess) for excess in full_steps(problem)]
    makings = [
        m for m in makings_of(program, lives, tight, aim.cycles if aim.again else {}) if prices.may_pay(m, problem)
    ]
    axis = Axis(len(program.steps), makings)
    problem = prices.with_makings(problem, lives, makings, axis)
    solution = _solved(problem, lives, one_region=len(inside) == 1)
    if solution is None:
        return program
    stays = residences(problem, solution)
    if not solution.remade and not any(stay.fetched or stay.stored for stay in stays):
        return program
    return rewritten(program, lives, stays, solution.outside, [makings[n] for n in sorted(solution.remade)], axis)


def _solved(problem: ReplacementProblem, lives: Sequence[Lifetime], one_region: bool) -> Replacement | None:
    """By live bytes where several regions share the buffers; else with a placement."""
    if not one_region:
        return solve(problem)
    found = solve_placed(problem, max(life.alignment for life in lives))
    return None if found is None else found[0]


@dataclass(frozen=True)
class _Prices:
    """What moves and makings of a program cost: modelled cycles per word, or bytes."""

    program: Program
    inside: Sequence[PlanRegion]
    outside: PlanRegion | None
    aim: Aim
    share: float

    @property
    def _capacity(self) -> int:
        return int(self.share * sum(region.capacity for region in self.inside))

    @property
    def _near(self) -> float:
        """Cost of an access on the chip."""
        total = sum(region.capacity for region in self.inside)
        return sum(region.access_cost * region.capacity for region in self.inside) / max(1, total)

    @property
    def _far(self) -> float:
        """What an access off the chip costs more."""
        if self.outside is None:
            return 0.0
        return 1.0 if self.aim.objective == "bytes" else self.outside.access_cost - self._near

    def problem(self, lives: Sequence[Lifetime]) -> ReplacementProblem:
        """What may be moved."""
        program = self.program
        moved = passes(program) if self.aim.objective == "bytes" else traffic(program)
        per_byte = 1.0
        if self.aim.objective == "time" and self.outside is not None:
            per_byte = copy_cost(self._near, self.outside.access_cost)
        uses: dict[Buffer, list[int]] = {}
        writes: dict[Buffer, list[int]] = {}
        for step in program.steps:
            for found, buffers in ((uses, step.buffers()), (writes, list(step.written()))):
                for buffer in buffers:
                    found.setdefault(buffer, []).append(step.index)
        given = {port.buffer for port in program.inputs if not port.row_axis}
        results = {port.buffer for port in program.outputs}
        tensors = []
        for life in lives:
            move = round(life.size * per_byte)
            if self.aim.dma and self.aim.objective == "time":
                move = max(PER_CYCLE * DMA_CYCLES, move - self._hidden(_steps(life, uses)))
            tensors.append(
                Tensor(
                    size=life.size,
                    uses=_steps(life, uses) or (0,),
                    writes=_steps(life, writes),
                    store=move,
                    fetch=move,
                    outside=None if self.outside is None else round(bytes_moved(life, moved) * self._far),
                    given=any(buffer in given for buffer in life.buffers),
                    result=any(buffer in results for buffer in life.buffers),
                )
            )
        return ReplacementProblem(tuple(tensors), len(program.steps), self._capacity, movable=self.outside is not None)

    def _hidden(self, uses: Sequence[int]) -> int:
        """What of a copy there is time for between two uses, where two copies share the longest gap."""
        steps = self.program.steps
        gaps = [steps[before + 1 : after] for before, after in pairwise(uses)]
        longest = max((sum(self.aim.cycles.get(step.node, 0.0) for step in gap) for gap in gaps), default=0.0)
        return round(PER_CYCLE * longest / 2)

    def may_pay(self, making: Making, problem: ReplacementProblem) -> bool:
        """Whether making it is cheaper than a copy that is stored and fetched."""
        tensor = problem.tensors[making.life]
        return not problem.movable or self._cost(making) < tensor.store + tensor.fetch

    def _cost(self, making: Making) -> int:
        if self.aim.objective == "bytes":
            return 0
        accesses = sum(read_again(self.program, making).values())
        return round(PER_CYCLE * making.cycles + self._near * accesses)

    def with_makings(
        self, problem: ReplacementProblem, lives: Sequence[Lifetime], makings: Sequence[Making], axis: Axis
    ) -> ReplacementProblem:
        """The problem on an axis with places for makings."""

        def placed(steps: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(axis.step(step) for step in steps)

        remakes = []
        for making in makings:
            moved = read_again(self.program, making)
            far = tuple(round(bytes_moved(lives[source], moved) * self._far) for source in making.sources)
            remakes.append(
                Remake(
                    making.life, axis.place(making), making.sources, self._cost(making), far, making.scratch,
                    making.cycles,
                )
            )  # fmt: skip
        tensors = tuple(replace(t, uses=placed(t.uses), writes=placed(t.writes)) for t in problem.tensors)
        return replace(problem, tensors=tensors, steps=axis.length, remakes=tuple(remakes))


def _steps(life: Lifetime, of: Mapping[Buffer, list[int]]) -> tuple[int, ...]:
    return tuple(sorted({step for buffer in life.buffers for step in of.get(buffer, [])}))
