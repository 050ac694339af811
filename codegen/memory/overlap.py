"""Copies off the chip and back while layers run: a planned program whose moves start as early and end as late as the
places of its buffers allow.

A fetch starts in the first step in which nothing else stands where it goes; a store, which starts when the buffer
leaves, is waited for when something else needs its place. Nothing moves to another place for that: arenas stay as
small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edgekit.codegen.memory.liveness import Lifetime
from edgekit.codegen.memory.plan import MemoryPlan
from edgekit.codegen.memory.rewriting import start_call, wait_call
from edgekit.codegen.program import COPY, WAIT, KernelCall, Move, Program


def overlapped(program: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    """The program with its moves in flight as long as can be, and the plan with the lifetimes that follow from that."""
    if not program.moves:
        return program, plan
    flights = _Flights(program, plan)
    moves = [flights.fetched(move) if move.fetches else move for move in program.moves]
    # When all fetches start, what the stores leave behind is known to be free until then.
    moves = [move if move.fetches else flights.stored(move) for move in moves]
    return replace(_scheduled(program, moves), moves=moves), replace(plan, lives=flights.lives())


class _Flights:
    """Lifetimes in their places, which moves in flight make longer."""

    def __init__(self, program: Program, plan: MemoryPlan) -> None:
        self._plan, self._end = plan, len(program.steps)
        self._lives = list(plan.lives)
        self._number = {buffer: n for n, life in enumerate(self._lives) for buffer in life.buffers}
        self._moves = program.moves

    def lives(self) -> tuple[Lifetime, ...]:
        return tuple(sorted(self._lives, key=lambda life: (life.first, life.buffers[0].index)))

    def fetched(self, move: Move) -> Move:
        """It starts when its place is free, and its copy is stored."""
        number = self._number[move.target]
        start = max((life.last + 1 for life in self._beside(number) if life.last < move.step), default=0)
        stored = (m.step + 1 for m in self._moves if m.target is move.source and m.step < move.step)
        start = max(start, *stored, 0)
        self._lives[number] = replace(self._lives[number], first=start)
        return replace(move, start=start)

    def stored(self, move: Move) -> Move:
        """It is waited for when its place is taken, or at the end."""
        number = self._number[move.source]
        end = min((life.first for life in self._beside(number) if life.first > move.step), default=self._end)
        self._lives[number] = replace(self._lives[number], last=max(self._lives[number].last, end - 1))
        return replace(move, end=end)

    def _beside(self, number: int) -> list[Lifetime]:
        """Other lifetimes that have some of a lifetime's bytes before or after it."""
        region, start, end = self._range(number)
        return [
            self._lives[other]
            for other in range(len(self._lives))
            if other != number
            and (place := self._range(other))[0] == region
            and place[1] < end
            and start < place[2]
        ]  # fmt: skip

    def _range(self, number: int) -> tuple[str, int, int]:
        life = self._lives[number]
        place = self._plan.places[life.buffers[0]]
        return place.region, place.offset, place.offset + life.size


def _scheduled(program: Program, moves: list[Move]) -> Program:
    """Starts and waits in place of copies; of two waits for the same, the first one."""
    queue: dict[int, int] = {}
    done = 0
    steps = []
    for step in program.steps:
        calls: list[KernelCall] = []
        stored = [n for n, move in enumerate(moves) if not move.fetches and move.end == step.index]
        fetched = [n for n, move in enumerate(moves) if move.fetches and move.step == step.index]
        done = _wait(calls, queue, stored, done)
        for number, move in enumerate(moves):
            if move.fetches and move.start == step.index:
                queue[number] = len(queue)
                calls.append(start_call(move))
        done = _wait(calls, queue, fetched, done)
        calls += [call for call in step.calls if call.kernel not in (COPY, WAIT)]
        for number, move in enumerate(moves):
            if not move.fetches and move.step == step.index:
                queue[number] = len(queue)
                calls.append(start_call(move))
        if step.index == len(program.steps) - 1 and done < len(queue):
            calls.append(wait_call(0))
        steps.append(replace(step, calls=calls))
    return replace(program, steps=steps)


def _wait(calls: list[KernelCall], queue: Mapping[int, int], moves: list[int], done: int) -> int:
    """Wait for moves that are not done; returns how many of all are."""
    wanted = max((queue[move] + 1 for move in moves), default=0)
    if wanted <= done:
        return done
    calls.append(wait_call(len(queue) - wanted))
    return wanted
