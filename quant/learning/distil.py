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
from edgekit.quant.learning.modules import softmax_at_end
from edgekit.quant.learning.reconstruct import BATCH
from edgekit.quant.learning.simulate import Part, Replaced, rounded_if_coarse
from edgekit.quant.learning.variation import varied
from edgekit.quant.learning.weights import LearnedRows

# What the outputs of blocks count beside the network's: half as much, however far off either is. They keep few samples
# from being learned by heart, but must not count more than what the network is for.
BLOCKS_SHARE = 0.5
# Logits are divided by it before probabilities are compared: small ones tell of the network, too.
TEMPERATURE = 3.0
_LEAST_LOG = -1e4
# What losses are.
RELATIVE_ERROR, DIVERGENCE = "relative error", "divergence"


class Distillation:
    """Learning against the float network on samples and what can be made of them; no labels.

    Args:
        graph: float32.
        blocks: of the graph.
        quants: of activations: limits are simulated, and the rounding of few bits.
        device: where the samples are.

    Attributes:
        measure: what its loss is; of several outputs, some with a softmax, the mean is called a relative error.
    """

    def __init__(
        self, graph: Graph, blocks: Sequence[Block], quants: Mapping[Value, QuantType], device: torch.device
    ) -> None:
        self.quants, self.space = quants, space_axes(graph)
        # A softmax at the end is part of the loss: its input is compared.
        last = [node.output for node in graph.nodes if node.output in graph.outputs]
        self.softmax = [softmax_at_end(value) for value in last]
        self.measure = DIVERGENCE if all(self.softmax) else RELATIVE_ERROR
        self.nodes = [node for node in graph.nodes if node not in self.softmax]
        ends = [value if end is None else end.input(0) for value, end in zip(last, self.softmax, strict=True)]
        within = {node.output for node in self.nodes}.difference(ends)
        self.part = Part(self.nodes, graph.inputs, device)
        self.wanted = [*(block.output for block in blocks if block.output in within), *ends]

    def learn(
        self,
        samples: Sequence[Tensor],
        steps: int,
        report: Callable[[int, float], None],
        learned: Mapping[str, LearnedRows],
        generator: torch.Generator,
    ) -> float | None:
        """Learn in place; the loss of the network's outputs at the end, and to `report`, as `descend` tells it.

        samples: float32 [N, *shape] for each of the graph's inputs.
        """
        first_end = len(self.wanted) - len(self.softmax)

        def loss(replaced: Replaced, share: float) -> tuple[Tensor, Tensor]:
            x = varied(samples, self.space, BATCH, generator)
            with torch.no_grad():
                exact = self.part.run(x, self.wanted, {}, {})
            made = self.part.run(x, self.wanted, replaced, self.quants, rounded_if_coarse)
            pairs = list(zip(made, exact, strict=True))
            within = [relative_error(y, t) for y, t in pairs[:first_end]]
            ends = [_output_loss(*pair, end) for pair, end in zip(pairs[first_end:], self.softmax, strict=True)]
            output = torch.stack(ends).mean()
            return output + _as_large_as(BLOCKS_SHARE * output, sum(within, torch.zeros(()))), output

        nodes = {node.name: node for node in self.nodes}
        return descend(learned, nodes, steps, loss, self.wanted[-1].name, report)


def _as_large_as(wanted: Tensor, loss: Tensor) -> Tensor:
    """A loss times what makes it as large as another one is now; with no gradient to that.

    A divergence next to 0 can be rounded below it: then nothing is wanted.
    """
    return loss * (wanted.clamp_min(0.0) / loss.clamp_min(1e-12)).detach()


def _output_loss(made: Tensor, exact: Tensor, softmax: Node | None) -> Tensor:
    """Divergence (Kullback-Leibler) of the probabilities at TEMPERATURE, times its square; without a softmax, relative
    squared error.
    """
    if softmax is None:
        return relative_error(made, exact)
    beta = float(softmax.attrs["beta"]) / TEMPERATURE
    # Masks have no probability at all, whose logarithm would make 0 times infinity.
    logs, wanted = ((beta * y).log_softmax(-1).clamp_min(_LEAST_LOG) for y in (made, exact))
    divergence = functional.kl_div(logs, wanted, log_target=True, reduction="none").sum(-1).mean()
    return TEMPERATURE**2 * divergence
