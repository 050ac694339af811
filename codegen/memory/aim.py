"""What moves, and layers that run again, shall save, and what is known of the time that a program takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgekit.codegen.memory.plan import MemoryPlan
from edgekit.codegen.memory.traffic import passes
from edgekit.codegen.program import COPY, WAIT, BufferArg, Literal, Program

# Cycles per word that a copy takes besides its accesses: four words in eight instructions; and what remains of it for
# the core where DMA makes it: calls, and setting it up.
COPY_CYCLES = 2
DMA_CYCLES = 200
# Costs are cycles per word of each byte: a cycle of a step counts as a word's.
PER_CYCLE = 4


@dataclass(frozen=True)
class Aim:
    """Attributes:
    objective: "time", modelled cycles, or "bytes", those that cross to and from memory off the chip.
    dma: whether copies are made while layers run, by the firmware's own `ek_dma_start` and `ek_dma_wait`.
    cycles: of steps by their node, as estimated; again: whether those may run again.
    """

    objective: str = "time"
    dma: bool = False
    cycles: Mapping[int, float] = field(default_factory=dict)
    again: bool = True


def copy_cost(near: float, far: float) -> float:
    """Modelled cycles per word of a copy, of each byte, by the access costs of its ends."""
    return near + far + COPY_CYCLES


def moved_cost(program: Program, plan: MemoryPlan, aim: Aim) -> int:
    """What a planned program costs by an aim."""
    if aim.objective == "bytes":
        moved = passes(program)
        return sum(size for buffer, size in moved.items() if plan.regions[plan.places[buffer].region].external)
    again = sum(aim.cycles[step.node] for step in program.steps if step.again)
    copied = COPY_CYCLES * sum(move.bytes for move in program.moves)
    return plan.cost + copied + round(PER_CYCLE * again) - (hidden_cost(program, plan, aim) if aim.dma else 0)


def hidden_cost(program: Program, plan: MemoryPlan, aim: Aim) -> int:
    """What of its copies takes no time of its own, since they are made one after the other while steps run."""
    clock, idle, total = 0.0, 0.0, 0.0
    ends: list[float] = []
    for step in program.steps:
        work = PER_CYCLE * aim.cycles.get(step.node, 0.0)
        # What waits before a step's own calls comes first, and a store that starts comes after them.
        for call in step.calls:
            if call.kernel == COPY:
                places = [plan.places[arg.buffer] for arg in call.args if isinstance(arg, BufferArg)]
                one, other = (plan.regions[place.region].access_cost for place in places)
                size = call.args[-1]
                assert isinstance(size, Literal)
                taken = size.value * copy_cost(one, other)
                clock += PER_CYCLE * DMA_CYCLES
                total += taken
                ends.append(max([clock, *ends[-1:]]) + taken)
                idle += PER_CYCLE * DMA_CYCLES
            elif call.kernel == WAIT:
                (unfinished,) = call.args
                assert isinstance(unfinished, Literal)
                awaited = ends[: len(ends) - int(unfinished.value)]
                idle += max(0.0, max(awaited, default=0.0) - clock)
                clock = max([clock, *awaited])
            else:
                clock, work = clock + work, 0.0
    return max(0, round(total - idle))
