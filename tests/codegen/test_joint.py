"""Order and replacement together, against all orders of small graphs and the known optimum of a network."""

from __future__ import annotations

import heapq
import itertools
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.cosma import joint_problem
from benchmarks.nas_graphs import AMOEBANET, NetworkGraph, Operator, cell_network
from benchmarks.operator_orders import problem_of as order_problem
from edgekit.codegen.memory import joint_orders
from edgekit.codegen.memory.joint import JointProblem, Part, best_joint, search
from edgekit.codegen.memory.joint_orders import cheaper_order
from edgekit.codegen.memory.order import QUICK_EFFORT, best_order
from edgekit.codegen.memory.replacement import Replacement, ReplacementProblem
from edgekit.codegen.memory.replacement_solver import Effort, solve

ANY = 1 << 40


def _graph(sizes: list[int], reads: list[tuple[int, int]], pairs: list[bool]) -> NetworkGraph:
    """Operator i reads two older tensors and makes one, or two."""
    operators, made = list[Operator](), 1
    for index, (a, b) in enumerate(reads):
        count = 1 + pairs[index]
        operators.append(Operator(f"o{index}", (*{a % made, b % made},), tuple(range(made, made + count))))
        made += count
    return NetworkGraph("small", [sizes[t % len(sizes)] for t in range(made)], operators)


graphs = st.integers(2, 5).flatmap(
    lambda n: st.builds(
        _graph,
        st.lists(st.integers(1, 6), min_size=5, max_size=9),
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=n, max_size=n),
        st.lists(st.sampled_from([False, False, True]), min_size=n, max_size=n),
    )
)


def _cheapest(graph: NetworkGraph, capacity: int) -> int:
    made = {tensor for operator in graph.operators for tensor in operator.writes}
    costs = []
    for order in permutations(range(len(graph.operators))):
        there = set(range(len(graph.sizes))) - made
        for index in order:
            if not there.issuperset(graph.operators[index].reads):
                break
            there.update(graph.operators[index].writes)
        else:
            solution = solve(joint_problem(graph, capacity).ordered(order))
            assert solution is not None
            costs.append(solution.cost)
    return min(costs)


@settings(max_examples=50, deadline=None)
@given(graphs, st.integers(0, 3))
def test_no_order_is_cheaper(graph: NetworkGraph, spare: int) -> None:
    capacity = spare + max(sum(graph.sizes[t] for t in {*o.reads, *o.writes}) for o in graph.operators)
    problem, best = joint_problem(graph, capacity), _cheapest(graph, capacity)
    found = best_joint(problem, ANY)
    assert found.order is not None and found.lower_bound == best
    solution = solve(joint_problem(graph, capacity).ordered(found.order))
    assert solution is not None and solution.cost == best
    assert best_joint(problem, best).order is None
    assert best_joint(problem, best).lower_bound == best
    assert best_joint(problem, ANY, effort=200).lower_bound <= best


def test_what_many_orders_of_a_wide_graph_cost() -> None:
    # Eight branches of one tensor, of which two have room beside their input: sums of two at a time need no moves.
    operators = [Operator(f"branch{n}", (0,), (n + 1,)) for n in range(8)]
    total = 1
    for n in range(7):
        operators.append(Operator(f"sum{n}", (total, n + 2), (9 + n,)))
        total = 9 + n
    graph = NetworkGraph("wide", [4] * 16, operators)
    given = solve(joint_problem(graph, 16).ordered(range(15)))
    found = best_joint(joint_problem(graph, 16), ANY)
    assert given is not None and given.cost > 0
    assert found.lower_bound == 0 and found.order is not None
    solution = solve(joint_problem(graph, 16).ordered(found.order))
    assert solution is not None and solution.cost == 0


@settings(max_examples=50, deadline=None)
@given(graphs, st.integers(0, 3))
def test_cheaper_orders_fit_and_cost_no_more(graph: NetworkGraph, spare: int) -> None:
    capacity = spare + max(sum(graph.sizes[t] for t in {*o.reads, *o.writes}) for o in graph.operators)
    problem, steps = joint_problem(graph, capacity), range(len(graph.operators))
    given = solve(problem.ordered(steps))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joint_orders, "WINDOW", 3)
        found = cheaper_order(problem, [steps], 1)
    assert given is not None and found is not None
    order = found.order
    assert sorted(order) == list(steps)
    assert all(order.index(before) < order.index(step) for step in steps for before in problem.before[step])
    solution = solve(problem.ordered(order))
    assert solution is not None and _cheapest(graph, capacity) <= solution.cost == found.cost <= given.cost


def test_windows_find_what_a_network_of_cells_costs_at_least() -> None:
    graph = cell_network("AmoebaNet-A", AMOEBANET, 2)
    problem = joint_problem(graph, 196_608)
    # No order costs less: `bound_over_orders` says so in some seconds.
    found = cheaper_order(problem, [best_order(order_problem(graph), QUICK_EFFORT).positions], 1)
    assert found is not None
    solution = solve(problem.ordered(found.order))
    assert solution is not None and solution.cost == 196_608 == found.cost


def _chain(smalls: int, branches: int, capacity: int) -> JointProblem:
    """A chain of small tensors that wait for the last step; between, branches over wide tensors."""
    sizes = [1] + [1] * smalls
    reads = [(n,) for n in range(smalls)]
    writes = [(n + 1,) for n in range(smalls)]
    narrow, wide, thin = (range(len(sizes) + k * branches, len(sizes) + (k + 1) * branches) for k in range(3))
    sizes += [100] * branches + [300] * branches + [10] * branches + [1]
    for into, out in ((None, narrow), (narrow, wide), (wide, thin)):
        reads += [(smalls if into is None else into[n],) for n in range(branches)]
        writes += [(out[n],) for n in range(branches)]
    reads.append((*thin, *range(1, smalls + 1)))
    writes.append((len(sizes) - 1,))
    outs = {len(sizes) - 1}
    stores = tuple(0 if tensor in outs else size for tensor, size in enumerate(sizes))
    return JointProblem(tuple(sizes), stores, tuple(sizes), tuple(reads), tuple(writes), capacity)


def test_many_tensors_may_wait() -> None:
    # More than a word of bits: branch after branch, nothing moves.
    problem = _chain(70, 4, 70 + 460)
    given = solve(problem.ordered(range(len(problem.reads))))
    found = best_joint(problem, ANY)
    assert given is not None and given.cost > 0
    assert found.order is not None and found.lower_bound == 0


@pytest.mark.parametrize("count", [5, 60])
def test_many_tensors_leave_at_once(count: int) -> None:
    # All small tensors but one must leave for a step, so that there is one set of them, of very many.
    sizes = (1, *[10] * count, 10 * (count - 1), 10, *[1] * count)
    big, small = count + 1, count + 2
    outs = range(count + 3, 2 * count + 3)
    reads = [(n,) for n in range(count)] + [(count,), (big,)]
    writes = [(n + 1,) for n in range(count)] + [(big,), (small,)]
    for n in reversed(range(count)):
        reads.append((n + 1, small if n == count - 1 else outs[n + 1]))
        writes.append((outs[n],))
    problem = JointProblem(sizes, sizes, sizes, tuple(reads), tuple(writes), 10 * count + 2)
    solution = solve(problem.ordered(range(len(reads))))
    found = best_joint(problem, ANY, 20_000)
    assert solution is not None and solution.cost > 0 and found.lower_bound == solution.cost


def test_spent_effort_ends_the_search_for_cheaper_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    # One program is solved, whatever it takes.
    solved: list[int] = []

    def one(problem: ReplacementProblem, effort: Effort) -> Replacement | None:
        solved.append(effort.left)
        return solve(problem, effort=effort)

    monkeypatch.setattr(joint_orders, "SOLVER_EFFORT", 1)
    monkeypatch.setattr(joint_orders, "solve", one)
    problem = _chain(3, 4, 463)
    steps = range(len(problem.reads))
    found = cheaper_order(problem, [steps, (*steps[:3], 4, 3, *steps[5:])], 1)
    assert found is not None and found.order == tuple(steps) and solved == [1]


def _through(problem: JointProblem, part: Part) -> int | None:
    """The least cost of a part: all single moves between all states, cheapest first."""
    users = [{s for s, touched in enumerate(problem.touches) if t in touched} for t in range(len(problem.sizes))]
    first = (frozenset(part.done), frozenset(part.near), frozenset(part.copied))
    heap: list[tuple[int, int, tuple[frozenset[int], ...]]] = [(0, 0, first)]
    closed = set[tuple[frozenset[int], ...]]()
    count, tensors = itertools.count(1), range(len(problem.sizes))
    while heap:
        cost, _, state = heapq.heappop(heap)
        if state in closed:
            continue
        closed.add(state)
        done, near, copied = state
        if done == {*part.done, *part.within} and near == set(part.near_after) and copied >= set(part.copied_after):
            return cost
        size = sum(problem.sizes[t] for t in near)
        following = [(cost, (done, near - {t}, copied)) for t in near & copied]
        following += [(cost + problem.stores[t], (done, near, copied | {t})) for t in near - copied]
        for t in set(tensors) - near:
            arrives = problem.writer[t] < 0 and not users[t] & done
            if size + problem.sizes[t] <= problem.capacity and not users[t] <= done and (arrives or t in copied):
                price = 0 if arrives else problem.fetches[t]
                following.append((cost + price, (done, near | {t}, copied | {t})))
        for step in set(part.within) - done:
            after = near | set(problem.writes[step])
            fits = sum(problem.sizes[t] for t in after) <= problem.capacity
            if fits and done.issuperset(problem.before[step]) and after.issuperset(problem.touches[step]):
                ran = done | {step}
                alive = {t for t in tensors if not users[t] <= ran}
                following.append((cost, (ran, after & alive, copied & alive)))
        for price, state in following:
            heapq.heappush(heap, (price, next(count), state))
    return None


@settings(max_examples=50, deadline=None)
@given(graphs, st.integers(0, 3), st.integers(0, 4), st.integers(1, 5))
def test_parts_cost_the_least_that_there_is(graph: NetworkGraph, spare: int, first: int, length: int) -> None:
    capacity = spare + max(sum(graph.sizes[t] for t in {*o.reads, *o.writes}) for o in graph.operators)
    problem, steps = joint_problem(graph, capacity), len(graph.operators)
    walk = cheaper_order(problem, [range(steps)], 1)
    assert walk is not None
    first = min(first, steps - 1)
    last = min(first + length, steps)
    part = walk.part(first, last)
    least, found = _through(problem, part), search(problem, part, ANY, 100_000)
    assert least is not None and least <= walk.cost_between(first, last)
    assert found.order is not None and found.lower_bound == least
    assert sorted(found.order) == sorted(part.within)
