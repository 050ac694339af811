"""What a program can make again: lifetimes that leave memory while it is short, and the steps that write them anew."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from edgekit.codegen.memory.liveness import Lifetime
from edgekit.codegen.memory.traffic import traffic
from edgekit.codegen.program import FEED_ROWS, Buffer, Program

# Steps that may run again for one lifetime; how far back what they read may itself be made again; candidates at most.
MOST_STEPS = 4
DEPTH = 3
MOST = 160


@dataclass(frozen=True)
class Making:
    """A lifetime's content, made again right before a step.

    Attributes:
        life: its number; before: the step.
        steps: those that run again, in their order; sources: numbers of the lifetimes that they read.
        scratch: bytes of all else that they write; cycles: of them, as estimated.
    """

    life: int
    before: int
    steps: tuple[int, ...]
    sources: tuple[int, ...]
    scratch: int
    cycles: float


class Axis:
    """Steps of a program with a place before some of them, in which things are made again."""

    def __init__(self, steps: int, makings: Sequence[Making]) -> None:
        self._before = sorted({making.before for making in makings})
        self.length = steps + len(self._before)

    def step(self, step: int) -> int:
        """The position of a step, or of the end."""
        return step + bisect_right(self._before, step)

    def place(self, making: Making) -> int:
        """The position at which it happens."""
        return self.step(making.before) - 1


def makings_of(
    program: Program, lives: Sequence[Lifetime], tight: Sequence[bool], cycles: Mapping[int, float]
) -> list[Making]:
    """What may be made again after steps in which memory is short, and what that reads, DEPTH deep; MOST at most, those
    that free most bytes for their work.

    Args:
        tight: per step, whether not all fits.
        cycles: of each step by its node; steps that are not in it do not run again.
    """
    return _Finder(program, lives, tight, cycles).found()


class _Finder:
    def __init__(
        self, program: Program, lives: Sequence[Lifetime], tight: Sequence[bool], cycles: Mapping[int, float]
    ) -> None:
        self._program, self._lives, self._tight, self._cycles = program, lives, tight, cycles
        self._number = {buffer: index for index, life in enumerate(lives) for buffer in life.buffers}
        self._uses: list[list[int]] = [[] for _ in lives]
        self._writes: list[list[int]] = [[] for _ in lives]
        for step in program.steps:
            for found, buffers in ((self._uses, step.buffers()), (self._writes, list(step.written()))):
                for life in sorted({self._number[buffer] for buffer in buffers}):
                    found[life].append(step.index)
        self._given = {self._number[port.buffer] for port in program.inputs if port.buffer in self._number}
        self._found: dict[tuple[int, int], Making] = {}

    def found(self) -> list[Making]:
        for life, uses in enumerate(self._uses):
            for before, after in pairwise(uses):
                if any(self._tight[before + 1 : after]):
                    self._add(life, after, DEPTH)

        def worth(making: Making) -> float:
            return self._lives[making.life].size / (1.0 + making.cycles)

        best = sorted(self._found.values(), key=worth, reverse=True)[:MOST]
        return sorted(best, key=lambda making: (making.before, making.life))

    def _add(self, life: int, before: int, depth: int) -> None:
        making = self._making(life, before)
        if making is None or (life, before) in self._found:
            return
        self._found[life, before] = making
        for source in making.sources if depth > 1 else ():
            last = max(use for use in self._uses[source] if use < before)
            if any(self._tight[last + 1 : before]):
                self._add(source, before, depth - 1)

    def _making(self, life: int, before: int) -> Making | None:
        """The steps that leave the lifetime as it is before a step, if they read nothing that has changed since."""
        steps = tuple(step for step in self._writes[life] if step < before)
        if life in self._given or not 0 < len(steps) <= MOST_STEPS:
            return None
        sources, others = set[int](), set[int]()
        for step in (self._program.steps[index] for index in steps):
            if step.node not in self._cycles or any(call.kernel == FEED_ROWS for call in step.calls):
                return None
            for other in {self._number[buffer] for buffer in step.buffers()} - {life}:
                if step.index in self._writes[other]:
                    if other in self._given or self._uses[other][0] < step.index:
                        return None
                    others.add(other)
                elif any(step.index < write < before for write in self._writes[other]):
                    return None
                else:
                    sources.add(other)
        if sources & others:
            return None
        scratch = sum(self._lives[other].size for other in others)
        cycles = sum(self._cycles[self._program.steps[step].node] for step in steps)
        return Making(life, before, steps, tuple(sorted(sources)), scratch, cycles)


def read_again(program: Program, making: Making) -> dict[Buffer, int]:
    """Bytes that making it reads and writes, by buffer: the model of `traffic`."""
    return traffic(replace(program, steps=[program.steps[step] for step in making.steps]))
