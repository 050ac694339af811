"""Observers: ranges they must find, and bounded memory."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import BadUsage
from edgekit.quant.observers import Histogram, MeanSquaredError, MinMax, Observer, Percentile, make_observer

ALL = ["minmax", "percentile", "mse"]


@pytest.mark.parametrize("name", ALL)
def test_contains_zero_and_stays_inside(name: str) -> None:
    rng = np.random.default_rng(0)
    for shift in (-5.0, 0.0, 5.0):
        observer = make_observer(name)
        for _ in range(5):
            observer.update((rng.normal(size=(3, 100)) + shift).astype(np.float32))
        low, high = observer.range()
        assert low <= 0.0 <= high and abs(low) < 10 and abs(high) < 10 and high > low


@pytest.mark.parametrize("name", ALL)
def test_constants_and_nothing(name: str) -> None:
    assert make_observer(name).range() == (0.0, 0.0)
    observer = make_observer(name)
    observer.update(np.zeros(4, np.float32))
    observer.update(np.zeros(0, np.float32))
    assert observer.range() == (0.0, 0.0)
    observer.update(np.full(4, 2.0, np.float32))
    assert observer.range()[1] > 0.0


def test_min_max() -> None:
    observer = MinMax()
    observer.update(np.array([1.0, 3.0], np.float32))
    assert observer.range() == (0.0, 3.0)
    observer.update(np.array([-2.0], np.float32))
    assert observer.range() == (-2.0, 3.0)


@pytest.mark.parametrize("observer", [Percentile(99.9), MeanSquaredError()])
def test_outliers_are_cut(observer: Observer) -> None:
    values = np.random.default_rng(1).normal(size=1_000_000).astype(np.float32)
    values[0] = 50.0
    observer.update(values)
    assert observer.range()[1] < 30.0


def test_histogram_grows_without_losing_counts() -> None:
    rng = np.random.default_rng(2)
    small, large = rng.normal(size=1000), rng.normal(size=1000) * 1000
    first, second = Histogram.__subclasses__()[0](), Histogram.__subclasses__()[0]()
    for array in (small, large):
        first.update(array)
    for array in (large, small):
        second.update(array)
    assert first.counts.sum() == second.counts.sum() == 2000
    assert first.counts.nbytes == 4096 * 8
    np.testing.assert_array_equal(first.edges(), second.edges())


def test_unknown() -> None:
    with pytest.raises(BadUsage, match="minmax"):
        make_observer("best")
