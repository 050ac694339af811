"""Replacement against plain enumeration; programs with moves against validators, which must catch every mutation."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.codegen.memory import PlanRegion, live_bytes, plan_memory, plan_report, validate_plan
from edgekit.codegen.memory.aim import Aim, hidden_cost, moved_cost
from edgekit.codegen.memory.liveness import lifetimes
from edgekit.codegen.memory.moves import with_moves
from edgekit.codegen.memory.overlap import overlapped
from edgekit.codegen.memory.plan import Place
from edgekit.codegen.memory.remakes import Axis
from edgekit.codegen.memory.replacement import ReplacementProblem, Residence, Tensor, residences
from edgekit.codegen.memory.replacement_placement import solve_placed
from edgekit.codegen.memory.replacement_solver import Effort, solve
from edgekit.codegen.memory.rewriting import rewritten
from edgekit.codegen.memory.validate_moves import validate_moves
from edgekit.codegen.program import COPY, WAIT, BufferArg, Program
from edgekit.errors import DoesNotFit, InternalError
from tests.codegen.test_memory import _program, _survives, programs

REGIONS = [PlanRegion("fast", 160), PlanRegion("slow", 1 << 20, 6.0, True)]


def _tensor(size: int, uses: set[int], kind: str, outside: int | None, writes: int) -> Tensor:
    steps = tuple(sorted(uses))
    given, result = kind in ("input", "both"), kind in ("output", "both")
    written = steps[1:writes] if given else steps[:writes]
    return Tensor(size, steps, written, 3 * size, 2 * size, None if outside is None else outside * size, given, result)


problems = st.builds(
    ReplacementProblem,
    st.lists(
        st.builds(
            _tensor,
            st.integers(1, 5),
            st.sets(st.integers(0, 5), min_size=1, max_size=4),
            st.sampled_from(["inner", "inner", "input", "output", "both"]),
            st.sampled_from([None, None, 4, 9]),
            st.integers(1, 2),
        ),
        min_size=1,
        max_size=4,
    ).map(tuple),
    st.just(6),
    st.integers(3, 14),
)


def _choices(tensor: Tensor, steps: int) -> list[tuple[set[int], int]]:
    """Every way to treat a tensor: the steps at which it is on the chip, and the cost; by following its life."""
    found: list[tuple[set[int], int]] = [] if tensor.outside is None else [(set(), tensor.outside)]
    waits = [tensor.given, *(True for _ in tensor.uses[1:]), tensor.result]
    for drops in product((False, True), repeat=len(waits)):
        if any(drop and not wait for drop, wait in zip(drops, waits, strict=True)):
            continue
        here, cost, copy, previous = set(tensor.uses), 0, False, -1
        for number, (use, dropped) in enumerate(zip((*tensor.uses, steps + 1), drops, strict=True)):
            there = waits[number]
            if dropped:
                cost += 0 if copy or (number == 0 and tensor.given) else tensor.store
                cost += tensor.fetch if number < len(tensor.uses) else 0
                copy = True
            elif there:
                here |= set(range(previous + 1, use))
            copy = copy and use not in tensor.writes
            previous = use
        found.append((here, cost))
    return found


def _cheapest(problem: ReplacementProblem) -> int | None:
    best = None
    for choice in product(*(_choices(tensor, problem.steps) for tensor in problem.tensors)):
        live = [0] * (problem.steps + 1)
        for (here, _), tensor in zip(choice, problem.tensors, strict=True):
            for step in here:
                live[step] += tensor.size
        cost = sum(c for _, c in choice)
        if max(live) <= problem.capacity and (best is None or cost < best):
            best = cost
    return best


@settings(max_examples=150, deadline=None)
@given(problems)
def test_no_replacement_is_cheaper(problem: ReplacementProblem) -> None:
    solution = solve(problem)
    best = _cheapest(problem)
    if solution is None:
        assert best is None
        return
    assert solution.cost == best and solution.proven
    live = [0] * (problem.steps + 1)
    for stay in residences(problem, solution):
        for step in range(stay.first, stay.last + 1):
            live[step] += problem.tensors[stay.tensor].size
    assert max(live) <= problem.capacity


@settings(max_examples=60, deadline=None)
@given(problems)
def test_what_ends_early_says_so(problem: ReplacementProblem) -> None:
    best, effort = solve(problem), Effort(0)
    soon = solve(problem, effort=effort)
    if best is not None and soon is not None:
        assert soon.lower_bound <= best.cost <= soon.cost
    assert Effort(10_000).nodes(10) == 88 and Effort(0).nodes(10) == 1
    assert effort.left <= 0


def test_moves_of_a_known_problem() -> None:
    # Over ten bytes the second tensor needs all of it in step 2: the first must leave, once stored, and come back.
    waiting, large = Tensor(4, (0, 1, 4), (0,), 4, 4), Tensor(8, (2, 3), (2,), 8, 8)
    solution = solve(ReplacementProblem((waiting, large), 5, 10))
    assert solution is not None and solution.cost == 8 and solution.dropped == (frozenset({1}), frozenset())
    stays = residences(ReplacementProblem((waiting, large), 5, 10), solution)
    assert [(s.tensor, s.first, s.last, s.fetched, s.stored) for s in stays] == [
        (0, 0, 1, False, True), (0, 4, 4, True, False), (1, 2, 3, False, False)
    ]  # fmt: skip
    assert solve(ReplacementProblem((waiting, large), 5, 7)) is None
    # Written again, it must be stored again.
    changed = Tensor(4, (0, 2, 4), (0, 2), 4, 4)
    large = Tensor(8, (1,), (1,), 8, 8)
    again = Tensor(8, (3,), (3,), 8, 8)
    solution = solve(ReplacementProblem((changed, large, again), 5, 10))
    assert solution is not None and solution.cost == 16


def test_what_has_no_placement_is_refused() -> None:
    # Six bytes are live in step 1, but the second of two blocks that start at multiples of four ends at seven.
    waiting, between = Tensor(3, (0, 2), (0,), 3, 3), Tensor(3, (1,), (1,), 3, 3)
    problem = ReplacementProblem((waiting, between, Tensor(6, (3,), (3,), 6, 6)), 4, 6)
    free = solve(problem)
    assert free is not None and free.cost == 0
    found = solve_placed(problem, alignment=4)
    assert found is not None
    solution, placement = found
    assert solution.cost == 6 and solution.proven and solution.dropped[0] == frozenset({0})
    assert placement.peak <= 6
    # A few may be refused however little effort there is.
    assert solve_placed(problem, 4, effort=1) == found
    # Where both are used together, nothing helps.
    both = Tensor(3, (1,), (1,), 3, 3)
    assert solve_placed(ReplacementProblem((both, between), 2, 6), alignment=4) is None


def _with_work(parts: tuple[list[int], list[int], list[bool]], macs: list[int]) -> Program:
    program = _program(*parts)
    for step, work in zip(program.steps, macs, strict=False):
        step.macs = work
    return program


@settings(max_examples=150, deadline=None)
@given(programs, st.lists(st.sampled_from([0, 2000]), min_size=12, max_size=12), st.sampled_from(["time", "bytes"]))
def test_programs_with_moves_are_valid(
    parts: tuple[list[int], list[int], list[bool]], macs: list[int], objective: str
) -> None:
    program = _with_work(parts, macs)
    moving = with_moves(program, REGIONS, Aim(objective))
    validate_moves(program, moving)
    validate_plan(moving, plan_memory(moving, REGIONS))
    moving, plan = overlapped(moving, plan_memory(moving, REGIONS))
    validate_moves(program, moving)
    validate_plan(moving, plan)
    assert _survives(moving, plan) and _survives(moving, plan, late=True)
    moves = plan_report(moving, plan)["moves"]
    assert len(moves) == sum(call.kernel == COPY for step in moving.steps for call in step.calls)
    assert all(move["from"]["region"] == "slow" for move in moves if move["kind"] == "fetch")
    assert all(move["to"]["region"] == "slow" for move in moves if move["kind"] == "store")


INSIDE = [PlanRegion("fast", 150)]


def _again(parts: tuple[list[int], list[int], list[bool]]) -> tuple[Program, dict[int, float]]:
    """A program whose steps leave what they write, and may all run again."""
    program = _program(*parts)
    for step in program.steps:
        step.node, step.results = step.index, [program.buffers[step.index + 1]]
    return program, {step.index: 1.0 for step in program.steps}


@settings(max_examples=200, deadline=None)
@given(programs, st.floats(0, 0.9), st.sampled_from(["none", "time", "bytes"]))
def test_programs_that_make_things_again_are_valid(
    parts: tuple[list[int], list[int], list[bool]], share: float, objective: str
) -> None:
    program, cycles = _again(parts)
    peak = max(live_bytes(lifetimes(program)))
    largest = max(sum(buffer.size for buffer in step.buffers()) for step in program.steps)
    # The placement may need a little more than the live bytes.
    regions = [PlanRegion("fast", 8 + largest + int(share * (peak - largest)))]
    regions += [PlanRegion("slow", 1 << 20, 6.0, True)] if objective != "none" else []
    moving = with_moves(program, regions, Aim("bytes" if objective == "bytes" else "time", cycles=cycles))
    validate_moves(program, moving)
    if moving is not program:
        assert _survives(moving, plan_memory(moving, regions))
        moving, plan = overlapped(moving, plan_memory(moving, regions))
        validate_moves(program, moving)
        validate_plan(moving, plan)
        assert _survives(moving, plan) and _survives(moving, plan, late=True)


def _remade() -> tuple[Program, Program]:
    """Buffer 1 is read at the start and the end, but for steps in which only the input stays beside what they need."""
    program, cycles = _again(([20, 40, 80, 40, 60, 40], [0, 1, 0, 3, 0, 0], [False] * 6))
    program.steps[3].calls[0] = replace(
        program.steps[3].calls[0],
        args=(BufferArg(program.buffers[3], "int8_t"), BufferArg(program.buffers[1], "int8_t"),
              BufferArg(program.buffers[4], "int8_t", True)),
    )  # fmt: skip
    return program, with_moves(program, INSIDE, Aim(cycles=cycles))


def test_what_fits_in_no_other_way_is_made_again() -> None:
    program, moving = _remade()
    with pytest.raises(DoesNotFit):
        plan_memory(program, INSIDE)
    assert [(step.name, step.again) for step in moving.steps if step.again] == [("s0 (again)", True)]
    assert not moving.moves
    plan = plan_memory(moving, INSIDE)
    validate_plan(moving, plan)
    assert plan.arena["fast"] <= 150


def test_every_mutation_of_what_is_made_again_is_caught() -> None:
    program, moving = _remade()
    validate_moves(program, moving)
    (again,) = (step for step in moving.steps if step.again)
    call = again.calls[0]
    others = [buffer for buffer in moving.buffers if buffer not in again.buffers()]
    without = [step for step in moving.steps if step is not again]
    with pytest.raises(InternalError, match="moves"):
        validate_moves(program, replace(moving, steps=without))
    for place, arg in enumerate(call.args):
        for other in others:
            assert isinstance(arg, BufferArg)
            args = (*call.args[:place], replace(arg, buffer=other), *call.args[place + 1 :])
            mutant = replace(again, calls=[replace(call, args=args)])
            steps = [mutant if step is again else step for step in moving.steps]
            with pytest.raises(InternalError, match="moves"):
                validate_moves(program, replace(moving, steps=steps))


def _moving() -> tuple[Program, Program]:
    """Buffer 0 is read at the start and the end, and nothing beside buffers 2 and 3 has room."""
    program = _program([40, 40, 80, 80, 40, 40], [0, 1, 0, 0, 4, 0], [False] * 6)
    for step in program.steps:
        step.macs = 4000
    moving = with_moves(program, REGIONS)
    assert len(moving.moves) == 2 and moving.moves[-1].fetches
    return program, moving


def test_moves_cost_less_than_life_outside() -> None:
    program, moving = _moving()
    before, after = plan_memory(program, REGIONS), plan_memory(moving, REGIONS)
    assert moved_cost(moving, after, Aim()) < moved_cost(program, before, Aim())
    assert moved_cost(moving, after, Aim("bytes")) == sum(move.bytes for move in moving.moves)


def test_an_input_that_its_first_step_fetches_arrives_in_its_copy() -> None:
    program, _ = _moving()
    lives, axis = lifetimes(program), Axis(len(program.steps), [])
    stays = [Residence(0, 0, 1, True, False), Residence(0, 4, 4, True, False)]
    stays += [Residence(n, life.first, life.last, False, False) for n, life in enumerate(lives) if n]
    moving = rewritten(program, lives, stays, [False] * len(lives), [], axis)
    validate_moves(program, moving)
    (port,) = moving.inputs
    assert port.buffer.outside and port.buffer.kind == "copy"
    assert [(move.step, move.fetches, move.source) for move in moving.moves] == [
        (0, True, port.buffer),
        (4, True, port.buffer),
    ]
    flying, plan = overlapped(moving, plan_memory(moving, REGIONS))
    validate_plan(flying, plan)
    assert plan.places[port.buffer].region == "slow"
    assert _survives(flying, plan) and _survives(flying, plan, late=True)
    # On the chip nothing has filled it when its copy is fetched.
    with pytest.raises(InternalError, match="moves"):
        validate_moves(program, replace(moving, inputs=[replace(port, buffer=moving.moves[0].target)]))


def test_every_mutation_of_moves_is_caught() -> None:
    program, moving = _moving()
    validate_moves(program, moving)
    caught = 0
    for index, step in enumerate(moving.steps):
        for at, call in enumerate(step.calls):
            others = [*step.calls[:at], *step.calls[at + 1 :]]
            steps = [*moving.steps[:index], replace(step, calls=others), *moving.steps[index + 1 :]]
            # A later wait may be enough for the values; for their places it is not, see below.
            if call.kernel != WAIT:
                with pytest.raises(InternalError, match="moves"):
                    validate_moves(program, replace(moving, steps=steps))
            if call.kernel == COPY:
                target, source, size = call.args
                assert isinstance(target, BufferArg) and isinstance(source, BufferArg)
                turned = replace(call, args=(replace(target, buffer=source.buffer),
                                             replace(source, buffer=target.buffer), size))  # fmt: skip
                steps[index] = replace(step, calls=[*step.calls[:at], turned, *step.calls[at + 1 :]])
                with pytest.raises(InternalError, match="moves"):
                    validate_moves(program, replace(moving, steps=steps))
                caught += 1
    assert caught == len(moving.moves)


def test_moves_are_made_while_steps_run(monkeypatch: pytest.MonkeyPatch) -> None:
    program, moving = _moving()
    flying, plan = overlapped(moving, plan_memory(moving, REGIONS))
    validate_moves(program, flying)
    validate_plan(flying, plan)
    store, fetch = flying.moves
    assert store.start == store.step < store.end and fetch.start < fetch.step == fetch.end
    blocking = plan_memory(moving, REGIONS)
    monkeypatch.setattr("edgekit.codegen.memory.aim.DMA_CYCLES", 1)
    # The fetch of 40 bytes, one cycle per word at one end and six at the other, and two for the loop; the place of what
    # is stored is taken at once.
    copied = 40 * (1 + 6 + 2)
    assert hidden_cost(moving, blocking, Aim(dma=True, cycles={0: 1e6})) == 0
    assert hidden_cost(flying, plan, Aim(dma=True, cycles={0: 1e6})) == copied - 2 * 4
    assert 0 < hidden_cost(flying, plan, Aim(dma=True, cycles={0: 10.0})) < copied - 2 * 4


def test_every_mutation_of_moves_in_flight_is_caught() -> None:
    program, moving = _moving()
    flying, plan = overlapped(moving, plan_memory(moving, REGIONS))
    caught = 0
    for index, step in enumerate(flying.steps):
        for at, call in enumerate(step.calls):
            if call.kernel not in (COPY, WAIT):
                continue
            others = [*step.calls[:at], *step.calls[at + 1 :]]
            # Left out, a step earlier if a fetch starts, a step later if it waits.
            fetches = any(move.fetches and move.start == index for move in flying.moves)
            for move_to in (None, index - 1 if fetches and call.kernel == COPY else index + 1):
                steps = [*flying.steps]
                steps[index] = replace(step, calls=others)
                if move_to is not None and 0 <= move_to < len(steps):
                    steps[move_to] = replace(steps[move_to], calls=[call, *steps[move_to].calls])
                mutant = replace(flying, steps=steps)
                with pytest.raises(InternalError):
                    validate_moves(program, mutant)
                    validate_plan(mutant, plan)
                caught += 1
    assert caught == 2 * sum(call.kernel in (COPY, WAIT) for step in flying.steps for call in step.calls) >= 8


def test_every_mutation_of_places_is_caught() -> None:
    _, moving = _moving()
    plan = plan_memory(moving, REGIONS)
    (copy,) = (buffer for buffer in moving.buffers if buffer.outside)
    with pytest.raises(InternalError, match="on the chip"):
        validate_plan(moving, replace(plan, places={**plan.places, copy: Place("fast", 0)}))
    tried = 0
    for one, other in permutations(plan.lives, 2):
        if one.overlaps(other) and copy not in one.buffers:
            places = {**plan.places, **dict.fromkeys(one.buffers, plan.places[other.buffers[0]])}
            with pytest.raises(InternalError, match=r"overwritten|overlap|leaves region"):
                validate_plan(moving, replace(plan, places=places))
            tried += 1
    assert tried > 10
