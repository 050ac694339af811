"""Tensor replacement: what stands on the chip at which step, what leaves it and comes back, and how, at least cost.

After COSMA (arXiv 2311.18246), for a given order, with decisions per gap between two steps at which a tensor may be
touched: it is kept, or dropped and fetched again, or dropped and made again. Nothing here knows programs or kernels: a
build and benchmarks.cosma share it. The integer program is in replacement_solver.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise


@dataclass(frozen=True)
class Gap:
    """Steps from `first` to `last`, both included and maybe none, in which a tensor is not touched.

    Attributes:
        version: how often the tensor has been written before; each version is stored once at most.
        before: the step that ends it, at which the tensor may be touched, or None at the end.
    """

    first: int
    last: int
    version: int
    before: int | None


@dataclass(frozen=True)
class Tensor:
    """One tensor and what its moves cost.

    Attributes:
        size: bytes on the chip.
        uses: steps that touch it, ascending, at least one; it stands on the chip in each unless it lives outside.
        writes: those of them that write it.
        store: cost of a copy off the chip; 0 where there is one anyway.
        fetch: cost of bringing that copy back.
        outside: cost of living off the chip for good, or None where it cannot.
        given: whether it is there before the first step: off the chip if the gap before its first use is dropped.
        result: whether it is read after the last step, on the chip or off it.
    """

    size: int
    uses: tuple[int, ...]
    writes: tuple[int, ...]
    store: int
    fetch: int
    outside: int | None = None
    given: bool = False
    result: bool = False

    def version(self, step: int) -> int:
        """How often it has been written before a step."""
        return sum(write < step for write in self.writes)

    def span(self, steps: int) -> range:
        """The steps from its arrival to its end."""
        return range(0 if self.given else self.uses[0], (steps if self.result else self.uses[-1]) + 1)


@dataclass(frozen=True)
class Remake:
    """A tensor may be made again in a step, of others that stand there then.

    Attributes:
        step: one in which nothing else runs.
        cost: of making it; far: by source, what it costs more if that one lives off the chip.
        scratch: bytes that only the making needs.
        work: of two choices of the same cost, the one with less work is taken.
    """

    tensor: int
    step: int
    sources: tuple[int, ...]
    cost: int
    far: tuple[int, ...]
    scratch: int = 0
    work: float = 0.0


@dataclass(frozen=True)
class ReplacementProblem:
    """Tensors over `steps` steps (results stand at step number `steps` too), and bytes on the chip.

    Attributes:
        remakes: what may be made again; movable: whether there is memory off the chip to copy to.
    """

    tensors: tuple[Tensor, ...]
    steps: int
    capacity: int
    remakes: tuple[Remake, ...] = ()
    movable: bool = True

    @cached_property
    def visits(self) -> tuple[tuple[int, ...], ...]:
        """Per tensor, the steps at which it is needed only if something is made again, ascending."""
        visits: list[set[int]] = [set() for _ in self.tensors]
        for remake in self.remakes:
            for tensor in (remake.tensor, *remake.sources):
                visits[tensor].add(remake.step)
        return tuple(tuple(sorted(v - set(t.uses))) for v, t in zip(visits, self.tensors, strict=True))

    @cached_property
    def points(self) -> tuple[tuple[int, ...], ...]:
        """Per tensor, all steps at which it may be needed, ascending."""
        return tuple(tuple(sorted((*t.uses, *v))) for t, v in zip(self.tensors, self.visits, strict=True))

    @cached_property
    def gaps(self) -> tuple[tuple[Gap, ...], ...]:
        """Per tensor: before the first point where it is given, between points, after the last where it is a result."""
        return tuple(tuple(self._gaps(index)) for index in range(len(self.tensors)))

    def _gaps(self, index: int) -> Iterator[Gap]:
        tensor, points = self.tensors[index], self.points[index]
        if tensor.given:
            yield Gap(0, points[0] - 1, 0, points[0])
        for before, after in pairwise(points):
            yield Gap(before + 1, after - 1, tensor.version(after), after)
        if tensor.result:
            yield Gap(points[-1] + 1, self.steps, tensor.version(self.steps), None)


@dataclass(frozen=True)
class Residence:
    """A tensor on the chip from step `first` to `last`; `fetched` at its start, `stored` at its end where that needs a
    copy."""

    tensor: int
    first: int
    last: int
    fetched: bool
    stored: bool


@dataclass(frozen=True)
class Replacement:
    """A solution.

    Attributes:
        dropped: per tensor, the numbers of the gaps that it is not kept through.
        outside: per tensor, whether it lives off the chip.
        cost: of all moves, makings and lives outside; lower_bound: no solution costs less.
        remade: the numbers of the problem's remakes that happen.
    """

    dropped: tuple[frozenset[int], ...]
    outside: tuple[bool, ...]
    cost: int
    lower_bound: int
    remade: frozenset[int] = frozenset()

    @property
    def proven(self) -> bool:
        """Whether no solution costs less."""
        return self.cost <= self.lower_bound


def residences(problem: ReplacementProblem, solution: Replacement) -> list[Residence]:
    """Every tensor's times on the chip, in order of tensor and time; tensors that live outside have none."""
    remakes = [problem.remakes[number] for number in sorted(solution.remade)]
    made = {(remake.tensor, remake.step) for remake in remakes}
    asked = made | {(source, remake.step) for remake in remakes for source in remake.sources}
    found = []
    for index, tensor in enumerate(problem.tensors):
        if solution.outside[index]:
            continue
        dropped = solution.dropped[index]
        arrives_outside = tensor.given and 0 in dropped
        stays = list(_stays(problem, index, dropped, asked))
        fetched = [(n > 0 or arrives_outside) and (index, start) not in made for n, (start, _) in enumerate(stays)]
        wanted = {tensor.version(start) for (start, _), fetch in zip(stays, fetched, strict=True) if fetch}
        if tensor.result and stays[-1][1] < problem.steps:
            wanted.add(tensor.version(problem.steps))
        if arrives_outside:
            wanted.discard(0)
        for (start, end), fetch in zip(stays, fetched, strict=True):
            stored = end < problem.steps and tensor.version(end + 1) in wanted
            found.append(Residence(index, start, end, fetch, stored))
            wanted -= {tensor.version(end + 1)} if stored else set()
    return found


def cost_of(problem: ReplacementProblem, solution: Replacement) -> int:
    """What a solution costs."""
    cost = sum(tensor.outside or 0 for tensor, out in zip(problem.tensors, solution.outside, strict=True) if out)
    for stay in residences(problem, solution):
        tensor = problem.tensors[stay.tensor]
        cost += tensor.fetch * stay.fetched + tensor.store * stay.stored
    for remake in (problem.remakes[number] for number in solution.remade):
        cost += remake.cost
        cost += sum(far for source, far in zip(remake.sources, remake.far, strict=True) if solution.outside[source])
    return cost


def _stays(
    problem: ReplacementProblem, index: int, dropped: frozenset[int], asked: Set[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """First and last step of each stay; where nothing needs the tensor, none begins or ends."""
    tensor, gaps = problem.tensors[index], problem.gaps[index]
    needed = [point for point in problem.points[index] if point in tensor.uses or (index, point) in asked]
    start = end = 0 if tensor.given and 0 not in dropped else needed[0]
    for point in needed:
        if any(n in dropped for n, gap in enumerate(gaps) if end < gap.first and gap.last < point):
            yield start, end
            start = point
        end = point
    if tensor.result and not any(n in dropped for n, gap in enumerate(gaps) if gap.first > end):
        end = problem.steps
    yield start, end
