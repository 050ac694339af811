"""What each way of saving memory is worth in a build: the arena without it, all others in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

from edgekit.codegen.integration import Tricks
from edgekit.codegen.memory import MemoryPlan, PlanRegion, live_bytes, plan_memory
from edgekit.codegen.program import Program
from edgekit.errors import DoesNotFit

# A program and its plan, with images fed in some way ("auto", "whole", "rows") and some tricks.
Build = Callable[[str, Tricks], tuple[Program, MemoryPlan]]


@dataclass(frozen=True)
class Saving:
    """A technique, and bytes of all arenas without it; where that does not fit, of the region that it overflows."""

    technique: str
    arena_without: int
    fits: bool


def savings(build: Build, feed: str, tricks: Tricks, program: Program, regions: Sequence[PlanRegion]) -> list[Saving]:
    """An entry for each technique that a build uses or may use.

    Args:
        build: `lower_and_plan` of the model and the board.
        feed, tricks: what it was built with; program: what came out.
    """
    apart = sum(buffer.size for buffer in {b for step in program.steps for b in step.buffers()})
    found = [Saving("memory shared over time", apart, apart <= sum(region.capacity for region in regions))]
    nowhere = replace(program, steps=[replace(step, in_place=[]) for step in program.steps])
    found.append(_without("work in place", partial(plan_memory, nowhere, regions)))
    order = program.order
    changed = order is not None and list(order.positions) != sorted(order.positions)
    # Steps that run again, and copies, have no place in the order of the graph.
    if order is not None and changed and not program.moves and not any(step.again for step in program.steps):
        steps = [step for _, step in sorted(zip(order.positions, program.steps, strict=True), key=lambda pair: pair[0])]
        as_in_graph = replace(program, steps=[replace(step, index=index) for index, step in enumerate(steps)])
        found.append(_without("order of steps", partial(plan_memory, as_in_graph, regions)))
    for field in fields(tricks):
        if getattr(tricks, field.name):
            rest = replace(tricks, **{field.name: False})
            found.append(_without(field.name, partial(_plan_of, build, feed, rest)))
    if any(port.row_axis for port in program.inputs):
        found.append(_without("decomposition", partial(_plan_of, build, "whole", tricks)))
    return found


def _plan_of(build: Build, feed: str, tricks: Tricks) -> MemoryPlan:
    return build(feed, tricks)[1]


def _without(technique: str, plan: Callable[[], MemoryPlan]) -> Saving:
    try:
        return Saving(technique, sum(plan().arena.values()), True)
    except DoesNotFit as error:
        return Saving(technique, error.need, False)


def memory_report(program: Program, plan: MemoryPlan, found: Sequence[Saving]) -> dict[str, Any]:
    """As report.json has it: what is live where most is, in the first region, and what each technique saved."""
    name, arena = plan.arenas[0], sum(plan.arena.values())
    lives = [life for life in plan.lives if plan.places[life.buffers[0]].region == name]
    live = live_bytes(lives)
    worst = live.index(max(live)) if live else 0
    here = sorted((life for life in lives if life.first <= worst <= life.last), key=lambda life: -life.size)
    return {
        "arena": arena,
        "lower_bound": plan.lower_bound[name],
        "worst_step": program.steps[worst].name if worst < len(program.steps) else "the end",
        "live_then": [{"name": life.buffers[0].label, "bytes": life.size} for life in here],
        "techniques": [asdict(saving) | {"saved": saving.arena_without - arena} for saving in found],
    }
