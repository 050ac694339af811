"""From what ran in the emulator to modelled cycles and milliseconds, with the band that the model was calibrated to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from edgekit.boards import Board
from edgekit.codegen.memory import MemoryPlan
from edgekit.codegen.program import Program
from edgekit.emulators import RunCounts
from edgekit.errors import BadUsage
from edgekit.latency.blocks import core_cycles
from edgekit.latency.cores import ASSUMED, CORES, Core
from edgekit.latency.memory import layer_waits
from edgekit.toolchains import Image


@dataclass(frozen=True)
class Latency:
    """A modelled latency, as report.json holds it; None where nothing is known of the core.

    Attributes:
        model, low, high: milliseconds, and the band.
        label: what the figures are, in words.
        cycles: core cycles of one inference; memory_cycles: those among them that wait for weights and activations.
        cycles_per_instruction: of the whole inference.
        method: "cycles" (instructions weighed by class), "assumed" (cycles per instruction) or "none".
        calibrated: whether published results of the core stand behind scale and band.
    """

    model: float | None
    low: float | None
    high: float | None
    label: str
    cycles: int | None
    memory_cycles: int | None
    cycles_per_instruction: float | None
    method: str
    calibrated: bool


@dataclass(frozen=True)
class Estimate:
    """The latency and its layers.

    Attributes:
        per_layer: cycles, as reports say them: None where the core has no model of its own.
        layers: the same as they are summed up, by assumed cycles per instruction too; none where nothing is known.
    """

    latency: Latency
    per_layer: list[int | None]
    layers: list[float]


def require_model(board: Board) -> None:
    """Raise BadUsage where nothing says how many cycles instructions of the board's core take."""
    if board.core not in CORES and board.core not in ASSUMED:
        raise BadUsage(
            f"--budget-latency is kept by a model of cycles, and there is none of {board.core} ({board.name}): "
            f"leave it out, or take a board with {', '.join((*CORES, *ASSUMED))}"
        )


def assumed_cycles(board: Board) -> bool:
    """Whether cycles of the board's core are instructions by an assumed factor."""
    return board.core not in CORES and board.core in ASSUMED


def estimate(board: Board, image: Image, counts: RunCounts, waits: Sequence[float]) -> Estimate:
    """Cycles of one inference.

    Args:
        image: what ran; counts: what of it.
        waits: cycles that each layer waits for memory, from `layer_waits`.
    """
    core = CORES.get(board.core)
    if core is not None:
        return _by_blocks(board, core, image, counts, waits)
    assumed = ASSUMED.get(board.core)
    nothing: list[int | None] = [None] * len(counts.per_layer)
    if assumed is None:
        label = f"no model for {board.core}; the instruction count is exact"
        return Estimate(Latency(None, None, None, label, None, None, None, "none", False), nothing, [])
    waiting = sum(waits)
    cycles, low, high = (cpi * counts.total + waiting for cpi in (assumed.model, assumed.low, assumed.high))
    label = f"NOT CALIBRATED for {board.core}: cycles per instruction are assumed, at {board.mhz:g} MHz; not measured"
    layers = [assumed.model * count + wait for count, wait in zip(counts.per_layer, waits, strict=True)]
    return Estimate(_latency(board, counts.total, cycles, low, high, waiting, label, "assumed", False), nothing, layers)


def estimate_run(
    board: Board, program: Program, plan: MemoryPlan, image: Image, counts: RunCounts, far: Collection[int]
) -> Estimate:
    """Cycles of one inference of a linked program.

    Args:
        image: what ran; counts: what of it.
        far: numbers of the tables that stand in flash off the chip.
    """
    return estimate(board, image, counts, layer_waits(board, program, plan, far))


def _by_blocks(board: Board, core: Core, image: Image, counts: RunCounts, waits: Sequence[float]) -> Estimate:
    *layers, outside = core_cycles(core, image, counts.blocks, len(counts.per_layer))
    scaled = [core.scale * cycles + wait for cycles, wait in zip(layers, waits, strict=True)]
    cycles = sum(scaled) + core.scale * outside
    band = f"{core.low:.0%} to {core.high:.0%} of it"
    label = f"cycle model of {board.core} at {board.mhz:g} MHz, not measured; {band}"
    if core.source is None:
        label = f"NOT CALIBRATED for {board.core}: {label}, assumed"
    else:
        label = f"{label} by published {core.source}"
    latency = _latency(
        board, counts.total, cycles, core.low * cycles, core.high * cycles, sum(waits), label, "cycles",
        core.source is not None,
    )  # fmt: skip
    return Estimate(latency, [round(c) for c in scaled], scaled)


def _latency(
    board: Board, instructions: int, cycles: float, low: float, high: float, waiting: float, label: str, method: str,
    calibrated: bool,
) -> Latency:  # fmt: skip
    # Those of the whole cycles that are said beside them.
    model, least, most = (round(round(c) / (board.mhz * 1000.0), 4) for c in (cycles, low, high))
    per_instruction = round(cycles / instructions, 3) if instructions else None
    return Latency(model, least, most, label, round(cycles), round(waiting), per_instruction, method, calibrated)
