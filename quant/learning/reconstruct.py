"""Block-wise reconstruction: the weights of each block are learned so that it makes what the float block makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from edgekit.ir import Array, Graph, Node, QuantType, Value
from edgekit.ops.conv2d import channel_axis
from edgekit.quant.learning.blocks import Block, blocks_of
from edgekit.quant.learning.modules import run_node
from edgekit.quant.learning.weights import LearnedRows
from edgekit.quant.power import CodedRows, power_values
from edgekit.quant.weights import channel_rows

BATCH = 32
ROUNDING_WEIGHT = 0.01
Make = Callable[[CodedRows, Tensor], LearnedRows]


def _layer_weights(node: Node, rows: Tensor) -> Tensor:
    shape = list(node.input(1).shape)
    first = shape.pop(channel_axis(node))
    return rows.reshape(first, *shape).movedim(0, channel_axis(node))


class Reconstruction:
    """Learning of a graph's weights, block by block.

    Args:
        graph: float32, with one input and one output.
        samples: float32 [N, *shape of the graph's input].
        quants: of activations, simulated at every value that has one.
        start: codes to begin with, by the name of a product.
        make: the kind of learning.
    """

    def __init__(
        self, graph: Graph, samples: Array, quants: Mapping[Value, QuantType], start: Mapping[str, CodedRows],
        make: Make, iterations: int, seed: int,
    ) -> None:  # fmt: skip
        self.blocks, self.quants, self.start, self.make = blocks_of(graph), quants, start, make
        self.iterations = iterations
        self.generator = torch.Generator().manual_seed(seed)
        self.exact = torch.from_numpy(samples)
        self.coded = fake_quantized(self.exact, quants.get(graph.inputs[0]))
        self.found: dict[str, CodedRows] = {}

    def run(self, progress: Callable[[str], None] | None = None) -> dict[str, CodedRows]:
        """Codes by the name of a product."""
        for block in self.blocks:
            target = _in_batches(block, self.exact, {}, {})
            learned = {
                node.name: self.make(self.start[node.name], torch.from_numpy(channel_rows(node)).float())
                for node in block.products
                if node.name in self.start
            }
            if learned:
                losses = self._learn(block, learned, target)
                self.found |= {name: rows.finished() for name, rows in learned.items()}
                if progress is not None:
                    progress(f"{block.output.name}: loss {losses[0]:.5f} to {losses[1]:.5f}")
            self.coded = _in_batches(
                block, self.coded, self.weights_of({name: self.found[name] for name in learned}), self.quants
            )
            self.exact = target
        return self.found

    def weights_of(self, coded: Mapping[str, CodedRows]) -> dict[str, Tensor]:
        """What the codes of layers stand for, in the shapes of their weights."""
        layers = {node.name: node for block in self.blocks for node in block.products}
        values = {k: power_values(c.codes, c.peaks, c.exponent, c.bits).astype(np.float32) for k, c in coded.items()}
        return {name: _layer_weights(layers[name], torch.from_numpy(rows)) for name, rows in values.items()}

    def _learn(self, block: Block, learned: Mapping[str, LearnedRows], target: Tensor) -> tuple[float, float]:
        groups = [group for rows in learned.values() for group in rows.groups()]
        optimizer = torch.optim.Adam(groups)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.iterations)
        norm = float((target**2).mean()) + 1e-12
        count = sum(p.numel() for rows in learned.values() for p in rows.parameters())
        seen: list[float] = []
        nodes = {node.name: node for node in block.products}
        for step in range(self.iterations):
            index = torch.randint(0, len(target), (BATCH,), generator=self.generator)
            weights = {name: _layer_weights(nodes[name], rows()) for name, rows in learned.items()}
            made = run_block(block, self.coded[index], weights, self.quants)
            loss = ((made - target[index]) ** 2).mean() / norm
            seen.append(loss.item())
            rounding = sum((rows.rounding_loss(step / self.iterations) for rows in learned.values()), torch.zeros(()))
            optimizer.zero_grad()
            (loss + ROUNDING_WEIGHT * rounding / count).backward()
            optimizer.step()
            schedule.step()
        tenth = max(1, len(seen) // 10)
        return float(np.mean(seen[:tenth])), float(np.mean(seen[-tenth:]))


def _in_batches(block: Block, x: Tensor, weights: Mapping[str, Tensor], quants: Mapping[Value, QuantType]) -> Tensor:
    with torch.no_grad():
        return torch.cat([run_block(block, part, weights, quants) for part in x.split(128)])


def run_block(block: Block, x: Tensor, weights: Mapping[str, Tensor], quants: Mapping[Value, QuantType]) -> Tensor:
    """The block's output for a batch, with some products' weights replaced and activations quantized where told.

    A batch is an axis before those that the graph knows: any of them may have taken in the graph's own batch of 1.
    """

    def of_sample(sample: Tensor) -> Tensor:
        known = {block.source: sample}
        for node in block.nodes:
            y = run_node(node, known, weights.get(node.name))
            known[node.output] = fake_quantized(y, quants.get(node.output))
        return known[block.output]

    made: Tensor = torch.vmap(of_sample)(x)
    return made


def fake_quantized(x: Tensor, quant: QuantType | None) -> Tensor:
    """Values rounded to those that int8 codes stand for; gradients pass where codes do not saturate."""
    if quant is None:
        return x
    scale, zero = quant.scale[0], quant.zero_point[0]
    limited = x.clamp(scale * (-128 - zero), scale * (127 - zero))
    return limited + ((limited / scale).round() * scale - limited).detach()
