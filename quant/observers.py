"""Observers: one pass over a tensor's values, a range to quantize at the end. Memory does not grow with the data."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from edgekit.errors import BadUsage
from edgekit.ir import Array

Range = tuple[float, float]

_BINS = 4096


class Observer(ABC):
    """Sees all values of one tensor, array by array."""

    @abstractmethod
    def update(self, values: Array) -> None:
        """Take in one array of finite numbers, of any shape."""

    @abstractmethod
    def range(self) -> Range:
        """(low, high), low <= 0 <= high, that the codes shall cover."""


class MinMax(Observer):
    """All values seen."""

    def __init__(self) -> None:
        self.low, self.high = 0.0, 0.0

    def update(self, values: Array) -> None:
        if values.size:
            self.low = min(self.low, float(values.min()))
            self.high = max(self.high, float(values.max()))

    def range(self) -> Range:
        return self.low, self.high


class Histogram(Observer):
    """Base of the clipping observers: a histogram over [-span, span] whose span doubles when a value lies outside.

    The span is a power of two, so that doubling merges pairs of bins exactly and results do not depend on the order
    of the arrays (up to when the span grew, which changes no count).
    """

    def __init__(self) -> None:
        self.counts = np.zeros(_BINS, np.int64)
        self.exponent: int | None = None
        self.exact = MinMax()

    def update(self, values: Array) -> None:
        self.exact.update(values)
        largest = max(-self.exact.low, self.exact.high)
        if largest == 0.0:
            # Only zeros so far: they belong to every range.
            return
        exponent = int(np.frexp(largest)[1])
        if self.exponent is None:
            self.exponent = exponent
        while self.exponent < exponent:
            self._double()
        edge = 2.0**self.exponent
        self.counts += np.histogram(values, _BINS, (-edge, edge))[0]

    def _double(self) -> None:
        assert self.exponent is not None
        self.exponent += 1
        merged = self.counts.reshape(-1, 2).sum(axis=1)
        self.counts[:] = 0
        self.counts[_BINS // 4 : 3 * _BINS // 4] = merged

    def edges(self) -> Array:
        """The _BINS + 1 bin limits."""
        span = 2.0 ** (self.exponent or 0)
        return np.linspace(-span, span, _BINS + 1)

    def clipped(self, low: float, high: float) -> Range:
        """A range no larger than what was seen, and with 0 inside."""
        return max(self.exact.low, min(low, 0.0)), min(self.exact.high, max(high, 0.0))


class Percentile(Histogram):
    """All but a small share of the values at each end."""

    def __init__(self, percent: float = 99.99) -> None:
        super().__init__()
        self.share = (100.0 - percent) / 100.0

    def range(self) -> Range:
        total = int(self.counts.sum())
        if not total:
            return self.exact.range()
        cumulative = np.concatenate([[0], np.cumsum(self.counts)]) / total
        # The outer limit of the bin in which the share ends, so that a range never loses more than the share.
        edges = self.edges()
        first = int(np.searchsorted(cumulative, self.share, side="right")) - 1
        last = int(np.searchsorted(cumulative, 1.0 - self.share, side="left"))
        return self.clipped(float(edges[first]), float(edges[min(last, _BINS)]))


class MeanSquaredError(Histogram):
    """The range at which rounding plus clipping costs least: first the larger end is shrunk, then the other."""

    steps = 60
    smallest = 0.2

    def range(self) -> Range:
        low, high = self.exact.range()
        used = np.flatnonzero(self.counts)
        if not used.size:
            return low, high
        edges = self.edges()
        centres, weights = (edges[used] + edges[used + 1]) / 2, self.counts[used].astype(np.float64)

        def cost(candidate: Range) -> float:
            clipping = centres - np.clip(centres, *candidate)
            step = (candidate[1] - candidate[0]) / 255.0
            return float((weights * (clipping**2 + (clipping == 0.0) * step**2 / 12.0)).sum())

        factors = np.linspace(1.0, self.smallest, self.steps).tolist()
        for end in (1, 0) if high >= -low else (0, 1):
            candidates = [(low, high * f) if end else (low * f, high) for f in factors]
            low, high = min(candidates, key=cost)
        return low, high


_OBSERVERS: dict[str, type[Observer]] = {"minmax": MinMax, "percentile": Percentile, "mse": MeanSquaredError}


def make_observer(name: str) -> Observer:
    """A new observer: "minmax", "percentile" or "mse"; raises BadUsage for another name."""
    if name not in _OBSERVERS:
        raise BadUsage(f"no observer named {name!r}: use {', '.join(_OBSERVERS)}")
    return _OBSERVERS[name]()
