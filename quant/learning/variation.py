"""More samples out of few, for learning against a network that tells what each of them is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_MOST_SHIFT = 3


def varied(samples: Sequence[Tensor], space: Sequence[int], count: int, generator: torch.Generator) -> list[Tensor]:
    """A batch drawn from samples, [N, *shape] of each input: half as they are, half mixed with another one, moved or
    mirrored.

    Mixtures are in random shares. Along `space`, axes of one sample (`space_axes`), samples are moved by up to 3
    positions, what leaves at one end coming back at the other, and mirrored along the last of them. What is done to one
    input is done to all.
    """
    first, second = (torch.randint(0, len(samples[0]), (count,), generator=generator) for _ in range(2))
    changed, share, mixed = _half(count, generator), torch.rand(count, generator=generator), _half(count, generator)
    moves = [torch.randint(-_MOST_SHIFT, _MOST_SHIFT + 1, (count,), generator=generator) for _ in space]
    mirrored = _half(count, generator) if space else None

    def of_input(values: Tensor) -> Tensor:
        x, other = (values[index.to(values.device)] for index in (first, second))

        def per_sample(drawn: Tensor) -> Tensor:
            return drawn.to(x.device).reshape(-1, *[1] * (x.dim() - 1))

        made = torch.where(per_sample(mixed), x + per_sample(share) * (other - x), x)
        for axis, by in zip(space, moves, strict=True):
            made = _moved(made, 1 + axis, by.to(x.device))
        if mirrored is not None:
            made = torch.where(per_sample(mirrored), made.flip(1 + space[-1]), made)
        return torch.where(per_sample(changed), made, x)

    return [of_input(values) for values in samples]


def _moved(x: Tensor, axis: int, by: Tensor) -> Tensor:
    """Each sample of a batch turned along an axis by its own number of positions, int [count]."""
    first = x.movedim(axis, 1)
    size = first.shape[1]
    positions = (torch.arange(size, device=x.device) - by[:, None]) % size
    return first[torch.arange(len(x), device=x.device)[:, None], positions].movedim(1, axis)


def _half(count: int, generator: torch.Generator) -> Tensor:
    """About half of a batch: bool [count]."""
    return torch.rand(count, generator=generator) < 0.5
