"""Codes of weights learned from samples: the one door to this folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from edgekit.errors import BadData, BadUsage
from edgekit.ir import Array, Graph, Node, QuantType, Value
from edgekit.quant.calibrate import check_sample, require_float
from edgekit.quant.learning.arithmetic import device_named, settled_arithmetic
from edgekit.quant.learning.blocks import Block, blocks_of, widest
from edgekit.quant.learning.descent import TENTHS, relative_error
from edgekit.quant.learning.distil import RELATIVE_ERROR, Distillation
from edgekit.quant.learning.modules import require_form
from edgekit.quant.learning.power_weights import BlockRows, WholeRows
from edgekit.quant.learning.reconstruct import Reconstruction
from edgekit.quant.learning.simulate import Part, Replaced, even_step, is_coarse, replaced_by
from edgekit.quant.learning.store import BlockStore
from edgekit.quant.learning.weights import AdaRound, LearnedRows
from edgekit.quant.low_bits import LEARNED
from edgekit.quant.power import CodedRows
from edgekit.quant.weight_quantizers import coded_weights
from edgekit.quant.weights import channel_rows

# Changed with the way of learning: blocks that were learned in another one are not taken from a folder.
LEARNING_VERSION = 4
# Learning rate of positions when the whole network learns, in codes: few get to another one. Where activations have 4
# bits, codes must fit what is left of them: the rate at 2 bits (finer codes go slower), in so many times the steps.
_WHOLE_RATE, _COARSE_RATE, _COARSE_STEPS = 1e-3, 1e-2, 3
# How far from its code's centre a position begins, at most, when the whole network learns.
_NEAR = 0.45
# What a bias can move by, in steps that the layer's output has, or would have with even codes of 8 bits.
_BIAS_STEPS = 16
# Bytes that what a block gets, or makes, of all samples may have; at most five such are held at once.
_MOST_BYTES = 512 << 20


@dataclass(frozen=True)
class LearningSettings:
    """How long to learn.

    Attributes:
        iterations: steps for each block.
        final: steps for the whole network at the end (NUPES only); None for half of those of a block, and three times
            that with activations of 4 bits. From generated samples it learns what it makes of those alone: give 0.
        seed: of the order of samples; the same seed gives the same codes on the processor.
        device: "cpu" or "cuda".
        group: output channels that have an exponent of their own (NUPES only), as of `Codebook`; 0: one per layer.
    """

    iterations: int = 1000
    final: int | None = None
    seed: int = 0
    device: str = "cpu"
    group: int = 0

    def whole(self, coarse: bool) -> int:
        """Steps for the whole network; coarse: with activations of 4 bits."""
        if self.final is not None:
            return self.final
        return (_COARSE_STEPS if coarse else 1) * self.iterations // 2


@dataclass(frozen=True)
class LearningProgress:
    """Sent when a block is done, and a tenth of the whole network's steps at the end.

    Attributes:
        part, parts: blocks done, and how many there are; the whole network at the end, if it learns, counts as ten.
        name: the value that the block makes.
        samples: how many are learned from: fewer than given where memory would not do.
        loss: how far its output is from the float block's; None where nothing was learned.
        measure: what the loss is: squared error over the mean square (RELATIVE_ERROR), or what the end of a network
            with a softmax learns by (DIVERGENCE): the Kullback-Leibler divergence at temperature 3, times its square.
    """

    part: int
    parts: int
    name: str
    samples: int
    loss: float | None
    measure: str


def learned_weights(
    graph: Graph,
    samples: Sequence[Sequence[Array]],
    quants: Mapping[Value, QuantType],
    bits: Mapping[str, int],
    method: str = "nupes",
    settings: LearningSettings | None = None,
    progress: Callable[[LearningProgress], None] | None = None,
    resume_folder: Path | None = None,
) -> dict[str, CodedRows]:
    """Codes by the name of each product that `bits` gives less than 8, for `quantize_graph(coded=...)`.

    Args:
        graph: float32, optimised; left as it is.
        samples: real-valued float32 arrays, one list per sample, as for `quantize_graph`; no labels are needed.
            The first of them are used, as many as have 512 MB at the widest place between two blocks.
        quants: of activations, `activation_quants(graph, calibrate(graph, samples))`: simulated during the learning.
        bits: width by the name of a product; what is not in it has 8, and is left alone.
        method: "adaround" or "nupes".
        settings: `LearningSettings()` where None.
        progress: called after every block, and ten times as the whole network learns.
        resume_folder: finished blocks are kept here, and taken from here by a later call with the same graph,
            samples and options; created where it does not exist.

    Raises BadUsage for another method's name, a device that is not there or a folder that cannot be written,
    UnsupportedModel for a graph that cannot be learned through, BadData for no samples, such that do not fit it, or
    more than a GPU's memory holds.
    """
    if method not in LEARNED:
        raise BadUsage(f"no learned quantizer named {method!r}: use {', '.join(LEARNED)}")
    require_float(graph)
    for node in graph.nodes:
        require_form(node)
    if not samples:
        raise BadData(f"{method} learns from samples and there are none: give some, or use --quantizer powerquant")
    used = samples[: max(1, _MOST_BYTES // widest(blocks_of(graph)))]
    checked = [check_sample(graph, sample, index) for index, sample in enumerate(used)]
    stacked = [np.stack(arrays) for arrays in zip(*checked, strict=True)]
    learning = _Learning(graph, stacked, quants, bits, method, settings or LearningSettings(), resume_folder)
    try:
        with settled_arithmetic():
            return learning.run(progress)
    except torch.OutOfMemoryError as error:
        raise BadData(
            f"the GPU has too little memory to learn from {len(used)} samples: give fewer of them, or learn on the "
            "processor with --learn-on cpu"
        ) from error


class _Learning:
    def __init__(
        self, graph: Graph, samples: Sequence[Array], quants: Mapping[Value, QuantType], bits: Mapping[str, int],
        method: str, settings: LearningSettings, folder: Path | None,
    ) -> None:  # fmt: skip
        self.graph, self.quants, self.settings, self.nupes = graph, quants, settings, method == "nupes"
        self.blocks = blocks_of(graph)
        self.nodes = {node.name: node for block in self.blocks for node in block.products}
        self.device = device_named(settings.device)
        self.coarse = any(is_coarse(quant) for quant in quants.values())
        self.final = settings.whole(self.coarse) if self.nupes else 0
        self.samples, self.count = [torch.from_numpy(arrays) for arrays in samples], len(samples[0])
        self.found = coded_weights(graph, bits, LEARNED[method], settings.group if self.nupes else 0)
        values = [(value.name, value.shape, value.dtype.value, quants.get(value)) for value in graph.values()]
        options = repr(
            (LEARNING_VERSION, version("edgekit"), torch.__version__, method, sorted(asdict(settings).items()), values)
        )
        self.store = BlockStore(
            folder, [options.encode(), *_content(graph, self.found), *(x.tobytes() for x in samples)]
        )

    def run(self, progress: Callable[[LearningProgress], None] | None) -> dict[str, CodedRows]:
        def tell(done: int, name: str, loss: float | None, measure: str = RELATIVE_ERROR) -> None:
            if progress is not None:
                progress(LearningProgress(done, parts, name, self.count, loss, measure))

        parts = len(self.blocks) + (TENTHS if self.final else 0)
        self._learn_blocks(tell)
        if self.final:
            self._learn_whole(tell)
        return self.found

    def _learn_blocks(self, tell: Callable[..., None]) -> None:
        exact = coded = [x.to(self.device) for x in self.samples]
        for index, block in enumerate(self.blocks):
            part, last = Part(block.nodes, block.sources, self.device), [block.output]
            targets = part.run_all(exact, block.outputs, {}, {})
            names = [node.name for node in block.products if node.name in self.found]
            # First, so that the float block's input is freed before another tensor of all samples is made.
            exact = targets[-1:]
            self._learn_block(index, names, Reconstruction(part, block.outputs, coded, targets, self.quants))
            coded = part.run_all(coded, last, self._replaced(block), self.quants)
            # Of the codes that were chosen, not of what learning had between them.
            tell(index + 1, block.output.name, float(relative_error(coded[0], exact[0])) if names else None)

    def _learn_block(self, index: int, names: Sequence[str], block: Reconstruction) -> None:
        self._stage(index, names, partial(block.learn, self.nodes, self.settings.iterations))

    def _learn_whole(self, tell: Callable[..., None]) -> None:
        whole, count = Distillation(self.graph, self.blocks, self.quants, self.device), len(self.blocks)
        name = self.graph.outputs[0].name
        samples = [x.to(self.device) for x in self.samples]

        def report(tenths: int, loss: float | None) -> None:
            tell(count + tenths, name, loss, whole.measure)

        report(TENTHS, self._stage(count, list(self.found), partial(whole.learn, samples, self.final, report)))

    def _stage(
        self, index: int, names: Sequence[str], learn: Callable[[dict[str, LearnedRows], torch.Generator], float | None]
    ) -> float | None:
        """Learn some layers, or take them from the store; the loss at the end where `learn` tells it, else None."""
        if not names:
            return None
        kept = self.store.load(str(index), {name: self.found[name] for name in names})
        if kept is None:
            learned = {name: self._rows(name, first=index < len(self.blocks)).to(self.device) for name in names}
            # Each stage draws of its own: going on from a store makes no difference.
            seeded = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + index)
            loss = learn(learned, seeded)
            kept = {name: rows.finished() for name, rows in learned.items()}, loss
            self.store.save(str(index), *kept)
        self.found |= kept[0]
        return kept[1]

    def _rows(self, name: str, first: bool) -> LearnedRows:
        node, start = self.nodes[name], self.found[name]
        rows = channel_rows(node)
        if not self.nupes:
            return AdaRound(start, torch.from_numpy(rows).float())
        bias = start.bias if start.bias is not None else _own_bias(node)
        quant = self.quants.get(node.output)
        unit = _BIAS_STEPS * (1.0 if quant is None else even_step(quant))
        positions = start.positions(rows)
        if first:
            # What activations of 4 bits lose looks like an offset, block after block: biases that follow it drift away.
            return BlockRows(start, positions, None if self.coarse else bias, unit)
        # The codes that the blocks learned stay at first; a weight that lies near another code gets there sooner.
        positions = positions.clip(start.places - _NEAR, start.places + _NEAR)
        rate = _COARSE_RATE / (start.bits - 1) if self.coarse else _WHOLE_RATE
        return WholeRows(start, positions, bias, unit, rate)

    def _replaced(self, block: Block) -> Replaced:
        return {n.name: replaced_by(n, self.found[n.name], self.device) for n in block.products if n.name in self.found}


def _own_bias(node: Node) -> Array | None:
    bias = node.optional_input(2)
    return None if bias is None else bias.array


def _content(graph: Graph, start: Mapping[str, CodedRows]) -> list[bytes]:
    """What of a graph the learning depends on: nodes, attributes, constants, outputs, and the codes to begin with."""
    digest = hashlib.sha256(repr([value.name for value in graph.outputs]).encode())
    for node in graph.nodes:
        digest.update(repr((node.op, node.name, sorted(node.attrs.items()))).encode())
        for value in node.inputs:
            if value is not None:
                digest.update(value.array.tobytes() if value.is_constant else value.name.encode())
    for name, rows in start.items():
        form = repr((name, rows.exponents, rows.bits, rows.group, rows.halves)).encode()
        digest.update(form + rows.codes.tobytes() + rows.peaks.tobytes())
    return [digest.digest()]
