"""Inputs made up from a float network alone, for calibration and learning without data.

What is known of the data is in the first layer: its weights and bias were learned for it, and where a batch
normalization was folded into them, they bring it to about mean 0 and variance 1. So inputs get the mean that centres
the first layer's sums, and the size that makes their deviation 1. Between that they are noise with the spectrum of
natural signals, 1 / frequency, mixed with plainer shapes of it.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor

from edgekit.errors import UnsupportedModel
from edgekit.ir import Array, Graph, Node
from edgekit.ops.conv2d import is_product
from edgekit.quant.learning.arithmetic import settled_arithmetic
from edgekit.quant.learning.axes import LEAST_AXIS, space_axes
from edgekit.quant.learning.modules import has_form, run_product
from edgekit.quant.learning.simulate import Part
from edgekit.quant.learning.spectrum import frequency_gain

_INSTEAD = "give samples with --data or --calibration, without --data-free"
_MOST_CHANNELS = 16
# Of inputs with a known span, in parts of it.
_MOST_DEVIATION = 0.3


def generated_inputs(
    graph: Graph, count: int = 512, seed: int = 0, span: tuple[float, float] | None = None
) -> list[list[Array]]:
    """float32 inputs for a graph, one list per sample, as `quantize_graph` takes them; the same for the same seed.

    span: (lowest, highest) number that inputs can be, where that is known: 0 and 255 for pixels.

    Raises UnsupportedModel for a graph with several inputs, without weights, with layers before the first weights that
    have no form in torch, or whose first weights make the same of every input.
    """
    if len(graph.inputs) != 1 or not any(is_product(node) for node in graph.nodes):
        raise UnsupportedModel(f"inputs are generated for models with one input and with weights: {_INSTEAD}")
    shape = graph.inputs[0].shape
    rng = np.random.default_rng(seed)
    axes = space_axes(graph)
    noise = torch.from_numpy(np.stack([_natural_noise(rng, shape, axes) for _ in range(count)]))
    with settled_arithmetic():
        mean, size = _first_layer_wants(graph, noise)
    if span is None:
        return [[sample] for sample in (mean + size * noise).numpy()]
    low, high = span
    made = mean.clamp(low, high) + min(size, (high - low) * _MOST_DEVIATION) * noise
    return [[sample] for sample in made.clamp(low, high).numpy()]


def _natural_noise(rng: np.random.Generator, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """float32 noise of the shape, mean 0 and variance 1, whose power falls with the frequency along `axes`."""
    white = rng.normal(size=shape)
    if axes:
        # Channels have most of their content in common.
        short = tuple(a for a in range(len(shape)) if a not in axes)
        common = rng.uniform(0.3, 0.95)
        white = (
            common * white.mean(axis=short, keepdims=True) * np.sqrt(np.prod([shape[a] for a in short]))
            + (1 - common) * white
        )
        gain = frequency_gain(shape, axes, rng.uniform(0.6, 1.8))
        white = np.fft.ifftn(np.fft.fftn(white, axes=axes) * gain, axes=axes).real
    white = white / (white.std() + 1e-12)
    return np.asarray(white * rng.uniform(0.5, 1.5), np.float32)


def _first_layer_wants(graph: Graph, noise: Tensor) -> tuple[Tensor, float]:
    """(mean, size): sums of the first layer for mean + size * noise are about 0 and deviate by about 1."""
    index = next(i for i, node in enumerate(graph.nodes) if is_product(node))
    before, first = graph.nodes[:index], graph.nodes[index]
    unknown = next((node for node in (*before, first) if not has_form(node)), None)
    if unknown is not None:
        raise UnsupportedModel(
            f"layer {unknown.name!r} ({unknown.op}): inputs cannot be generated through it; {_INSTEAD}"
        )
    shape = graph.inputs[0].shape

    def sums(x: Tensor) -> Tensor:
        """[N, channels, positions]"""
        with torch.no_grad():
            if before:
                (x,) = Part(before, graph.inputs, x.device).run([x], [first.input(0)], {}, {})
            made = torch.stack([run_product(first, sample) for sample in x])
        return made.movedim(_channels_of(first), 1).flatten(2)

    still, noisy = sums(torch.zeros(1, *shape)), sums(noise[:64])
    rest, probes = still.mean(dim=2)[0], _probes(shape)
    answers = sums(probes).mean(dim=2) - rest
    if not (0 < float((noisy - still).abs().max()) < torch.inf and torch.isfinite(answers).all()):
        raise UnsupportedModel(
            f"layer {first.name!r} ({first.op}): its weights make the same of every input, or what is not finite, so "
            f"nothing tells what inputs are like; {_INSTEAD}"
        )
    # Least squares with a little weight on small means: channels may all want the same.
    weight = 1e-3 * float((answers**2).sum()) / len(probes) + 1e-12
    solved = torch.linalg.solve(answers @ answers.T + weight * torch.eye(len(probes)), -answers @ rest)
    mean = (solved.reshape(-1, *[1] * len(shape)) * probes).sum(dim=0)
    deviation = noisy.movedim(1, 0).flatten(1).std(dim=1).mean()
    return mean, 1.0 / float(deviation.clamp_min(1e-12))


def _channels_of(node: Node) -> int:
    """The channel axis of a product's output in a stack of samples."""
    return len(node.output.shape)


def _probes(shape: tuple[int, ...]) -> Tensor:
    """[K, *shape]: for each index of the short axes, ones there and zeros elsewhere; one of ones if those are many."""
    short = [range(size) if size < LEAST_AXIS else (None,) for size in shape]
    indices = list(itertools.product(*short))
    if len(indices) > _MOST_CHANNELS or len(shape) <= 2:
        return torch.ones(1, *shape)
    probes = torch.zeros(len(indices), *shape)
    for probe, index in zip(probes, indices, strict=True):
        probe[tuple(slice(None) if i is None else i for i in index)] = 1.0
    return probes
