"""Codes of weights learned from samples: the one door to this folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.errors import BadUsage
from edgekit.ir import Array, Graph, QuantType, Value
from edgekit.quant.learning.reconstruct import Reconstruction
from edgekit.quant.learning.weights import AdaRound, LearnedRows, Nupes
from edgekit.quant.power import CodedRows
from edgekit.quant.weight_quantizers import coded_weights

LEARNED = ("adaround", "nupes")


@dataclass(frozen=True)
class LearningSettings:
    """How long to learn.

    Attributes:
        iterations: steps for each block.
        final: steps for the whole network at the end.
        seed: of the order of samples; the same seed gives the same codes.
    """

    iterations: int = 500
    final: int = 500
    seed: int = 0


@dataclass(frozen=True)
class LearningProgress:
    """Sent when a block is done.

    Attributes:
        block, blocks: blocks done, and how many there are; the whole network at the end counts as one.
        name: the value that the block makes.
        loss: squared error of the block's output relative to the float block's, mean of the last tenth of the steps.
    """

    block: int
    blocks: int
    name: str
    loss: float


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
        graph: float32, optimised, with one input and one output; left as it is.
        samples: real-valued float32 arrays, one list per sample, as for `quantize_graph`; no labels are needed.
        quants: of activations, `activation_quants(graph, calibrate(graph, samples))`: simulated during the learning.
        bits: width by the name of a product; what is not in it has 8, and is left alone.
        method: "adaround" or "nupes".
        settings: `LearningSettings()` where None.
        progress: called after every block.
        resume_folder: finished blocks are kept here, and taken from here by a later call with the same graph,
            samples and options; created where it does not exist.

    Raises BadUsage for another method's name, UnsupportedModel for what cannot be learned through.
    """
    if method not in LEARNED:
        raise BadUsage(f"no learned quantizer named {method!r}: use {', '.join(LEARNED)}")
    settings = settings or LearningSettings()
    start = coded_weights(graph, bits, "mse")
    make: type[LearnedRows] = AdaRound if method == "adaround" else Nupes
    stacked = np.stack([sample[0] for sample in samples])
    learning = Reconstruction(graph, stacked, quants, start, make, settings.iterations, settings.seed)
    return learning.run()
