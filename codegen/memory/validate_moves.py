"""An independent check of a program with moves and steps that run again: it runs both programs on symbols, without the
planner's code."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from edgekit.codegen.program import (
    COPY,
    WAIT,
    Arg,
    Buffer,
    BufferArg,
    ConstantArg,
    KernelCall,
    Literal,
    ParamsArg,
    Program,
    Step,
)
from edgekit.errors import InternalError


class _Symbols:
    """A number for every value that a call may leave: the same for the same call on the same values."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def of(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


def validate_moves(original: Program, moved: Program) -> None:
    """Raise InternalError where a program with moves does not compute what the original does.

    Every call of the original must come in its order and read the same values, every output must end as the same, and
    every step must leave the same results, also where it runs again. A copy must read what something has written, and
    nothing may touch its target, or write its source, before it is waited for. That buffers keep their bytes is for
    `validate_plan` to say.
    """
    symbols = _Symbols()
    want, got = _Run(original, symbols), _Run(moved, symbols)
    if got.flying:
        raise InternalError(f"moves: the copy of {got.flying[0][1].label!r} is never waited for")
    if len(want.calls) != len(got.calls):
        raise InternalError(f"moves: {len(got.calls)} calls, not {len(want.calls)}")
    for (step, kernel, values), (other_step, other_kernel, other_values) in zip(want.calls, got.calls, strict=True):
        if (step, kernel) != (other_step, other_kernel):
            raise InternalError(f"moves: {other_step!r} calls {other_kernel}, not {kernel} of {step!r}")
        if values != other_values:
            raise InternalError(f"moves: {kernel} of {step!r} reads other values than without moves")
    known = want.left
    for name, results in got.results:
        if results not in known:
            raise InternalError(f"moves: {name!r} leaves other results than without moves")
    for port, other in zip(original.outputs, moved.outputs, strict=True):
        if want.values.get(port.buffer) != got.values.get(other.buffer):
            raise InternalError(f"moves: output {port.name!r} does not end as it would without moves")


class _Run:
    """One run of a program.

    Attributes:
        values: what each buffer holds at the end: everything that was written to it, in order, as a symbol.
        calls: the step and kernel of every call that is no copy, of steps that do not run again, and the values that it
            reads, by argument.
        flying: targets and sources of copies that have started, and are not done.
        results: the name of each step, with its node and the values that it leaves.
    """

    def __init__(self, program: Program, symbols: _Symbols) -> None:
        self.values: dict[Buffer, int] = {}
        self.calls: list[tuple[str, str, list[int | None]]] = []
        self.results: list[tuple[str, tuple[int | None, ...]]] = []
        self._symbols = symbols
        self.flying: list[tuple[Buffer, Buffer]] = []
        for index, port in enumerate(program.inputs):
            if not port.row_axis:
                self.values[port.buffer] = symbols.of(("input", index))
        for step in program.steps:
            for call in step.calls:
                self._call(step, call)
            self.results.append((step.name, (step.node, *(self.values.get(buffer) for buffer in step.results))))

    @property
    def left(self) -> set[tuple[int | None, ...]]:
        """Nodes and what they leave."""
        return {results for _, results in self.results}

    def _call(self, step: Step, call: KernelCall) -> None:
        args = [arg for arg in call.args if isinstance(arg, BufferArg)]
        if call.kernel == COPY:
            target, source = (arg.buffer for arg in args)
            if source not in self.values and all(source is not coming for coming, _ in self.flying):
                raise InternalError(f"moves: {step.name!r} copies {source.label!r} before anything has filled it")
            self.flying.append((target, source))
            return
        if call.kernel == WAIT:
            self._wait(call)
            return
        self._check_flying(step, args)
        read = [self.values.get(arg.buffer) for arg in args if not arg.writes]
        if not step.again:
            self.calls.append((step.name, call.kernel, read))
        done = (call.kernel, call.loop and call.loop.times, tuple(map(_shape, call.args)), tuple(read))
        # What was there stays where a write does not reach.
        before = [self.values.get(arg.buffer) for arg in args if arg.writes]
        for place, (arg, value) in enumerate(zip([a for a in args if a.writes], before, strict=True)):
            self.values[arg.buffer] = self._symbols.of((done, place, value))

    def _wait(self, call: KernelCall) -> None:
        """The oldest copies arrive, one after the other."""
        (unfinished,) = call.args
        assert isinstance(unfinished, Literal) and isinstance(unfinished.value, int)
        while len(self.flying) > unfinished.value:
            target, source = self.flying.pop(0)
            self.values[target] = self.values[source]

    def _check_flying(self, step: Step, args: Sequence[BufferArg]) -> None:
        """No call touches where a copy goes, or writes where it comes from."""
        for target, source in self.flying:
            if any(arg.buffer is target or (arg.writes and arg.buffer is source) for arg in args):
                raise InternalError(f"moves: {step.name!r} touches {source.label!r} while it is copied")


def _shape(arg: Arg) -> Hashable:
    """An argument but for the buffer."""
    if isinstance(arg, BufferArg):
        return arg.c_type, arg.writes, arg.offset, arg.advance
    if isinstance(arg, ConstantArg):
        return arg.constant.index, arg.c_type, arg.offset, arg.advance
    return arg.params.index if isinstance(arg, ParamsArg) else arg
