"""Parts of a float graph run in torch as firmware will: weights replaced, activations rounded to their codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from edgekit.ir import Grid, Node, QuantType, Value
from edgekit.ops.conv2d import channel_axis
from edgekit.quant.learning.modules import constant, run_node
from edgekit.quant.power import CodedRows

# Operands of products by the name of the layer: weights under 1, bias under 2.
Replaced = Mapping[str, Mapping[int, Tensor]]

_MOST_AT_ONCE = 128


def fake_quantized(x: Tensor, quant: QuantType) -> Tensor:
    """Values rounded to those that codes stand for; gradients pass where codes do not saturate."""
    # No hardtanh here: rounded numbers lie on the ends themselves, where values that only move them need the slope.
    inside, scale, grid = x.clamp(*_ends(quant)), quant.scale[0], quant.grid
    rounded = (inside / scale).round() * scale if grid is None else _on_grid(inside.detach(), scale, grid)
    return inside + (rounded - inside).detach()


def _on_grid(x: Tensor, scale: float, grid: Grid) -> Tensor:
    sizes = (grid.most * (x.abs() / (scale * grid.largest)) ** grid.exponent + 0.5).floor()
    codes = (x.sign() * sizes + grid.zero).clamp(0, len(grid.levels) - 1)
    return _numbers(grid, scale, x.device)[codes.long()]


@lru_cache(maxsize=1024)
def _numbers(grid: Grid, scale: float, device: torch.device) -> Tensor:
    """float32, by code."""
    return torch.from_numpy(scale * grid.levels).float().to(device)


def limited(x: Tensor, quant: QuantType) -> Tensor:
    """Values within those that codes stand for, not rounded; gradients pass between the ends."""
    # As clamp, with one kernel for the gradient instead of four.
    return functional.hardtanh(x, *_ends(quant))


def _ends(quant: QuantType) -> tuple[float, float]:
    """The lowest and the highest number that codes stand for."""
    scale, zero, grid = quant.scale[0], quant.zero_point[0], quant.grid
    low, high = (-128 - zero, 127 - zero) if grid is None else (int(grid.levels[0]), int(grid.levels[-1]))
    return scale * low, scale * high


def even_step(quant: QuantType) -> float:
    """From number to number of even codes of 8 bits over the same range."""
    if quant.grid is None:
        return quant.scale[0]
    low, high = _ends(quant)
    return (high - low) / 255


def rounded_if_coarse(x: Tensor, quant: QuantType) -> Tensor:
    """Rounded where codes have 4 bits, whose error is most of the network's; else within their limits: without the
    little that 8 bits add, gradients are less noisy.
    """
    return fake_quantized(x, quant) if is_coarse(quant) else limited(x, quant)


def is_coarse(quant: QuantType) -> bool:
    """Whether codes have 4 bits."""
    return quant.grid is not None and quant.grid.bits < 8


class Part:
    """Nodes of a float graph, in order, that are run again and again on one device.

    Args:
        nodes: they compute all that they read from `sources` and constants.
        sources: the values that a batch is given for.
    """

    def __init__(self, nodes: Sequence[Node], sources: Sequence[Value], device: torch.device) -> None:
        self.nodes, self.sources = nodes, sources
        constants = {value for node in nodes for value in node.inputs if value is not None and value.is_constant}
        self._constants = {value: constant(value).to(device) for value in constants}

    def run(
        self,
        given: Sequence[Tensor],
        wanted: Sequence[Value],
        replaced: Replaced,
        quants: Mapping[Value, QuantType],
        form: Callable[[Tensor, QuantType], Tensor] = fake_quantized,
    ) -> tuple[Tensor, ...]:
        """What the nodes make of a batch at some values, with operands replaced.

        `given` has a batch for each source. Every value that has a quantization, the sources too, goes through `form`:
        rounded, or only limited.

        A batch is an axis before those that the graph knows: any of them may have taken in the graph's own batch of 1.
        """

        def formed(value: Value, x: Tensor) -> Tensor:
            quant = quants.get(value)
            return x if quant is None else form(x, quant)

        def of_sample(*sample: Tensor) -> tuple[Tensor, ...]:
            sources = zip(self.sources, sample, strict=True)
            known = self._constants | {source: formed(source, x) for source, x in sources}
            for node in self.nodes:
                y = run_node(node, known, replaced.get(node.name))
                known[node.output] = formed(node.output, y)
            return tuple(known[value] for value in wanted)

        made: tuple[Tensor, ...] = torch.vmap(of_sample)(*given)
        return made

    def run_all(
        self, given: Sequence[Tensor], wanted: Sequence[Value], replaced: Replaced, quants: Mapping[Value, QuantType]
    ) -> list[Tensor]:
        """As `run`, for any number of samples and without gradients."""
        batches = zip(*(x.split(_MOST_AT_ONCE) for x in given), strict=True)
        with torch.no_grad():
            parts = [self.run(batch, wanted, replaced, quants) for batch in batches]
        return [torch.cat(made) for made in zip(*parts, strict=True)]


def operands_of(node: Node, rows: Tensor, bias: Tensor | None) -> dict[int, Tensor]:
    """Operands of a product: rows [O,K] in the shape of its weights, and a bias [O] unless None."""
    shape = list(node.input(1).shape)
    first = shape.pop(channel_axis(node))
    weights = rows.reshape(first, *shape).movedim(0, channel_axis(node))
    return {1: weights} if bias is None else {1: weights, 2: bias}


def replaced_by(node: Node, coded: CodedRows, device: torch.device) -> dict[int, Tensor]:
    """Operands that a product has with these codes."""
    bias = None if coded.bias is None else torch.from_numpy(coded.bias).float().to(device)
    return operands_of(node, torch.from_numpy(coded.values).float().to(device), bias)
