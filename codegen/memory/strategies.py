"""The orders in which the search for a placement tries blocks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.memory.block import Block
from edgekit.codegen.memory.sections import Sections

AT_LOWEST, BELOW_RANKED, WHERE_FAILED, WHERE_TIGHT = range(4)
# How far criteria are disturbed; more loses what ranks blocks of one kind together.
NOISE = 0.08


@dataclass(frozen=True)
class Strategy:
    """One way to search.

    Attributes:
        rule: where the search goes on; search_state.h says what each means.
        criteria: letters by which blocks are ranked, first things first, largest value first: "T" bytes in the fullest
            section of the block's life, "W" sections that it spans, "L" steps of its life, "Z" size, "A" size by life.
        filling: whether sections with little room are checked for sums of sizes; costs time, saves decisions.
    """

    rule: int
    criteria: str
    filling: bool


# No strategy is good at everything, and the best one for a problem is often a thousand times as fast as the next: all
# get the same effort in turn, then more. Every second one runs beside the others (search.LANES).
STRATEGIES = (
    Strategy(WHERE_TIGHT, "TL", True),
    Strategy(WHERE_TIGHT, "WAT", False),
    Strategy(WHERE_FAILED, "TL", False),
    Strategy(WHERE_TIGHT, "TWA", True),
    Strategy(BELOW_RANKED, "L", False),
    Strategy(WHERE_TIGHT, "WZ", False),
    Strategy(WHERE_FAILED, "TWA", False),
    Strategy(AT_LOWEST, "TWA", True),
    Strategy(BELOW_RANKED, "TWA", False),
    Strategy(WHERE_TIGHT, "L", True),
    Strategy(AT_LOWEST, "LA", False),
    Strategy(WHERE_FAILED, "TAW", True),
)


def ranks(blocks: Sequence[Block], sections: Sections, criteria: str, number: int) -> NDArray[np.int32]:
    """[blocks] the rank of each block, 0 first; from round 1 on all criteria but "T" are a little disturbed."""
    keys: dict[str, NDArray[Any]] = {
        "T": sections.fullest(blocks),
        "W": sections.last - sections.first + 1,
        "L": np.array([block.last - block.first + 1 for block in blocks], np.float64),
        "Z": np.array([block.size for block in blocks], np.float64),
    }
    keys["A"] = keys["Z"] * keys["L"]
    if number:
        generator = random.Random(number)
        for letter in "WLZA":
            keys[letter] = keys[letter] * [1 + generator.uniform(-NOISE, NOISE) for _ in blocks]
    order = np.lexsort([np.arange(len(blocks)), *(-keys[letter] for letter in reversed(criteria))])
    result = np.empty(len(blocks), np.int32)
    result[order] = np.arange(len(blocks), dtype=np.int32)
    return result
