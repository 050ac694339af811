"""The figures of a build as report.json holds them (schema version 1, see docs/cli.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from edgekit.boards import Board
from edgekit.codegen.memory import MemoryPlan
from edgekit.codegen.program import AGAIN, Program
from edgekit.emulators import RunCounts, emulator_name, moves
from edgekit.latency import Estimate, estimate_run
from edgekit.project import LinkedProject
from edgekit.quant.error import LayerError
from edgekit.quant.low_bits import LowBits
from edgekit.toolchains import Toolchain
from edgekit.validation import Validation

# What brings the rows of an image in.
_INCOMING = ("feed_rows", "transpose", "reshape")


def build_report(
    model: str,
    precision: str,
    origin: str,
    board: Board,
    toolchain: Toolchain,
    program: Program,
    plan: MemoryPlan,
    linked: LinkedProject,
    validation: Validation,
    accuracy: dict[str, Any] | None,
    runtimes: Sequence[dict[str, Any]],
    errors: Sequence[LayerError],
    low_bits: LowBits | None,
    notes: Sequence[str],
    dead_channels: int,
) -> dict[str, Any]:
    """Everything measured, in bytes and instructions, and modelled, in cycles and milliseconds.

    `notes` stand before the warnings found here.
    """
    counts = validation.counts
    timing = estimate_run(board, program, plan, linked.emulated, counts, linked.far)
    ram, flash = _ram(board, plan, linked, validation), _flash(board, program, linked)
    return {
        "schema": 1,
        "model": model,
        "board": board.name,
        "toolchain": f"{toolchain.name} {toolchain.version()}",
        "precision": precision,
        "macs": sum(step.macs for step in program.steps if not step.again),
        "recomputed": {
            "layers": sum(step.again for step in program.steps),
            "macs": sum(step.macs for step in program.steps if step.again),
        },
        "halo_macs": sum(step.halo_macs for step in program.steps),
        "dead_channels": dead_channels,
        "ram": ram,
        "flash": flash,
        "moves": {"count": len(program.moves), "bytes": sum(move.bytes for move in program.moves)},
        "regions": [
            {"name": r.name, "address": r.address, "size": r.size, "used": linked.image.region_used(r.name)}
            for r in board.regions
        ],
        "instructions": _instructions(program, counts, timing),
        "latency_ms": asdict(timing.latency),
        "accuracy": accuracy,
        "validation": _validation(validation, origin, runtimes, board, linked),
        "quantization": [error.record() for error in errors],
        "low_bits": None if low_bits is None else low_bits.record(),
        "warnings": [*notes, *_streams(program), *_warnings(board, program, ram, flash, linked)],
        "fits": ram["total"] <= ram["budget"] and flash["total"] <= flash["budget"],
    }


def _instructions(program: Program, counts: RunCounts, timing: Estimate) -> dict[str, Any]:
    """The executed instructions, with what else is known of each layer."""
    layers = zip(program.steps, counts.per_layer, timing.per_layer, strict=True)
    return {
        "total": counts.total,
        "per_layer": [
            {
                "name": step.name,
                "op": step.op,
                "macs": step.macs,
                "instructions": count,
                "cycles": cycles,
                "flash": step.weight_bytes,
            }
            for step, count, cycles in layers
        ],
        "label": "emulated, exact",
    }


def _validation(
    validation: Validation, origin: str, runtimes: Sequence[dict[str, Any]], board: Board, linked: LinkedProject
) -> dict[str, Any]:
    """How the emulated image compared with the reference, and that with other runtimes."""
    return {
        "inputs": len(validation.outputs),
        "source": origin,
        "bit_exact": validation.bit_exact,
        "first_mismatch": validation.first_mismatch,
        "emulator": emulator_name(board),
        "image": _emulated_image(board, linked),
        "runtimes": list(runtimes),
    }


def _ram(board: Board, plan: MemoryPlan, linked: LinkedProject, validation: Validation) -> dict[str, Any]:
    arena = linked.image.arena_bytes
    data_bss = linked.image.data_bytes + linked.image.bss_bytes
    stack = linked.stack.bytes
    # Inputs, outputs and scratch are planned inside the arena: they cost nothing beside it.
    return {
        "total": arena + data_bss + stack,
        "arena": arena,
        "scratch": 0,
        "io": 0,
        "data_bss": data_bss,
        "stack_bound": stack,
        "stack_region": board.ram_stack.name,
        "stack_measured": validation.stack_measured,
        "budget": board.ram_total,
        "external": plan.external,
        "scratch_in_arena": max(
            (b.size for life in plan.lives for b in life.buffers if b.kind == "scratch"), default=0
        ),
        "io_in_arena": sum(b.size for life in plan.lives for b in life.buffers if b.kind in ("input", "output")),
    }


def _flash(board: Board, program: Program, linked: LinkedProject) -> dict[str, int]:
    weights, outside = linked.image.weights_bytes, linked.image.weights_outside_bytes
    code = linked.image.code_bytes + linked.image.data_bytes
    return {
        "total": code + weights - outside,
        "code": code,
        "weights": weights,
        "budget": board.flash_internal.size,
        "external": outside,
    }


def _streams(program: Program) -> list[str]:
    """That layers run by rows and inputs come in by rows, where they do."""
    layers = [sum(op not in _INCOMING for op in step.op.split("+")) for step in program.steps if step.rounds]
    streams = [count for count in layers if count > 1]
    notes = [f"{sum(streams)} layers run by rows, in {len(streams)} streams"] if streams else []
    macs, again = sum(step.macs for step in program.steps), sum(step.halo_macs for step in program.steps)
    if again:
        cut = sum(step.halo_macs > 0 for step in program.steps)
        notes.append(f"{cut} of them over stripes of columns: {again} MACs ({again / macs:.1%}) are computed again")
    return [*notes, *(f"input {port.name!r} comes in by rows (--feed)" for port in program.inputs if port.row_axis)]


def _warnings(
    board: Board, program: Program, ram: dict[str, Any], flash: dict[str, int], linked: LinkedProject
) -> list[str]:
    warnings = []
    if linked.emulated is not linked.image:
        warnings.append(_emulated_image(board, linked))
    if board.flash_internal.external:
        warnings.append(f"the part has no flash inside: code and weights run from {_name(board.flash_internal)}")
    if ram["external"]:
        warnings.append(
            f"{ram['external']} B of activations do not fit on chip and stand in {_name(board.external_ram)}"
        )
    if program.moves:
        total = sum(move.bytes for move in program.moves)
        warnings.append(f"{len(program.moves)} copies of together {total} B go there and back in every inference")
    again = [step.name.removesuffix(AGAIN) for step in program.steps if step.again]
    if again:
        warnings.append(f"run a second time, instead of keeping what was made: {', '.join(again)}")
    if flash["external"]:
        warnings.append(
            f"{flash['external']} B of weights do not fit on chip and stand in {_name(board.external_flash)}"
        )
    return warnings


def _emulated_image(board: Board, linked: LinkedProject) -> str:
    """Which image ran in the emulator."""
    if linked.emulated is linked.image:
        return "the shipped one"
    moved = ", ".join(moves(board, linked.emulated_board))
    return (
        f"{emulator_name(board)} lacks the board's addresses: it ran the same objects linked with {moved}, "
        "the shipped image was linked and measured but not run"
    )


def _name(region: Any) -> str:
    return "external memory" if region is None else f"{region.name} at {region.address:#x}"
