"""Decisions read from bytes, so that a fuzzer's bytes become a random but repeatable graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Choices:
    """Reads one byte per decision; behind the end every decision is the first of its kind."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._position

    def below(self, count: int) -> int:
        """0 .. count - 1, of at most 256."""
        if self.left <= 0:
            return 0
        self._position += 1
        return self._data[self._position - 1] % count

    def between(self, low: int, high: int) -> int:
        """low .. high, both included."""
        return low + self.below(high - low + 1)

    def chance(self, of: int) -> bool:
        """True once in `of` times."""
        return self.below(of) == of - 1

    def one(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def rng(self) -> np.random.Generator:
        """Numbers for weights: their values matter little, so that one byte decides all of them."""
        return np.random.default_rng(self.below(256))
