"""The Python side of order_search.c: an order of steps under a peak, or the proof that there is none."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.memory.order_problem import Execution, OrderProblem
from edgekit.codegen.memory.search_arrays import (
    HEADERS,
    STATE_BYTES,
    States,
    addresses,
    lists_of,
    states_of,
    words_of,
)
from edgekit.toolchains.native import shared_library

SOURCE = Path(__file__).with_name("order_search.c")
_FOUND = 1
# Sets of steps that a search may hold; operating systems give memory only to those that it does.
_STATES_BYTES = 1024 << 20
_MOST_STATES = 1 << 23


@dataclass(frozen=True)
class Found:
    """What a search says: the order with the least peak, or None; no order has a peak below `bound`."""

    order: list[int] | None
    bound: int


class _Order(ctypes.Structure):
    _fields_ = (
        ("states", States),
        *((name, ctypes.c_int64) for name in ("most", "tries", "bound")),
        *((name, ctypes.c_void_p) for name in ("size", "tensor_start", "tensors", "user_start", "users")),
        *((name, ctypes.c_void_p) for name in ("after_start", "after", "pair_start", "pairs", "given", "stays")),
        *((name, ctypes.c_void_p) for name in ("ready", "trial", "order", "reached")),
    )


def find_order(problem: OrderProblem, most: int, tries: int, least: int = 0) -> Found:
    """The order of all steps with the least peak, if that is at most `most`.

    Args:
        least: peaks below it are as good as this one.
        tries: how often a step is tried after a set of executed ones, at most: about ten million in a second.

    Raises ToolchainError where the search does not compile for this computer.
    """
    words = words_of(problem.steps)
    room = max(2, min(_MOST_STATES, _STATES_BYTES // (8 * words + STATE_BYTES), tries + 2))
    states, kept = states_of(problem.before, room)
    kept["live"][0] = Execution(problem).live
    kept["key"][0] = max(kept["live"][0], problem.bound, least)
    kept["left"][0] = problem.steps
    arrays = _problem_arrays(problem)
    arrays |= {name: np.empty(problem.steps + 1, np.int32) for name in ("ready", "trial", "order")}
    arrays["reached"] = np.zeros(words, np.uint64)
    state = _Order(states=states, most=most, tries=tries, **addresses(arrays))
    whole = np.empty(max(1, problem.steps), np.int32)
    result = _library().ek_find_order(ctypes.byref(state), ctypes.c_void_p(whole.ctypes.data))
    return Found([int(s) for s in whole[: problem.steps]] if result == _FOUND else None, int(state.bound))


def _problem_arrays(problem: OrderProblem) -> dict[str, NDArray[Any]]:
    return {
        "size": np.array(problem.sizes, np.int64),
        **lists_of("tensor_start", "tensors", problem.touches),
        **lists_of("user_start", "users", problem.users),
        **lists_of("after_start", "after", problem.after),
        **lists_of("pair_start", "pairs", [list(chain(*pairs)) for pairs in problem.in_place]),
        "given": np.array(problem.given, np.uint8),
        "stays": np.array(problem.stays, np.uint8),
    }


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(str(shared_library(SOURCE, HEADERS, libc=False)))
