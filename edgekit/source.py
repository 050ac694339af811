"""What is built and what it is held against: the imported model, quantized where asked for, and its samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edgekit.boards import load_board
from edgekit.codegen.fitting import Planner, lower_and_plan
from edgekit.codegen.integration import Tricks
from edgekit.data import Dataset, codes_of, load_data
from edgekit.errors import BadData, BadUsage
from edgekit.forecast import Forecaster
from edgekit.importers import import_model
from edgekit.ir import Array, DType, Graph, dump_graph
from edgekit.latency import assumed_cycles
from edgekit.mixed import Measure, Measured
from edgekit.ops.effort import require_moderate
from edgekit.passes import optimise, remove_dead_channels
from edgekit.progress import Progress
from edgekit.quant.error import LayerError, layer_errors
from edgekit.quant.learning.store import kept_files
from edgekit.quant.low_bits import LowBits, WeightOptions
from edgekit.quantization import Quantization, calibration_samples, quantize_model

DUMP_STAGES = ("import", "optimise", "quantize", "program", "plan")
SAMPLES = 10
PACKAGED_SAMPLES = 100
ERROR_SAMPLES = 4


@dataclass(frozen=True)
class BuildOptions:
    """What `edgekit build` was asked for.

    Attributes:
        model: None builds the board's packaged model.
        data: validation samples, which calibrate too where `calibration` is None.
        calibration: samples that choose the ranges of a float model's activations.
        quantization: what a float model becomes; its precision is "float32" for a model as it is.
        shapes: dynamic dimensions of ONNX inputs by name.
        samples: how many inputs are emulated at most; None means 10, and 100 for the packaged model.
        feed: whether input images stream in by rows: "rows", "whole", or "auto": where they do not fit on the chip.
        disabled: savings of memory that are left out: "integration", "decomposition", "overwriting", "streaming",
            "recomputation".
        optimize: what the arena is made for: "balanced", "ram" or "speed".
        memory_report: whether to plan again without each way of saving memory, to say what it is worth.
        objective: what copies off the chip and back shall save: "time" or "bytes".
        dma: whether the firmware makes those copies while layers run, with functions of its own.
        external: whether memories outside the chip may be used.
        dumps: stages to print (see DUMP_STAGES).
    """

    board: str
    output: Path
    model: Path | None = None
    data: Path | None = None
    calibration: Path | None = None
    quantization: Quantization = field(default_factory=Quantization)
    toolchain: str = "zig"
    shapes: dict[str, list[int]] = field(default_factory=dict)
    samples: int | None = None
    feed: str = "auto"
    disabled: Sequence[str] = ()
    optimize: str = "balanced"
    memory_report: bool = False
    objective: str = "time"
    dma: bool = False
    external: bool = True
    dumps: Sequence[str] = ()

    @property
    def precision(self) -> str:
        return self.quantization.precision

    @property
    def feeding(self) -> str:
        """How images come in, with what is left out."""
        return "whole" if "decomposition" in self.disabled else self.feed

    @property
    def tricks(self) -> Tricks:
        """How memory is saved."""
        return Tricks(**{trick.name: trick.name not in self.disabled for trick in fields(Tricks)})

    @property
    def planner(self) -> Planner:
        """What lowers and plans as this build does."""
        return partial(
            lower_and_plan,
            feed=self.feeding,
            tricks=self.tricks,
            optimize=self.optimize,
            objective=self.objective,
            dma=self.dma,
        )

    @property
    def forecaster(self) -> Callable[[Graph], Forecaster]:
        """What forecasts builds like this one."""
        return partial(Forecaster, external=self.external, planner=self.planner)

    def emulated(self, test: Dataset) -> list[list[Array]]:
        """The samples that are emulated, of those that validate."""
        count = self.samples or (SAMPLES if self.model else PACKAGED_SAMPLES)
        return [list(sample) for sample in test.samples[:count]]

    def check(self) -> None:
        """Raise BadUsage for options that contradict each other."""
        self.quantization.check()
        if self.feed == "rows" and "decomposition" in self.disabled:
            raise BadUsage("--feed rows has images come in by rows, which --disable decomposition rules out: use one")
        if self.feed == "rows" and self.precision == "float32":
            raise BadUsage("--feed rows is for images of integer codes: leave it out with --precision float32")

    @property
    def notes(self) -> list[str]:
        """What was asked for without effect."""
        found = []
        if self.optimize == "ram" and self.precision == "float32":
            found.append(
                "--optimize ram has no effect with --precision float32: layers of floats run whole, not by rows"
            )
        elif self.optimize == "ram" and "streaming" in self.disabled:
            found.append("--optimize ram has no effect with --disable streaming: it makes the arena smaller by streams")
        if not self.external or load_board(self.board).external_ram is None:
            given = {"--dma": self.dma, "--off-chip bytes": self.objective == "bytes"}
            found += [f"{name} has no effect: there is no RAM off the chip" for name, used in given.items() if used]
        if self.quantization.budget_latency is not None and assumed_cycles(load_board(self.board)):
            found.append(
                "--budget-latency was kept by cycles per instruction that are assumed for this core: NOT CALIBRATED"
            )
        return found


@dataclass(frozen=True)
class Source:
    """The imported model with what its results are held against.

    Attributes:
        graph: the graph to build, in integers or in floats.
        floats: the float graph it was quantized from, or None for a model that is built as the file has it.
        samples: validation inputs as the graph takes them; labels, or None.
        origin: where the samples come from, for the report.
        float_samples: the same inputs for the float graph.
        errors: of quantization, layer by layer, for a graph that was quantized here.
        calibrated: how many of the samples also calibrated.
        low_bits: weights of fewer than 8 bits, None where all have 8.
    """

    name: str
    path: Path
    graph: Graph
    floats: Graph | None
    samples: list[list[Array]]
    labels: Array | None
    origin: str
    float_samples: list[list[Array]]
    errors: list[LayerError] = field(default_factory=list)
    calibrated: int = 0
    low_bits: LowBits | None = None


class ModelMeasure(Protocol):
    """`edgekit.mixed.Measure` of a model by its name, with a sample to time it on."""

    def __call__(self, model: str, sample: Sequence[Array], graph: Graph, inside: bool = False) -> Measured: ...


def load_source(options: BuildOptions, progress: Progress, measure: ModelMeasure | None = None) -> Source:
    """Import, optimise, and quantize where the model is float and is not to stay so.

    Args:
        measure: what bits of a mixture are chosen by; the forecast where None.
    """
    options.check()
    if options.model is None:
        return _packaged(options, progress, measure)
    model = options.model
    imported = optimised(model, options, progress)
    if not is_float(imported) and options.precision != "int8":
        raise BadUsage(f"{model.name} is quantized already: build it with --precision int8")
    if not is_float(imported) and not options.quantization.activations.plain:
        raise BadUsage(
            f"{model.name} is quantized already: leave --activation-bits and --activation-quantizer out, or give the "
            "float model"
        )
    calibrates = options.calibration is not None or options.quantization.data_free
    if calibrates and not (is_float(imported) and options.precision != "float32"):
        raise BadUsage(f"{model.name} is built as it is, which takes no --calibration or --data-free: leave it out")
    dataset = None if options.data is None else load_data(options.data, imported.inputs)
    if options.precision == "float32":
        return _as_it_is(imported, model, dataset, options, "random numbers: no --data given")
    if is_float(imported):
        return _calibrated(imported, model, dataset, options, progress, measure)
    return _as_it_is(imported, model, dataset, options, "random codes: no --data given")


def _calibrated(
    graph: Graph, model: Path, dataset: Dataset | None, options: BuildOptions, progress: Progress,
    measure: ModelMeasure | None,
) -> Source:  # fmt: skip
    """A float graph quantized with samples of their own, with generated ones, or else with those that validate."""
    given = None if options.calibration is None else load_data(options.calibration, graph.inputs)
    calibration = calibration_samples(graph, given, options.quantization, progress) or dataset
    if calibration is None:
        raise BadData(
            f"{model.name} is a float model: {options.precision} needs calibration samples; give --data FILE.npz "
            "(array x, first axis = samples), an .npy, or a folder of images with one sub-folder per class; or "
            "--data-free, for generated inputs; or build it with --precision float32"
        )
    origin = options.data or options.calibration or "generated inputs"
    test = calibration if dataset is None else dataset
    return _quantized(graph, model, calibration, test, options, progress, measure, str(origin))


def _packaged(options: BuildOptions, progress: Progress, measure: ModelMeasure | None) -> Source:
    from edgekit.models import packaged_model_for

    if options.data is not None or options.calibration is not None or options.quantization.data_free:
        raise BadUsage(
            "the packaged model brings its own samples: give MODEL, or leave --data, --calibration and --data-free out"
        )
    packaged = packaged_model_for(load_board(options.board))
    model, origin = packaged.model_path, "packaged test images"
    progress.stage(f"no model given: building the packaged {model.stem}")
    imported = optimised(model, options, progress)
    if options.precision == "float32":
        count = options.samples or SAMPLES
        samples = [list(s) for s in packaged.test.samples[:count]]
        labels = None if packaged.test.labels is None else packaged.test.labels[:count]
        return Source(model.stem, model, imported, None, samples, labels, origin, [])
    return _quantized(imported, model, packaged.calibration, packaged.test, options, progress, measure, origin)


def optimised(model: Path, options: BuildOptions, progress: Progress) -> Graph:
    """Import a model and run the passes."""
    progress.stage(f"importing {model.name}")
    graph = import_model(model, options.shapes, literal=options.precision == "float32")
    dump(options, "import", lambda: dump_graph(graph))
    graph = optimise(graph)
    require_moderate(graph)
    dump(options, "optimise", lambda: dump_graph(graph))
    return graph


def is_float(graph: Graph) -> bool:
    """Whether no value of the graph is quantized yet."""
    return all(v.quant is None for v in graph.values())


def _as_it_is(graph: Graph, model: Path, dataset: Dataset | None, options: BuildOptions, random: str) -> Source:
    """The graph with samples of the data, or random ones."""
    count = options.samples or SAMPLES
    if dataset is None:
        return Source(model.stem, model, graph, None, _random_samples(graph, count), None, random, [])
    samples = [list(s) for s in dataset.samples[:count]]
    labels = None if dataset.labels is None else dataset.labels[: len(samples)]
    return Source(model.stem, model, graph, None, samples, labels, str(options.data), [])


def _quantized(
    graph: Graph,
    model: Path,
    calibration: Dataset,
    test: Dataset,
    options: BuildOptions,
    progress: Progress,
    measure: ModelMeasure | None,
    origin: str,
) -> Source:
    quantization = options.quantization
    weights = quantization.weights
    weights = replace(weights, resume=weights.resume or learning_folder(options.output))
    board = load_board(options.board)
    board = board if options.external else board.without_external_flash
    quantization = replace(quantization, weights=weights)
    floats = options.emulated(test)
    timed = None if measure is None else timed_as_built(measure, model, floats)
    made = quantize_model(graph, calibration, quantization, board, progress, options.forecaster, timed)
    quantized = made.graph
    dump(options, "quantize", lambda: dump_graph(quantized))
    codes = codes_of(floats, quantized.inputs)
    labels = None if test.labels is None else test.labels[: len(codes)]
    seen = {_bytes(s) for s in made.used}
    calibrated = sum(_bytes(s) in seen for s in floats)
    progress.stage("measuring quantization error")
    errors = layer_errors(made.floats, quantized, floats[:ERROR_SAMPLES], made.coded, made.grids)
    alive = remove_dead_channels(quantized)
    return Source(
        model.stem, model, alive, made.floats, codes, labels, origin, floats, errors, calibrated, made.low_bits
    )  # fmt: skip


def timed_as_built(measure: ModelMeasure, model: Path, floats: Sequence[Sequence[Array]]) -> Measure:
    """What measures builds of a model, on the one of its emulated samples whose cycles reports have, the last: how long
    a layer takes may depend on its numbers.
    """
    return partial(measure, model.stem, floats[-1])


def learning_folder(output: Path) -> Path:
    """Where learning for an output keeps what is finished, unless told otherwise; a finished build removes it."""
    whole = output.resolve()
    return whole.with_name(f"{whole.name}.learning")


def remove_learning(output: Path, made: LowBits | None, options: WeightOptions) -> None:
    """What learning for a finished output has kept is no longer needed, unless a folder was asked for."""
    folder = learning_folder(output)
    if made is None or made.iterations is None or options.resume is not None or not folder.is_dir():
        return
    for kept in kept_files(folder):
        kept.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _bytes(sample: Sequence[Array]) -> tuple[bytes, ...]:
    return tuple(array.tobytes() for array in sample)


def _random_samples(graph: Graph, count: int) -> list[list[Array]]:
    rng = np.random.default_rng(0)
    return [[_random_array(rng, v.dtype, v.shape, v.quant is not None) for v in graph.inputs] for _ in range(count)]


def _random_array(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...], codes: bool) -> Array:
    """Codes over their whole range; plain numbers of ordinary size."""
    if dtype is DType.BOOL:
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.is_float:
        return rng.uniform(0.0, 1.0, shape).astype(dtype.numpy)
    info = np.iinfo(dtype.numpy)
    low, high = (int(info.min), int(info.max) + 1) if codes else (0, 100)
    return rng.integers(low, high, shape).astype(dtype.numpy)


def dump(options: BuildOptions, stage: str, text: Any) -> None:
    """Print a stage where it was asked for; `text` is called only then."""
    if stage in options.dumps:
        print(text())
