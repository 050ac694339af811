"""Gradient descent on the codes of some layers, whatever the loss is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import get_total_norm

from edgekit.errors import UnsupportedModel
from edgekit.ir import Node
from edgekit.quant.learning.simulate import Replaced, operands_of
from edgekit.quant.learning.weights import LearnedRows

# Parts that are told of.
TENTHS = 10

# Operands to run with, and the share of the steps done (0 to 1), to (what is made small, what is told).
Loss = Callable[[Replaced, float], tuple[Tensor, Tensor]]


def descend(
    learned: Mapping[str, LearnedRows],
    nodes: Mapping[str, Node],
    steps: int,
    loss: Loss,
    end: str,
    report: Callable[[int, float], None] | None = None,
) -> float | None:
    """Learn in place, rates falling to 0 along a cosine, but for those of groups that have them `lasting`.

    Args:
        learned, nodes: by the name of a product.
        end: name of the value whose error the loss is.
        report: called after every tenth of the steps but the last, with how many are done and the mean of what was
            told in this one.

    Returns the mean of what was told in the last tenth, None after no steps.

    Raises UnsupportedModel where the loss or a gradient is not finite: codes learned from it would be meaningless.
    """
    optimizer = torch.optim.Adam([group for rows in learned.values() for group in rows.groups()], fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, [_rate_of(g, steps) for g in optimizer.param_groups])
    told: list[Tensor] = []
    for step in range(steps):
        replaced = {name: operands_of(nodes[name], rows(), rows.bias()) for name, rows in learned.items()}
        total, reported = loss(replaced, step / steps)
        optimizer.zero_grad()
        total.backward()
        if not _finite(total, learned):
            raise UnsupportedModel(
                f"learning through the layers up to {end!r} is not finite: a root, quotient or logarithm in them has "
                "no finite slope or value for these samples, or their numbers are so large (1e18) that squares of them "
                "are not; use --quantizer powerquant"
            )
        optimizer.step()
        schedule.step()
        for rows in learned.values():
            rows.settle()
        told.append(reported.detach())
        tenths = TENTHS * (step + 1) // steps
        if report is not None and TENTHS * step // steps < tenths < TENTHS:
            report(tenths, _mean_of_last(told, steps))
    return _mean_of_last(told, steps) if told else None


def _rate_of(group: Mapping[str, object], steps: int) -> Callable[[int], float]:
    """The share of its first rate that a group of parameters has after so many steps."""
    if group.get("lasting", False):
        return lambda step: 1.0
    return lambda step: 0.5 * (1.0 + math.cos(math.pi * step / max(1, steps)))


def _mean_of_last(told: list[Tensor], steps: int) -> float:
    return float(torch.stack(told[-max(1, steps // TENTHS) :]).double().mean())


def _finite(total: Tensor, learned: Mapping[str, LearnedRows]) -> bool:
    """Whether the loss is finite, and every gradient that it gave."""
    gradients = [p.grad for rows in learned.values() for p in rows.parameters() if p.grad is not None]
    # The largest of all magnitudes: one answer to wait for.
    return bool(torch.isfinite(get_total_norm([total.detach(), *gradients], math.inf)))


def relative_error(made: Tensor, exact: Tensor) -> Tensor:
    """Mean squared error over the exact values' mean square."""
    return functional.mse_loss(made, exact) / mean_square(exact)


def mean_square(exact: Tensor) -> Tensor:
    """What errors are divided by, in whatever unit values are; 1 where all are 0."""
    square = (exact**2).mean()
    return torch.where(square > 0, square, 1.0)
