"""Block-wise reconstruction: the weights of each block are learned so that it makes what the float block makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from edgekit.ir import Node, QuantType, Value
from edgekit.quant.learning.descent import descend
from edgekit.quant.learning.simulate import Part, Replaced
from edgekit.quant.learning.weights import LearnedRows

BATCH = 32
_ROUNDING_WEIGHT = 0.01


def learn_block(
    part: Part,
    outputs: Sequence[Value],
    products: Sequence[Node],
    given: Sequence[Tensor],
    targets: Sequence[Tensor],
    quants: Mapping[Value, QuantType],
    steps: int,
    learned: Mapping[str, LearnedRows],
    generator: torch.Generator,
) -> float | None:
    """Learn the weights of a block's products, in place; squared error over the mean square, as `descend` tells it: of
    several outputs the mean.

    Args:
        part: the block's nodes.
        outputs: what they make.
        products: those among them whose weights are learned.
        given: float32 [N, *shape] each, what the block gets from the quantized network before it.
        targets: float32 [N, *shape] for each output, what the float block makes of what it gets.
        quants: of activations, simulated at every value that has one.
        learned: by the name of a product.
    """
    norms = [(target**2).mean() + 1e-12 for target in targets]
    count = sum(p.numel() for rows in learned.values() for p in rows.parameters())

    def loss(replaced: Replaced, share: float) -> tuple[Tensor, Tensor]:
        index = torch.randint(0, len(given[0]), (BATCH,), generator=generator).to(given[0].device)
        made = part.run([x[index] for x in given], outputs, replaced, quants)
        errors = [functional.mse_loss(y, t[index]) / norm for y, t, norm in zip(made, targets, norms, strict=True)]
        error = torch.stack(errors).mean()
        rounding = sum((rows.rounding_loss(share) for rows in learned.values()), torch.zeros(()))
        return error + _ROUNDING_WEIGHT * rounding / count, error

    return descend(learned, {node.name: node for node in products}, steps, loss, outputs[-1].name)
