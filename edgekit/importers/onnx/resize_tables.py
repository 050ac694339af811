"""Where each element of a resized axis stands in the input axis, and how much of which elements it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgekit.ir import Array

ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda p: np.ceil(p - 0.5),
    "round_prefer_ceil": lambda p: np.floor(p + 0.5),
}
COORDINATES = (
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"
)  # fmt: skip


@dataclass(frozen=True)
class ResizedAxis:
    """One axis: its sizes, the exact factor between them, and for crops the part of the input as fractions."""

    size: int
    out: int
    scale: float
    start: float = 0.0
    end: float = 1.0

    @property
    def is_kept(self) -> bool:
        """Whether nothing happens along the axis."""
        return self.size == self.out and abs(self.scale - 1) < 1e-9 and (self.start, self.end) == (0.0, 1.0)


def positions(axis: ResizedAxis, where: str) -> Array:
    """float64 [out]: positions in the input, whose elements stand at 0, 1, .."""
    i, length, last = np.arange(axis.out, dtype=np.float64), axis.scale * axis.size, axis.size - 1
    half = (i + 0.5) / axis.scale - 0.5
    if where == "asymmetric":
        return i / axis.scale
    if where == "align_corners":
        return np.zeros_like(i) if length == 1 else i * last / (length - 1)
    if where == "pytorch_half_pixel":
        return half if length > 1 else np.zeros_like(i)
    if where == "half_pixel_symmetric":
        return axis.size / 2 * (1 - axis.out / length) + half
    if where == "tf_crop_and_resize":
        if length <= 1:
            return np.full_like(i, (axis.start + axis.end) * last / 2)
        return axis.start * last + i * (axis.end - axis.start) * last / (length - 1)
    return half


def nearest_places(axis: ResizedAxis, where: str, rounding: str) -> Array:
    """int32 [out]: which element each one is."""
    return np.clip(ROUNDINGS[rounding](positions(axis, where)), 0, axis.size - 1).astype(np.int32)


def taps_of(axis: ResizedAxis, cubic: bool, antialias: bool) -> int:
    """How many elements each one is a sum of, at most."""
    return 2 * int(np.ceil((2 if cubic else 1) * _stretch(axis, antialias)))


def _stretch(axis: ResizedAxis, antialias: bool) -> float:
    """How much wider than one element the filter is: an antialiasing one covers all that an output stands for."""
    return max(1.0, 1.0 / axis.scale) if antialias else 1.0


def weighted_places(
    axis: ResizedAxis, where: str, cubic: float | None, antialias: bool, exclude_outside: bool
) -> tuple[Array, Array]:
    """(places int32 [out,T], weights float32 [out,T]); `cubic` is the coefficient of cubic filters, None is linear."""
    place, stretch = positions(axis, where), _stretch(axis, antialias)
    taps = taps_of(axis, cubic is not None, antialias)
    indices = np.floor(place).astype(np.int64)[:, None] + np.arange(1 - taps // 2, 1 + taps // 2)
    distance = np.abs(indices - place[:, None]) / stretch
    weights = np.maximum(1 - distance, 0) if cubic is None else _cubic(distance, cubic)
    if exclude_outside:
        weights = np.where((indices < 0) | (indices >= axis.size), 0.0, weights)
    if exclude_outside or antialias:
        total = weights.sum(axis=1, keepdims=True)
        weights = weights / np.where(total == 0, 1.0, total)
    used = np.flatnonzero((weights != 0).any(axis=0))
    kept = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
    places = np.clip(indices, 0, axis.size - 1).astype(np.int32)
    return np.ascontiguousarray(places[:, kept]), np.ascontiguousarray(weights[:, kept].astype(np.float32))


def _cubic(d: Array, a: float) -> Array:
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((d - 5) * d + 8) * a * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))
