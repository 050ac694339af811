"""Generated inputs moved towards what a float network tells apart, for learning without data.

Noise (`generate.py`) looks the same to most networks: nearly all of it gets one answer, and codes learned from it keep
what tells that answer alone. So every other input is moved, by gradients through the float network, until one answer
drawn by chance is sure. Moves have the spectrum of natural signals, as the noise has, and leave its deviation: small
changes all over an input fool a network and tell nothing of what it looks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edgekit.ir import Array, Graph, Node, Value
from edgekit.quant.learning.arithmetic import settled_arithmetic
from edgekit.quant.learning.axes import space_axes
from edgekit.quant.learning.modules import has_form, softmax_at_end
from edgekit.quant.learning.simulate import Part
from edgekit.quant.learning.spectrum import frequency_gain
from edgekit.quant.learning.variation import shifted

_STEPS, _BATCH = 20, 32
# In deviations of an input.
_RATE = 0.2
# How sure an answer is to be: beyond that, inputs are no longer moved.
_SURE = 0.9
# Networks with as many outputs for each input number as this, or more, give no answers but other signals.
_LEAST_SIGNALS = 0.25


def sharpened(
    graph: Graph,
    samples: Sequence[Sequence[Array]],
    span: tuple[float, float] | None = None,
    seed: int = 0,
    track: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> list[list[Array]]:
    """Samples of a graph with one input, every other one moved; the same for the same seed.

    Networks that give no answer among a few come back with the samples as they are: such with one number or many, at
    several places, with several outputs, or with operators that have no form in torch. So does an input through which
    gradients are not finite.

    graph: float32; left as it is.
    span: lowest and highest number of inputs, None where that is not known.
    track: iterates over the batches, for a bar.
    """
    answers = _answers(graph)
    if answers is None:
        return [list(sample) for sample in samples]
    generator = torch.Generator().manual_seed(seed)
    moving = _Moving(graph, answers, span, generator)
    made = [list(sample) for sample in samples]
    with settled_arithmetic():
        for first in track(range(0, len(made), 2 * _BATCH)):
            batch = made[first : first + 2 * _BATCH : 2]
            moved = moving.moved(torch.from_numpy(np.stack([x for (x,) in batch])))
            made[first : first + 2 * _BATCH : 2] = [[x] for x in moved.numpy()]
    return made


@dataclass(frozen=True)
class _Answers:
    """The value whose softmax, times `beta`, is how sure each answer is, and the nodes that make it."""

    nodes: list[Node]
    value: Value
    beta: float = 1.0


def _answers(graph: Graph) -> _Answers | None:
    """None for a graph without answers."""
    if len(graph.inputs) > 1 or len(graph.outputs) > 1 or not all(has_form(node) for node in graph.nodes):
        return None
    output, count = graph.outputs[0], graph.outputs[0].elements
    few = 2 <= count < _LEAST_SIGNALS * graph.inputs[0].elements
    if output.producer is None or not few or output.shape[-1] != count:
        return None
    softmax = softmax_at_end(output)
    if softmax is None:
        return _Answers(graph.nodes, output)
    nodes = [node for node in graph.nodes if node is not softmax]
    return _Answers(nodes, softmax.input(0), float(softmax.attrs["beta"]))


class _Moving:
    def __init__(
        self, graph: Graph, answers: _Answers, span: tuple[float, float] | None, generator: torch.Generator
    ) -> None:  # fmt: skip
        self.part = Part(answers.nodes, graph.inputs, torch.device("cpu"))
        self.answers, self.span, self.generator = answers, span, generator
        self.space = space_axes(graph)
        if self.space:
            gain = torch.from_numpy(frequency_gain(graph.inputs[0].shape, self.space, 1.0)).float()
            self.gain = gain / (gain**2).mean().sqrt()

    def moved(self, x: Tensor) -> Tensor:
        """A batch [N, *shape]; each of its inputs towards an answer of its own."""
        wanted = torch.randint(0, self.answers.value.shape[-1], (len(x),), generator=self.generator)
        push = torch.zeros_like(x, requires_grad=True)
        optimizer = torch.optim.Adam([push], lr=_RATE)
        for _ in range(_STEPS):
            # Seen elsewhere at each step: what a network looks for is not bound to a pixel.
            seen = shifted(self._with(x, push), self.space, self.generator)
            (answers,) = self.part.run([seen], [self.answers.value], {}, {})
            sure = (self.answers.beta * answers.flatten(1)).log_softmax(-1).gather(1, wanted[:, None])
            optimizer.zero_grad()
            (np.log(_SURE) - sure).clamp_min(0.0).sum().backward()
            optimizer.step()
        with torch.no_grad():
            made = self._with(x, push)
        finite = torch.isfinite(made).flatten(1).all(1)
        return torch.where(finite.reshape(-1, *[1] * (x.dim() - 1)), made, x)

    def _with(self, x: Tensor, push: Tensor) -> Tensor:
        """Inputs with what they are moved by, in deviations of them; they deviate by no more than before."""
        within = tuple(range(1, x.dim()))
        if self.space:
            axes = [1 + axis for axis in self.space]
            push = torch.fft.ifftn(torch.fft.fftn(push, dim=axes) * self.gain, dim=axes).real
        deviation = x.std(within, keepdim=True)
        made = x + deviation * push
        mean = made.mean(within, keepdim=True)
        made = mean + (made - mean) * (deviation / (made.std(within, keepdim=True) + 1e-12)).clamp_max(1.0)
        return made if self.span is None else made.clamp(*self.span)
