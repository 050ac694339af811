"""COSMA's experiment: the known optimum, and on small graphs the bound and the peers against all orders."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.cosma import joint_problem, measure
from benchmarks.nas_graphs import NetworkGraph, Operator
from benchmarks.onnx_graphs import FOLDER, onnx_graph
from benchmarks.replacement_baselines import belady, greedy, moved_bytes
from edgekit.codegen.memory.joint_bound import bound_over_orders
from edgekit.codegen.memory.replacement_solver import solve


def test_densenet_moves_what_is_known_to_be_the_least() -> None:
    if not (FOLDER / "light_densenet121.onnx").exists():
        pytest.skip("this onnx package has no light models")
    tight, half = measure(onnx_graph("densenet121"))
    assert (tight.operators, tight.moved, tight.bound) == (308, 2_609_152, 2_609_152)
    assert (half.moved, half.bound) == (1_404_928, 1_404_928)
    assert all(peer > tight.moved for peer in tight.peers)
    assert tight.seconds < 60


def _graph(sizes: list[int], reads: list[tuple[int, int]]) -> NetworkGraph:
    """Operator i makes tensor i + 1 of two older ones."""
    operators = [Operator(f"o{i}", tuple({a % (i + 1), b % (i + 1)}), (i + 1,)) for i, (a, b) in enumerate(reads)]
    return NetworkGraph("small", sizes[: len(reads) + 1], operators)


graphs = st.integers(2, 6).flatmap(
    lambda n: st.builds(
        _graph,
        st.lists(st.integers(1, 6), min_size=n + 1, max_size=n + 1),
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=n, max_size=n),
    )
)


@settings(max_examples=60, deadline=None)
@given(graphs, st.integers(0, 3))
def test_no_order_is_below_the_bound(graph: NetworkGraph, spare: int) -> None:
    capacity = spare + max(sum(graph.sizes[t] for t in {*o.reads, *o.writes}) for o in graph.operators)
    costs = []
    for order in permutations(range(len(graph.operators))):
        made = {0}
        for index in order:
            if not set(graph.operators[index].reads) <= made:
                break
            made |= set(graph.operators[index].writes)
        else:
            solution = solve(joint_problem(graph, capacity).ordered(order))
            assert solution is not None and solution.proven
            costs.append(solution.cost)
            assert all(moved_bytes(graph, order, capacity, policy) >= solution.cost for policy in (belady, greedy))
    assert bound_over_orders(joint_problem(graph, capacity)) <= min(costs)
