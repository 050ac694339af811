"""An independent check of copies in flight: what they read and write, by address, is left alone until they are done."""

from __future__ import annotations

from collections import deque

from edgekit.codegen.memory.plan import MemoryPlan
from edgekit.codegen.program import COPY, WAIT, Buffer, BufferArg, KernelCall, Literal, Step
from edgekit.errors import InternalError

_Range = tuple[str, int, int]


class Flights:
    """Copies that have started and are not done, in the order in which they finish."""

    def __init__(self, plan: MemoryPlan) -> None:
        self._plan = plan
        self._flying: deque[tuple[_Range, _Range]] = deque()

    def run(self, step: Step) -> None:
        """Raise InternalError where a call of the step meets a copy: reads or writes where it goes, or writes where it
        comes from. A copy may read what an earlier one brings, and write where an earlier one has read."""
        for call in step.calls:
            if call.kernel == WAIT:
                self._wait(call)
            elif call.kernel == COPY:
                target, source = (self._range(arg) for arg in call.args if isinstance(arg, BufferArg))
                self._flying.append((target, source))
            else:
                self._check(step, [arg for arg in call.args if isinstance(arg, BufferArg)])

    def _wait(self, call: KernelCall) -> None:
        (unfinished,) = call.args
        assert isinstance(unfinished, Literal)
        while len(self._flying) > unfinished.value:
            self._flying.popleft()

    def _check(self, step: Step, args: list[BufferArg]) -> None:
        for arg in args:
            place = self._range(arg)
            for target, source in self._flying:
                if _meet(place, target) or (arg.writes and _meet(place, source)):
                    raise InternalError(f"plan: {step.name!r} touches {arg.buffer.label!r} in the way of a copy")

    def _range(self, arg: BufferArg) -> _Range:
        buffer: Buffer = arg.buffer
        place = self._plan.places[buffer]
        return place.region, place.offset, place.offset + buffer.size


def _meet(one: _Range, other: _Range) -> bool:
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]
