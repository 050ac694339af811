"""The table of contents: from a model file to validated firmware, one stage after the other."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

from edgekit.boards import Board, load_board
from edgekit.codegen.memory import MemoryPlan, plan_report
from edgekit.codegen.memory.region import plan_regions
from edgekit.codegen.memory.weights import weights_report
from edgekit.codegen.program import Program
from edgekit.codegen.savings import memory_report, savings
from edgekit.emulators import emulator_name, require_emulator
from edgekit.errors import CheckFailed, DoesNotFit, EdgekitError, TooSlow
from edgekit.firmware import Firmware, port_records, result_records
from edgekit.generation import generate, planner
from edgekit.ir import Array, Graph, save_graph
from edgekit.ops.reference import run_reference
from edgekit.ops.supported import require_supported_graph
from edgekit.progress import Progress
from edgekit.project import LinkedProject, write_selftest
from edgekit.publishing import check_writable, existing_parent, publish
from edgekit.reports.build_report import build_report
from edgekit.reports.html import render_html
from edgekit.runtimes import compare_with_runtime
from edgekit.source import BuildOptions, Source, load_source, remove_learning
from edgekit.toolchains import Toolchain, get_toolchain
from edgekit.trial import Trials
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
    trials = Trials(options, board, toolchain)
    trials.require()
    source = load_source(options, progress, trials.measure)
    require_supported_graph(source.graph)

    with tempfile.TemporaryDirectory(prefix=".edgekit-", dir=existing_parent(options.output)) as scratch:
        folder = Path(scratch) / "project"
        built = generate(options, source.name, source.graph, board, toolchain, folder, progress)
        program, plan, linked, firmware = built.program, built.plan, built.linked, built.firmware
        name = built.emitted.name
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


def _memory_report(
    options: BuildOptions, source: Source, board: Board, program: Program, plan: MemoryPlan
) -> dict[str, Any] | None:
    """What each way of saving memory is worth, where that was asked for."""
    if not options.memory_report:
        return None
    regions = plan_regions(board, options.external)
    planned = planner(options, source.graph, board, regions)
    return memory_report(program, plan, savings(planned, options.feeding, options.tricks, program, regions))


def _report(
    options: BuildOptions, source: Source, board: Board, toolchain: Toolchain, program: Program, plan: MemoryPlan,
    linked: LinkedProject, validation: Validation, progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    runtimes, accuracy, notes = [], None, [*options.notes, *progress.warnings]
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
    """Where the image takes more than bits were chosen for: with weights as learned, fewer tables are alike."""
    mixed = (report["low_bits"] or {}).get("mixed")
    if mixed is None:
        return
    flash, layers = report["flash"], report["instructions"]["per_layer"]
    need, over = flash["code"] + flash["weights"], flash["code"] + flash["weights"] - mixed["budget_flash"]
    if over > 0:
        costliest = sorted(layers, key=lambda layer: -layer["flash"])[:3]
        less = math.ceil(over / 102.4) / 10
        advice = f"expected were {mixed['forecast_flash']} B: give a --budget-flash {less:.1f} KB smaller"
        raise DoesNotFit("flash", need, mixed["budget_flash"], [(la["name"], la["flash"]) for la in costliest], advice)
    time, budget = report["latency_ms"], mixed["budget_latency_ms"]
    if budget is not None and time["model"] > budget:
        # Where cycles per instruction are assumed, layers have none of their own.
        counted = "cycles" if layers[0]["cycles"] is not None else "instructions"
        each = time["model"] / (time["cycles"] if counted == "cycles" else report["instructions"]["total"])
        slowest = sorted(((la["name"], each * la[counted]) for la in layers), key=lambda la: -la[1])[:3]
        advice = f"expected were {mixed['forecast_latency_ms']:g} ms: give a smaller --budget-latency"
        raise TooSlow(time["model"], budget, slowest, advice)


__all__ = ["BuildOptions", "EdgekitError", "build"]
