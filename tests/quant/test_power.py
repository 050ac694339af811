"""Power-exponent codes: the best exponents and errors of bell-shaped weights, and what codes stand for."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.ir import Array
from edgekit.quant.power import (
    CodedRows,
    codebook_of,
    joined,
    largest_code,
    power_codes,
    power_values,
    search_exponent,
    squared_error,
)
from edgekit.quant.weight_quantizers import nearest

SHAPE = (64, 1152)


def _weights(kind: str) -> Array:
    """Drawn one after the other: samples of Student's t differ by a few hundredths in their best exponents."""
    rng = np.random.default_rng(0)
    drawn = {"gaussian": rng.normal(size=SHAPE), "laplace": rng.laplace(size=SHAPE)}
    return (drawn | {"student": rng.standard_t(5, size=SHAPE)})[kind]


# Best exponents, and errors relative to uniform codes, of 64 channels of 1152 weights.
@pytest.mark.parametrize(("kind", "bits", "exponent", "relative"), [
    ("gaussian", 8, 0.70, 0.88), ("gaussian", 4, 0.73, 0.87), ("gaussian", 3, 0.72, 0.88),
    ("laplace", 8, 0.59, 0.71), ("laplace", 4, 0.58, 0.72), ("laplace", 3, 0.57, 0.79),
    ("student", 8, 0.51, 0.62), ("student", 4, 0.52, 0.63), ("student", 3, 0.49, 0.72),
])  # fmt: skip
def test_best_exponent(kind: str, bits: int, exponent: float, relative: float) -> None:
    weights = _weights(kind)
    found = search_exponent([weights], bits)
    assert found == pytest.approx(exponent, abs=0.02)
    ratio = squared_error(weights, found, bits) / squared_error(weights, 1.0, bits)
    assert np.sqrt(ratio) == pytest.approx(relative, abs=0.02)


@pytest.mark.parametrize("kind", ["gaussian", "laplace", "student"])
def test_two_bits_gain_nothing(kind: str) -> None:
    assert search_exponent([_weights(kind)], 2) == 1.0


def test_global_exponent_lies_between_the_layers_own() -> None:
    layers = [_weights("gaussian"), _weights("student")]
    own = [search_exponent([rows], 4) for rows in layers]
    assert min(own) < search_exponent(layers, 4) < max(own)


def test_codes_round_trip_at_every_exponent() -> None:
    peaks = np.array([0.5, 3.0, 0.0])
    for bits in (2, 3, 4, 8):
        n = largest_code(bits)
        codes = np.tile(np.arange(-n, n + 1), (3, 1))
        for exponent in (0.3, 0.55, 1.0):
            values = power_values(codes, peaks, exponent, bits)
            again = power_codes(values, peaks, exponent, bits)
            assert (again[:2] == codes[:2]).all() and not again[2].any()


def test_levels_near_zero_fall_together_at_the_least_exponents() -> None:
    for exponent in (0.3, 0.34):
        wanted = np.floor(127 * (np.arange(8) / 7) ** (1 / exponent) + 0.5)
        assert codebook_of((exponent,), 4).levels == (tuple(wanted.astype(int).tolist()),) and wanted[1] == 0
    # Without a zero, none becomes one.
    assert codebook_of((0.3,), 3, halves=True).levels[0][0] == 1


def test_codes_in_halves_round_trip_and_have_no_zero() -> None:
    peaks = np.array([0.5, 3.0])
    for bits in (2, 3, 4):
        n = largest_code(bits)
        codes = np.tile(np.arange(-n - 1, n + 1), (2, 1))
        for exponent in (0.3, 0.55, 1.0):
            values = power_values(codes, peaks, exponent, bits, halves=True)
            assert (power_codes(values, peaks, exponent, bits, halves=True) == codes).all()
            assert (values[:, -1] == peaks).all() and (values == -values[:, ::-1]).all() and values.all()
    for exponent in (0.3, 0.55, 1.0):
        codes, book = np.array([[-2, -1, 0, 1]]), codebook_of((exponent,), 2, halves=True)
        assert not book.has_zero and (book.lowest_code, book.largest_code) == (-2, 1)
        weights = book.weights(codes)
        assert (book.codes(weights) == codes).all() and (weights == book.tables).all()
        values = power_values(codes, np.ones(1), exponent, 2, halves=True)
        assert np.abs(weights / book.peak - values).max() <= 0.5 / book.peak
    assert codebook_of((1.0,), 2, halves=True).levels == ((1, 3),)
    with pytest.raises(ValueError, match="not all of"):
        codebook_of((1.0,), 2, halves=True).codes(np.zeros(1, np.int64))


def test_levels_are_the_codes_values_in_whole_numbers() -> None:
    assert codebook_of((1.0,), 4).levels == ((0, 1, 2, 3, 4, 5, 6, 7),)
    for bits in (3, 4):
        for exponent in (0.4, 0.55, 0.7, 0.9):
            levels = np.array(codebook_of((exponent,), bits).levels[0])
            n = largest_code(bits)
            wanted = power_values(np.arange(n + 1)[None], np.array([127.0]), exponent, bits)[0]
            assert (np.diff(levels) > 0).all() and np.abs(levels - wanted).max() <= 0.5


def test_a_weight_that_is_no_level_has_no_code() -> None:
    book = codebook_of((0.5,), 3)
    with pytest.raises(ValueError, match="not all of"):
        book.codes(np.array([book.levels[0][1] + 1]))


def test_rows_know_their_width() -> None:
    rows = CodedRows(np.zeros((1, 1), np.int64), np.ones(1), (0.5,), 3)
    assert largest_code(rows.bits) == 3


def test_groups_have_levels_of_their_own_and_even_ones_lose_nothing() -> None:
    book = codebook_of((1.0, 0.5, 1.0), 4, 8)
    assert book.group == 8 and book.levels[1] == codebook_of((0.5,), 4).levels[0]
    assert book.levels[0] == book.levels[2] == tuple(range(0, 127, 18))
    assert codebook_of((1.0, 1.0), 4, 8) == codebook_of((1.0,), 4)
    assert codebook_of((0.5, 0.5), 3, 4) == codebook_of((0.5,), 3)


def test_joined_groups_are_one_layer() -> None:
    rows = _weights("student")[:10]
    parts = [nearest(rows[first : first + 4], 4, exponent) for first, exponent in ((0, 0.4), (4, 1.0), (8, 0.7))]
    whole = joined(parts, 4)
    assert whole.exponents == (0.4, 1.0, 0.7) and whole.group == 4
    assert (whole.codes == np.concatenate([part.codes for part in parts])).all()
    # To the last half of a step of the largest level: the uniform group has 126 of them, not 7.
    apart = np.concatenate([part.values for part in parts])
    np.testing.assert_allclose(whole.values, apart, rtol=1e-12)
