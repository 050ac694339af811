"""Optimal offsets with CP-SAT, started from a greedy plan and stopped at the lower bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.codegen.memory.greedy import lower_bound, peak_of, place_greedy
from edgekit.codegen.memory.liveness import Lifetime

TIME_LIMIT_S = 10.0
# With more lifetimes the solver takes gigabytes before it has placed any.
MAX_SOLVED = 2000


@dataclass(frozen=True)
class Placement:
    """Offsets of lifetimes in one region; `proven` where no smaller peak exists."""

    offsets: tuple[int, ...]
    peak: int
    lower_bound: int
    proven: bool


def place(lives: Sequence[Lifetime], time_limit_s: float = TIME_LIMIT_S) -> Placement:
    """The smallest placement found; optimal unless the time limit ends the search first (then not `proven`).

    Without time, or with more than MAX_SOLVED lifetimes, it is the best first-fit placement.
    """
    bound = lower_bound(lives)
    greedy = place_greedy(lives)
    peak = peak_of(lives, greedy)
    if peak == bound or len(lives) > MAX_SOLVED or time_limit_s <= 0:
        return Placement(tuple(greedy), peak, bound, peak == bound)
    return _solve(lives, greedy, bound, time_limit_s)


def _solve(lives: Sequence[Lifetime], greedy: Sequence[int], bound: int, time_limit_s: float) -> Placement:
    # Imported here: it takes half a second, and most programs never need it.
    from ortools.sat.python import cp_model

    start = peak_of(lives, greedy)
    unit = min((life.alignment for life in lives), default=1)
    model = cp_model.CpModel()
    peak = model.new_int_var(bound, start, "peak")
    variables, x_intervals, y_intervals = [], [], []
    for index, life in enumerate(lives):
        slot = model.new_int_var(0, (start - life.size) // unit, f"o{index}")
        model.add_hint(slot, greedy[index] // unit)
        if life.alignment > unit:
            model.add_modulo_equality(0, slot, life.alignment // unit)
        size = -(-life.size // unit)
        model.add(slot * unit + life.size <= peak)
        span = life.last - life.first + 1
        x_intervals.append(model.new_fixed_size_interval_var(life.first, span, f"t{index}"))
        y_intervals.append(model.new_fixed_size_interval_var(slot, size, f"a{index}"))
        variables.append(slot)
    model.add_no_overlap_2d(x_intervals, y_intervals)
    model.minimize(peak)
    solver = cp_model.CpSolver()
    # One worker and a fixed seed with a deterministic limit: the same plan on every machine.
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.max_deterministic_time = time_limit_s
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Placement(tuple(greedy), start, bound, False)
    offsets = tuple(solver.value(v) * unit for v in variables)
    return Placement(offsets, peak_of(lives, offsets), bound, status == cp_model.OPTIMAL)
