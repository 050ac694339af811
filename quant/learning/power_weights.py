"""Weights as NUPES learns them: codes of a power with their exponents, largest magnitudes and biases.

Blocks choose between the two codes that each float weight lies between (`BlockRows`), as AdaRound does, but with all
else learned too; the whole network goes on from there, to any codes (`WholeRows`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from edgekit.ir import Array
from edgekit.quant.learning.weights import LearnedRows, Rounding, as_array
from edgekit.quant.power import LEAST_EXPONENT, MOST_EXPONENT, CodedRows, codebook_of, largest_code, largest_place

# Positions beyond the largest code turn back as soon as their gradient does.
_BEYOND = 0.45
# Learning rate of logarithms, and of biases in their unit.
_RATE = 1e-3
_LEAST_THETA, _MOST_THETA = -math.log(MOST_EXPONENT), -math.log(LEAST_EXPONENT)


class PowerRows(LearnedRows):
    """What of a layer is learned besides the codes.

    Args:
        start: codes to begin with.
        bias: float32 [O] to begin with, None where the layer has none.
        unit: what a bias moves by when 1 is learned: some steps of the layer's output.
    """

    def __init__(self, start: CodedRows, bias: Array | None, unit: float) -> None:
        super().__init__()
        self.bits, self.n, self.unit = start.bits, largest_code(start.bits), unit
        self.halves, self.half = start.halves, 0.5 if start.halves else 0.0
        self.group, thetas = start.group, torch.tensor([-math.log(exponent) for exponent in start.exponents])
        # Of one exponent no vector: torch adds up gradients of single numbers in another order.
        self.theta = nn.Parameter(thetas if start.group else thetas[0])
        # The first of its group's levels for each channel, where groups have their own, in the table of all.
        count = len(start.peaks)
        places = torch.arange(count) // start.group * (self.n + 1) if start.group else torch.zeros(0).long()
        self.places = nn.Buffer(places)
        self.log_peaks = nn.Parameter(torch.from_numpy(start.peaks).float().clamp_min(1e-12).log())
        self.moved = nn.Parameter(torch.zeros(count))
        self.first_bias = None if bias is None else nn.Buffer(torch.tensor(bias, dtype=torch.float32))

    def _rho(self) -> Tensor:
        return self.theta.exp()

    def _exponents(self) -> tuple[float, ...]:
        return tuple(min(MOST_EXPONENT, 1.0 / rho) for rho in self._rho().detach().reshape(-1).tolist())

    def _table(self) -> Tensor:
        """The levels that firmware has, of one group after the other, each up to 1."""
        books = [codebook_of((exponent,), self.bits, halves=self.halves) for exponent in self._exponents()]
        levels = [book.levels[0] for book in books]
        return torch.cat([torch.tensor(each, dtype=torch.float32) / each[-1] for each in levels]).to(self.theta.device)

    def _shares(self, positions: Tensor, table: Tensor) -> Tensor:
        """What the codes of positions [O,K] stand for, as shares of the largest."""
        made: Tensor = _Decode.apply(positions, self._rho(), table, self.places, self.halves)
        return made

    def _scaled(self, shares: Tensor) -> Tensor:
        return shares * self.log_peaks.exp()[:, None]

    def _coded(self, positions: Tensor) -> CodedRows:
        codes, bias = as_array(_codes(positions, self.n, self.halves).long()), self.bias()
        moved = None if bias is None else as_array(bias.double())
        peaks = as_array(self.log_peaks.double().exp())
        return CodedRows(codes, peaks, self._exponents(), self.bits, moved, self.group, self.halves)

    def bias(self) -> Tensor | None:
        return None if self.first_bias is None else self.first_bias + self.unit * self.moved

    def settle(self) -> None:
        with torch.no_grad():
            # Held here alone: cut off where it is read, it had no slope to come back by.
            self.theta.clamp_(_LEAST_THETA, _MOST_THETA)

    def groups(self) -> list[dict[str, object]]:
        return [{"params": [self.theta, self.log_peaks, self.moved], "lr": _RATE}]


class BlockRows(PowerRows):
    """Each weight one of the two codes that it lies between, chosen softly.

    It starts as far between the values of the two as the weight lies between the codes: with exponents below 1 that is
    not quite the weight, and as good to start from (starting with the weight, ResNet8's divergence is 0.027 for 0.028
    at 4 bits, 0.164 for 0.156 at 2).

    Args:
        positions: float64 [O,K], where the weights lie among the codes of `start`.
    """

    def __init__(self, start: CodedRows, positions: Array, bias: Array | None, unit: float) -> None:
        super().__init__(start, bias, unit)
        places = torch.from_numpy(positions).float() - self.half
        lowest = -self.n - 1 if self.halves else -self.n
        floor = places.floor().clamp(lowest, self.n - 1)
        self.floor, self.up = nn.Buffer(floor + self.half), Rounding((places - floor).clamp(0.0, 1.0))

    def forward(self) -> Tensor:
        table = self._table()
        low, high = (self._shares(self.floor + step, table) for step in (0.0, 1.0))
        return self._scaled(low + self.up() * (high - low))

    def rounding(self) -> Rounding:
        return self.up

    def finished(self) -> CodedRows:
        return self._coded(self.floor + self.up.chosen())

    def groups(self) -> list[dict[str, object]]:
        return [self.up.group(), *super().groups()]


class WholeRows(PowerRows):
    """Codes over all of the quantized space, by positions among them.

    What is learned are positions, not |w| ** a, whose slope is infinite at zero. The slope of a code is taken over its
    two neighbours, so weights at zero can leave it, and it is bounded. Values are those of the rounded levels that
    firmware has.

    Args:
        positions: float64 [O,K] within half a code of the outermost, which round to the codes of `start`.
        rate: learning rate of positions, in codes.
    """

    def __init__(self, start: CodedRows, positions: Array, bias: Array | None, unit: float, rate: float) -> None:
        super().__init__(start, bias, unit)
        self.rate = rate
        self.most = largest_place(start.bits, start.halves)
        self.positions = nn.Parameter(torch.from_numpy(positions).float())

    def forward(self) -> Tensor:
        return self._scaled(self._shares(self.positions, self._table()))

    def finished(self) -> CodedRows:
        return self._coded(self.positions)

    def settle(self) -> None:
        super().settle()
        with torch.no_grad():
            self.positions.clamp_(-self.most - _BEYOND, self.most + _BEYOND)

    def groups(self) -> list[dict[str, object]]:
        return [{"params": [self.positions], "lr": self.rate}, *super().groups()]


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
