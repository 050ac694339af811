"""What the Python sides of order_search.c and joint_search.c hand over."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# What both include.
HEADERS = (Path(__file__).with_name("bit_sets.h"),)


def lists_of(start: str, members: str, lists: Sequence[Sequence[int]]) -> dict[str, NDArray[np.int32]]:
    """Lists of lists as C has them, by those names: where each starts, and the members of all, never no member."""
    starts = list(accumulate((len(part) for part in lists), initial=0))
    return {start: np.array(starts, np.int32), members: np.array([*chain(*lists), 0], np.int32)}
