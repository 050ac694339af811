"""Which tables of constants leave the program flash where they do not all fit: those that cost least there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.optimize import LinearConstraint

from edgekit.codegen.program import Constant, ConstantArg, KernelCall, Program
from edgekit.integer_program import cheapest_choice

NODES = 20_000
ALIGNMENT = 4


def tables_of(calls: Iterable[KernelCall]) -> list[Constant]:
    """The tables that calls read, once each."""
    return list(dict.fromkeys(a.constant for call in calls for a in call.args if isinstance(a, ConstantArg)))


def times_read(tables: Sequence[Constant], macs: int) -> int:
    """How often a layer goes over its tables: a model.

    A multiplication reads one weight, so that it goes over the largest table as often as that holds fewer of them than
    the layer has multiplications; over the others as often, and over any once at least.
    """
    largest = max((table.weights or table.rows.size for table in tables), default=1)
    return max(1, macs // max(1, largest))


def bytes_read(program: Program) -> list[int]:
    """Bytes that an inference reads of each table, see `times_read`; a stream's as often as its rounds read them.

    By multiplications, to compare tables; not what is waited for, which `latency/memory.py` counts.
    """
    reads = [0] * len(program.constants)
    for step in program.steps:
        tables = tables_of(step.calls)
        once = times_read(tables, step.macs)
        for table in tables:
            reads[table.index] += step.readings.get(table, once) * table.size
    return reads


def outside_tables(program: Program, room: int, most: int) -> frozenset[int]:
    """The numbers of the tables to move out so that the others take at most `room` bytes, those that move at most
    `most`, and the fewest reads move.

    An exact knapsack; all tables where there is no such choice.
    """
    sizes = [-(-table.size // ALIGNMENT) * ALIGNMENT for table in program.constants]
    if sum(sizes) <= room:
        return frozenset()
    excess = sum(sizes) - max(0, room)
    return _knapsack(sizes, bytes_read(program), excess, most) if excess <= most else frozenset(range(len(sizes)))


def _knapsack(sizes: Sequence[int], costs: Sequence[int], excess: int, most: int) -> frozenset[int]:
    outcome = cheapest_choice(costs, [LinearConstraint(np.array([sizes], np.float64), excess, most)], NODES)
    if outcome.x is None:
        return frozenset(range(len(sizes)))
    return frozenset(int(index) for index in np.flatnonzero(np.round(outcome.x)))


def weights_report(program: Program, outside: frozenset[int], near: str, far: str) -> list[dict[str, object]]:
    """Every table as plan.json holds it: the layer, bytes, modelled bytes read per inference, and the region."""
    return [
        {"layer": table.layer, "bytes": table.size, "read": read, "region": far if table.index in outside else near}
        for table, read in zip(program.constants, bytes_read(program), strict=True)
    ]
