"""Block-wise reconstruction: the weights of each block are learned so that it makes what the float block makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from edgekit.ir import Node, QuantType, Value
from edgekit.quant.learning.descent import descend, mean_square, relative_error
from edgekit.quant.learning.simulate import Part, Replaced, replaced_by
from edgekit.quant.learning.weights import LearnedRows

BATCH = 32
# What it costs when all weights are halfway between two codes, in errors of the codes that learning begins with: of few
# bits these are larger, and less would leave the weights there.
_ROUNDING_WEIGHT = 10.0


@dataclass(frozen=True)
class Reconstruction:
    """What a block has to make.

    Attributes:
        part: the block's nodes.
        outputs: what they make.
        given: float32 [N, *shape] each, what the block gets from the quantized network before it.
        targets: float32 [N, *shape] for each output, what the float block makes of what it gets.
        quants: of activations, simulated at every value that has one.
    """

    part: Part
    outputs: Sequence[Value]
    given: Sequence[Tensor]
    targets: Sequence[Tensor]
    quants: Mapping[Value, QuantType]

    def learn(
        self, products: Mapping[str, Node], steps: int, learned: Mapping[str, LearnedRows], generator: torch.Generator
    ) -> None:  # fmt: skip
        """Learn the weights of products, in place, by the squared error over the mean square: of several outputs the
        mean. `products` and `learned` by the name of a product.
        """
        norms = [mean_square(target) for target in self.targets]
        roundings = [found for rows in learned.values() if (found := rows.rounding()) is not None]
        weight = self._error(products, learned) * _ROUNDING_WEIGHT / max(1, sum(r.logits.numel() for r in roundings))

        def loss(replaced: Replaced, share: float) -> tuple[Tensor, Tensor]:
            index = torch.randint(0, len(self.given[0]), (BATCH,), generator=generator).to(self.given[0].device)
            made = self.part.run([x[index] for x in self.given], self.outputs, replaced, self.quants)
            pairs = zip(made, self.targets, norms, strict=True)
            error = torch.stack([functional.mse_loss(y, target[index]) / norm for y, target, norm in pairs]).mean()
            undecided = sum((rounding.loss(share) for rounding in roundings), torch.zeros(()))
            return error + weight * undecided, error

        descend(learned, products, steps, loss, self.outputs[-1].name)

    def _error(self, products: Mapping[str, Node], learned: Mapping[str, LearnedRows]) -> float:
        """Of the codes that would be chosen now."""
        device = self.given[0].device
        coded = {name: replaced_by(products[name], rows.finished(), device) for name, rows in learned.items()}
        made = self.part.run_all(self.given, self.outputs, coded, self.quants)
        errors = [float(relative_error(y, target)) for y, target in zip(made, self.targets, strict=True)]
        return sum(errors) / len(errors)
