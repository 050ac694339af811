"""Schedules and line buffers of the streams of a graph, each found once: they are the same for all cores."""

from __future__ import annotations

from edgekit.codegen.streaming.buffers import LineBuffers, line_buffers
from edgekit.codegen.streaming.stream import Schedule, Stream

# Rounds that are all looked at.
_FEW = 5


class Schedules:
    """What is known of streams."""

    def __init__(self) -> None:
        self._schedules: dict[Stream, Schedule] = {}
        self._buffers: dict[Stream, LineBuffers] = {}

    def of(self, stream: Stream) -> Schedule:
        """The rounds of a stream."""
        if stream not in self._schedules:
            self._schedules[stream] = Schedule(stream)
        return self._schedules[stream]

    def over(self, schedule: Schedule, stripes: int) -> Schedule:
        """The rounds of a stream over stripes of columns, as `Schedule.over`."""
        cut = schedule.over(stripes)
        return self._schedules.setdefault(cut.stream, cut)

    def buffers(self, stream: Stream) -> LineBuffers:
        """Its line buffers."""
        if stream not in self._buffers:
            schedule = self.of(stream)
            # Rounds in the middle of many are alike, and no other one wants more.
            few = schedule.rounds < _FEW + 2 * len(stream.layers)
            rounds = range(schedule.rounds) if few else (schedule.rounds // 2,)
            self._buffers[stream] = line_buffers(schedule, rounds)
        return self._buffers[stream]
