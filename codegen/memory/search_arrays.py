"""What the Python sides of order_search.c and joint_search.c hand over."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What both include.
HEADERS = tuple(Path(__file__).with_name(name) for name in ("bit_sets.h", "step_states.h"))
# Bytes of a state beside its sets.
STATE_BYTES = 110


class States(ctypes.Structure):
    """`ek_states` of step_states.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("before_start", "before", "done", "key", "live", "left", "parent")),
        *((name, ctypes.c_void_p) for name in ("by", "closed", "table", "heap_key", "heap_state")),
        *(
            (name, ctypes.c_int32)
            for name in ("steps", "words", "count", "most", "table_mask", "heap", "most_heap", "by_left")
        ),
    )


def states_of(before: Sequence[Sequence[int]], most: int) -> tuple[States, dict[str, NDArray[Any]]]:
    """Room for so many states of steps, of which each waits for those of `before`; and the arrays that hold it."""
    words = words_of(len(before))
    table = 1 << (2 * most - 1).bit_length()
    arrays: dict[str, NDArray[Any]] = {
        **lists_of("before_start", "before", before),
        "done": np.zeros(most * words, np.uint64),
        "table": np.zeros(table, np.int32),
        "closed": np.zeros(most, np.uint8),
        **{name: np.empty(most, np.int64) for name in ("key", "live")},
        **{name: np.empty(most, np.int32) for name in ("left", "parent", "by")},
        "heap_key": np.empty(4 * most, np.int64),
        "heap_state": np.empty(4 * most, np.int32),
    }
    states = States(
        steps=len(before), words=words, most=most, table_mask=table - 1, most_heap=4 * most, **addresses(arrays)
    )
    return states, arrays


def bits_of(items: Iterable[int], among: int) -> NDArray[np.uint64]:
    """[words] A set of numbers below `among` as bits."""
    words = [0] * words_of(among)
    for item in items:
        words[item // 64] |= 1 << (item % 64)
    return np.array(words, np.uint64)


def words_of(items: int) -> int:
    """64-bit words of a set of so many items."""
    return max(1, -(-items // 64))


def addresses(arrays: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    """Where arrays start, for a structure's fields of the same names; somebody must keep the arrays."""
    return {name: array.ctypes.data for name, array in arrays.items()}


def lists_of(start: str, members: str, lists: Sequence[Sequence[int]]) -> dict[str, NDArray[np.int32]]:
    """Lists of lists as C has them, by those names: where each starts, and the members of all, never no member."""
    starts = list(accumulate((len(part) for part in lists), initial=0))
    return {start: np.array(starts, np.int32), members: np.array([*chain(*lists), 0], np.int32)}
