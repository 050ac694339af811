"""Cycles that a run waits for memory: weights from flash and activations in slow RAM, each read or written once.

What is read again, from behind a cache or not, is not known without running it: a lower bound. That is not what
`codegen/memory/weights.py` counts when it says which tables leave a full flash: there every multiplication reads its
weight, as if nothing were kept between two pixels, because only which table is read more matters. Here weights that a
kernel goes over again come from a cache or a widened tile, and are waited for once a step, or once in every round of a
stream, as those of all its other layers are read in between: also in the rounds in which one of them has no row.
"""

from __future__ import annotations

from collections.abc import Collection

from edgekit.boards import Board
from edgekit.codegen.memory import MemoryPlan
from edgekit.codegen.memory.weights import tables_of
from edgekit.codegen.program import Program
from edgekit.errors import InternalError


def layer_waits(board: Board, program: Program, plan: MemoryPlan, far: Collection[int] = ()) -> list[float]:
    """Cycles per step, without those that zero-wait memory takes.

    Args:
        far: numbers of the tables that stand in flash off the chip; the others stand in the program flash.

    Raises:
        InternalError: a buffer or the weights stand in a memory that the board does not have.
    """
    if far and board.external_flash is None:
        raise InternalError(f"board {board.name} has no external flash, but weights stand there")
    near_wait = board.flash_internal.wait_per_byte
    far_wait = near_wait if board.external_flash is None else board.external_flash.wait_per_byte
    outside = () if board.external_ram is None else (board.external_ram,)
    memories = {m.name: m.wait_per_byte for m in (board.ram_internal, *board.extra_ram, *outside)}
    waits = []
    for step in program.steps:
        buffers = sum(b.size * memories[plan.places[b].region] for b in step.buffers())
        weights = sum(t.size * (far_wait if t.index in far else near_wait) for t in tables_of(step.calls))
        waits.append(weights * max(1, step.rounds) + buffers)
    return waits
