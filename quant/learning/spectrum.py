"""The spectrum of natural signals, whose power falls with the frequency."""

from __future__ import annotations

import numpy as np

from edgekit.ir import Array


def frequency_gain(shape: tuple[int, ...], axes: tuple[int, ...], steepness: float) -> Array:
    """float64, 1 / frequency^steepness by index of a transform along `axes`; 1 long along the others.

    Frequencies are in cycles per position; what is slower than one in the longest axis counts as that.
    """
    distance = np.zeros([shape[a] if a in axes else 1 for a in range(len(shape))])
    for axis in axes:
        line = np.minimum(np.arange(shape[axis]), shape[axis] - np.arange(shape[axis])) / shape[axis]
        distance = distance + (line.reshape([-1 if a == axis else 1 for a in range(len(shape))])) ** 2
    gain: Array = np.maximum(np.sqrt(distance), 1.0 / max(shape[a] for a in axes)) ** -steepness
    return gain
