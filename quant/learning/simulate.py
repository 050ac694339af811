"""Parts of a float graph run in torch as firmware will: weights replaced, activations rounded to their codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from edgekit.ir import Grid, Node, QuantType, Value
from edgekit.ops.conv2d import channel_axis
from edgekit.quant.learning.modules import run_node

# Operands of products by the name of the layer: weights under 1, bias under 2.
Replaced = Mapping[str, Mapping[int, Tensor]]

_MOST_AT_ONCE = 128


def fake_quantized(x: Tensor, quant: QuantType) -> Tensor:
    """Values rounded to those that codes stand for; gradients pass where codes do not saturate."""
    inside = limited(x, quant)
    scale, grid = quant.scale[0], quant.grid
    rounded = (inside / scale).round() * scale if grid is None else _on_grid(inside.detach(), scale, grid)
    return inside + (rounded - inside).detach()


def _on_grid(x: Tensor, scale: float, grid: Grid) -> Tensor:
    sizes = (grid.most * (x.abs() / (scale * grid.largest)) ** grid.exponent + 0.5).floor()
    codes = (x.sign() * sizes + grid.zero).clamp(0, len(grid.levels) - 1)
    return torch.from_numpy(scale * grid.levels).float()[codes.long()]


def limited(x: Tensor, quant: QuantType) -> Tensor:
    """Values within those that codes stand for, not rounded."""
    scale, zero, grid = quant.scale[0], quant.zero_point[0], quant.grid
    if grid is not None:
        return x.clamp(scale * int(grid.levels[0]), scale * int(grid.levels[-1]))
    return x.clamp(scale * (-128 - zero), scale * (127 - zero))


def run_nodes(
    nodes: Sequence[Node],
    source: Value,
    x: Tensor,
    wanted: Sequence[Value],
    replaced: Replaced,
    quants: Mapping[Value, QuantType],
    form: Callable[[Tensor, QuantType], Tensor] = fake_quantized,
) -> tuple[Tensor, ...]:
    """What nodes make of a batch at some values, with operands replaced.

    Every value that has a quantization, the source too, goes through `form`: rounded, or only limited.

    A batch is an axis before those that the graph knows: any of them may have taken in the graph's own batch of 1.
    """

    def formed(value: Value, x: Tensor) -> Tensor:
        quant = quants.get(value)
        return x if quant is None else form(x, quant)

    def of_sample(sample: Tensor) -> tuple[Tensor, ...]:
        known = {source: formed(source, sample)}
        for node in nodes:
            y = run_node(node, known, replaced.get(node.name))
            known[node.output] = formed(node.output, y)
        return tuple(known[value] for value in wanted)

    made: tuple[Tensor, ...] = torch.vmap(of_sample)(x)
    return made


def run_all(
    nodes: Sequence[Node], source: Value, x: Tensor, replaced: Replaced, quants: Mapping[Value, QuantType]
) -> Tensor:
    """The last node's output for any number of samples, without gradients."""
    last = [nodes[-1].output]
    with torch.no_grad():
        parts = [run_nodes(nodes, source, part, last, replaced, quants)[0] for part in x.split(_MOST_AT_ONCE)]
    return torch.cat(parts)


def operands_of(node: Node, rows: Tensor, bias: Tensor | None) -> dict[int, Tensor]:
    """Operands of a product: rows [O,K] in the shape of its weights, and a bias [O] unless None."""
    shape = list(node.input(1).shape)
    first = shape.pop(channel_axis(node))
    weights = rows.reshape(first, *shape).movedim(0, channel_axis(node))
    return {1: weights} if bias is None else {1: weights, 2: bias}
