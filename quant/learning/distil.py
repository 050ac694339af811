"""The last stage: all learned weights together, so that the network's output is what the float network makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from edgekit.ir import Graph, Node, QuantType, Value
from edgekit.quant.learning.axes import space_axes
from edgekit.quant.learning.blocks import Block
from edgekit.quant.learning.descent import descend, relative_error
from edgekit.quant.learning.reconstruct import BATCH
from edgekit.quant.learning.simulate import Part, Replaced, rounded_if_coarse
from edgekit.quant.learning.variation import varied
from edgekit.quant.learning.weights import LearnedRows

# What the outputs of blocks count beside the network's output: they keep few samples from being learned by heart.
BLOCK_WEIGHT = 0.3
# Logits are divided by it before probabilities are compared: small ones tell of the network, too.
TEMPERATURE = 3.0


class Distillation:
    """Learning against the float network on samples and what can be made of them; no labels.

    Args:
        graph: float32, with one input and one output.
        blocks: of the graph.
        quants: of activations: limits are simulated, and the rounding of few bits.
        device: where the samples are.
    """

    def __init__(
        self, graph: Graph, blocks: Sequence[Block], quants: Mapping[Value, QuantType], device: torch.device
    ) -> None:
        self.quants, self.space = quants, space_axes(graph)
        # A softmax at the end is part of the loss: its input is compared.
        self.softmax: Node | None = graph.nodes[-1] if graph.nodes[-1].op == "softmax" else None
        self.nodes = graph.nodes if self.softmax is None else graph.nodes[:-1]
        end = self.nodes[-1].output
        made = {node.output for node in self.nodes} - {end}
        self.part = Part(self.nodes, graph.inputs[0], device)
        self.wanted = [*(block.output for block in blocks if block.output in made), end]

    def learn(
        self,
        samples: Tensor,
        steps: int,
        report: Callable[[int, float], None],
        learned: Mapping[str, LearnedRows],
        generator: torch.Generator,
    ) -> float | None:
        """Learn in place; the loss of the network's output at the end, and to `report`, as `descend` tells it.

        samples: float32 [N, *shape of the graph's input].
        """

        def loss(replaced: Replaced, share: float) -> tuple[Tensor, Tensor]:
            x = varied(samples, self.space, BATCH, generator)
            with torch.no_grad():
                exact = self.part.run(x, self.wanted, {}, {})
            made = self.part.run(x, self.wanted, replaced, self.quants, rounded_if_coarse)
            within = [relative_error(y, t) for y, t in zip(made[:-1], exact[:-1], strict=True)]
            output = self._output_loss(made[-1], exact[-1])
            return output + BLOCK_WEIGHT * sum(within, torch.zeros(())), output

        nodes = {node.name: node for node in self.nodes}
        return descend(learned, nodes, steps, loss, self.wanted[-1].name, report)

    def _output_loss(self, made: Tensor, exact: Tensor) -> Tensor:
        """Divergence (Kullback-Leibler) of the probabilities at TEMPERATURE, times its square; without a softmax,
        relative squared error.
        """
        if self.softmax is None:
            return relative_error(made, exact)
        beta = float(self.softmax.attrs["beta"]) / TEMPERATURE
        logs, wanted = ((beta * y).log_softmax(-1) for y in (made, exact))
        divergence = functional.kl_div(logs, wanted, log_target=True, reduction="none").sum(-1).mean()
        return TEMPERATURE**2 * divergence
