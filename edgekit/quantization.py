"""A float model in integers: ranges of activations, bits and codes of weights, and the graph that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from edgekit.boards import Board
from edgekit.data import Dataset
from edgekit.errors import BadUsage
from edgekit.forecast import Forecaster
from edgekit.ir import Array, Graph, QuantType, Value
from edgekit.ops.supported import require_supported_graph
from edgekit.progress import Progress
from edgekit.quant.activation_grids import ActivationOptions, ChosenGrid, chosen_grids, narrow_inputs
from edgekit.quant.affine import quantize_ranges
from edgekit.quant.allocation import Budgets
from edgekit.quant.bits import WEIGHT_BITS, uniform_bits
from edgekit.quant.calibrate import calibrate
from edgekit.quant.low_bits import LowBits, WeightOptions, check_weight_options, choose_weights, require_torch
from edgekit.quant.observers import Range
from edgekit.quant.power import CodedRows
from edgekit.quant.prepare import prepared

if TYPE_CHECKING:
    from edgekit.mixed import Measure

CALIBRATION_SAMPLES = 256
# Generated inputs that calibrate, and those that codes are learned from: the latter in at most so many bytes, where
# that are no fewer.
GENERATED_SAMPLES, LEARNED_GENERATED, _MOST_GENERATED_BYTES = 512, 2048, 256 << 20
_LARGEST = float(np.finfo(np.float32).max)
PRECISIONS = (*WEIGHT_BITS, "mixed")


@dataclass(frozen=True)
class Quantization:
    """What a float model is to become.

    Attributes:
        precision: one of PRECISIONS: the bits of weights; or "float32", which leaves the model as it is.
        observer: how ranges of activations are chosen: "minmax", "percentile" or "mse".
        weights: how weights of fewer than 8 bits are chosen.
        budget_flash: bytes of code and weights that "mixed" may take; None for all that the board has.
        budget_latency: milliseconds of an inference, as modelled, that "mixed" may take; None for any number.
        data_free: calibrate, and learn, on inputs that are generated from the model.
        input_range: the lowest and the highest number of an input, for generated ones; None where that is not known.
        activations: how many bits they have, and whether codes of a power.
    """

    precision: str = "int8"
    observer: str = "mse"
    weights: WeightOptions = field(default_factory=WeightOptions)
    budget_flash: int | None = None
    budget_latency: float | None = None
    data_free: bool = False
    input_range: tuple[float, float] | None = None
    activations: ActivationOptions = field(default_factory=ActivationOptions)

    @property
    def learns(self) -> bool:
        """Whether codes of weights are learned."""
        return self.precision not in ("float32", "int8") and self.weights.learns

    def check(self) -> None:
        """Raise BadUsage for options that go with nothing here, MissingPackage for what is not installed."""
        check_weight_options(self.precision, self.weights)
        self.activations.check(self.precision)
        for name, budget in (("--budget-flash", self.budget_flash), ("--budget-latency", self.budget_latency)):
            if budget is not None and self.precision != "mixed":
                raise BadUsage(
                    f"{name} chooses the bits of each layer: give --precision mixed with it, or leave it out with "
                    f"--precision {self.precision}"
                )
        if self.input_range is not None and not self.data_free:
            raise BadUsage("--input-range is for generated inputs: give --data-free with it, or leave it out")
        if self.input_range is not None and not -_LARGEST < self.input_range[0] < self.input_range[1] < _LARGEST:
            raise BadUsage("--input-range takes two numbers that float32 holds, the lowest first")
        if self.data_free and self.precision == "float32":
            raise BadUsage("--data-free calibrates: leave it out with --precision float32")
        if self.data_free:
            require_torch("--data-free generates inputs", "give --data")


@dataclass(frozen=True)
class Quantized:
    """An integer graph with the float one that it was made of.

    Attributes:
        used: the samples that ranges come from.
        low_bits: weights of fewer than 8 bits, None where all have 8.
        grids: activations that are codes of a power, or of 4 bits.
    """

    graph: Graph
    floats: Graph
    used: list[list[Array]]
    low_bits: LowBits | None
    grids: tuple[ChosenGrid, ...] = ()

    @property
    def coded(self) -> Mapping[str, CodedRows]:
        """Codes of fewer than 8 bits by the layer's name."""
        return {} if self.low_bits is None else self.low_bits.coded


def calibration_samples(
    graph: Graph, given: Dataset | None, wanted: Quantization, progress: Progress
) -> Dataset | None:  # fmt: skip
    """What calibrates a float graph: the samples given, or generated ones; None where there are neither.

    Raises BadUsage for both, UnsupportedModel for a graph whose inputs cannot be generated.
    """
    if not wanted.data_free:
        return given
    if given is not None:
        raise BadUsage("--data-free calibrates on generated inputs: leave --calibration out")
    # Imported here: torch takes seconds, and need not be installed.
    from edgekit.quant.learning.generate import generated_inputs

    count = GENERATED_SAMPLES
    if wanted.learns and graph.inputs:
        size = 4 * max(1, graph.inputs[0].elements)
        count = max(count, min(LEARNED_GENERATED, _MOST_GENERATED_BYTES // size))
    progress.stage(f"generating {count} inputs")
    seed = wanted.weights.seed or 0
    return Dataset(generated_inputs(prepared(graph), count, seed, wanted.input_range), None)


def quantize_model(
    graph: Graph, calibration: Dataset, wanted: Quantization, board: Board | None, progress: Progress,
    forecaster: Callable[[Graph], Forecaster] = Forecaster, measure: Measure | None = None,
) -> Quantized:  # fmt: skip
    """The graph in integers, by samples; `board` is whose flash and time "mixed" is to keep to, by the builds of
    `forecaster`, and by what `measure` says of one, if it can be built.

    Raises UnsupportedModel for a layer that firmware cannot have, before codes are learned for it.
    """
    graph = prepared(graph)
    used = [list(s) for s in calibration.samples[:CALIBRATION_SAMPLES]]
    progress.stage(f"calibrating on {len(used)} samples ({wanted.observer})")
    narrow = narrow_inputs(graph) if wanted.activations.bits == 4 else []
    ranges = calibrate(graph, used, wanted.observer)
    chosen = chosen_grids(graph, used, ranges, wanted.activations, narrow)
    grids = {value: grid.quant for value, grid in chosen.items()}
    if not wanted.activations.plain and not chosen:
        progress.warn("all activations keep even codes of 8 bits: no other codes pay")
    if wanted.precision != "int8":
        # Learning takes minutes to hours: what no firmware can have is refused before it.
        require_supported_graph(quantize_ranges(graph, ranges, None, grids))
    low_bits = _low_bits(graph, calibration.samples, ranges, grids, wanted, board, progress, forecaster, measure)
    quantized = quantize_ranges(graph, ranges, None if low_bits is None else low_bits.coded, grids)
    return Quantized(quantized, graph, used, low_bits, tuple(dict.fromkeys(chosen.values())))


def _low_bits(
    graph: Graph,
    samples: Sequence[Sequence[Array]],
    ranges: Mapping[Value, Range],
    grids: Mapping[Value, QuantType],
    wanted: Quantization,
    board: Board | None,
    progress: Progress,
    forecaster: Callable[[Graph], Forecaster],
    measure: Measure | None,
) -> LowBits | None:
    """The weights of fewer than 8 bits that the precision asks for."""
    mixed = None
    if wanted.precision == "mixed":
        # Imported here: it forecasts builds, which import this.
        from edgekit.mixed import choose_bits

        if board is None:
            raise BadUsage("--precision mixed chooses bits for the flash and the time of a board: give --board")
        flash = board.flash_internal.size if wanted.budget_flash is None else wanted.budget_flash
        budgets, start = Budgets(flash, wanted.budget_latency, board.mhz), wanted.weights.start
        mixed = choose_bits(
            graph, ranges, samples, start, board, budgets, progress, forecaster, grids, measure
        )  # fmt: skip
        bits = mixed.allocation.bits
    else:
        bits = uniform_bits(graph, WEIGHT_BITS[wanted.precision])
    narrow = [width for width in bits.values() if width < 8]
    if not narrow:
        if wanted.precision != "int8":
            progress.warn("all weights keep 8 bits")
        return None if mixed is None else LowBits(wanted.weights.chosen, bits, {}, mixed=mixed)
    if wanted.data_free and wanted.learns:
        # Imported here, as in `calibration_samples`.
        from edgekit.quant.learning.sharpen import sharpened

        progress.stage("moving generated inputs towards the model's answers")
        track = partial(progress.track, text="generating inputs")
        samples = sharpened(graph, samples, wanted.input_range, wanted.weights.seed or 0, track)
    progress.stage(f"choosing weights of fewer than 8 bits for {len(narrow)} layers ({wanted.weights.chosen})")
    chosen = choose_weights(graph, bits, wanted.weights, ranges, samples, progress, grids, wanted.data_free)
    return replace(chosen, mixed=mixed)
