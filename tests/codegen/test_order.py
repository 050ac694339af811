"""The order of steps: optimal on small programs, never worse than as it was, and valid in emulated firmware."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from benchmarks.nas_graphs import NETWORKS, random_wired
from benchmarks.operator_orders import problem_of as graph_problem
from edgekit.cli import group
from edgekit.codegen.fitting import cheapest
from edgekit.codegen.memory import MemoryPlan, PlanRegion, plan_memory, plan_report, validate_plan
from edgekit.codegen.memory.aim import Aim, moved_cost
from edgekit.codegen.memory.liveness import lifetimes, live_bytes
from edgekit.codegen.memory.order import EFFORT, QUICK_EFFORT, as_lowered, best_order, in_order, order_steps
from edgekit.codegen.memory.order_problem import Execution, OrderProblem, peak_of, problem_of
from edgekit.codegen.memory.order_search import Found, find_order
from edgekit.codegen.program import Buffer, BufferArg, KernelCall, Port, Program, Step, StepOrder

Layer = tuple[list[int], int, bool]


def _program(layers: list[Layer]) -> Program:
    """Each layer reads some earlier buffers, counted back from the last, and writes its own; some work in place."""
    buffers = [Buffer(0, "x", 8, "input")]
    steps = []
    for index, (back, size, in_place) in enumerate(layers):
        sources = list(dict.fromkeys(buffers[max(0, len(buffers) - 1 - b)] for b in back))
        target = Buffer(len(buffers), f"b{index}", sources[0].size if in_place else size, "activation")
        args = (*(BufferArg(b, "int8_t") for b in sources), BufferArg(target, "int8_t", True))
        step = Step(index, f"s{index}", "op", 0, [KernelCall("k", args)])
        if in_place:
            step.in_place.append((sources[0], target))
        buffers.append(target)
        steps.append(step)
    read = {a.buffer for s in steps for c in s.calls for a in c.args if isinstance(a, BufferArg) and not a.writes}
    ports = [Port(b.label, b, "int8_t", "int8", (b.size,), None, None) for b in buffers]
    return Program("p", steps, buffers, [], [], ports[:1], [p for p in ports if p.buffer not in read])


def _live(program: Program) -> int:
    return max(live_bytes(lifetimes(program)))


layers_strategy = st.lists(
    st.tuples(st.lists(st.integers(0, 4), min_size=1, max_size=3), st.integers(1, 40), st.booleans()),
    min_size=1, max_size=6,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(layers_strategy)
def test_no_order_of_a_small_program_has_fewer_live_bytes(layers: list[Layer]) -> None:
    program = _program(layers)
    ordered = order_steps(program)
    assert ordered.order is not None and ordered.order.peak == ordered.order.lower_bound == _live(ordered)
    sources = [{a.buffer for a in s.calls[0].args if isinstance(a, BufferArg) and not a.writes} for s in program.steps]
    written = [s.calls[0].args[-1] for s in program.steps]
    for order in permutations(range(len(layers))):
        made = {program.inputs[0].buffer}
        for position in order:
            if not sources[position] <= made:
                break
            argument = written[position]
            assert isinstance(argument, BufferArg)
            made.add(argument.buffer)
        else:
            assert _live(in_order(program, StepOrder(order, 0, 0))) >= ordered.order.peak


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.lists(st.integers(0, 7), min_size=1, max_size=3), st.integers(1, 40), st.booleans()),
                min_size=5, max_size=30), st.integers(1, 400))  # fmt: skip
def test_orders_are_valid_and_never_worse(layers: list[Layer], effort: int) -> None:
    program = _program(layers)
    ordered = order_steps(program, effort)
    assert ordered.order is not None and ordered.order.lower_bound <= ordered.order.peak <= _live(program)
    plan = plan_memory(ordered, [PlanRegion("ram", 1 << 20)])
    validate_plan(ordered, plan)
    assert plan_report(ordered, plan)["order"]["peak"] == _live(ordered)


def _least_peak(problem: OrderProblem) -> int:
    """By plain dynamic programming over all sets of steps that can have run."""
    reached: dict[int, tuple[int, tuple[int, ...]]] = {0: (Execution(problem).peak, ())}
    for _ in range(problem.steps):
        further: dict[int, tuple[int, tuple[int, ...]]] = {}
        for done, (_, order) in reached.items():
            execution = Execution(problem)
            for step in order:
                execution.run(step)
            for step in execution.ready:
                peak = max(execution.peak, execution.effect(step)[0])
                mask = done | 1 << step
                if mask not in further or peak < further[mask][0]:
                    further[mask] = (peak, (*order, step))
        reached = further
    ((peak, _),) = reached.values()
    return peak


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.lists(st.integers(0, 9), min_size=1, max_size=3), st.sampled_from([1, 2, 10, 20, 30]),
                st.booleans()), min_size=8, max_size=12))  # fmt: skip
def test_searched_orders_are_optimal(layers: list[Layer]) -> None:
    """Wide graphs with chains: what the search does not try is not needed."""
    problem = problem_of(_program(layers))
    order = best_order(problem)
    least = _least_peak(problem)
    assert order.peak == order.lower_bound == peak_of(problem, order.positions) == least
    found = find_order(problem, least, 10**6)
    assert found.order is not None and peak_of(problem, found.order) == found.bound == least
    none = find_order(problem, least - 1, 10**6)
    assert none.order is None and none.bound == least


@pytest.mark.parametrize("name", ["NASNet-A x2", "NASNet-A x6", "AmoebaNet-A x6", "PNASNet-5 x3", "DARTS x6"])
def test_cell_networks_are_ordered_best(name: str) -> None:
    problem = graph_problem(NETWORKS[name]())
    order = best_order(problem, QUICK_EFFORT)
    assert order.peak == order.lower_bound < peak_of(problem, range(problem.steps))
    assert peak_of(problem, order.positions) == order.peak


def test_a_bound_holds_where_time_is_short() -> None:
    problem = graph_problem(random_wired(32, 4))
    best = best_order(problem, QUICK_EFFORT)
    assert best.peak == best.lower_bound
    for effort in (0, 100, 10_000, 300_000):
        order = best_order(problem, effort)
        assert order.lower_bound <= best.peak <= order.peak <= peak_of(problem, range(problem.steps))


@pytest.mark.parametrize(("plenty", "most"), [(0, EFFORT), (1 << 30, QUICK_EFFORT)])
def test_where_few_bytes_are_live_no_more_than_a_second_is_spent(
    monkeypatch: pytest.MonkeyPatch, plenty: int, most: int
) -> None:
    """As in a recurrent network that is unrolled: hundreds of steps, and hardly anything live."""
    tries: list[int] = []

    def gives_up(problem: OrderProblem, peak: int, effort: int, least: int = 0) -> Found:
        tries.append(effort)
        return Found(None, 0)

    monkeypatch.setattr("edgekit.codegen.memory.order.find_order", gives_up)
    best_order(graph_problem(random_wired(32, 4)), plenty=plenty)
    assert tries[0] == most and max(tries[1:]) < EFFORT


def test_a_chain_stays_as_it_is() -> None:
    program = _program([([0], size, False) for size in (30, 20, 40, 10) * 50])
    ordered = order_steps(program)
    assert ordered.order is not None and ordered.order.positions == tuple(range(200))
    assert ordered.order.peak == ordered.order.lower_bound


def test_branches_run_one_after_the_other(tmp_path: Path) -> None:
    """Three wide branches, written layer by layer: built, emulated and compared, they need the memory of one."""
    rng = np.random.default_rng(3)
    weights = {f"w{k}": rng.normal(0, 0.3, (32, 4, 1, 1)).astype(np.float32) for k in "abc"}
    weights |= {f"v{k}": rng.normal(0, 0.3, (2, 32, 3, 3)).astype(np.float32) for k in "abc"}
    nodes = [
        *(helper.make_node("Conv", ["x", f"w{k}"], [f"wide_{k}"]) for k in "abc"),
        *(helper.make_node("Sigmoid", [f"wide_{k}"], [f"bent_{k}"]) for k in "abc"),
        *(helper.make_node("Conv", [f"bent_{k}", f"v{k}"], [f"thin_{k}"]) for k in "abc"),
        helper.make_node("Concat", ["thin_a", "thin_b", "thin_c"], ["y"], axis=1),
    ]
    graph = helper.make_graph(
        nodes, "branches", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])],
        [helper.make_empty_tensor_value_info("y")], [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    arguments = [
        "build",
        str(tmp_path / "m.onnx"),
        "--precision",
        "float32",
        "--board",
        "stm32f411",
        "--samples",
        "2",
        "--memory-report",
    ]
    result = CliRunner().invoke(group, [*arguments, "-o", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    wide = 8 * 8 * 32 * 4
    assert report["validation"]["bit_exact"] and plan["order"]["proven"]
    assert plan["order"]["peak"] < 2 * wide
    memory = report["memory_report"]
    without = {row["technique"]: row["arena_without"] for row in memory["techniques"]}
    assert memory["arena"] == report["ram"]["arena"] and without["order of steps"] >= 3 * wide
    assert without["memory shared over time"] >= 6 * wide > without["work in place"] > memory["arena"]
    assert all(row["saved"] == row["arena_without"] - memory["arena"] for row in memory["techniques"])
    page = (tmp_path / "out" / "report.html").read_text()
    assert "What each way of saving memory is worth" in page and "without order of steps" in page


def test_the_order_of_the_graph_is_taken_where_less_moves() -> None:
    layers = [([6, 1], 8), ([3, 4], 4), ([1], 4), ([2, 1], 12), ([6, 5], 12), ([1], 20)]
    program = _program([(reads, size, False) for reads, size in layers])
    searched = order_steps(program)
    assert searched.order is not None and searched.order.peak < max(live_bytes(lifetimes(program)))
    given = as_lowered(program, searched.order.lower_bound)
    assert given.order is not None and given.order.peak == max(live_bytes(lifetimes(program)))
    assert given.order.lower_bound == searched.order.lower_bound and [*given.order.positions] == [*range(6)]
    regions, aim = [PlanRegion("fast", 32), PlanRegion("slow", 1 << 20, 6.0, True)], Aim("bytes")
    costs = []
    for programs in ([searched], [given], [searched, given]):
        chosen, planned, plan = cheapest(programs, regions, aim)
        assert isinstance(plan, MemoryPlan)
        costs.append(moved_cost(planned, plan, aim))
    assert costs[1] < costs[0] and costs[2] == costs[1] and chosen is given
