"""The memories of a board as the planner sees them."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.boards import Board
from edgekit.toolchains import arena_section

# Bytes that plans set aside for the stack and for .data and .bss, which are known when the image is linked.
STACK_RESERVE = 2048
DATA_RESERVE = 1024
RESERVE = STACK_RESERVE + DATA_RESERVE


@dataclass(frozen=True)
class PlanRegion:
    """A memory that may hold an arena, fastest first in the list given to `plan_memory`.

    Attributes:
        capacity: bytes left for the arena.
        access_cost: cycles per word, relative to memory without waiting.
        external: whether it is off the chip.
        section: the linker section that its arena goes to.
        banks: (end in bytes from the arena's start, access cost) of each bank, ascending; none where they are alike.
    """

    name: str
    capacity: int
    access_cost: float = 1.0
    external: bool = False
    section: str = ".edgekit_arena"
    banks: tuple[tuple[int, float], ...] = ()


def plan_regions(board: Board, external: bool, reserve: int = RESERVE) -> list[PlanRegion]:
    """Where arenas may stand, fastest first: all on-chip RAM less stack and data, then RAM outside where allowed.

    Args:
        reserve: bytes for stack and data.
    """
    outside = (board.external_ram,) if external and board.external_ram is not None else ()
    inside = sorted((board.ram_internal, *board.extra_ram), key=lambda memory: memory.access_cost)
    regions = []
    for memory in (*inside, *outside):
        taken = reserve if memory.name == board.ram_stack.name else 0
        banks = tuple(
            (bank.end - memory.address - taken, bank.access_cost)
            for bank in board.regions
            if memory.address <= bank.address < memory.end
        )
        section = arena_section(board, memory)
        regions.append(
            PlanRegion(
                memory.name, memory.size - taken, memory.access_cost, memory.external, section,
                tuple(bank for bank in banks if bank[0] > 0),
            )
        )  # fmt: skip
    return regions
