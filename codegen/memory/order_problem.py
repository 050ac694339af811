"""The steps of a program as the search for their order sees them: sizes of tensors, and which step touches which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from edgekit.codegen.program import Buffer, Program


@dataclass(frozen=True)
class OrderProblem:
    """Steps and tensors, both by number.

    Attributes:
        sizes: bytes of each tensor.
        given: live from the start; stays: live to the end. One flag per tensor.
        touches: tensors of each step, each once.
        before: steps that must run before each step.
        in_place: per step, pairs of tensors, of which the second may take the bytes of the first.
    """

    sizes: tuple[int, ...]
    given: tuple[bool, ...]
    stays: tuple[bool, ...]
    touches: tuple[tuple[int, ...], ...]
    before: tuple[tuple[int, ...], ...]
    in_place: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.touches)

    @cached_property
    def users(self) -> tuple[tuple[int, ...], ...]:
        """Steps that touch each tensor."""
        users: list[list[int]] = [[] for _ in self.sizes]
        for step, tensors in enumerate(self.touches):
            for tensor in tensors:
                users[tensor].append(step)
        return tuple(map(tuple, users))

    @cached_property
    def after(self) -> tuple[tuple[int, ...], ...]:
        """Steps that wait for each step."""
        after: list[list[int]] = [[] for _ in self.touches]
        for step, earlier in enumerate(self.before):
            for other in earlier:
                after[other].append(step)
        return tuple(map(tuple, after))

    @property
    def bound(self) -> int:
        """Bytes of all given tensors, of all that stay, or that some step touches but for what it may write over."""
        most = max(
            sum(size for size, given in zip(self.sizes, self.given, strict=True) if given),
            sum(size for size, stays in zip(self.sizes, self.stays, strict=True) if stays),
        )
        for tensors, pairs in zip(self.touches, self.in_place, strict=True):
            shared = sum(self.sizes[a] for a, b in pairs if self.sizes[a] == self.sizes[b])
            most = max(most, sum(self.sizes[t] for t in tensors) - shared)
        return most


class Execution:
    """Steps that have run, and the bytes that are live then.

    Attributes:
        live: bytes now; peak: the most so far; ready: steps that may run next.
    """

    def __init__(self, problem: OrderProblem) -> None:
        self._problem = problem
        self._waiting = [len(steps) for steps in problem.users]
        self._born = list(problem.given)
        self._missing = [len(steps) for steps in problem.before]
        self.live = self.peak = sum(size for size, given in zip(problem.sizes, problem.given, strict=True) if given)
        self.ready = [step for step, missing in enumerate(self._missing) if not missing]

    def effect(self, step: int) -> tuple[int, int]:
        """Bytes live while a step runs, and after it."""
        problem = self._problem
        born = sum(problem.sizes[t] for t in problem.touches[step] if not self._born[t])
        died = sum(problem.sizes[t] for t in problem.touches[step] if self._dies(t))
        shared, taken = 0, set()
        for source, target in problem.in_place[step]:
            fits = problem.sizes[source] == problem.sizes[target] and target not in taken
            if fits and self._dies(source) and not self._born[target]:
                shared += problem.sizes[source]
                taken.add(target)
        return self.live + born - shared, self.live + born - died

    def _dies(self, tensor: int) -> bool:
        return self._waiting[tensor] == 1 and not self._problem.stays[tensor]

    def run(self, step: int) -> None:
        """Execute a step that is ready."""
        during, self.live = self.effect(step)
        self.peak = max(self.peak, during)
        for tensor in self._problem.touches[step]:
            self._waiting[tensor] -= 1
            self._born[tensor] = True
        self.ready.remove(step)
        for later in self._problem.after[step]:
            self._missing[later] -= 1
            if not self._missing[later]:
                self.ready.append(later)


def peak_of(problem: OrderProblem, order: Sequence[int]) -> int:
    """The most bytes live in an order."""
    execution = Execution(problem)
    for step in order:
        execution.run(step)
    return execution.peak


def problem_of(program: Program) -> OrderProblem:
    """A program's steps; they are exchanged only where neither touches what the other writes."""
    inputs = {port.buffer for port in program.inputs if not port.row_axis}
    outputs = {port.buffer for port in program.outputs}
    numbers: dict[Buffer, int] = {}
    for buffer in [port.buffer for port in (*program.inputs, *program.outputs)]:
        numbers.setdefault(buffer, len(numbers))
    touches = []
    for step in program.steps:
        touches.append(tuple(numbers.setdefault(b, len(numbers)) for b in step.buffers()))
    buffers = list(numbers)
    return OrderProblem(
        tuple(b.size for b in buffers),
        tuple(b in inputs for b in buffers),
        tuple(b in outputs for b in buffers),
        tuple(touches),
        _dependencies(program),
        tuple(tuple((numbers[a], numbers[b]) for a, b in s.in_place if a is not b) for s in program.steps),
    )


def _dependencies(program: Program) -> tuple[tuple[int, ...], ...]:
    """Per step, the earlier ones that write what it touches or touch what it writes."""
    touched: dict[Buffer, int] = {}
    written: dict[Buffer, int] = {}
    result = []
    for step in program.steps:
        writes = step.written()
        mask = 0
        for buffer in step.buffers():
            mask |= (touched if buffer in writes else written).get(buffer, 0)
        for buffer in step.buffers():
            touched[buffer] = touched.get(buffer, 0) | 1 << step.index
            if buffer in writes:
                written[buffer] = written.get(buffer, 0) | 1 << step.index
        result.append(tuple(_bits(mask)))
    return tuple(result)


def _bits(mask: int) -> Iterator[int]:
    while mask:
        bit = mask & -mask
        yield bit.bit_length() - 1
        mask ^= bit
