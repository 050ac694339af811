"""Order and replacement together: which order of steps, and what leaves the chip meanwhile, moves the fewest bytes.

The search (joint_search.c) is exact. It is led by what the rest of the steps costs at least: the same search for the
last steps alone, then for a few more, up to all of them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.memory.replacement import ReplacementProblem, Tensor
from edgekit.codegen.memory.search_arrays import (
    HEADERS,
    STATE_BYTES,
    States,
    addresses,
    bits_of,
    lists_of,
    states_of,
    words_of,
)
from edgekit.toolchains.native import shared_library

SOURCE = Path(__file__).with_name("joint_search.c")
_FOUND = 1
# States that may be tried for all steps, a minute's worth or so, and for the parts of them together.
EFFORT = 20_000_000
# As many parts.
PARTS = 100
_STATES_BYTES = 1 << 30


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
    def before(self) -> tuple[tuple[int, ...], ...]:
        """The steps that write what each step reads."""
        return tuple(tuple(sorted({self.writer[t] for t in r if self.writer[t] >= 0})) for r in self.reads)

    @cached_property
    def touches(self) -> tuple[tuple[int, ...], ...]:
        """Tensors of each step, each once."""
        return tuple(tuple(dict.fromkeys((*r, *w))) for r, w in zip(self.reads, self.writes, strict=True))

    def ordered(self, order: Sequence[int]) -> ReplacementProblem:
        """The problem for one order of the steps."""
        uses: list[list[int]] = [[] for _ in self.sizes]
        for position, step in enumerate(order):
            for tensor in self.touches[step]:
                uses[tensor].append(position)
        tensors = (
            Tensor(size, tuple(at), () if writer < 0 else (at[0],), store, fetch)
            for size, at, writer, store, fetch in zip(
                self.sizes, uses, self.writer, self.stores, self.fetches, strict=True
            )
        )
        return ReplacementProblem(tuple(tensors), len(order), self.capacity)

    def rest(self, start: int) -> JointProblem:
        """The steps from one on; what those before it write has a copy off the chip and arrives for nothing."""
        writer = self.writer
        stores = tuple(0 if writer[t] < start else cost for t, cost in enumerate(self.stores))
        return JointProblem(self.sizes, stores, self.fetches, self.reads[start:], self.writes[start:], self.capacity)


@dataclass(frozen=True)
class Part:
    """Steps to run from one state on so that another one is reached.

    Attributes:
        within: the steps; done: those that have run.
        near, copied: tensors on the chip before, and which of all have a copy off it; dead ones are neither.
        near_after, copied_after: the same, afterwards.
    """

    within: Collection[int]
    done: Collection[int] = ()
    near: Collection[int] = ()
    copied: Collection[int] = ()
    near_after: Collection[int] = ()
    copied_after: Collection[int] = ()


@dataclass(frozen=True)
class Joint:
    """What is known of all orders.

    Attributes:
        order: of steps, that of the least cost, or None where none costs less than was asked for, or none was found.
        lower_bound: no order costs less.
        tries: states that the last search made.
    """

    order: tuple[int, ...] | None
    lower_bound: int
    tries: int = 0


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
        rest = problem.rest(start)
        tries = effort if start == 0 else effort // PARTS
        found = search(rest, Part(range(steps - start)), below, tries, ahead[start:])
        for step in range(start, -1, -1):
            # What was found for the rest holds for all that have run none of it.
            ahead[step] = max(ahead[step], found.lower_bound)
        if found.lower_bound >= below:
            return Joint(None, below)
    return found if steps else Joint((), 0)


class _Joint(ctypes.Structure):
    _fields_ = (
        ("states", States),
        *((name, ctypes.c_int64) for name in ("below", "tries", "bound", "capacity")),
        *((name, ctypes.c_void_p) for name in ("size", "store", "fetch", "ahead", "touch_start", "touches")),
        *((name, ctypes.c_void_p) for name in ("user_start", "users", "writer", "within", "near_after")),
        *((name, ctypes.c_void_p) for name in ("copied_after", "near", "copied", "cost", "next", "behind")),
        *((name, ctypes.c_void_p) for name in ("waiting", "taken", "picked", "ready", "path", "order", "followed")),
        *((name, ctypes.c_int32) for name in ("tensors", "tensor_words", "ran", "width")),
    )


def search(
    problem: JointProblem, part: Part, below: int, tries: int, ahead: Sequence[int] = (), width: int = 0
) -> Joint:
    """One search: the cheapest way through the part that costs less than `below`; the bound is at most that.

    Args:
        tries: states that are made.
        ahead: per step, and for the end, what all that have run none from it on must still cost.
        width: how many states are followed of each number of steps left, or all of them. The bound is none then.
    """
    steps, tensors = len(problem.reads), len(problem.sizes)
    tensor_words = words_of(tensors)
    room = max(2, min(_STATES_BYTES // (8 * (words_of(steps) + 2 * tensor_words) + STATE_BYTES + 12), tries + 2))
    states, kept = states_of(problem.before, room)
    states.by_left = width > 0
    kept["done"][: states.words] = bits_of(part.done, steps)
    kept["left"][0] = len(part.within)
    arrays = _problem_arrays(problem) | {
        "ahead": np.array(ahead or [0] * (steps + 1), np.int64),
        "within": bits_of(part.within, steps),
        "near_after": bits_of(part.near_after, tensors),
        "copied_after": bits_of(part.copied_after, tensors),
        **{name: np.zeros(room * tensor_words, np.uint64) for name in ("near", "copied")},
        "cost": np.empty(room, np.int64),
        "next": np.empty(room, np.int32),
        "behind": np.empty(tensors + 1, np.int64),
        **{name: np.empty(tensors + 1, np.int32) for name in ("waiting", "taken", "picked")},
        **{name: np.empty(steps + 1, np.int32) for name in ("ready", "path")},
        "followed": np.zeros(steps + 1, np.int32),
    }
    arrays["near"][:tensor_words] = bits_of(part.near, tensors)
    arrays["copied"][:tensor_words] = bits_of(part.copied, tensors)
    state = _Joint(
        states=states, below=below, tries=tries, capacity=problem.capacity, width=width, tensors=tensors,
        tensor_words=tensor_words, **addresses(arrays),
    )  # fmt: skip
    order = np.empty(max(1, steps), np.int32)
    result = _library().ek_find_joint(ctypes.byref(state), ctypes.c_void_p(order.ctypes.data))
    found = tuple(int(step) for step in order[: len(part.within)]) if result == _FOUND else None
    return Joint(found, 0 if width else min(below, int(state.bound)), tries - int(state.tries))


def _problem_arrays(problem: JointProblem) -> dict[str, NDArray[Any]]:
    users: list[list[int]] = [[] for _ in problem.sizes]
    for step, tensors in enumerate(problem.touches):
        for tensor in tensors:
            users[tensor].append(step)
    return {
        "size": np.array(problem.sizes, np.int64),
        "store": np.array(problem.stores, np.int64),
        "fetch": np.array(problem.fetches, np.int64),
        "writer": np.array(problem.writer, np.int32),
        **lists_of("touch_start", "touches", problem.touches),
        **lists_of("user_start", "users", users),
    }


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(str(shared_library(SOURCE, HEADERS, libc=False)))
