"""The memories of a board as the planner sees them."""

from __future__ import annotations

from dataclasses import dataclass


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
