"""Weights whose codes are learned: AdaRound's, up or down, and NUPES', over all codes and with their exponent."""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from edgekit.ir import Array
from edgekit.quant.power import LEAST_EXPONENT, MOST_EXPONENT, CodedRows, codebook_of, largest_code, largest_place

# Stretch of AdaRound's sigmoid (arXiv 2004.10568, 3.2): its ends are reached.
_ZETA, _GAMMA = 1.1, -0.1
_ROUNDING_RATE = 3e-2
# Positions beyond the largest code turn back as soon as their gradient does.
_BEYOND = 0.45


class LearnedRows(nn.Module):
    """Weights [O,K] of a layer during the learning.

    Attributes:
        rounds: whether codes are drawn to whole numbers (`rounding_loss`), until the last step: rates do not fall.
    """

    rounds = False

    @abstractmethod
    def forward(self) -> Tensor:
        """float32 [O,K], differentiable in the module's parameters."""

    @abstractmethod
    def finished(self) -> CodedRows:
        """The codes as they are to be stored."""

    @abstractmethod
    def groups(self) -> list[dict[str, object]]:
        """Parameter groups for the optimizer, each with its learning rate."""

    def bias(self) -> Tensor | None:
        """float32 [O], differentiable; None where the layer's own stays."""
        return None

    def rounding_loss(self, share: float) -> Tensor:
        """What draws the codes to whole numbers when `share` (0 to 1) of the learning is done."""
        return torch.zeros(())

    def settle(self) -> None:
        """Called after each step of the optimizer."""


class AdaRound(LearnedRows):
    """Uniform codes, each rounded up or down by a stretched sigmoid that ends at 0 or 1 (arXiv 2004.10568).

    What draws it there grips last: a rate that had fallen by then would leave most weights in between.
    """

    rounds = True

    def __init__(self, start: CodedRows, rows: Tensor) -> None:
        super().__init__()
        self.bits, self.n = start.bits, largest_code(start.bits)
        peaks = torch.from_numpy(start.peaks).float()
        positions = rows / peaks.clamp_min(1e-12)[:, None] * self.n
        floor = positions.floor()
        self.peaks, self.floor = nn.Buffer(peaks), nn.Buffer(floor)
        rest = ((positions - floor) - _GAMMA) / (_ZETA - _GAMMA)
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
        return CodedRows(_array(codes.long()), _array(self.peaks.double()), (1.0,), self.bits)

    def groups(self) -> list[dict[str, object]]:
        return [{"params": [self.logits], "lr": _ROUNDING_RATE}]


class Nupes(LearnedRows):
    """Codes learned over all of the quantized space, with the exponents, the channels' largest magnitudes and the bias.

    What is learned are positions among the codes, not |w| ** a, whose slope is infinite at zero. The slope of a code
    is taken over its two neighbours, so weights at zero can leave it, and it is bounded. Values are those of the
    rounded levels that firmware has.

    Args:
        start: codes to begin with.
        positions: float64 [O,K] within half a code of the outermost, which round to the codes, or near to them.
        bias: float32 [O] to begin with, None where the layer has none.
        unit: what a bias moves by when 1 is learned: some steps of the layer's output.
        rate: learning rate of positions, in codes.
    """

    def __init__(self, start: CodedRows, positions: Array, bias: Array | None, unit: float, rate: float) -> None:
        super().__init__()
        self.bits, self.n, self.rate, self.unit = start.bits, largest_code(start.bits), rate, unit
        self.halves, self.most = start.halves, largest_place(start.bits, start.halves)
        self.positions = nn.Parameter(torch.from_numpy(positions).float())
        self.group, thetas = start.group, torch.tensor([-math.log(exponent) for exponent in start.exponents])
        # Of one exponent no vector: torch adds up gradients of single numbers in another order.
        self.theta = nn.Parameter(thetas if start.group else thetas[0])
        # The first of its group's levels for each channel, where groups have their own, in the table of all.
        places = torch.arange(len(positions)) // start.group * (self.n + 1) if start.group else torch.zeros(0).long()
        self.places = nn.Buffer(places)
        self.log_peaks = nn.Parameter(torch.from_numpy(start.peaks).float().clamp_min(1e-12).log())
        self.moved = nn.Parameter(torch.zeros(len(positions)))
        self.first_bias = None if bias is None else nn.Buffer(torch.tensor(bias, dtype=torch.float32))

    def _rho(self) -> Tensor:
        return self.theta.clamp(-math.log(MOST_EXPONENT), -math.log(LEAST_EXPONENT)).exp()

    def _exponents(self) -> tuple[float, ...]:
        return tuple(min(MOST_EXPONENT, 1.0 / rho) for rho in self._rho().detach().reshape(-1).tolist())

    def forward(self) -> Tensor:
        books = [codebook_of((exponent,), self.bits, halves=self.halves) for exponent in self._exponents()]
        levels = [book.levels[0] for book in books]
        made = [torch.tensor(each, dtype=torch.float32, device=self.theta.device) / each[-1] for each in levels]
        values: Tensor = _Decode.apply(self.positions, self._rho(), torch.cat(made), self.places, self.halves)
        return values * self.log_peaks.exp()[:, None]

    def bias(self) -> Tensor | None:
        return None if self.first_bias is None else self.first_bias + self.unit * self.moved

    def settle(self) -> None:
        with torch.no_grad():
            self.positions.clamp_(-self.most - _BEYOND, self.most + _BEYOND)
            # Beyond them there is no slope that would bring it back.
            self.theta.clamp_(-math.log(MOST_EXPONENT), -math.log(LEAST_EXPONENT))

    def finished(self) -> CodedRows:
        codes = _array(_codes(self.positions, self.n, self.halves).long())
        peaks, bias = _array(self.log_peaks.double().exp()), self.bias()
        moved = None if bias is None else _array(bias.double())
        return CodedRows(codes, peaks, self._exponents(), self.bits, moved, self.group, self.halves)

    def groups(self) -> list[dict[str, object]]:
        return [
            {"params": [self.positions], "lr": self.rate},
            {"params": [self.theta, self.log_peaks, self.moved], "lr": 1e-3},
        ]


def _array(x: Tensor) -> Array:
    return np.asarray(x.detach().cpu().numpy())


def _codes(positions: Tensor, n: int, halves: bool) -> Tensor:
    return positions.floor().clamp(-n - 1, n) if halves else positions.round().clamp(-n, n)


class _Decode(torch.autograd.Function):
    """The levels of positions [O,K] rounded to codes c; slopes are those of sign(c) (|c| / n) ** rho, or of codes in
    halves with their places.

    The slope in a position is that of its code over the neighbours. rho: a number, or one for each group of channels;
    table: levels 0 to n, of one group after the other; places: int64 [O], where each channel's begin, empty for all at
    the start.
    """

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, positions: Tensor, rho: Tensor, table: Tensor, places: Tensor, halves: bool
    ) -> Tensor:
        n = len(table) // max(1, rho.numel()) - 1
        codes = _codes(positions, n, halves) + (0.5 if halves else 0.0)
        sizes = codes.abs().long()
        values = codes.sign() * table[sizes + places[:, None] if len(places) else sizes]
        ctx.save_for_backward(sizes, values, rho, places)
        ctx.n, ctx.halves = n, halves
        return values

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:  # type: ignore[no-untyped-def]
        sizes, values, rho, places = ctx.saved_tensors
        n, half = ctx.n, 0.5 if ctx.halves else 0.0
        shares = (torch.arange(n + 1, device=rho.device) + half) / (n + half)
        smooth = shares.pow(rho[:, None] if len(places) else rho)
        # At zero the way is the same to both sides; the largest code has one neighbour.
        first = (smooth[..., 1:2] + smooth[..., :1]) / 2 if ctx.halves else smooth[..., 1:2]
        inner = (smooth[..., 2:] - smooth[..., :-2]) / 2
        slopes = torch.cat([first, inner, smooth[..., -1:] - smooth[..., -2:-1]], dim=-1)
        logs = shares.log() if ctx.halves else torch.cat([shares[:1], shares[1:].log()])
        steps = gradient * values * logs[sizes]
        if not len(places):
            return gradient * slopes[sizes], steps.sum(), None, None, None
        summed = torch.zeros_like(rho).index_add(0, places // (n + 1), steps.sum(dim=1))
        return gradient * slopes.reshape(-1)[sizes + places[:, None]], summed, None, None, None
