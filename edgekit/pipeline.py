"""The table of contents: from a model file to validated firmware, one stage after the other."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from edgekit.boards import Board, load_board
from edgekit.codegen.emit import EmittedModel, c_name, emit_model
from edgekit.codegen.integration import Tricks
from edgekit.codegen.lowering import Target
from edgekit.codegen.memory import MemoryPlan, PlanRegion, plan_report, validate_plan
from edgekit.codegen.memory.region import RESERVE, plan_regions
from edgekit.codegen.memory.weights import weights_report
from edgekit.codegen.program import Port, Program
from edgekit.codegen.savings import Build, memory_report, savings
from edgekit.codegen.streaming.far_weights import weight_memory
from edgekit.emulators import emulator_name, require_emulator
from edgekit.errors import CheckFailed, DoesNotFit, EdgekitError
from edgekit.firmware import Firmware, PortPlace, StepResult, port_records, result_records
from edgekit.ir import Array, Graph, save_graph
from edgekit.ops.reference import run_reference
from edgekit.ops.supported import require_supported_graph
from edgekit.passes import remove_dead_channels
from edgekit.progress import Progress
from edgekit.project import LinkedProject, link, write_selftest, write_sources
from edgekit.publishing import check_writable, existing_parent, publish
from edgekit.reports.build_report import build_report
from edgekit.reports.html import render_html
from edgekit.runtimes import compare_with_runtime
from edgekit.source import BuildOptions, Source, dump, load_source, remove_learning
from edgekit.toolchains import Toolchain, get_toolchain
from edgekit.validation import Validation, odd_labels, top1, validate_firmware


def build(options: BuildOptions, progress: Progress) -> dict[str, Any]:
    """The main job; returns the report that is also written to the output folder.

    Raises EdgekitError for anything that is wrong with the input, the fit or the result; the output folder then holds
    nothing half-written. Where the check fails, the report is written before CheckFailed is raised.
    """
    board = load_board(options.board)
    toolchain = get_toolchain(options.toolchain)
    require_emulator(board)
    check_writable(options.output)
    source = load_source(options, progress, partial(_flash_bytes, options, board, toolchain))
    require_supported_graph(source.graph)

    with tempfile.TemporaryDirectory(prefix=".edgekit-", dir=existing_parent(options.output)) as scratch:
        folder = Path(scratch) / "project"
        program, plan, emitted, linked = _generate(
            options, source.name, source.graph, board, toolchain, folder, progress
        )  # fmt: skip
        name = emitted.name
        firmware = Firmware(
            linked.emulated_board, linked.emulated, emitted.layer_symbols, emitted.run_symbol,
            tuple(_place(p, plan) for p in program.inputs), tuple(_place(p, plan) for p in program.outputs),
            _results(source.graph, program, plan),
        )  # fmt: skip
        progress.stage(
            f"emulating {board.name} ({emulator_name(board)}) on {len(source.samples)} inputs ({source.origin})"
        )
        validation = validate_firmware(firmware, source.graph, source.samples, progress)
        write_selftest(folder, name, source.samples[0], validation.references[0])
        report = _report(options, source, board, toolchain, program, plan, linked, validation, progress)
        report["memory_report"] = _memory_report(options, source, board, program, plan)
        _write_outputs(folder, board, source.graph, firmware, linked, program, plan, report, name)
        publish(folder, options.output)
    remove_learning(options.output, source.low_bits, options.quantization.weights)
    _raise_failures(report)
    return report


def _generate(
    options: BuildOptions, model: str, graph: Graph, board: Board, toolchain: Toolchain, folder: Path,
    progress: Progress,
) -> tuple[Program, MemoryPlan, EmittedModel, LinkedProject]:  # fmt: skip
    """Program, plan, C and image; planned again with more set aside where stack and data need more than was.

    Raises DoesNotFit where that leaves too little, or another region overflows.
    """
    name, reserve = c_name(model), RESERVE
    while True:
        progress.stage("planning memory")
        regions = plan_regions(board, options.external, reserve)
        program, plan = _planner(options, graph, board, regions)(options.feeding, options.tricks)
        validate_plan(program, plan)
        calls = [[step.op, step.name, [call.kernel for call in step.calls]] for step in program.steps]
        dump(options, "program", partial(json.dumps, calls))
        dump(options, "plan", partial(json.dumps, plan_report(program, plan), indent=1))
        progress.stage(f"generating and compiling C with {toolchain.name}")
        emitted = emit_model(name, program, plan)
        write_sources(folder, emitted, program)
        try:
            return program, plan, emitted, link(folder, board, toolchain, name, program, options.external)
        except DoesNotFit as error:
            if error.region != board.ram_stack.name:
                raise
            reserve += -(-(error.need - error.have) // 256) * 256
            shutil.rmtree(folder)


def _flash_bytes(options: BuildOptions, board: Board, toolchain: Toolchain, model: str, graph: Graph) -> int:
    """Bytes of code and weights of an integer graph's image; more than is allowed where flash has no room for it."""
    alive, outside = remove_dead_channels(graph), board.external_flash if options.external else None
    room = {region.name: region.size for region in (board.flash_internal, outside) if region is not None}
    with tempfile.TemporaryDirectory() as scratch:
        folder, quiet = Path(scratch) / "project", Progress(quiet=True)
        try:
            *_, linked = _generate(replace(options, dumps=()), model, alive, board, toolchain, folder, quiet)
        except DoesNotFit as error:
            if error.region not in room:
                raise
            most = max(sum(room.values()), options.quantization.budget_flash or 0)
            return most + error.need - error.have
    return linked.image.flash_bytes


def _planner(options: BuildOptions, graph: Graph, board: Board, regions: list[PlanRegion]) -> Build:
    """Program and plan by how images are fed and which savings are used."""

    def planned(feed: str, tricks: Tricks) -> tuple[Program, MemoryPlan]:
        floats, weights = options.precision == "float32", weight_memory(board, options.external)
        return options.planner(graph, Target.of(board), regions, floats, weights=weights, feed=feed, tricks=tricks)

    return planned


def _memory_report(
    options: BuildOptions, source: Source, board: Board, program: Program, plan: MemoryPlan
) -> dict[str, Any] | None:
    """What each way of saving memory is worth, where that was asked for."""
    if not options.memory_report:
        return None
    regions = plan_regions(board, options.external)
    planned = _planner(options, source.graph, board, regions)
    return memory_report(program, plan, savings(planned, options.feeding, options.tricks, program, regions))


def _place(port: Port, plan: MemoryPlan) -> PortPlace:
    place = plan.places[port.buffer]
    return PortPlace(plan.arenas.index(place.region), place.offset, port.dtype, port.shape, port.row_axis)


def _results(graph: Graph, program: Program, plan: MemoryPlan) -> tuple[StepResult, ...]:
    """Per layer, what it leaves and where."""
    return tuple(
        StepResult(
            step.node,
            tuple(
                PortPlace(plan.arenas.index(place.region), place.offset, value.dtype.value, value.shape)
                for value, place in zip(
                    graph.nodes[step.node].outputs, (plan.places[b] for b in step.results), strict=True
                )
            ),
        )
        for step in program.steps
    )


def _report(
    options: BuildOptions, source: Source, board: Board, toolchain: Toolchain, program: Program, plan: MemoryPlan,
    linked: LinkedProject, validation: Validation, progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    runtimes, accuracy, notes = [], None, list(options.notes)
    if source.floats is None:
        runtimes.append(compare_with_runtime(source.path, source.graph, source.samples, validation.references))
    float_outputs: list[list[Array]] = []
    if source.floats is not None:
        float_outputs = [
            [run_reference(source.floats, s, exact=False)[v] for v in source.floats.outputs]
            for s in source.float_samples
        ]
    odd = None if source.labels is None else odd_labels(source.graph, source.labels)
    if odd is not None:
        notes.append(odd)
    elif source.labels is not None:
        accuracy = {
            "reference": top1(float_outputs, source.labels) if float_outputs else None,
            "quantized": top1(validation.references, source.labels),
            "emulated": top1(validation.outputs, source.labels),
            "samples": len(source.samples),
        }
        if source.calibrated:
            notes.append(
                f"accuracy was measured on {len(source.samples)} samples of which {source.calibrated} also chose the "
                "ranges: give --calibration samples of their own"
            )
    return build_report(
        source.name, options.precision, source.origin, board, toolchain, program, plan, linked, validation, accuracy,
        runtimes, source.errors, source.low_bits, notes,
        sum(node.attrs.get("dead_channels", 0) for node in source.graph.nodes),
    )  # fmt: skip


def _write_outputs(
    folder: Path,
    board: Board,
    graph: Graph,
    firmware: Firmware,
    linked: LinkedProject,
    program: Program,
    plan: MemoryPlan,
    report: dict[str, Any],
    name: str,
) -> None:
    far = board.external_flash
    record = plan_report(program, plan) | {
        "name": name,
        "inputs": port_records(firmware.inputs),
        "outputs": port_records(firmware.outputs),
        "results": result_records(firmware.steps),
        "weights": weights_report(program, linked.far, board.flash_internal.name, far.name if far else ""),
    }
    save_graph(graph, folder / "reference")
    shutil.copyfile(linked.image.elf, folder / f"{name}.elf")
    if linked.emulated is not linked.image:
        (folder / "emulator").mkdir()
        shutil.copyfile(linked.emulated.elf, folder / "emulator" / f"{name}.elf")
    (folder / "plan.json").write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")
    (folder / "report.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    (folder / "report.html").write_text(render_html(report, record))
    shutil.rmtree(folder / "build")


def _raise_failures(report: dict[str, Any]) -> None:
    mismatch = report["validation"]["first_mismatch"]
    if mismatch is not None:
        raise CheckFailed(f"the emulated firmware differs from the reference; first in layer {mismatch}")
    _raise_over_budget(report)
    ram = report["ram"]
    if ram["stack_measured"] > ram["stack_bound"]:
        raise CheckFailed(f"measured stack {ram['stack_measured']} B exceeds the bound of {ram['stack_bound']} B")


def _raise_over_budget(report: dict[str, Any]) -> None:
    """Where the image takes more flash than bits were chosen for: with weights as learned, fewer tables are alike."""
    mixed, flash = (report["low_bits"] or {}).get("mixed"), report["flash"]
    need = flash["code"] + flash["weights"]
    if mixed is not None and need > mixed["budget_flash"]:
        layers = sorted(report["instructions"]["per_layer"], key=lambda layer: -layer["flash"])[:3]
        over = need - mixed["budget_flash"]
        less = math.ceil(over / 102.4) / 10
        advice = f"expected were {mixed['forecast_flash']} B: give a --budget-flash {less:.1f} KB smaller"
        raise DoesNotFit("flash", need, mixed["budget_flash"], [(la["name"], la["flash"]) for la in layers], advice)


__all__ = ["BuildOptions", "EdgekitError", "build"]
