"""Samples of graphs with one input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.ir import Array


def stacked(samples: Sequence[Sequence[Array]]) -> Array:
    """[N, *shape of the input]."""
    return np.stack([x for (x,) in samples])
