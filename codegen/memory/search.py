"""The Python side of search.c: a placement under a capacity, or the proof that there is none.

The result depends on the blocks and the effort alone, never on time or on how many processors there are.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.memory.block import Block, align_up, lower_bound, unit_of
from edgekit.codegen.memory.contraction import contract
from edgekit.codegen.memory.sections import Sections, sections_of
from edgekit.codegen.memory.strategies import STRATEGIES, Strategy, ranks
from edgekit.toolchains.native import shared_library

SOURCE = Path(__file__).with_name("search.c")
HEADERS = (SOURCE.with_name("search_state.h"), SOURCE.with_name("search_inference.h"))
INFEASIBLE, FOUND, GAVE_UP = range(3)
# Threads that search at the same time, each with its share of the strategies.
LANES = 2
# Work of a strategy's first turn, per pair of blocks that are live together: enough to place all blocks a few times.
# A unit of work is about 10 ns. Turns of the next round have GROWTH times as much.
FIRST_TURN = 120
GROWTH = 1.6
MAX_BLOCKS = 2000
_FAILED, _DEPTH = 1 << 19, 20_000
_STACK = 16 << 20


@dataclass(frozen=True)
class Outcome:
    """What a search says: offsets, or None; `proven` where there are none."""

    offsets: list[int] | None
    proven: bool


class _State(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("capacity", "work", "limit")),
        *((name, ctypes.c_void_p) for name in ("size", "alignment", "least", "most", "support", "trail_least")),
        *((name, ctypes.c_void_p) for name in ("trail_support", "weight", "bound", "failed", "first", "last", "rank")),
        *((name, ctypes.c_void_p) for name in ("near_start", "near", "section_start", "section", "trail", "queue")),
        *((name, ctypes.c_void_p) for name in ("lists", "scratch", "placed", "dirty")),
        ("failed_mask", ctypes.c_uint64),
        *((name, ctypes.c_int32) for name in ("blocks", "sections", "rule", "filling", "trail_room", "list_room")),
        *((name, ctypes.c_int32) for name in ("trailed", "queued", "depth", "deepest")),
    )


def search(blocks: Sequence[Block], capacity: int, effort: int, tighter: bool = True) -> Outcome:
    """Offsets below `capacity`, within about `effort` units of work per lane.

    Args:
        blocks: at most MAX_BLOCKS.
        tighter: try the lower bound as a capacity too: what fits in less is found sooner where nothing may stay empty.

    Raises ToolchainError where the search does not compile for this computer.
    """
    bound = lower_bound(blocks)
    if bound > capacity:
        return Outcome(None, True)
    attempts = [
        _Attempt(blocks, target) for target in ([capacity, bound] if tighter and bound < capacity else [capacity])
    ]
    used, number = 0, 0
    with _deep_stacks(), ThreadPoolExecutor(LANES) as pool:
        while used < effort:
            for attempt in list(attempts):
                result = attempt.round(number, effort - used, pool)
                if result == FOUND:
                    return Outcome(attempt.offsets(), False)
                if result == INFEASIBLE and attempt.capacity == capacity:
                    return Outcome(None, True)
                if result == INFEASIBLE:
                    attempts.remove(attempt)
                used += attempt.used
            number += 1
    return Outcome(None, False)


class _Attempt:
    """One capacity: all strategies in turn, in lanes side by side, round after round.

    Attributes:
        used: units of work per lane of the last round.
    """

    def __init__(self, blocks: Sequence[Block], capacity: int) -> None:
        self.capacity, self.used = capacity, 0
        self._unit = unit = unit_of(blocks)
        merged, self._stands_for = contract([_scaled(block, unit) for block in blocks], -(-capacity // unit))
        self._possible = all(block.fixed is None or block.fixed % block.alignment == 0 for block in merged)
        most = [capacity] * len(merged)
        for block, index in zip(blocks, self._stands_for, strict=True):
            # Blocks of a chain take the same whole units, but not always the same bytes.
            most[index] = min(most[index], (capacity - block.size) // unit)
        # By first step, as search.c wants them.
        self._order = sorted(range(len(merged)), key=lambda i: (merged[i].first, merged[i].last, -merged[i].size, i))
        ordered, limits = [merged[i] for i in self._order], [most[i] for i in self._order]
        self._lanes = [_Lane(ordered, limits, -(-capacity // unit)) for _ in range(LANES)]
        self._found: list[int] = []

    def round(self, number: int, effort: int, pool: ThreadPoolExecutor) -> int:
        """FOUND, INFEASIBLE or GAVE_UP; whichever lane needed less work for an answer has it."""
        if not self._possible:
            return INFEASIBLE
        turn = int(FIRST_TURN * self._lanes[0].pairs * GROWTH**number)
        self.used = 0
        for first in range(0, len(STRATEGIES), LANES):
            turn = min(turn, effort - self.used)
            if turn <= 0:
                break
            for lane, strategy in zip(self._lanes, STRATEGIES[first : first + LANES], strict=True):
                lane.prepare(strategy, turn, number)
            results: list[int] = list(pool.map(lambda lane: lane.run(self._lanes), self._lanes))
            self.used += turn
            answers = [(lane.work, i) for i, lane in enumerate(self._lanes) if results[i] != GAVE_UP]
            if answers:
                _, best = min(answers)
                self._found = self._lanes[best].offsets()
                return results[best]
        return GAVE_UP

    def offsets(self) -> list[int]:
        """Where the round that found a placement has the blocks."""
        by_merged = dict(zip(self._order, self._found, strict=True))
        return [by_merged[index] * self._unit for index in self._stands_for]


def _scaled(block: Block, unit: int) -> Block:
    """A block in units: whole ones of its size. Alignments are multiples of the unit, or divide it."""
    fixed = None if block.fixed is None else block.fixed // unit
    return Block(align_up(block.size, unit) // unit, max(1, block.alignment // unit), block.first, block.last, fixed)


@contextmanager
def _deep_stacks() -> Iterator[None]:
    """Threads that start here can go as deep as the search may."""
    before = threading.stack_size(_STACK)
    try:
        yield
    finally:
        threading.stack_size(before)


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(str(shared_library(SOURCE, HEADERS, libc=False)))


class _Lane:
    """The memory of one search: what it learns from one strategy's turn serves the next."""

    def __init__(self, blocks: Sequence[Block], limits: Sequence[int], capacity: int) -> None:
        self._blocks = blocks
        self._sections = sections_of(blocks)
        self._start = np.array([block.fixed or 0 for block in blocks], np.int64)
        most = [m if block.fixed is None else block.fixed for block, m in zip(blocks, limits, strict=True)]
        self._order = np.arange(len(blocks), dtype=np.int32)
        self._arrays = _tables(blocks, self._sections) | {"most": np.array(most, np.int64)}
        self._state = _State(
            capacity=capacity,
            failed_mask=_FAILED - 1,
            blocks=len(blocks),
            sections=self._sections.count,
            trail_room=len(self._arrays["trail"]),
            list_room=len(self._arrays["lists"]),
            deepest=_DEPTH,
            **{name: array.ctypes.data for name, array in self._arrays.items()},
        )

    @property
    def pairs(self) -> int:
        """Ordered pairs of blocks that are live together, and one."""
        return 1 + len(self._arrays["near"])

    @property
    def work(self) -> int:
        """Units of work of the last turn."""
        return int(self._state.work)

    def prepare(self, strategy: Strategy, turn: int, number: int) -> None:
        """Set the next turn's strategy and how much work it may take."""
        self._arrays["least"][:] = self._start
        self._arrays["support"][:] = self._start
        self._arrays["placed"][:] = 0
        self._arrays["rank"][:] = ranks(self._blocks, self._sections, strategy.criteria, number)
        state = self._state
        state.rule, state.filling = strategy.rule, int(strategy.filling)
        state.work = state.trailed = state.queued = state.depth = 0
        state.limit = turn

    def run(self, lanes: Sequence[_Lane]) -> int:
        """The turn; an answer ends the turns of those lanes that have already used more work."""
        state = self._state
        result = int(_library().ek_place(ctypes.byref(state), ctypes.c_void_p(self._order.ctypes.data)))
        if result != GAVE_UP:
            for other in lanes:
                other._state.limit = min(other._state.limit, state.work)
        return result

    def offsets(self) -> list[int]:
        """Where the last turn placed the blocks."""
        return [int(offset) for offset in self._arrays["least"]]


def _tables(blocks: Sequence[Block], sections: Sections) -> dict[str, NDArray[Any]]:
    """The arrays of search_state.h, by name."""
    count = len(blocks)
    # Ten times what hard problems use; a search that needs more gives up.
    trail, lists = 4096 + 512 * count, 4096 + min(4 * count * count, 1 << 22)
    section_start, section = sections.members()
    near_start, near = sections.neighbours()
    return {
        "size": np.array([block.size for block in blocks], np.int64),
        "alignment": np.array([block.alignment for block in blocks], np.int64),
        "least": np.zeros(count, np.int64),
        "support": np.zeros(count, np.int64),
        "trail_least": np.empty(trail, np.int64),
        "trail_support": np.empty(trail, np.int64),
        "weight": np.zeros(sections.count, np.int64),
        "bound": np.zeros(sections.count, np.int64),
        "rank": np.zeros(count, np.int32),
        "failed": np.zeros(_FAILED, np.uint64),
        "first": sections.first,
        "last": sections.last,
        "near_start": near_start,
        "near": near,
        "section_start": section_start,
        "section": section,
        "trail": np.empty(trail, np.int32),
        "queue": np.empty(sections.count, np.int32),
        "lists": np.empty(lists, np.int32),
        "scratch": np.empty(count, np.int32),
        "placed": np.zeros(count, np.uint8),
        "dirty": np.zeros(sections.count, np.uint8),
    }
