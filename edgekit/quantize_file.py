"""`edgekit quantize`: a float model to a quantized ONNX file, with what each layer lost."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.boards import Board, load_board
from edgekit.data import Dataset, codes_of, load_data
from edgekit.errors import BadUsage
from edgekit.exporters.onnx import export_onnx, onnx_model
from edgekit.importers import import_model
from edgekit.ir import Array, Graph
from edgekit.ops.effort import require_moderate
from edgekit.ops.reference import run_reference
from edgekit.ops.supported import require_supported_graph
from edgekit.passes import optimise
from edgekit.progress import Progress
from edgekit.publishing import existing_parent
from edgekit.quant.affine import quantize_shape
from edgekit.quant.error import layer_errors
from edgekit.quant.prepare import prepared
from edgekit.quantization import Quantization, Quantized, calibration_samples, quantize_model
from edgekit.runtimes import compare_with_onnxruntime
from edgekit.source import ERROR_SAMPLES, BuildOptions, is_float, learning_folder, remove_learning, timed_as_built
from edgekit.toolchains import get_toolchain
from edgekit.trial import Trials
from edgekit.validation import odd_labels, top1

SAMPLES = 100


@dataclass(frozen=True)
class QuantizeOptions:
    """What `edgekit quantize` was asked for.

    Attributes:
        data: samples that outputs are compared on, which calibrate too where nothing else does; None takes those that
            calibrate.
        board: whose flash, and time, `mixed` is to keep to.
        samples: how many inputs are compared at most.
    """

    model: Path
    data: Path | None
    output: Path
    calibration: Path | None = None
    quantization: Quantization = field(default_factory=Quantization)
    board: str | None = None
    shapes: dict[str, list[int]] = field(default_factory=dict)
    samples: int = SAMPLES


def quantize_file(options: QuantizeOptions, progress: Progress) -> dict[str, Any]:
    """Quantize, write the file, and compare it with the float model and with onnxruntime; returns the report.

    Raises EdgekitError for anything that is wrong with the input; the output is then as it was.
    """
    options.quantization.check()
    if options.output.suffix.lower() != ".onnx" or options.output.is_dir():
        raise BadUsage(f"{options.output} is no name of an .onnx file: give one with -o")
    if options.output.resolve() == options.model.resolve():
        raise BadUsage(f"{options.output} is the model itself: give another name with -o")
    if options.board is not None and options.quantization.precision != "mixed":
        raise BadUsage("--board is for --precision mixed, which chooses bits for its flash and time: leave it out")
    board = None if options.board is None else load_board(options.board)
    trials = None if board is None else _trials(options, board)
    graph = _float_graph(options, progress)
    data = None if options.data is None else load_data(options.data, graph.inputs)
    given = None if options.calibration is None else load_data(options.calibration, graph.inputs)
    calibration = calibration_samples(graph, given, options.quantization, progress) or data
    if calibration is None:
        raise BadUsage("give samples with --data, or --data-free for generated inputs")
    weights = options.quantization.weights
    resume = weights.resume or learning_folder(options.output)
    wanted = replace(options.quantization, weights=replace(weights, resume=resume))
    test = data or calibration
    measure = None
    if trials is not None:
        measure = timed_as_built(trials.measure, options.model, trials.options.emulated(test))
    made = quantize_model(graph, calibration, wanted, board, progress, measure=measure)
    require_supported_graph(made.graph)
    report = _report(options, made, test, progress)
    remove_learning(options.output, made.low_bits, weights)
    return report


def _trials(options: QuantizeOptions, board: Board) -> Trials:
    """What builds a choice of bits as `edgekit build` does without more options."""
    defaults = BuildOptions(board.name, options.output, options.model, quantization=options.quantization)
    trials = Trials(defaults, board, get_toolchain(defaults.toolchain))
    trials.require()
    return trials


def _float_graph(options: QuantizeOptions, progress: Progress) -> Graph:
    progress.stage(f"importing {options.model.name}")
    graph = optimise(import_model(options.model, options.shapes))
    require_moderate(graph)
    if not is_float(graph):
        raise BadUsage(f"{options.model.name} is quantized already: give the float model")
    # Learning takes minutes to hours: layers without a form in the file are refused before it.
    onnx_model(quantize_shape(prepared(graph)))
    return graph


def _report(options: QuantizeOptions, made: Quantized, data: Dataset, progress: Progress) -> dict[str, Any]:
    """Write the file and say what it is worth."""
    floats = [list(sample) for sample in data.samples[: options.samples]]
    progress.stage(f"writing {options.output.name}")
    _publish(made.graph, options.output)
    progress.stage(f"comparing {len(floats)} inputs with the float model and with onnxruntime")
    codes = codes_of(floats, made.graph.inputs)
    outputs = [_outputs(made.graph, sample) for sample in progress.track(codes, "comparing")]
    errors = layer_errors(made.floats, made.graph, floats[:ERROR_SAMPLES], made.coded, made.grids)
    return {
        "schema": 1,
        "model": options.model.stem,
        "output": str(options.output),
        "bytes": options.output.stat().st_size,
        "precision": options.quantization.precision,
        "low_bits": None if made.low_bits is None else made.low_bits.record(),
        "quantization": [error.record() for error in errors],
        "accuracy": _accuracy(made, floats, outputs, data.labels, progress),
        "warnings": progress.warnings,
        "validation": {
            "inputs": len(floats),
            "source": str(options.data or options.calibration or "generated inputs"),
            "runtimes": [compare_with_onnxruntime(options.output, made.graph, codes, outputs)],
        },
    }


def _outputs(graph: Graph, sample: Sequence[Array]) -> list[Array]:
    values = run_reference(graph, sample)
    return [values[value] for value in graph.outputs]


def _accuracy(
    made: Quantized, floats: Sequence[Sequence[Array]], outputs: list[list[Array]], labels: Array | None,
    progress: Progress,
) -> dict[str, Any] | None:  # fmt: skip
    if labels is None:
        return None
    odd = odd_labels(made.graph, labels)
    if odd is not None:
        progress.warn(odd)
        return None
    exact = [[run_reference(made.floats, s, exact=False)[v] for v in made.floats.outputs] for s in floats]
    known = np.asarray(labels[: len(floats)])
    return {"reference": top1(exact, known), "quantized": top1(outputs, known), "samples": len(floats)}


def _publish(graph: Graph, output: Path) -> None:
    """The file in place of an earlier one, whole or not at all."""
    try:
        with tempfile.TemporaryDirectory(prefix=".edgekit-", dir=existing_parent(output)) as scratch:
            export_onnx(graph, Path(scratch) / "model.onnx")
            output.parent.mkdir(parents=True, exist_ok=True)
            (Path(scratch) / "model.onnx").replace(output)
    except OSError as error:
        raise BadUsage(f"cannot write {output}: {error.strerror}") from error
