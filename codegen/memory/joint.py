"""Order and replacement together: which order of steps, and what leaves the chip meanwhile, moves the fewest bytes.

The search (joint_search.c) is exact. It is led by what the rest of the steps costs at least: the same search for the
last steps alone, then for a few more, up to all of them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.memory.search_arrays import HEADERS, lists_of
from edgekit.toolchains.native import shared_library

SOURCE = Path(__file__).with_name("joint_search.c")
_FOUND = 1
# States that may be tried for all steps, some seconds' worth, and for each part of them.
EFFORT = 20_000_000
# As many parts.
PARTS = 100
_STATES_BYTES = 1 << 30
_BYTES_BESIDE = 60  # of a state, beside its sets


@dataclass(frozen=True)
class JointProblem:
    """Steps and tensors, both by number. A tensor is written by one step at most, the first that touches it.

    Attributes:
        sizes, stores, fetches: of each tensor, bytes, and cost of a copy off the chip and of bringing it back; a copy
            of what no step writes is there.
        reads, writes: tensors of each step; the steps are in an order in which they may run.
        capacity: bytes on the chip.
    """

    sizes: tuple[int, ...]
    stores: tuple[int, ...]
    fetches: tuple[int, ...]
    reads: tuple[tuple[int, ...], ...]
    writes: tuple[tuple[int, ...], ...]
    capacity: int

    @cached_property
    def writer(self) -> tuple[int, ...]:
        """The step that writes each tensor, or -1."""
        found = [-1] * len(self.sizes)
        for step, tensors in enumerate(self.writes):
            for tensor in tensors:
                found[tensor] = step
        return tuple(found)

    @cached_property
    def touches(self) -> tuple[tuple[int, ...], ...]:
        """Tensors of each step, each once."""
        return tuple(tuple(dict.fromkeys((*r, *w))) for r, w in zip(self.reads, self.writes, strict=True))

    def rest(self, start: int) -> JointProblem:
        """The steps from one on; what those before it write has a copy off the chip and arrives for nothing."""
        writer = self.writer
        stores = tuple(0 if writer[t] < start else cost for t, cost in enumerate(self.stores))
        return JointProblem(self.sizes, stores, self.fetches, self.reads[start:], self.writes[start:], self.capacity)


@dataclass(frozen=True)
class Joint:
    """What is known of all orders.

    Attributes:
        order: of steps, that of the least cost, or None where none costs less than was asked for, or none was found.
        lower_bound: no order costs less.
    """

    order: tuple[int, ...] | None
    lower_bound: int


def best_joint(problem: JointProblem, below: int, effort: int = EFFORT) -> Joint:
    """An order that costs less than `below`, the least that there is; or the proof that none does.

    Args:
        effort: states that are tried for all steps; for parts of them together as many.

    Raises ToolchainError where the search does not compile for this computer.
    """
    steps = len(problem.reads)
    ahead = [0] * (steps + 1)
    starts = range(0, steps, max(1, steps // PARTS))
    for start in reversed(starts):
        found = _search(problem.rest(start), below, effort if start == 0 else effort // PARTS, ahead[start:])
        for step in range(start, -1, -1):
            # What was found for the rest holds for all that have run none of it.
            ahead[step] = max(ahead[step], found.lower_bound)
        if found.lower_bound >= below:
            return Joint(None, below)
    return found if steps else Joint((), 0)


class _State(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("below", "tries", "bound", "capacity")),
        *((name, ctypes.c_void_p) for name in ("size", "store", "fetch", "ahead", "touch_start", "touches")),
        *((name, ctypes.c_void_p) for name in ("user_start", "users", "before_start", "before", "writer")),
        *((name, ctypes.c_void_p) for name in ("done", "near", "copied", "cost", "need")),
        *((name, ctypes.c_void_p) for name in ("parent", "by", "count", "next", "closed", "table", "heap_need")),
        *((name, ctypes.c_void_p) for name in ("heap_state", "waiting", "ready", "path", "order")),
        *((name, ctypes.c_int32) for name in ("steps", "tensors", "step_words", "tensor_words", "states")),
        *((name, ctypes.c_int32) for name in ("most_states", "table_mask", "heap", "most_heap", "ran")),
    )


def _search(problem: JointProblem, below: int, tries: int, ahead: Sequence[int]) -> Joint:
    """One search; the bound is at most `below`."""
    steps, tensors = len(problem.reads), len(problem.sizes)
    step_words, tensor_words = max(1, -(-steps // 64)), max(1, -(-tensors // 64))
    room = max(2, min(_STATES_BYTES // (8 * (step_words + 2 * tensor_words) + _BYTES_BESIDE), tries + 2))
    arrays = _problem_arrays(problem) | _state_arrays(room, step_words, tensor_words)
    arrays |= {
        "ahead": np.array(ahead, np.int64),
        "waiting": np.empty(tensors + 1, np.int32),
        "ready": np.empty(steps + 1, np.int32),
        "path": np.empty(steps + 1, np.int32),
    }
    state = _State(
        below=below, tries=tries, capacity=problem.capacity, steps=steps, tensors=tensors, step_words=step_words,
        tensor_words=tensor_words, most_states=room - 1, table_mask=len(arrays["table"]) - 1, most_heap=room,
        **{name: array.ctypes.data for name, array in arrays.items()},
    )  # fmt: skip
    order = np.empty(max(1, steps), np.int32)
    result = _library().ek_find_joint(ctypes.byref(state), ctypes.c_void_p(order.ctypes.data))
    found = tuple(int(step) for step in order[:steps]) if result == _FOUND else None
    return Joint(found, min(below, int(state.bound)))


def _problem_arrays(problem: JointProblem) -> dict[str, NDArray[Any]]:
    writer = problem.writer
    users: list[list[int]] = [[] for _ in problem.sizes]
    for step, tensors in enumerate(problem.touches):
        for tensor in tensors:
            users[tensor].append(step)
    before = [sorted({writer[t] for t in reads if writer[t] >= 0}) for reads in problem.reads]
    return {
        "size": np.array(problem.sizes, np.int64),
        "store": np.array(problem.stores, np.int64),
        "fetch": np.array(problem.fetches, np.int64),
        "writer": np.array(writer, np.int32),
        **lists_of("touch_start", "touches", problem.touches),
        **lists_of("user_start", "users", users),
        **lists_of("before_start", "before", before),
    }


def _state_arrays(room: int, step_words: int, tensor_words: int) -> dict[str, NDArray[Any]]:
    table = 1 << (2 * room - 1).bit_length()
    return {
        "done": np.zeros(room * step_words, np.uint64),
        "near": np.zeros(room * tensor_words, np.uint64),
        "copied": np.zeros(room * tensor_words, np.uint64),
        "table": np.zeros(table, np.int32),
        "closed": np.zeros(room, np.uint8),
        **{name: np.empty(room, np.int64) for name in ("cost", "need", "heap_need")},
        **{name: np.empty(room, np.int32) for name in ("parent", "by", "count", "next", "heap_state")},
    }


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(str(shared_library(SOURCE, HEADERS, libc=False)))
