"""What layers wait for weights that stand in flash off the chip, known before they are placed there.

Which tables leave the chip is decided when the image is linked, from the code's real size and the program's reads.
Streams are chosen before: they count with the same knapsack, over layers by themselves and a usual size of code.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.boards import Board
from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.memory.weights import outside_tables
from edgekit.ir import Graph, Node

# Bytes of program flash that code takes, as a rule.
CODE = 40 * 1024


@dataclass(frozen=True)
class WeightMemory:
    """Where weights may stand.

    Attributes:
        room: bytes of the program flash, code and all; outside: of the flash off the chip.
        wait: cycles that a byte takes more there.
    """

    room: int
    outside: int
    wait: float


def weight_memory(board: Board, external: bool) -> WeightMemory | None:
    """Where weights may stand on a board, or None where all have to stand in the program flash."""
    near, far = board.flash_internal, board.external_flash
    if far is None or not external:
        return None
    return WeightMemory(near.size - board.vector_offset, far.size, far.wait_per_byte - near.wait_per_byte)


def far_waits(graph: Graph, target: Target, memory: WeightMemory, floats: bool = False) -> dict[str, float]:
    """By layer, cycles that each call waits for each number of its weights; only layers with some off the chip."""
    program = lower(graph, target, floats, groups=())
    far = outside_tables(program, memory.room - CODE, memory.outside)
    waits: dict[str, float] = {}
    numbers = {node.name: constant_numbers(node) for node in graph.nodes}
    for table in program.constants:
        if table.index in far:
            wait = memory.wait * table.size / max(1, numbers[table.layer])
            waits[table.layer] = waits.get(table.layer, 0.0) + wait
    return waits


def constant_numbers(node: Node) -> int:
    """How many numbers a layer's constant operands have."""
    return sum(value.elements for value in node.inputs if value is not None and value.is_constant)
