"""Weights whose codes are learned: AdaRound's, up or down."""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from edgekit.ir import Array
from edgekit.quant.power import CodedRows, largest_code

# Stretch of AdaRound's sigmoid (arXiv 2004.10568, 3.2): its ends are reached.
_ZETA, _GAMMA = 1.1, -0.1
# Learning rate of its argument, which does not fall: what draws weights to a code is strongest in the last steps.
_ROUNDING_RATE = 0.1
# The share of the steps before weights are drawn to codes, and the exponents that this begins and ends with.
_WARM_UP, _FIRST_BETA, _LAST_BETA = 0.2, 20.0, 2.0


class LearnedRows(nn.Module):
    """Weights [O,K] of a layer during the learning."""

    @abstractmethod
    def forward(self) -> Tensor:
        """float32 [O,K], differentiable in the module's parameters."""

    @abstractmethod
    def finished(self) -> CodedRows:
        """The codes as they are to be stored."""

    @abstractmethod
    def groups(self) -> list[dict[str, object]]:
        """Parameter groups for the optimizer, each with its learning rate, and with `lasting` where that stays."""

    def bias(self) -> Tensor | None:
        """float32 [O], differentiable; None where the layer's own stays."""
        return None

    def rounding(self) -> Rounding | None:
        """What the choice between two codes is learned by, None where nothing is."""
        return None

    def settle(self) -> None:
        """Called after each step of the optimizer."""


class Rounding(nn.Module):
    """A choice between two neighbouring codes for each weight, by a stretched sigmoid that ends at 0 or 1.

    Args:
        shares: float [O,K], 0 to 1: how far each weight lies from the lower code on the way to the upper one.
    """

    def __init__(self, shares: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.logit(((shares - _GAMMA) / (_ZETA - _GAMMA)).clamp(1e-4, 1 - 1e-4)))

    def forward(self) -> Tensor:
        """[O,K], 0 for the lower code to 1 for the upper one."""
        return (torch.sigmoid(self.logits) * (_ZETA - _GAMMA) + _GAMMA).clamp(0.0, 1.0)

    def chosen(self) -> Tensor:
        """[O,K], 0 or 1."""
        return (self.forward().detach() >= 0.5).float()

    def loss(self, share: float) -> Tensor:
        """What draws weights to either code when `share` (0 to 1) of the learning is done: the number of those halfway
        between them, and less of others.
        """
        if share < _WARM_UP:
            return self.logits.new_zeros(())
        done = (share - _WARM_UP) / (1.0 - _WARM_UP)
        beta = _LAST_BETA + (_FIRST_BETA - _LAST_BETA) * 0.5 * (1.0 + math.cos(done * math.pi))
        return (1.0 - (2.0 * self.forward() - 1.0).abs().pow(beta)).sum()

    def group(self) -> dict[str, object]:
        """Its parameters for the optimizer."""
        return {"params": [self.logits], "lr": _ROUNDING_RATE, "lasting": True}


class AdaRound(LearnedRows):
    """Uniform codes, each rounded up or down (arXiv 2004.10568)."""

    def __init__(self, start: CodedRows, rows: Tensor) -> None:
        super().__init__()
        self.bits, self.n = start.bits, largest_code(start.bits)
        peaks = torch.from_numpy(start.peaks).float()
        positions = rows / peaks.clamp_min(1e-12)[:, None] * self.n
        floor = positions.floor()
        self.peaks, self.floor, self.up = nn.Buffer(peaks), nn.Buffer(floor), Rounding(positions - floor)

    def forward(self) -> Tensor:
        codes = (self.floor + self.up()).clamp(-self.n, self.n)
        return codes * (self.peaks / self.n)[:, None]

    def rounding(self) -> Rounding:
        return self.up

    def finished(self) -> CodedRows:
        codes = (self.floor + self.up.chosen()).clamp(-self.n, self.n)
        return CodedRows(as_array(codes.long()), as_array(self.peaks.double()), (1.0,), self.bits)

    def groups(self) -> list[dict[str, object]]:
        return [self.up.group()]


def as_array(x: Tensor) -> Array:
    """Its numbers, without gradients."""
    return np.asarray(x.detach().cpu().numpy())
