"""Power-exponent quantization of weights: codes are spaced evenly in |w| ** a.

PowerQuant (arXiv 2301.09858) and NUPES (arXiv 2308.05600): with n = 2 ** (bits - 1) - 1 and the largest magnitude M of
an output channel, c = round(n sign(w) (|w| / M) ** a) stands for sign(c) M (|c| / n) ** (1 / a). a = 1 is uniform;
smaller exponents have more codes near zero, where bell-shaped weights are.

Codes in halves are codes between those: c, from -n - 1 to n, is at the place c + 1/2, so that all of 2 ** bits codes
are in use and none stands for zero. With n + 1/2 in the place of n the rest is as above: c + 1/2 stands for
sign(c + 1/2) M (|c + 1/2| / (n + 1/2)) ** (1 / a). The fewer the bits, the more one level matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from edgekit.ir import Array, Codebook

# Below, levels near zero fall together in firmware; above 1, codes are spent where no weights are.
LEAST_EXPONENT, MOST_EXPONENT = 0.3, 1.0
_START = 0.7
# Levels of power codes are integers up to this: int8, as kernels take weights.
LARGEST_LEVEL = 127


@dataclass(frozen=True)
class CodedRows:
    """Weights of one layer, a row for each output channel.

    Attributes:
        codes: int64 [O,K] within +-`largest_code(bits)`, in halves one lower too.
        peaks: float64 [O], what the largest code of each channel stands for.
        exponents: of each group of channels, see `power_values`; 1 is uniform. Codes of 8 bits are uniform.
        bits: of a code.
        bias: float64 [O] where the layer's bias was learned with the codes, None where it stays as it is.
        group: channels of a group, as of `Codebook`; 0 where all channels have one exponent.
        halves: whether codes are in halves.
    """

    codes: Array
    peaks: Array
    exponents: tuple[float, ...]
    bits: int
    bias: Array | None = None
    group: int = 0
    halves: bool = False

    @property
    def book(self) -> Codebook:
        """The levels that firmware has."""
        return codebook_of(self.exponents, self.bits, self.group, self.halves)

    @property
    def places(self) -> Array:
        """[O,K]: where the codes are, halves between whole numbers."""
        return self.codes + 0.5 if self.halves else self.codes

    @property
    def values(self) -> Array:
        """float64 [O,K]: the weights that firmware computes with, those of the codebook's rounded levels."""
        book = self.book
        values: Array = book.weights(self.codes) * (self.peaks / book.peaks(len(self.peaks)))[:, None]
        return values

    def positions(self, rows: Array) -> Array:
        """float64 [O,K]: where weights [O,K] lie among the places of these codes, see `power_positions`."""
        return self.each_group(
            lambda part, exponent: power_positions(rows[part], self.peaks[part], exponent, self.bits, self.halves)
        )

    def each_group(self, of: Callable[[slice, float], Array]) -> Array:
        """What `of` makes of the rows and the exponent of every group, one below the other."""
        size = self.group or max(1, len(self.codes))
        return np.concatenate([of(slice(n * size, (n + 1) * size), a) for n, a in enumerate(self.exponents)])


def joined(groups: Sequence[CodedRows], group: int) -> CodedRows:
    """Groups of `group` channels, but for the last one, as one layer."""
    codes, peaks = (np.concatenate(parts) for parts in zip(*((g.codes, g.peaks) for g in groups), strict=True))
    exponents, bits = tuple(exponent for part in groups for exponent in part.exponents), groups[0].bits
    return CodedRows(codes, peaks, exponents, bits, None, group, groups[0].halves)


def largest_code(bits: int) -> int:
    """n: codes are -n to n, so that zero has one and the range is symmetric; in halves -n - 1 is one more."""
    return (1 << (bits - 1)) - 1


def largest_place(bits: int, halves: bool = False) -> float:
    """Where the largest code is."""
    return largest_code(bits) + (0.5 if halves else 0.0)


def power_positions(rows: Array, peaks: Array, exponent: float, bits: int, halves: bool = False) -> Array:
    """float64 [O,K], n sign(w) (|w| / M) ** a within +-n: where weights [O,K] lie among the places of codes.

    peaks: [O], the magnitudes M of the largest code; a channel whose peak is 0 has zeros.
    """
    safe = np.where(peaks > 0, peaks, np.inf)[:, None]
    most = largest_place(bits, halves)
    positions: Array = np.sign(rows) * most * np.minimum(np.abs(rows) / safe, 1.0) ** exponent
    return positions


def power_codes(rows: Array, peaks: Array, exponent: float, bits: int, halves: bool = False) -> Array:
    """int64 codes [O,K] of weights [O,K] with the largest magnitudes `peaks` [O]; beyond them codes saturate."""
    positions = power_positions(rows, peaks, exponent, bits, halves)
    nearest = np.floor(positions) if halves else np.trunc(positions + np.copysign(0.5, positions))
    codes: Array = nearest.astype(np.int64)
    return codes


def power_values(codes: Array, peaks: Array, exponent: float, bits: int, halves: bool = False) -> Array:
    """float64 [O,K]: the weights that codes stand for."""
    places = codes + 0.5 if halves else codes
    magnitudes = (np.abs(places) / largest_place(bits, halves)) ** (1.0 / exponent)
    values: Array = np.sign(places) * magnitudes * peaks[:, None]
    return values


def squared_error(rows: Array, exponent: float, bits: int) -> float:
    """Sum of squared differences that quantization by the channels' largest magnitudes makes."""
    peaks = np.abs(rows).max(axis=1, initial=0.0)
    return float(((rows - power_values(power_codes(rows, peaks, exponent, bits), peaks, exponent, bits)) ** 2).sum())


def search_exponent(layers: Sequence[Array], bits: int) -> float:
    """The exponent with the least squared error over weights [O,K] of some layers, by Nelder-Mead (PowerQuant, 3.2).

    One layer for an exponent of its own, all of a network for the paper's global one. In [0.3, 1].
    """

    return least_exponent(lambda exponent: sum(squared_error(rows, exponent, bits) for rows in layers))


def least_exponent(error: Callable[[float], float]) -> float:
    """The exponent in [0.3, 1] with the least error, by Nelder-Mead."""

    def within(point: Array) -> float:
        exponent = float(point[0])
        return error(exponent) if LEAST_EXPONENT <= exponent <= MOST_EXPONENT else float("inf")

    simplex = np.array([[_START], [_START - 0.1]])
    found = minimize(within, [_START], method="Nelder-Mead", options={"initial_simplex": simplex, "xatol": 1e-4})
    # Uniform codes are the end of the range, where the simplex cannot turn.
    return float(found.x[0]) if found.fun < error(MOST_EXPONENT) else MOST_EXPONENT


def codebook_of(exponents: Sequence[float], bits: int, group: int = 0, halves: bool = False) -> Codebook:
    """The levels of weights in firmware, of each group of channels: whole numbers in the ratios of what codes are.

    Uniform codes are their own levels (in halves 1, 3, ..), beside those of a power as many times larger as 127 allows;
    a power's are rounded to steps of the largest, 127. Where all exponents are equal, all channels share levels.
    """
    places = np.arange(largest_code(bits) + 1) + (0.5 if halves else 0.0)
    whole = places * (2 if halves else 1)
    if len(set(exponents)) == 1:
        return Codebook(bits, (_levels(exponents[0], whole, 1),))
    step = int(LARGEST_LEVEL // whole[-1])
    return Codebook(bits, tuple(_levels(exponent, whole, step) for exponent in exponents), group)


def _levels(exponent: float, whole: Array, step: int) -> tuple[int, ...]:
    """Levels of codes that are uniform at `whole` numbers."""
    if exponent == MOST_EXPONENT:
        return tuple(int(step * level) for level in whole)
    levels = np.floor(LARGEST_LEVEL * (whole / whole[-1]) ** (1.0 / exponent) + 0.5)
    # Where there is no zero, none may become one.
    return tuple(int(level) for level in (np.maximum(levels, 1) if whole[0] else levels))
