"""The few numbers that weights of fewer than 8 bits are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Channels that share levels are as many times so many: kernels decode up to four channels at once.
LEAST_GROUP = 4


def is_group(channels: int) -> bool:
    """Whether so many channels can share levels."""
    return channels >= LEAST_GROUP and channels & (channels - 1) == 0


@dataclass(frozen=True)
class Codebook:
    """The few numbers that weights are, so that each is stored as a code of `bits` bits.

    Attributes:
        bits: width of a stored code, 2 to 4.
        levels: for each group of output channels the magnitudes, ascending, 2 ** (bits - 1) of them; negative weights
            have the same. The first is 0, or all are above 0: then no weight is 0, and all codes are in use.
        group: how many channels, one after the other, share levels: a power of two, LEAST_GROUP or more, the last
            group may have fewer; 0 where all do.
    """

    bits: int
    levels: tuple[tuple[int, ...], ...]
    group: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError for groups that kernels do not decode."""
        if self.group and not is_group(self.group):
            raise ValueError(f"groups of {self.group} channels: a power of two, {LEAST_GROUP} or more, share levels")

    @staticmethod
    def shared(bits: int, levels: Iterable[int]) -> Codebook:
        """Levels that all channels share."""
        return Codebook(bits, (tuple(int(level) for level in levels),))

    @property
    def has_zero(self) -> bool:
        """Whether weights can be 0."""
        return self.levels[0][0] == 0

    @property
    def largest_code(self) -> int:
        """The largest code; its level is the largest."""
        return (1 << (self.bits - 1)) - 1

    @property
    def lowest_code(self) -> int:
        """The lowest code; with a zero minus the largest, else the code of the first level's negative is -1."""
        return -self.largest_code if self.has_zero else -self.largest_code - 1

    @property
    def tables(self) -> npt.NDArray[np.int64]:
        """int64 [groups, codes]: the weights of all codes, from the lowest code up."""
        levels = np.array(self.levels)
        negative = levels[:, 1:] if self.has_zero else levels
        return np.concatenate([-negative[:, ::-1], levels], axis=1)

    @property
    def peak(self) -> int:
        """The largest level of all."""
        return max(levels[-1] for levels in self.levels)

    def fits(self, channels: int) -> bool:
        """Whether it has levels for so many output channels, and for no more."""
        return len(self.levels) == (-(-channels // self.group) if self.group else 1)

    def groups(self, channels: int) -> npt.NDArray[np.int64]:
        """int64 [channels]: the group of each; channels behind the last are padding of the last group."""
        places = np.arange(channels) // self.group if self.group else np.zeros(channels, np.int64)
        return np.minimum(places, len(self.levels) - 1)

    def peaks(self, channels: int) -> npt.NDArray[np.int64]:
        """int64 [channels]: the level of the largest code of each."""
        return np.array([levels[-1] for levels in self.levels])[self.groups(channels)]

    def codes(self, weights: npt.NDArray[np.generic], axis: int = 0) -> npt.NDArray[np.int8]:
        """int8 codes of weights with the channels on `axis`; raises ValueError for one that is no level."""
        magnitudes = np.abs(weights.astype(np.int64))
        found = np.full((len(self.levels), 1 << 8), -1)
        for code in range(self.largest_code, -1, -1):
            found[np.arange(len(self.levels)), np.array(self.levels)[:, code]] = code
        codes = found[self._along(weights.shape, axis), np.minimum(magnitudes, 255)]
        if (codes < 0).any():
            raise ValueError(f"weights are not all of {self.levels}")
        negative = -codes if self.has_zero else -codes - 1
        return np.asarray(np.where(weights.astype(np.int64) < 0, negative, codes), np.int8)

    def weights(self, codes: npt.NDArray[np.generic], axis: int = 0) -> npt.NDArray[np.int8]:
        """int8 weights that codes with the channels on `axis` stand for."""
        return np.asarray(self.tables[self._along(codes.shape, axis), codes - self.lowest_code], np.int8)

    def of_channels(self, kept: npt.NDArray[np.int64]) -> Codebook | None:
        """The codebook of some channels, in that order; None where those that share levels are not next to each other,
        or fewer than LEAST_GROUP.
        """
        if not self.group or not len(kept):
            return Codebook(self.bits, self.levels[:1])
        groups = kept // self.group
        used = {self.levels[group] for group in groups}
        if len(used) == 1:
            return Codebook(self.bits, tuple(used))
        size = self.group
        while size >= LEAST_GROUP:
            firsts = groups[::size]
            if (groups == np.repeat(firsts, size)[: len(groups)]).all():
                return Codebook(self.bits, tuple(self.levels[first] for first in firsts), size)
            size //= 2
        return None

    def _along(self, shape: Sequence[int], axis: int) -> npt.NDArray[np.int64]:
        """The groups of an axis, to be broadcast to the shape."""
        return self.groups(shape[axis]).reshape([-1 if index == axis else 1 for index in range(len(shape))])
