"""The table of contents: from a model file to validated firmware, one stage after the other."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.boards import Board, load_board
from edgekit.codegen.emit import c_name, emit_model
from edgekit.codegen.lowering import Target, lower, stepped_nodes
from edgekit.codegen.memory import MemoryPlan, PlanRegion, plan_memory, plan_report, validate_plan
from edgekit.codegen.program import Port, Program
from edgekit.data import Dataset, codes_of, load_data
from edgekit.emulators import emulator_name, require_emulator
from edgekit.errors import BadData, BadUsage, CheckFailed, EdgekitError
from edgekit.firmware import Firmware, PortPlace, port_records
from edgekit.importers import import_model
from edgekit.ir import Array, DType, Graph, dump_graph, save_graph
from edgekit.ops.reference import run_reference
from edgekit.ops.supported import require_supported_graph
from edgekit.passes import optimise
from edgekit.progress import Progress
from edgekit.project import DATA_RESERVE, STACK_RESERVE, LinkedProject, link, write_selftest, write_sources
from edgekit.quant.affine import quantize_graph
from edgekit.quant.error import layer_errors
from edgekit.reports.build_report import build_report
from edgekit.reports.html import render_html
from edgekit.runtimes import compare_with_litert
from edgekit.toolchains import Toolchain, get_toolchain
from edgekit.validation import Validation, top1, validate_firmware

DUMP_STAGES = ("import", "optimise", "quantize", "program", "plan")
CALIBRATION_SAMPLES = 256
SAMPLES = 10
PACKAGED_SAMPLES = 100


@dataclass(frozen=True)
class BuildOptions:
    """What `edgekit build` was asked for.

    Attributes:
        model: None builds the board's packaged model.
        data: calibration and validation samples.
        shapes: dynamic dimensions of ONNX inputs by name.
        samples: how many inputs are emulated at most; None means 10, and 100 for the packaged model.
        external: whether memories outside the chip may be used.
        dumps: stages to print (see DUMP_STAGES).
    """

    board: str
    output: Path
    model: Path | None = None
    data: Path | None = None
    toolchain: str = "zig"
    observer: str = "mse"
    shapes: dict[str, list[int]] = field(default_factory=dict)
    samples: int | None = None
    external: bool = True
    dumps: Sequence[str] = ()


@dataclass(frozen=True)
class Source:
    """The imported model with what its results are held against.

    Attributes:
        graph: integer graph to build.
        floats: the float graph it was quantized from, or None for an already quantized model.
        samples: validation inputs as the integer graph takes them; labels, or None.
        origin: where the samples come from, for the report.
        float_samples: the same inputs for the float graph.
    """

    name: str
    path: Path
    graph: Graph
    floats: Graph | None
    samples: list[list[Array]]
    labels: Array | None
    origin: str
    float_samples: list[list[Array]]


def build(options: BuildOptions, progress: Progress) -> dict[str, Any]:
    """The main job; returns the report that is also written to the output folder.

    Raises EdgekitError for anything that is wrong with the input, the fit or the result; the output folder then holds
    nothing half-written. Where the check fails, the report is written before CheckFailed is raised.
    """
    board = load_board(options.board)
    toolchain = get_toolchain(options.toolchain)
    require_emulator(board)
    check_writable(options.output)
    source = load_source(options, progress)
    require_supported_graph(source.graph)

    progress.stage("planning memory")
    program = lower(source.graph, Target(dsp=board.dsp))
    plan = plan_memory(program, plan_regions(board, options.external))
    validate_plan(program, plan)
    _dump(options, "program", lambda: json.dumps([[s.op, s.name, [c.kernel for c in s.calls]] for s in program.steps]))
    _dump(options, "plan", lambda: json.dumps(plan_report(program, plan), indent=1))

    with tempfile.TemporaryDirectory(prefix=".edgekit-", dir=_existing_parent(options.output)) as scratch:
        folder = Path(scratch) / "project"
        progress.stage(f"generating and compiling C with {toolchain.name}")
        name = c_name(source.name)
        emitted = emit_model(name, program, plan)
        write_sources(folder, emitted, program)
        linked = link(folder, board, toolchain, program, options.external)
        firmware = Firmware(
            linked.emulated_board, linked.emulated, emitted.layer_symbols, emitted.run_symbol,
            tuple(_place(p, plan) for p in program.inputs), tuple(_place(p, plan) for p in program.outputs),
            _result_places(source.graph, program, plan),
        )  # fmt: skip
        progress.stage(
            f"emulating {board.name} ({emulator_name(board)}) on {len(source.samples)} inputs ({source.origin})"
        )
        validation = validate_firmware(firmware, source.graph, source.samples, progress)
        write_selftest(folder, name, source.samples[0], validation.references[0])
        report = _report(source, board, toolchain, program, plan, linked, validation, progress)
        _write_outputs(folder, source.graph, firmware, linked, program, plan, report, name)
        _publish(folder, options.output)
    _raise_failures(report)
    return report


def load_source(options: BuildOptions, progress: Progress) -> Source:
    """Import, optimise, and quantize where the model is float."""
    model, data = options.model, options.data
    if model is None:
        from edgekit.models import packaged_model

        packaged = packaged_model()
        model = packaged.model_path
        progress.stage(f"no model given: building the packaged {model.stem}")
        imported = optimised(model, options, progress)
        return _quantized(
            imported, model, packaged.calibration, packaged.test, options, progress, "packaged test images"
        )
    imported = optimised(model, options, progress)
    dataset = None if data is None else load_data(data, imported.inputs)
    if is_float(imported):
        if dataset is None:
            raise BadData(
                f"{model.name} is a float model: int8 needs calibration samples; give --data FILE.npz (array x, first "
                "axis = samples), an .npy, or a folder of images with one sub-folder per class"
            )
        return _quantized(imported, model, dataset, dataset, options, progress, str(data))
    if dataset is None:
        samples = _random_samples(imported, options.samples or SAMPLES)
        return Source(model.stem, model, imported, None, samples, None, "random codes: no --data given", [])
    samples = [list(s) for s in dataset.samples[: options.samples or SAMPLES]]
    labels = None if dataset.labels is None else dataset.labels[: len(samples)]
    return Source(model.stem, model, imported, None, samples, labels, str(data), [])


def optimised(model: Path, options: BuildOptions, progress: Progress) -> Graph:
    """Import a model and run the passes."""
    progress.stage(f"importing {model.name}")
    graph = import_model(model, options.shapes)
    _dump(options, "import", lambda: dump_graph(graph))
    graph = optimise(graph)
    _dump(options, "optimise", lambda: dump_graph(graph))
    return graph


def is_float(graph: Graph) -> bool:
    """Whether no value of the graph is quantized yet."""
    return all(v.quant is None for v in graph.values())


def _quantized(
    graph: Graph,
    model: Path,
    calibration: Dataset,
    test: Dataset,
    options: BuildOptions,
    progress: Progress,
    origin: str,
) -> Source:
    used = [list(s) for s in calibration.samples[:CALIBRATION_SAMPLES]]
    progress.stage(f"calibrating on {len(used)} samples ({options.observer})")
    quantized = quantize_graph(graph, used, options.observer)
    _dump(options, "quantize", lambda: dump_graph(quantized))
    floats = [list(s) for s in test.samples[: options.samples or (SAMPLES if options.model else PACKAGED_SAMPLES)]]
    codes = [codes_of(s, quantized.inputs) for s in floats]
    labels = None if test.labels is None else test.labels[: len(codes)]
    return Source(model.stem, model, quantized, graph, codes, labels, origin, floats)


def _random_samples(graph: Graph, count: int) -> list[list[Array]]:
    rng = np.random.default_rng(0)
    return [[_random_array(rng, v.dtype, v.shape) for v in graph.inputs] for _ in range(count)]


def _random_array(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> Array:
    if dtype is DType.FLOAT32:
        return rng.uniform(0.0, 1.0, shape).astype(np.float32)
    info = np.iinfo(dtype.numpy)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype.numpy)


def plan_regions(board: Board, external: bool) -> list[PlanRegion]:
    """Where arenas may stand: the main on-chip RAM less stack and data, then external RAM where allowed."""
    inside = board.ram_internal
    regions = [PlanRegion(inside.name, inside.size - STACK_RESERVE - DATA_RESERVE)]
    if external and board.external_ram is not None:
        regions.append(PlanRegion(board.external_ram.name, board.external_ram.size))
    return regions


def _place(port: Port, plan: MemoryPlan) -> PortPlace:
    place = plan.places[port.buffer]
    return PortPlace(plan.arenas.index(place.region), place.offset, port.dtype, port.shape)


def _result_places(graph: Graph, program: Program, plan: MemoryPlan) -> tuple[tuple[PortPlace, ...], ...]:
    """Per layer, where the outputs of its node stand."""
    return tuple(
        tuple(
            PortPlace(plan.arenas.index(place.region), place.offset, value.dtype.value, value.shape)
            for value, place in zip(node.outputs, (plan.places[b] for b in step.results), strict=True)
        )
        for step, node in zip(program.steps, stepped_nodes(graph), strict=True)
    )


def _report(
    source: Source, board: Board, toolchain: Toolchain, program: Program, plan: MemoryPlan, linked: LinkedProject,
    validation: Validation, progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    runtimes, errors, accuracy = [], [], None
    if source.floats is None and source.path.suffix == ".tflite":
        runtimes.append(compare_with_litert(source.path, source.samples, validation.references))
    float_outputs: list[list[Array]] = []
    if source.floats is not None:
        progress.stage("measuring quantization error")
        errors = layer_errors(source.floats, source.graph, source.float_samples[:4])
        float_outputs = [
            [run_reference(source.floats, s)[v] for v in source.floats.outputs] for s in source.float_samples
        ]
    if source.labels is not None and len(source.labels):
        accuracy = {
            "reference": top1(float_outputs, source.labels) if float_outputs else None,
            "quantized": top1(validation.references, source.labels),
            "emulated": top1(validation.outputs, source.labels),
            "samples": len(source.samples),
        }
    return build_report(
        source.name, source.origin, board, toolchain, program, plan, linked, validation, accuracy, runtimes, errors
    )


def _write_outputs(
    folder: Path,
    graph: Graph,
    firmware: Firmware,
    linked: LinkedProject,
    program: Program,
    plan: MemoryPlan,
    report: dict[str, Any],
    name: str,
) -> None:
    record = plan_report(program, plan) | {
        "name": name,
        "inputs": port_records(firmware.inputs),
        "outputs": port_records(firmware.outputs),
        "results": [port_records(places) for places in firmware.steps],
    }
    save_graph(graph, folder / "reference")
    shutil.copyfile(linked.image.elf, folder / f"{name}.elf")
    if linked.emulated is not linked.image:
        (folder / "emulator").mkdir()
        shutil.copyfile(linked.emulated.elf, folder / "emulator" / f"{name}.elf")
    (folder / "plan.json").write_text(json.dumps(record, indent=1) + "\n")
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    (folder / "report.html").write_text(render_html(report, record))
    shutil.rmtree(folder / "build")


def check_writable(output: Path) -> None:
    """Raise BadUsage where the output folder cannot be written, or holds something that no build made."""
    parent = _existing_parent(output)
    if output.exists() and not (output.is_dir() and (not any(output.iterdir()) or (output / "report.json").exists())):
        raise BadUsage(f"{output} exists and is no folder of an earlier build: choose another with -o")
    try:
        with tempfile.TemporaryDirectory(prefix=".edgekit-", dir=parent):
            pass
        if output.exists():
            with tempfile.TemporaryDirectory(prefix=".edgekit-", dir=output):
                pass
    except OSError as error:
        raise BadUsage(f"cannot write to {output}: {error.strerror}") from error


def _existing_parent(path: Path) -> Path:
    parent = path.resolve().parent
    while not parent.exists():
        parent = parent.parent
    return parent


def _publish(folder: Path, output: Path) -> None:
    """Put the finished folder in place of an earlier one."""
    try:
        output.resolve().parent.mkdir(parents=True, exist_ok=True)
        if output.exists():
            shutil.rmtree(output)
        shutil.move(folder, output)
    except OSError as error:
        raise BadUsage(f"cannot write to {output}: {error.strerror}") from error


def _raise_failures(report: dict[str, Any]) -> None:
    mismatch = report["validation"]["first_mismatch"]
    if mismatch is not None:
        raise CheckFailed(f"the emulated firmware differs from the reference; first in layer {mismatch}")
    ram = report["ram"]
    if ram["stack_measured"] > ram["stack_bound"]:
        raise CheckFailed(f"measured stack {ram['stack_measured']} B exceeds the bound of {ram['stack_bound']} B")


def _dump(options: BuildOptions, stage: str, text: Any) -> None:
    if stage in options.dumps:
        print(text())


__all__ = ["BuildOptions", "EdgekitError", "build"]
