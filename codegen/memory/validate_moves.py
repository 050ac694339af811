"""An independent check of a program with moves: it runs both programs on symbols, without the planner's code."""

from __future__ import annotations

from typing import TypeAlias

from edgekit.codegen.program import COPY, Buffer, BufferArg, KernelCall, Program, Step
from edgekit.errors import InternalError

# Everything that was written to a buffer, in order: a write of a part leaves the rest as it was.
Value: TypeAlias = "tuple[object, ...]"


def validate_moves(original: Program, moved: Program) -> None:
    """Raise InternalError where a program with moves does not compute what the original does.

    Every call of the original must come in its order and read the same values, and every output must end as the same;
    a copy must read what something has written. That buffers keep their bytes is for `validate_plan` to say.
    """
    want, got = _Run(original), _Run(moved)
    if len(want.calls) != len(got.calls):
        raise InternalError(f"moves: {len(got.calls)} calls, not {len(want.calls)}")
    for (step, kernel, values), (other_step, other_kernel, other_values) in zip(want.calls, got.calls, strict=True):
        if (step, kernel) != (other_step, other_kernel):
            raise InternalError(f"moves: step {other_step} calls {other_kernel}, not {kernel} of step {step}")
        if values != other_values:
            raise InternalError(f"moves: {kernel} of step {step} reads other values than without moves")
    for port, other in zip(original.outputs, moved.outputs, strict=True):
        if want.values.get(port.buffer) != got.values.get(other.buffer):
            raise InternalError(f"moves: output {port.name!r} does not end as it would without moves")


class _Run:
    """One run of a program.

    Attributes:
        values: what each buffer holds at the end.
        calls: the step and kernel of every call that is no copy, and the values that it reads, by argument.
    """

    def __init__(self, program: Program) -> None:
        self.values: dict[Buffer, Value] = {}
        self.calls: list[tuple[int, str, list[Value | None]]] = []
        for index, port in enumerate(program.inputs):
            if not port.row_axis:
                self.values[port.buffer] = ("input", index)
        for step in program.steps:
            for call in step.calls:
                self._call(step, call)

    def _call(self, step: Step, call: KernelCall) -> None:
        args = [arg for arg in call.args if isinstance(arg, BufferArg)]
        if call.kernel == COPY:
            target, source = (arg.buffer for arg in args)
            if source not in self.values:
                raise InternalError(f"moves: {step.name!r} copies {source.label!r} before anything has filled it")
            self.values[target] = self.values[source]
            return
        self.calls.append((step.index, call.kernel, [self.values.get(a.buffer) for a in args if not a.writes]))
        for place, arg in enumerate(args):
            if arg.writes:
                self.values[arg.buffer] = (*self.values.get(arg.buffer, ()), (len(self.calls), place))
