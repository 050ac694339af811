"""Integer programs over yes and no, by scipy's HiGHS, which may say nothing on standard output."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

# Factors in a row: the solver lets sums over yes and no be wrong by about a millionth of the largest.
MOST_FACTOR = 1 << 16


def cheapest_choice(
    costs: Sequence[float] | NDArray[np.float64],
    constraints: Sequence[LinearConstraint],
    nodes: int | None,
    allowed: Sequence[float] | None = None,
) -> Any:
    """scipy's result of the cheapest choice that the constraints allow.

    Args:
        nodes: of the search tree, an effort that is the same on every computer; None for as many as it takes.
        allowed: 0 for what must not be chosen, else 1.
    """
    effort = {} if nodes is None else {"node_limit": nodes}
    with _quiet():
        return milp(
            np.asarray(costs, np.float64),
            integrality=np.ones(len(costs)),
            bounds=Bounds(0, 1 if allowed is None else allowed),
            constraints=list(constraints) or None,
            options={"mip_rel_gap": 0.0, **effort},
        )


def unit_of(numbers: Iterable[int]) -> int:
    """What whole numbers of one row are divided by: what all of them are multiples of, and more where that leaves any
    above MOST_FACTOR.
    """
    sizes = [abs(number) for number in numbers if number]
    unit = gcd(*sizes) or 1
    largest = max(sizes, default=0)
    return unit if largest // unit <= MOST_FACTOR else -(-largest // MOST_FACTOR)


def at_most(rows: Sequence[tuple[Mapping[int, float], float]], variables: int) -> list[LinearConstraint]:
    """Sums over variables, by number and factor, that are at most so much."""
    if not rows:
        return []
    at = [(r, c, v) for r, (row, _) in enumerate(rows) for c, v in row.items()]
    places, columns, values = zip(*at, strict=True)
    matrix = coo_array((values, (places, columns)), shape=(len(rows), variables))
    return [LinearConstraint(matrix.tocsr(), -np.inf, np.array([limit for _, limit in rows]))]


@contextmanager
def _quiet() -> Iterator[None]:
    """HiGHS 1.12 prints a line where it repairs a solution; the output may be JSON: it goes to standard error."""
    try:
        kept = os.dup(1)
    except OSError:
        # There is no standard output.
        yield
        return
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
