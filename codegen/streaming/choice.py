"""Which layers run as one, by rows or integrated: the cuts of a graph of fewest cycles within a memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

from edgekit.codegen.integration import USUAL_TRICKS, Group, Tricks
from edgekit.codegen.lowering.context import Target
from edgekit.codegen.streaming.candidates import Candidate, Candidates
from edgekit.codegen.streaming.schedules import Schedules
from edgekit.codegen.streaming.stream import Stream
from edgekit.ir import Graph

# Bytes to which the smallest capacity is found.
_GRAIN = 64


@dataclass(frozen=True)
class Choice:
    """The nodes that run as one layer, and what all layers cost.

    Attributes:
        groups: integrated layers and streams.
        cycles: of all layers, as estimated.
    """

    groups: tuple[Group, ...]
    cycles: float

    @property
    def streams(self) -> list[Stream]:
        """Those that run by rows."""
        return [group for group in self.groups if isinstance(group, Stream)]


class Chooser:
    """The choices that a graph has for one core.

    Args:
        capacity: bytes, the most that will be asked for.
        fed: the graph's images must stream in by rows, where they can.
        streaming: there are streams beside those that feed images, and only parts of chains may be integrated; else all
            that can be is.
        tricks: how memory is saved.
        waits: for weights off the chip, see `far_waits`.
        schedules: of the graph, which choosers may share.
    """

    def __init__(
        self, graph: Graph, target: Target, capacity: int, fed: bool = False, streaming: bool = True,
        tricks: Tricks = USUAL_TRICKS, waits: Mapping[str, float] | None = None, schedules: Schedules | None = None,
    ) -> None:  # fmt: skip
        self._make = partial(
            Candidates, graph, target, capacity, fed, streaming, tricks, waits or {}, schedules or Schedules()
        )

    @cached_property
    def _candidates(self) -> list[list[Candidate]]:
        """By where they end."""
        candidates = self._make()
        found: list[list[Candidate]] = [[] for _ in range(len(candidates.nodes) + 1)]
        for position in range(len(candidates.nodes)):
            for candidate in candidates.starting(position):
                found[candidate.end].append(candidate)
        return found

    def cheapest(self, capacity: int, stripes: bool = True) -> Choice | None:
        """The layers with the fewest cycles within so many bytes, or None where none are small enough.

        Args:
            stripes: streams may run over stripes.
        """
        best: list[tuple[float, int, Candidate | None]] = [(0.0, 0, None)]
        for ending in self._candidates[1:]:
            found: tuple[float, int, Candidate | None] = (math.inf, 0, None)
            for candidate in ending if stripes else [c for c in ending if not c.is_cut]:
                before, layers, _ = best[candidate.start]
                cost = candidate.cycles(capacity) if before < math.inf else None
                if cost is not None and (before + cost, layers + 1) < found[:2]:
                    found = before + cost, layers + 1, candidate
            best.append(found)
        if best[-1][0] == math.inf:
            return None
        groups: list[Group] = []
        at = len(best) - 1
        while (taken := best[at][2]) is not None:
            groups += [] if taken.group is None else [taken.group]
            at = taken.start
        return Choice(tuple(reversed(groups)), best[-1][0])

    def smallest(self, most: int, cycles: float, stripes: bool = True) -> tuple[int, Choice] | None:
        """The least capacity up to `most` bytes for which there is a choice of at most so many cycles; `stripes` as of
        `cheapest`.
        """
        low, high, best = 0, most, self.cheapest(most, stripes)
        if best is None or best.cycles > cycles:
            return None
        while high - low > _GRAIN:
            middle = (low + high) // 2
            choice = self.cheapest(middle, stripes)
            if choice is None or choice.cycles > cycles:
                low = middle
            else:
                high, best = middle, choice
        return high, best
