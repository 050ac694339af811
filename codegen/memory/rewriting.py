"""The decisions of a replacement as buffers, calls and steps of a program.

Each stay of a buffer on the chip is a buffer of its own. The steps around a gap copy it off the chip and back, or steps
that make it run again before the step that needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from edgekit.codegen.memory.liveness import Lifetime
from edgekit.codegen.memory.remakes import Axis, Making
from edgekit.codegen.memory.replacement import Residence
from edgekit.codegen.program import AGAIN, COPY, WAIT, Buffer, BufferArg, KernelCall, Literal, Move, Port, Program, Step


def rewritten(
    program: Program,
    lives: Sequence[Lifetime],
    stays: Sequence[Residence],
    outside: Sequence[bool],
    makings: Sequence[Making],
    axis: Axis,
) -> Program:
    """The program in which lifetimes stay on the chip as they should, and are moved or made again in between.

    Args:
        stays: on the positions of `axis`; outside: per lifetime, whether it lives off the chip; makings: what is made.
    """
    return _Rewriter(program, lives, stays, outside, makings, axis).program()


@dataclass
class _Run:
    """A step at a position of the axis.

    Attributes:
        fresh: what stands for the buffers that only it touches, where it runs again.
    """

    position: int
    step: Step
    again: bool
    fresh: dict[Buffer, Buffer] = field(default_factory=dict)


class _Rewriter:
    """Builds the program."""

    def __init__(
        self, program: Program, lives: Sequence[Lifetime], stays: Sequence[Residence], outside: Sequence[bool],
        makings: Sequence[Making], axis: Axis,
    ) -> None:  # fmt: skip
        self._program, self._end = program, axis.length
        self._made: list[Buffer] = []
        self._stays: dict[Buffer, list[tuple[range, Buffer]]] = {}
        self._copies: dict[Buffer, Buffer] = {}
        self._before: dict[int, list[Move]] = {}
        self._after: dict[int, list[Move]] = {}
        self._life = {buffer: life for life in lives for buffer in life.buffers}
        self._spans: dict[Buffer, list[int]] = {}
        self._runs = list(self._all_runs(lives, makings, axis))
        by_tensor: dict[int, list[Residence]] = {}
        for stay in stays:
            by_tensor.setdefault(stay.tensor, []).append(stay)
        for index, life in enumerate(lives):
            parts = by_tensor.get(index, [])
            if len(parts) > 1 or any(stay.fetched or stay.stored for stay in parts):
                self._split(life, parts)
            else:
                for buffer in life.buffers:
                    made = self._make(replace(buffer, outside=outside[index]))
                    self._stays[buffer] = [(range(self._end + 1), made)]
        for run in self._runs:
            run.fresh = {buffer: self._make(buffer) for buffer in run.fresh}

    def _all_runs(self, lives: Sequence[Lifetime], makings: Sequence[Making], axis: Axis) -> Iterator[_Run]:
        """Steps and those that run again before them, what is read by others first."""
        for step in self._program.steps:
            # What is made of another thing was written after it.
            for making in sorted((m for m in makings if m.before == step.index), key=lambda m: m.steps[-1]):
                touched = {b for life in (making.life, *making.sources) for b in lives[life].buffers}
                for index in making.steps:
                    again = self._program.steps[index]
                    own = {buffer: buffer for buffer in again.buffers() if buffer not in touched}
                    yield self._spanned(_Run(axis.place(making), again, True, own))
            yield self._spanned(_Run(axis.step(step.index), step, False))

    def _spanned(self, run: _Run) -> _Run:
        for buffer in run.step.buffers():
            if buffer not in run.fresh:
                self._spans.setdefault(buffer, []).append(run.position)
        return run

    def program(self) -> Program:
        steps, moves = list[Step](), list[Move]()
        ends = {run.position: run for run in self._runs}
        for index, run in enumerate(self._runs):
            starts = index == 0 or self._runs[index - 1].position != run.position
            before = self._before.get(run.position, []) if starts else []
            after = self._after.get(run.position, []) if ends[run.position] is run else []
            steps.append(self._step(run, index, before, after))
            moves += [replace(move, step=index, start=index, end=index) for move in (*before, *after)]
        return replace(
            self._program,
            steps=steps,
            buffers=self._made,
            inputs=[self._port(port, 0) for port in self._program.inputs],
            outputs=[self._port(port, self._end) for port in self._program.outputs],
            moves=moves,
        )

    def _make(self, buffer: Buffer) -> Buffer:
        made = replace(buffer, index=len(self._made))
        self._made.append(made)
        return made

    def _split(self, life: Lifetime, stays: Sequence[Residence]) -> None:
        """For each stay the buffers that it touches then, and where something is copied, a buffer off the chip."""
        copied = any(stay.fetched or stay.stored for stay in stays)
        copy = self._copy(life) if copied else None
        for stay in stays:
            for buffer in life.buffers:
                spans = self._spans.get(buffer, [])
                if any(stay.first <= position <= stay.last for position in spans):
                    self._stays.setdefault(buffer, []).append((range(stay.first, stay.last + 1), self._make(buffer)))
            if copy is not None and stay.fetched:
                self._move(self._before, stay.first, life, copy, fetches=True)
            if copy is not None and stay.stored:
                self._move(self._after, stay.last, life, copy, fetches=False)

    def _copy(self, life: Lifetime) -> Buffer:
        copy = replace(life.buffers[0], size=life.size, alignment=life.alignment, kind="copy", outside=True)
        for buffer in life.buffers:
            if buffer.kind in ("input", "output"):
                copy = replace(copy, label=buffer.label, kind=buffer.kind)
        copy = self._make(copy)
        self._copies.update(dict.fromkeys(life.buffers, copy))
        return copy

    def _move(self, moves: dict[int, list[Move]], position: int, life: Lifetime, copy: Buffer, fetches: bool) -> None:
        """To the buffer that holds the value before a position, or from the one that does after it."""
        touched = [buffer for buffer in life.buffers if position in self._spans.get(buffer, [])]
        holder = touched[0] if fetches else touched[-1]
        near = self._at(holder, position)
        source, target = (copy, near) if fetches else (near, copy)
        moves.setdefault(position, []).append(Move(position, holder.label, source, target, near.size, fetches, 0, 0))

    def _at(self, buffer: Buffer, position: int) -> Buffer:
        """What stands for a buffer at a position: itself on the chip, or its copy."""
        for span, made in self._stays.get(buffer, []):
            if position in span:
                return made
        return self._copies[buffer]

    def _port(self, port: Port, position: int) -> Port:
        # A streamed input is never whole: its buffer is what its steps touch.
        at = self._spans[port.buffer][0] if port.row_axis else position
        buffer = self._at(port.buffer, at)
        if any(move.target is buffer for move in self._before.get(at, [])):
            # What its first step fetches has arrived off the chip.
            buffer = self._copies[port.buffer]
        return replace(port, buffer=buffer)

    def _step(self, run: _Run, index: int, before: Sequence[Move], after: Sequence[Move]) -> Step:
        def mapped(buffer: Buffer) -> Buffer:
            return run.fresh[buffer] if buffer in run.fresh else self._at(buffer, run.position)

        step = run.step
        calls = [
            replace(
                call,
                args=tuple(replace(a, buffer=mapped(a.buffer)) if isinstance(a, BufferArg) else a for a in call.args),
            )
            for call in step.calls
        ]
        return replace(
            step,
            index=index,
            name=f"{step.name}{AGAIN}" if run.again else step.name,
            calls=[*copies(before), *calls, *copies(after)],
            # Others would now seem to die where they only leave the chip.
            in_place=[(mapped(a), mapped(b)) for a, b in step.in_place if self._life[a] is self._life[b]],
            results=[mapped(buffer) for buffer in step.results],
            again=run.again,
        )


def copies(moves: Sequence[Move]) -> list[KernelCall]:
    """Calls that make copies and wait until they are done."""
    return [call for move in moves for call in (start_call(move), wait_call(0))]


def start_call(move: Move) -> KernelCall:
    """The call that starts a copy."""
    target, source = BufferArg(move.target, "uint8_t", True), BufferArg(move.source, "uint8_t")
    return KernelCall(COPY, (target, source, Literal(move.bytes)))


def wait_call(unfinished: int) -> KernelCall:
    """The call that waits for all copies but the latest ones."""
    return KernelCall(WAIT, (Literal(unfinished),))
