"""Replacement problems of one's own: every plan replayed by name, errors of files, and the verb."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.cli import group
from edgekit.codegen.memory import joint_orders, replacement_placement, replacement_planner
from edgekit.codegen.memory.joint import Joint, JointProblem, Part
from edgekit.codegen.memory.joint_bound import bound_over_orders
from edgekit.codegen.memory.replacement import Replacement, ReplacementProblem
from edgekit.codegen.memory.replacement_file import FileStep, FileTensor, ReplacementFile, read_replacement
from edgekit.codegen.memory.replacement_planner import ReplacementPlan, _joint, plan_replacement
from edgekit.codegen.memory.replacement_solver import Effort
from edgekit.errors import BadData, BadUsage

NET: dict[str, Any] = {
    "capacity": 14336,
    "tensors": [
        {"name": "image", "size": 3072}, {"name": "skip", "size": 4096}, {"name": "a", "size": 6144},
        {"name": "b", "size": 6144}, {"name": "c", "size": 4096}, {"name": "sum", "size": 4096},
    ],
    "steps": [
        {"name": "stem", "reads": ["image"], "writes": ["skip"]},
        {"name": "conv1", "reads": ["skip"], "writes": ["a"]},
        {"name": "conv2", "reads": ["a"], "writes": ["b"]},
        {"name": "conv3", "reads": ["b"], "writes": ["c"]},
        {"name": "add", "reads": ["c", "skip"], "writes": ["sum"]},
    ],
}  # fmt: skip


def _file(
    sizes: list[int], reads: list[tuple[int, int]], again: list[int | None], outside: list[bool], results: list[bool]
) -> ReplacementFile:
    """Step i reads two older tensors and writes tensor i + 1."""
    count = len(reads) + 1
    tensors = [
        FileTensor(f"t{n}", s, 3 * s, 2 * s, 6 * s if outside[n] else None, results[n])
        for n, s in enumerate(sizes[:count])
    ]
    steps = [
        FileStep(f"s{n}", tuple(dict.fromkeys((a % (n + 1), b % (n + 1)))), (n + 1,), again[n])
        for n, (a, b) in enumerate(reads)
    ]
    touched = {t for step in steps for t in (*step.reads, *step.writes)}
    assert touched >= set(range(1, count))
    return ReplacementFile(None, 1, tuple(tensors), tuple(steps))


def _files(free: bool) -> st.SearchStrategy[ReplacementFile]:
    nothing = st.lists(st.none(), min_size=8, max_size=8)
    never = st.lists(st.just(False), min_size=9, max_size=9)
    flags = st.lists(st.sampled_from([False, False, True]), min_size=9, max_size=9)
    again = st.lists(st.sampled_from([None, 0, 3, 9]), min_size=8, max_size=8)
    return (
        st.integers(2, 7)
        .flatmap(
            lambda n: st.builds(
                _file,
                st.lists(st.integers(1, 6), min_size=9, max_size=9),
                st.lists(st.tuples(st.just(0) | st.integers(0, 6), st.integers(0, 6)), min_size=n, max_size=n),
                nothing if free else again,
                never if free else flags,
                never if free else flags,
            )
        )
        .filter(lambda file: any(0 in step.reads for step in file.steps))
    )


def _check(file: ReplacementFile, plan: ReplacementPlan, capacity: int) -> None:
    """Replay the timeline: where everything stands, what has a copy, and what that costs."""
    written = {t for step in file.steps for t in step.writes}
    read = {t for step in file.steps for t in step.reads}
    copies = set(range(len(file.tensors))) - written
    cost = sum(file.tensors[t].outside or 0 for t in plan.outside)
    assert sorted(s for p, again in zip(plan.positions, plan.again, strict=True) if not again for s in p) == [
        *range(len(file.steps))
    ]
    for position, steps in enumerate(plan.positions):
        here = {s.tensor: s for s in plan.stays if s.first <= position <= s.last}
        assert len(here) == sum(s.first <= position <= s.last for s in plan.stays)
        makes = {t for step in steps for t in file.steps[step].writes}
        for step in steps:
            touched = {*file.steps[step].reads, *(() if plan.again[position] else file.steps[step].writes)}
            assert touched <= set(here) | set(plan.outside) | makes
            if plan.again[position]:
                again = file.steps[step].again
                assert again is not None
                cost += again + sum(file.tensors[t].fetch for t in file.steps[step].reads if t in plan.outside)
        for tensor, stay in here.items():
            if stay.first == position:
                assert stay.arrives != "fetched" or tensor in copies
                assert stay.arrives not in ("made", "again") or tensor in makes
                cost += file.tensors[tensor].fetch * (stay.arrives == "fetched")
            if stay.last == position and stay.leaves:
                cost += file.tensors[tensor].store
                copies.add(tensor)
        spans = sorted((s.offset, s.offset + file.tensors[t].size) for t, s in here.items())
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
        assert not spans or spans[-1][1] <= capacity
    assert cost == plan.cost and plan.lower_bound <= cost
    for number, described in enumerate(file.tensors):
        ends = [s.last for s in plan.stays if s.tensor == number]
        if described.result and number not in plan.outside:
            assert number in copies or len(plan.positions) in ends or number not in read | written


def _largest(file: ReplacementFile) -> int:
    return max(sum(file.tensors[t].size for t in {*s.reads, *s.writes}) for s in file.steps)


@settings(max_examples=150, deadline=None)
@given(_files(free=False), st.integers(0, 4))
def test_every_plan_for_a_given_order_is_valid(file: ReplacementFile, spare: int) -> None:
    capacity = _largest(file) + spare
    plan = plan_replacement(file, capacity, free_order=False)
    if plan is not None:
        _check(file, plan, capacity)


@settings(max_examples=60, deadline=None)
@given(_files(free=True), st.integers(0, 4))
def test_every_plan_for_any_order_is_valid_and_no_dearer(file: ReplacementFile, spare: int) -> None:
    capacity = _largest(file) + spare
    plan, given_order = (plan_replacement(file, capacity, free_order=free) for free in (True, False))
    if given_order is not None:
        assert plan is not None and plan.cost <= given_order.cost and plan.lower_bound <= given_order.lower_bound
        _check(file, plan, capacity)


def _run(path: Path, *args: str) -> tuple[int, str]:
    result = CliRunner().invoke(group, ["plan", str(path), *args])
    return result.exit_code, result.output


def test_the_verb_prints_stays_and_what_they_cost(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps(NET))
    code, text = _run(path)
    assert code == 0 and "skip,0,2,4096,6144,made,stored\n" in text and "cost 8192: no plan for this order" in text
    code, text = _run(path, "--order", "free", "--json")
    record = json.loads(text)
    assert code == 0 and record["proven"] and record["cost"] == 8192
    code, text = _run(path, "--capacity", "16384", "--json")
    assert json.loads(text)["cost"] == 0
    code, text = _run(path, "--capacity", "12287")
    assert code == 1 and "step 'conv2' alone needs 12288 B" in text
    assert _run(path, "-o", str(tmp_path / "placed.json"))[0] == 0
    assert json.loads((tmp_path / "placed.json").read_text())["cost"] == 8192


def test_a_step_runs_again_where_that_costs_less(tmp_path: Path) -> None:
    steps = [{**step, "again": 2000} if step["name"] == "stem" else step for step in NET["steps"]]
    path = tmp_path / "net.json"
    path.write_text(json.dumps({**NET, "steps": steps}))
    code, text = _run(path, "--json")
    record = json.loads(text)
    assert code == 0 and record["cost"] == 2000 + 3072
    assert {"steps": ["stem"], "again": True} in record["timeline"]
    assert [s["arrives"] for s in record["stays"] if s["tensor"] == "skip"] == ["made", "again"]
    with pytest.raises(BadUsage, match="may run again"):
        plan_replacement(read_replacement(path), 14336, free_order=True)


def test_what_nothing_reads_is_never_moved(tmp_path: Path) -> None:
    # `log` is written twice; between that, all of memory is needed.
    tensors = [{"name": name, "size": size} for name, size in (("log", 4), ("a", 4), ("b", 8), ("c", 8))]
    steps = [
        {"name": "first", "reads": ["a"], "writes": ["log", "b"]},
        {"name": "second", "reads": ["b"], "writes": ["c"]},
        {"name": "third", "reads": ["c"], "writes": ["log"]},
    ]
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"capacity": 16, "tensors": tensors, "steps": steps}))
    code, text = _run(path, "--json")
    record = json.loads(text)
    assert code == 0 and record["cost"] == 0
    log = [(s["lower"], s["arrives"], s["leaves"]) for s in record["stays"] if s["tensor"] == "log"]
    assert log == [(0, "made", ""), (2, "made", "")]


def test_scratch_names_what_it_is_for(tmp_path: Path) -> None:
    tensors = [{"name": name, "size": size} for name, size in (("x", 1), ("kept", 8), ("beside", 2), ("m", 10))]
    steps = [
        {"name": "make", "reads": ["x"], "writes": ["kept", "beside"], "again": 1},
        {"name": "use", "reads": ["beside"], "writes": ["m"]},
        {"name": "end", "reads": ["m"], "writes": []},
        {"name": "late", "reads": ["kept"], "writes": []},
    ]
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"capacity": 13, "tensors": tensors, "steps": steps}))
    code, text = _run(path, "--json")
    (scratch,) = json.loads(text)["scratch"]
    assert code == 0 and (scratch["tensor"], scratch["size"]) == ("kept", 2)


def test_where_the_effort_ends_the_cheapest_without_steps_again_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    solve_placed = replacement_planner.solve_placed

    def solved(problem: ReplacementProblem, alignment: int, effort: int, known: Replacement | None) -> Any:
        return None if problem.remakes else solve_placed(problem, alignment, effort, known)

    monkeypatch.setattr(replacement_planner, "solve_placed", solved)
    steps = [{**step, "again": 2000} if step["name"] == "stem" else step for step in NET["steps"]]
    path = tmp_path / "net.json"
    path.write_text(json.dumps({**NET, "steps": steps}))
    record = json.loads(_run(path, "--json")[1])
    assert (record["cost"], record["lower_bound"], record["proven"]) == (8192, 0, False)


@pytest.mark.parametrize("order", ["given", "free"])
def test_effort_is_that_of_every_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    spent, solve_placed = list[int](), replacement_planner.solve_placed
    programs, solve = list[Effort](), joint_orders.solve
    tried, search = list[int](), joint_orders.search

    def placed(problem: ReplacementProblem, alignment: int, effort: int, known: Replacement | None) -> Any:
        spent.append(effort)
        return solve_placed(problem, alignment, effort, known)

    def solved(problem: ReplacementProblem, *, effort: Effort) -> Any:
        if not programs:
            spent.append(effort.left)
        programs.append(effort)
        return solve(problem, effort=effort)

    def searched(problem: JointProblem, part: Part, below: int, tries: int, width: int = 0) -> Joint:
        tried.append(tries)
        return search(problem, part, below, tries, width=width)

    monkeypatch.setattr(replacement_planner, "solve_placed", placed)
    monkeypatch.setattr(joint_orders, "solve", solved)
    monkeypatch.setattr(joint_orders, "search", searched)
    path = tmp_path / "net.json"
    path.write_text(json.dumps(NET))
    assert _run(path, "--effort", "3", "--order", order)[0] == 0
    assert set(spent) == {3 * replacement_planner.SOLVER_EFFORT}
    assert len(set(map(id, programs))) == (order == "free")
    assert (tried[-1:] == [3 * joint_orders.BEAM_EFFORT]) == (order == "free")


def test_no_integer_program_is_solved_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[ReplacementProblem]()
    for module in (joint_orders, replacement_placement):

        def solved(problem: ReplacementProblem, *args: Any, solve: Any = module.solve, **kept: Any) -> Any:
            seen.append(problem)
            return solve(problem, *args, **kept)

        monkeypatch.setattr(module, "solve", solved)
    path = tmp_path / "net.json"
    path.write_text(json.dumps(NET))
    assert _run(path, "--order", "free")[0] == 0
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": []}, "steps must be a list of 1"),
        ({"tensors": [{"name": "image"}]}, "size must be a whole number"),
        ({"tensors": [{"name": "image", "size": 1}] * 2}, "is there twice"),
        ({"tensors": [{"name": "image", "size": True}]}, "size must be a whole number"),
        ({"steps": [{"name": "s", "reads": ["none"]}]}, "which is not among the tensors"),
        ({"steps": [{"name": "s"}]}, "reads and writes nothing"),
        ({"steps": [{"name": "s", "reads": ["image"]}]}, "no step reads or writes tensor 'skip'"),
        ({"steps": [{"name": "s", "uses": ["image"]}]}, "unknown field 'uses'"),
        ({"alignment": 0}, "alignment must be"),
        ({"capacity": 1 << 50}, "capacity must be"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps({**NET, **change}))
    with pytest.raises(BadData, match=message):
        read_replacement(path)


def test_what_a_free_order_does_not_allow_is_said(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    for steps, tensors, message in (
        (NET["steps"][::-1], NET["tensors"], "before a step writes it"),
        (NET["steps"], [{**t, "result": t["name"] == "sum"} for t in NET["tensors"]], "only --order given"),
    ):
        path.write_text(json.dumps({**NET, "steps": steps, "tensors": tensors}))
        with pytest.raises(BadUsage, match=message):
            plan_replacement(read_replacement(path), 1 << 20, free_order=True)
    path.write_text("[" * 100_000)
    with pytest.raises(BadData, match="not JSON"):
        read_replacement(path)


def test_options_are_for_their_kind_of_problem(tmp_path: Path) -> None:
    (tmp_path / "net.csv").write_text("id,lower,upper,size\na,0,1,4\n")
    refused = CliRunner().invoke(group, ["plan", str(tmp_path / "net.csv"), "--order", "free"])
    assert isinstance(refused.exception, BadUsage) and ".json" in str(refused.exception)
    path = tmp_path / "NET.JSON"
    path.write_text(json.dumps(NET))
    assert _run(path)[0] == 0


def test_what_may_live_outside_is_not_what_a_step_needs(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    tensors = [{"name": "a", "size": 8, "outside": 1}, {"name": "b", "size": 8}]
    path.write_text(json.dumps({"tensors": tensors, "steps": [{"name": "s", "reads": ["a"], "writes": ["b"]}]}))
    result = CliRunner().invoke(group, ["plan", str(path), "--capacity", "4"])
    assert result.exit_code == 1 and "step 's' alone needs 8 B" in result.stderr


def _megabytes() -> ReplacementFile:
    """Tensors of some 4 MB times a whole number, less or more by a few bytes; nothing need move in the best order."""
    sizes = [
        25165822, 29360127, 20971519, 12582915, 4194305, 25165822, 25165826, 33554431, 33554430, 12582910,
    ]  # fmt: skip
    fetches = [7, 7, 5, 8, 9, 6, 7, 9, 4, 0]
    steps = [((1,), (2,)), ((1,), (3,)), ((3,), (4,)), ((0,), (5, 6)), ((1,), (7,)), ((6,), (8,)), ((6,), (9,))]
    tensors = [FileTensor(f"t{n}", s, 0, f, None, False) for n, (s, f) in enumerate(zip(sizes, fetches, strict=True))]
    return ReplacementFile(None, 1, tuple(tensors), tuple(FileStep(f"s{n}", *s, None) for n, s in enumerate(steps)))


def test_bounds_hold_for_sizes_beyond_the_solvers_tolerance() -> None:
    file, capacity = _megabytes(), 75497470
    assert bound_over_orders(_joint(file, capacity)) == 0
    free = plan_replacement(file, capacity, free_order=True)
    assert free is not None and (free.cost, free.lower_bound) == (0, 0)
    given_order = plan_replacement(file, capacity, free_order=False)
    assert given_order is not None and given_order.lower_bound <= given_order.cost


def test_sizes_that_have_nothing_in_common_have_a_bound() -> None:
    """One of two tensors must leave, and only the larger one's leaving is enough, by two bytes."""
    for size in (1 << 10, 1 << 24, 1 << 30):
        tensors = [FileTensor(f"t{n}", size + 2 * n + 1, 1, 1 + 5 * (n == 1), None, False) for n in range(4)]
        steps = [((), (0,)), ((), (1,)), ((), (2,)), ((2,), (3,)), ((0, 1), ()), ((3,), ())]
        file = ReplacementFile(None, 1, tuple(tensors), tuple(FileStep(f"s{n}", *s, None) for n, s in enumerate(steps)))
        plan = plan_replacement(file, 3 * size + 13, free_order=False)
        assert plan is not None and plan.cost == 7
        # Where bytes are beyond the solver's tolerance, the bound is that of rounded sizes.
        assert plan.lower_bound == 7 or (size > 1 << 10 and plan.lower_bound == 2)


@pytest.mark.parametrize("name", ["\ud800", "a\nb", ""])
def test_names_that_cannot_be_printed_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps(NET | {"tensors": [{**NET["tensors"][0], "name": name}]}))
    with pytest.raises(BadData, match="printable characters"):
        read_replacement(path)


def test_a_capacity_beyond_all_memories_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps(NET))
    result = CliRunner().invoke(group, ["plan", str(path), "--capacity", "1" + "0" * 24])
    assert isinstance(result.exception, BadUsage) and "--capacity is at most" in str(result.exception)
