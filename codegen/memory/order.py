"""The order of a program's steps that keeps the fewest bytes live."""

from __future__ import annotations

from dataclasses import replace

from edgekit.codegen.memory.order_problem import Execution, OrderProblem, peak_of, problem_of
from edgekit.codegen.memory.order_search import find_order
from edgekit.codegen.program import Program, StepOrder

# How often a step is tried after a set of executed ones: at most half a minute's worth, and a second's.
EFFORT = 400_000_000
QUICK_EFFORT = 10_000_000
# Of longer programs, the dependencies alone may take too long.
MAX_STEPS = 2000


def order_steps(program: Program, effort: int = EFFORT, plenty: int = 0) -> Program:
    """The program with its steps in the order of the fewest live bytes, and what is known about that.

    It stays as it is unless another order is better. Steps are exchanged only where neither touches what the other
    writes. The lower bound holds even where `effort` ends the search early. Programs of more than MAX_STEPS steps stay
    as they are, with nothing known.

    Args:
        plenty: live bytes that are few beside the memory there is: no more than a second is spent on fewer yet.

    Raises ToolchainError where the search does not compile for this computer.
    """
    if len(program.steps) > MAX_STEPS:
        return program
    return in_order(program, best_order(problem_of(program), effort, plenty))


def best_order(problem: OrderProblem, effort: int = EFFORT, plenty: int = 0) -> StepOrder:
    """The order as it is, unless a greedy or a searched one is better; where the best takes too long, a better one."""
    given = list(range(problem.steps))
    bound, peak, order = problem.bound, peak_of(problem, given), given
    if peak > bound:
        greedy = _greedy(problem)
        if peak_of(problem, greedy) < peak:
            peak, order = peak_of(problem, greedy), greedy
    least, effort = 0, min(effort, QUICK_EFFORT) if peak <= plenty else effort
    while peak > bound:
        found = find_order(problem, peak - 1, effort, least)
        if found.bound > least:
            bound = max(bound, min(found.bound, peak))
        if found.order is not None:
            peak, order = peak_of(problem, found.order), found.order
        elif least:
            break
        # From now on any order that is better will do: it is found much sooner than the best one, or not at all.
        least, effort = peak - 1, min(effort, max(QUICK_EFFORT, effort // 8))
    return StepOrder(tuple(order), peak, bound)


def in_order(program: Program, order: StepOrder) -> Program:
    """The program, as lowered, with its steps in an order that was found for it."""
    steps = [replace(program.steps[position], index=index) for index, position in enumerate(order.positions)]
    return replace(program, steps=steps, order=order)


def as_lowered(program: Program, lower_bound: int) -> Program:
    """The program in the order as it is, and what is known about that.

    Args:
        lower_bound: live bytes of which no order has fewer.
    """
    steps = tuple(range(len(program.steps)))
    return replace(program, order=StepOrder(steps, peak_of(problem_of(program), steps), lower_bound))


def _greedy(problem: OrderProblem) -> list[int]:
    """Of the steps that may run, always the one that leaves the fewest bytes."""
    execution, order = Execution(problem), []
    while execution.ready:
        _, _, step = min((*execution.effect(s)[::-1], s) for s in execution.ready)
        execution.run(step)
        order.append(step)
    return order
