"""More samples out of few, for learning against a network that tells what each of them is."""

from __future__ import annotations

import torch
from torch import Tensor

# Axes of fewer positions are no space or time.
_LEAST_AXIS = 8
_MOST_SHIFT = 3


def varied(samples: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """A batch drawn from samples [N, *shape]: half as they are, half mixed with another one, moved or mirrored.

    Mixtures are in random shares. Long axes of inputs with three axes or more are space or time: along them, samples
    are moved by up to 3 positions, what leaves at one end coming back at the other, and mirrored along the last.
    """
    x, other = (samples[torch.randint(0, len(samples), (count,), generator=generator)] for _ in range(2))
    change = _some(count, x, generator)
    share = torch.rand(count, generator=generator).reshape(change.shape)
    made = torch.where(_some(count, x, generator), x + share * (other - x), x)
    axes = [axis for axis in range(1, x.dim()) if x.shape[axis] >= _LEAST_AXIS and x.dim() > 3]
    for axis in axes:
        by = torch.randint(-_MOST_SHIFT, _MOST_SHIFT + 1, (count,), generator=generator).tolist()
        made = torch.stack([sample.roll(shift, axis - 1) for sample, shift in zip(made, by, strict=True)])
    if axes:
        made = torch.where(_some(count, x, generator), made.flip(axes[-1]), made)
    return torch.where(change, made, x)


def _some(count: int, x: Tensor, generator: torch.Generator) -> Tensor:
    """About half of a batch: bool [count, 1, ..] of x's rank."""
    chosen: Tensor = torch.rand(count, generator=generator) < 0.5
    return chosen.reshape(-1, *[1] * (x.dim() - 1))
