"""More samples out of few, for learning against a network that tells what each of them is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_MOST_SHIFT = 3


def varied(samples: Tensor, space: Sequence[int], count: int, generator: torch.Generator) -> Tensor:
    """A batch drawn from samples [N, *shape]: half as they are, half mixed with another one, moved or mirrored.

    Mixtures are in random shares. Along `space`, axes of one sample (`space_axes`), samples are moved by up to 3
    positions, what leaves at one end coming back at the other, and mirrored along the last of them.
    """
    x, other = (
        samples[torch.randint(0, len(samples), (count,), generator=generator).to(samples.device)] for _ in range(2)
    )
    change = _some(count, x, generator)
    share = torch.rand(count, generator=generator).to(x.device).reshape(change.shape)
    made = torch.where(_some(count, x, generator), x + share * (other - x), x)
    for axis in space:
        by = torch.randint(-_MOST_SHIFT, _MOST_SHIFT + 1, (count,), generator=generator)
        made = _moved(made, 1 + axis, by.to(x.device))
    if space:
        made = torch.where(_some(count, x, generator), made.flip(1 + space[-1]), made)
    return torch.where(change, made, x)


def _moved(x: Tensor, axis: int, by: Tensor) -> Tensor:
    """Each sample of a batch turned along an axis by its own number of positions, int [count]."""
    first = x.movedim(axis, 1)
    size = first.shape[1]
    positions = (torch.arange(size, device=x.device) - by[:, None]) % size
    return first[torch.arange(len(x), device=x.device)[:, None], positions].movedim(1, axis)


def _some(count: int, x: Tensor, generator: torch.Generator) -> Tensor:
    """About half of a batch: bool [count, 1, ..] of x's rank."""
    chosen: Tensor = torch.rand(count, generator=generator).to(x.device) < 0.5
    return chosen.reshape(-1, *[1] * (x.dim() - 1))
