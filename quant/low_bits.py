"""Weights of fewer than 8 bits: which quantizer chooses their codes, and what it chose."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgekit.errors import BadUsage, MissingPackage
from edgekit.ir import Array, Graph, QuantType, Value
from edgekit.progress import Progress
from edgekit.quant.activations import activation_quants
from edgekit.quant.allocation import MixedChoice
from edgekit.quant.bits import WEIGHT_BITS
from edgekit.quant.observers import Range
from edgekit.quant.power import CodedRows
from edgekit.quant.weight_quantizers import DATA_FREE, check_group, coded_weights

# Those that learn by reconstruction, in torch, and the quantizer by the weights alone that they begin with.
LEARNED = {"adaround": "mse", "nupes": "power-clip"}
# Those that choose an exponent for a layer, or for groups of its channels.
WITH_EXPONENTS = ("powerquant", "nupes")
QUANTIZERS = (*DATA_FREE, *LEARNED)
DEFAULT_QUANTIZER = "nupes"
# Samples that learning uses at most.
LEARNING_SAMPLES = 4096


@dataclass(frozen=True)
class WeightOptions:
    """How codes of fewer than 8 bits are chosen; None for what is not asked for.

    Attributes:
        quantizer: one of QUANTIZERS (DEFAULT_QUANTIZER).
        iterations: steps of learning for each block; the whole network at the end has half as many, three
            times that with activations of 4 bits, none with generated samples.
        seed: of the order in which learning sees the samples (0).
        resume: a folder where learning keeps what is finished, and goes on from.
        device: what learning computes on, "cpu" or "cuda" ("cpu").
        group: output channels, one after the other, that have an exponent of their own (one exponent per layer).
    """

    quantizer: str | None = None
    iterations: int | None = None
    seed: int | None = None
    resume: Path | None = None
    device: str | None = None
    group: int | None = None

    @property
    def chosen(self) -> str:
        """The quantizer's name."""
        return self.quantizer or DEFAULT_QUANTIZER

    @property
    def learns(self) -> bool:
        return self.chosen in LEARNED

    @property
    def start(self) -> str:
        """The quantizer by the weights alone that learning begins with; the chosen one where that learns nothing."""
        return LEARNED.get(self.chosen, self.chosen)


@dataclass(frozen=True)
class LowBits:
    """Weights of fewer than 8 bits as they were chosen.

    Attributes:
        bits: of the weights of every product, by its name.
        coded: codes by the name of each product that has fewer than 8.
        samples: how many the learning saw; 0 for quantizers that look at the weights alone.
        iterations, seed, device: of learning, else None.
        mixed: how `bits` were chosen for a budget, None where they follow a rule.
    """

    quantizer: str
    bits: Mapping[str, int]
    coded: Mapping[str, CodedRows] = field(repr=False)
    samples: int = 0
    iterations: int | None = None
    seed: int | None = None
    device: str | None = None
    mixed: MixedChoice | None = None

    def record(self) -> dict[str, Any]:
        """As report.json has it."""
        return {
            "quantizer": self.quantizer,
            "samples": self.samples,
            "iterations": self.iterations,
            "seed": self.seed,
            "device": self.device,
            "mixed": None if self.mixed is None else self.mixed.record(),
            "layers": [
                {"name": name, "bits": bits}
                | self._levels(name)
                | ({} if self.mixed is None else self.mixed.layer_record(name))
                for name, bits in self.bits.items()
            ],
        }

    def _levels(self, name: str) -> dict[str, Any]:
        """Of codes of fewer than 8 bits: an exponent for each group of channels, how many channels those have, and
        whether the codes are in halves.
        """
        coded = self.coded.get(name)
        if coded is None:
            return {}
        group = coded.group or len(coded.codes)
        return {"exponents": list(coded.exponents), "group": group, "halves": coded.halves}


def check_weight_options(precision: str, options: WeightOptions) -> None:
    """Raise BadUsage for options that go with nothing here, MissingPackage where learning lacks torch.

    A device to learn on that is not there is BadUsage too.
    """
    narrow = precision == "mixed" or WEIGHT_BITS.get(precision, 8) < 8
    learning = {
        "--iterations": options.iterations, "--seed": options.seed, "--resume": options.resume,
        "--learn-on": options.device,
    }  # fmt: skip
    given = {"--quantizer": options.quantizer, "--exponent-groups": options.group} | learning
    used = next((name for name, value in given.items() if value is not None), None)
    if used is not None and not narrow:
        raise BadUsage(
            f"{used} is for weights of fewer than 8 bits: give --precision w4, w3, w2 or mixed with it, or "
            f"leave it out with --precision {precision}"
        )
    used = next((name for name, value in learning.items() if value is not None), None)
    if used is not None and not options.learns:
        raise BadUsage(f"{used} is for quantizers that learn ({', '.join(LEARNED)}): {options.chosen} takes none")
    if options.group is not None:
        _check_group(precision, options)
    if narrow and options.learns:
        require_torch(f"the quantizer {options.chosen} learns", "give --quantizer powerquant")
        if options.device is not None:
            # Imported here: torch takes seconds, and need not be installed.
            from edgekit.quant.learning.arithmetic import device_named

            device_named(options.device)


def _check_group(precision: str, options: WeightOptions) -> None:
    check_group(options.group or 0)
    if options.chosen not in WITH_EXPONENTS:
        raise BadUsage(
            f"--exponent-groups is for quantizers that choose exponents ({', '.join(WITH_EXPONENTS)}): "
            f"{options.chosen} chooses none"
        )
    if precision == "w2":
        raise BadUsage("--exponent-groups is for weights of 4 or 3 bits: those of 2 bits have one for a layer")
    if precision == "mixed":
        raise BadUsage(
            "--exponent-groups is for weights that all have the same bits: give --precision w4 or w3 with it, or leave "
            "it out with --precision mixed, whose sizes count one table of levels a layer"
        )


def require_torch(what: str, instead: str) -> None:
    """Raise MissingPackage, with what is done with torch and what does without, where it is not installed."""
    if importlib.util.find_spec("torch") is None:
        raise MissingPackage(f"{what} in torch, which is not installed: pip install 'edgekit[search]', or {instead}")


def choose_weights(
    graph: Graph,
    bits: Mapping[str, int],
    options: WeightOptions,
    ranges: Mapping[Value, Range],
    samples: Sequence[Sequence[Array]],
    progress: Progress,
    grids: Mapping[Value, QuantType] | None = None,
    generated: bool = False,
) -> LowBits:
    """Codes for the weights of a float graph by the layers' `bits`.

    Args:
        graph: float32, as `quantize_graph` takes it.
        ranges: of its values, for the activations that learning simulates.
        samples: what learning sees, float32, one list of arrays per sample.
        grids: of activations, as of `activation_quants`.
        generated: whether the samples are.

    Raises UnsupportedModel for layers that learning cannot pass, BadUsage for a device that is not there or a folder
    that cannot be written, BadData for no samples.
    """
    name = options.chosen
    if not options.learns:
        coded = coded_weights(graph, bits, name, options.group or 0)
        _warn_of_groups(coded, options, progress)
        return LowBits(name, bits, coded)
    # Imported here: torch takes seconds, and need not be installed.
    from edgekit.quant.learning.learn import LearningProgress, LearningSettings, learned_weights

    settings = LearningSettings(
        final=0 if generated else None,
        seed=options.seed or 0,
        device=options.device or "cpu",
        group=options.group or 0,
    )
    if options.iterations is not None:
        settings = replace(settings, iterations=options.iterations)
    seen, quants = samples[:LEARNING_SAMPLES], activation_quants(graph, ranges, grids)
    told: list[LearningProgress] = []
    with progress.parts("learning") as report:

        def said(state: LearningProgress) -> None:
            found = "nothing to learn" if state.loss is None else f"{state.measure} {state.loss:.2g}"
            told.append(state)
            report(state.part, state.parts, found)

        coded = learned_weights(graph, seen, quants, bits, name, settings, said, options.resume)
    used = told[-1].samples
    if used < len(seen):
        progress.warn(f"learned from {used} of {len(seen)} samples: more of them would take too much memory")
    _warn_of_groups(coded, options, progress)
    return LowBits(name, bits, coded, used, settings.iterations, settings.seed, settings.device)


def _warn_of_groups(coded: Mapping[str, CodedRows], options: WeightOptions, progress: Progress) -> None:
    """Groups that were asked for, and that no layer has."""
    if options.group and all(len(rows.exponents) == 1 for rows in coded.values()):
        progress.warn(
            f"--exponent-groups {options.group} has no effect: no fully connected layer, and no convolution without "
            f"groups, of fewer than 8 bits has more than {options.group} outputs"
        )
