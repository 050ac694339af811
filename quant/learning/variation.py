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
    moves = _moves(space, count, generator)

    def of_input(values: Tensor) -> Tensor:
        x, other = (values[index.to(values.device)] for index in (first, second))

        def per_sample(drawn: Tensor) -> Tensor:
            return drawn.to(x.device).reshape(-1, *[1] * (x.dim() - 1))

        made = torch.where(per_sample(mixed), x + per_sample(share) * (other - x), x)
        return torch.where(per_sample(changed), _moved_along(made, space, moves), x)

    return [of_input(values) for values in samples]


def shifted(x: Tensor, space: Sequence[int], generator: torch.Generator) -> Tensor:
    """A batch [N, *shape], each sample moved and half of them mirrored as `varied` does it."""
    return _moved_along(x, space, _moves(space, len(x), generator))


def _moves(space: Sequence[int], count: int, generator: torch.Generator) -> list[Tensor]:
    """int [count] of positions for each axis, then bool [count] of what is mirrored; nothing without space."""
    if not space:
        return []
    moves = [torch.randint(-_MOST_SHIFT, _MOST_SHIFT + 1, (count,), generator=generator) for _ in space]
    return [*moves, _half(count, generator)]


def _moved_along(x: Tensor, space: Sequence[int], moves: Sequence[Tensor]) -> Tensor:
    if not space:
        return x
    *positions, mirrored = (drawn.to(x.device) for drawn in moves)
    for axis, by in zip(space, positions, strict=True):
        x = _moved(x, 1 + axis, by)
    return torch.where(mirrored.reshape(-1, *[1] * (x.dim() - 1)), x.flip(1 + space[-1]), x)


def _moved(x: Tensor, axis: int, by: Tensor) -> Tensor:
    """Each sample of a batch turned along an axis by its own number of positions, int [count]."""
    first = x.movedim(axis, 1)
    size = first.shape[1]
    positions = (torch.arange(size, device=x.device) - by[:, None]) % size
    return first[torch.arange(len(x), device=x.device)[:, None], positions].movedim(1, axis)


def _half(count: int, generator: torch.Generator) -> Tensor:
    """About half of a batch: bool [count]."""
    return torch.rand(count, generator=generator) < 0.5
