"""Weights whose codes are learned: AdaRound's, up or down, and NUPES', over all codes and with their exponent."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn

from edgekit.quant.power import LEAST_EXPONENT, MOST_EXPONENT, CodedRows, largest_code

# Stretch of AdaRound's sigmoid (arXiv 2004.10568, 3.2): its ends are reached.
_ZETA, _GAMMA = 1.1, -0.1


class LearnedRows(nn.Module):
    """Weights [O,K] of a layer during the learning."""

    @abstractmethod
    def forward(self) -> Tensor:
        """float32 [O,K], differentiable in the module's parameters."""

    @abstractmethod
    def rounding_loss(self, share: float) -> Tensor:
        """What draws the codes to whole numbers when `share` (0 to 1) of the learning is done."""

    @abstractmethod
    def finished(self) -> CodedRows:
        """The codes as they are to be stored."""

    @abstractmethod
    def groups(self) -> list[dict[str, object]]:
        """Parameter groups for the optimizer, each with its learning rate."""


class AdaRound(LearnedRows):
    """Uniform codes, each rounded up or down by a stretched sigmoid that ends at 0 or 1 (arXiv 2004.10568)."""

    def __init__(self, start: CodedRows, rows: Tensor) -> None:
        super().__init__()
        self.bits, self.n = start.bits, largest_code(start.bits)
        self.peaks = torch.from_numpy(start.peaks).float()
        positions = rows / self.peaks.clamp_min(1e-12)[:, None] * self.n
        self.floor = positions.floor()
        rest = ((positions - self.floor) - _GAMMA) / (_ZETA - _GAMMA)
        self.logits = nn.Parameter(torch.logit(rest.clamp(1e-4, 1 - 1e-4)))

    def _up(self) -> Tensor:
        return (torch.sigmoid(self.logits) * (_ZETA - _GAMMA) + _GAMMA).clamp(0.0, 1.0)

    def forward(self) -> Tensor:
        codes = (self.floor + self._up()).clamp(-self.n, self.n)
        return codes * (self.peaks / self.n)[:, None]

    def rounding_loss(self, share: float) -> Tensor:
        if share < 0.2:
            return self.logits.new_zeros(())
        beta = 2.0 + 18.0 * 0.5 * (1.0 + math.cos((share - 0.2) / 0.8 * math.pi))
        return (1.0 - (2.0 * self._up() - 1.0).abs().pow(beta)).sum()

    def finished(self) -> CodedRows:
        codes = (self.floor + (self._up() >= 0.5)).clamp(-self.n, self.n)
        return CodedRows(codes.detach().long().numpy(), self.peaks.double().numpy(), 1.0, self.bits)

    def groups(self) -> list[dict[str, object]]:
        return [{"params": [self.logits], "lr": 1e-2}]


class Nupes(LearnedRows):
    """Codes learned over all of the quantized space, with the exponent and the channels' largest magnitudes.

    What is learned are positions among the codes, not |w| ** a, whose slope is infinite at zero. The slope of a code
    is taken over its two neighbours, so weights at zero can leave it, and it is bounded.
    """

    def __init__(self, start: CodedRows, rows: Tensor) -> None:
        super().__init__()
        self.bits, self.n = start.bits, largest_code(start.bits)
        peaks = torch.from_numpy(start.peaks).float().clamp_min(1e-12)
        positions = rows.sign() * self.n * (rows.abs() / peaks[:, None]).pow(start.exponent)
        self.positions = nn.Parameter(positions.clamp(-self.n, self.n))
        self.theta = nn.Parameter(torch.tensor(-math.log(start.exponent)))
        self.log_peaks = nn.Parameter(peaks.log())

    def _rho(self) -> Tensor:
        return self.theta.clamp(-math.log(MOST_EXPONENT), -math.log(LEAST_EXPONENT)).exp()

    def forward(self) -> Tensor:
        return _Decode.apply(self.positions, self._rho(), self.n) * self.log_peaks.exp()[:, None]

    def rounding_loss(self, share: float) -> Tensor:
        return self.positions.new_zeros(())

    def finished(self) -> CodedRows:
        codes = self.positions.detach().round().clamp(-self.n, self.n).long().numpy()
        return CodedRows(codes, self.log_peaks.detach().double().exp().numpy(), 1.0 / self._rho().item(), self.bits)

    def groups(self) -> list[dict[str, object]]:
        return [
            {"params": [self.positions], "lr": 3e-3 * self.n},
            {"params": [self.theta], "lr": 1e-3},
            {"params": [self.log_peaks], "lr": 1e-3},
        ]


class _Decode(torch.autograd.Function):
    """sign(c) (|c| / n) ** rho of positions rounded to codes c; the slope in a position is that of its code."""

    @staticmethod
    def forward(ctx, positions: Tensor, rho: Tensor, n: int) -> Tensor:  # type: ignore[no-untyped-def]
        codes = positions.round().clamp(-n, n)
        magnitudes = codes.abs() / n
        values = codes.sign() * magnitudes.pow(rho)
        ctx.save_for_backward(codes, magnitudes, values, rho)
        ctx.n = n
        return values

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[no-untyped-def]
        codes, magnitudes, values, rho = ctx.saved_tensors
        n = ctx.n
        above = ((codes.abs() + 1.0) / n).clamp(max=1.0).pow(rho)
        below = ((codes.abs() - 1.0) / n).clamp(min=0.0).pow(rho)
        steps = torch.where(codes == 0, 1.0, torch.where(codes.abs() >= n, 1.0, 2.0))
        slope = (above - below) / steps
        logs = torch.where(codes == 0, 0.0, magnitudes.clamp_min(1e-12).log())
        return gradient * slope, (gradient * values * logs).sum(), None
