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
from edgekit.codegen.memory.search_arrays import HEADERS, lists_of
from edgekit.toolchains.native import shared_library

SOURCE = Path(__file__).with_name("order_search.c")
_FOUND = 1
# Sets of steps that a search may hold; operating systems give memory only to those that it does.
_STATES_BYTES = 1024 << 20
_BYTES_BESIDE = 110  # of a state, beside its set
_MOST_STATES = 1 << 23


@dataclass(frozen=True)
class Found:
    """What a search says: the order with the least peak, or None; no order has a peak below `bound`."""

    order: list[int] | None
    bound: int


class _Order(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("most", "tries", "bound")),
        *((name, ctypes.c_void_p) for name in ("size", "tensor_start", "tensors", "user_start", "users")),
        *((name, ctypes.c_void_p) for name in ("before_start", "before", "after_start", "after")),
        *((name, ctypes.c_void_p) for name in ("pair_start", "pairs", "given", "stays", "done")),
        *((name, ctypes.c_void_p) for name in ("peak", "live", "parent", "by", "left", "closed", "table")),
        *((name, ctypes.c_void_p) for name in ("heap_peak", "heap_state", "ready", "trial", "order", "reached")),
        *((name, ctypes.c_int32) for name in ("steps", "words", "states", "most_states", "table_mask")),
        *((name, ctypes.c_int32) for name in ("heap", "most_heap")),
    )


def find_order(problem: OrderProblem, most: int, tries: int, least: int = 0) -> Found:
    """The order of all steps with the least peak, if that is at most `most`.

    Args:
        least: peaks below it are as good as this one.
        tries: how often a step is tried after a set of executed ones, at most: about ten million in a second.

    Raises ToolchainError where the search does not compile for this computer.
    """
    words = max(1, -(-problem.steps // 64))
    room = max(2, min(_MOST_STATES, _STATES_BYTES // (8 * words + _BYTES_BESIDE), tries + 2))
    arrays = _problem_arrays(problem) | _state_arrays(room, words, problem.steps)
    arrays["live"][0] = Execution(problem).live
    arrays["peak"][0] = max(arrays["live"][0], problem.bound, least)
    arrays["left"][0] = problem.steps
    state = _Order(
        most=most, tries=tries, steps=problem.steps, words=words, most_states=room,
        table_mask=len(arrays["table"]) - 1, most_heap=len(arrays["heap_state"]),
        **{name: array.ctypes.data for name, array in arrays.items()},
    )  # fmt: skip
    whole = np.empty(max(1, problem.steps), np.int32)
    result = _library().ek_find_order(ctypes.byref(state), ctypes.c_void_p(whole.ctypes.data))
    return Found([int(s) for s in whole[: problem.steps]] if result == _FOUND else None, int(state.bound))


def _problem_arrays(problem: OrderProblem) -> dict[str, NDArray[Any]]:
    return {
        "size": np.array(problem.sizes, np.int64),
        **lists_of("tensor_start", "tensors", problem.touches),
        **lists_of("user_start", "users", problem.users),
        **lists_of("before_start", "before", problem.before),
        **lists_of("after_start", "after", problem.after),
        **lists_of("pair_start", "pairs", [list(chain(*pairs)) for pairs in problem.in_place]),
        "given": np.array(problem.given, np.uint8),
        "stays": np.array(problem.stays, np.uint8),
    }


def _state_arrays(room: int, words: int, steps: int) -> dict[str, NDArray[Any]]:
    table = 1 << (2 * room - 1).bit_length()
    return {
        "done": np.zeros(room * words, np.uint64),
        "reached": np.zeros(words, np.uint64),
        "table": np.zeros(table, np.int32),
        "closed": np.zeros(room, np.uint8),
        **{name: np.empty(room, np.int64) for name in ("peak", "live")},
        **{name: np.empty(room, np.int32) for name in ("parent", "by", "left")},
        "heap_peak": np.empty(4 * room, np.int64),
        "heap_state": np.empty(4 * room, np.int32),
        **{name: np.empty(steps + 1, np.int32) for name in ("ready", "trial", "order")},
    }


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(str(shared_library(SOURCE, HEADERS, libc=False)))
