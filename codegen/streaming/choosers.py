"""Choosers of a graph, kept: one serves all boards of a core, and all capacities up to the largest asked for."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.codegen.integration import Tricks
from edgekit.codegen.lowering.context import Target
from edgekit.codegen.streaming.choice import Chooser
from edgekit.codegen.streaming.schedules import Schedules
from edgekit.ir import Graph


class Choosers:
    """The choosers of one graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph, self._schedules = graph, Schedules()
        self._kept: dict[tuple[object, ...], tuple[int, Chooser]] = {}

    def of(
        self, target: Target, capacity: int, fed: bool, streaming: bool, tricks: Tricks, waits: Mapping[str, float]
    ) -> Chooser:  # fmt: skip
        """A chooser for at least so many bytes; arguments as of `Chooser`."""
        key = target, fed, streaming, tricks, tuple(sorted(waits.items()))
        known = self._kept.get(key)
        if known is None or known[0] < capacity:
            chooser = Chooser(self._graph, target, capacity, fed, streaming, tricks, waits, self._schedules)
            known = self._kept[key] = capacity, chooser
        return known[1]
