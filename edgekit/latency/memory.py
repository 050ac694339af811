"""Cycles that a run waits for memory: weights from flash and activations in slow RAM, each read or written once.

What is read again, from behind a cache or not, is not known without running it: a lower bound.
"""

from __future__ import annotations

from edgekit.boards import Board
from edgekit.codegen.memory import MemoryPlan
from edgekit.codegen.program import Program
from edgekit.errors import InternalError


def layer_waits(board: Board, program: Program, plan: MemoryPlan, weights_region: str) -> list[float]:
    """Cycles per step, without those that zero-wait memory takes.

    Args:
        weights_region: "flash" or "external_flash".

    Raises:
        InternalError: a buffer or the weights stand in a memory that the board does not have.
    """
    flash = board.external_flash if weights_region == "external_flash" else board.flash_internal
    if flash is None:
        raise InternalError(f"board {board.name} has no external flash, but the weights stand there")
    per_weight_byte = flash.wait_per_byte
    memories = {m.name: m.wait_per_byte for m in (board.ram_internal, board.external_ram) if m is not None}
    waits = []
    for step in program.steps:
        buffers = sum(b.size * memories[plan.places[b].region] for b in step.buffers())
        # Layers that run by rows read their weights again in every round.
        waits.append(step.weight_bytes * max(1, step.rounds) * per_weight_byte + buffers)
    return waits
