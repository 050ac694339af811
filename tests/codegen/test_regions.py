"""Choice of regions and banks: the cheapest by plain enumeration, never worse than greedy, and always valid."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.codegen.memory import PlanRegion, live_bytes, plan_memory, validate_plan
from edgekit.codegen.memory.assignment import access_cost, assign
from edgekit.codegen.memory.banks import bank_cost, in_fast_banks
from edgekit.codegen.memory.liveness import lifetimes
from edgekit.codegen.memory.solver import place
from edgekit.codegen.memory.traffic import passes, traffic
from edgekit.codegen.program import COPY, Buffer, BufferArg, KernelCall, Literal, Program, Step
from edgekit.errors import DoesNotFit
from tests.codegen.test_memory import _program, programs

REGIONS = [
    PlanRegion("dtcm", 64, 1.0),
    PlanRegion("axi", 100, 1.2),
    PlanRegion("sram", 100, 1.5),
    PlanRegion("far", 4096, 6.0, True),
]


@settings(max_examples=40, deadline=None)
@given(programs, st.lists(st.integers(0, 900), min_size=12, max_size=12))
def test_no_choice_of_regions_is_cheaper(parts: tuple[list[int], list[int], list[bool]], macs: list[int]) -> None:
    program = _program(*(part[:5] for part in parts))
    for step, work in zip(program.steps, macs, strict=False):
        step.macs = work
    plan, moved, lives = plan_memory(program, REGIONS), traffic(program), lifetimes(program)
    validate_plan(program, plan)
    best = None
    for choice in product(REGIONS, repeat=len(lives)):
        here = {r.name: [x for x, c in zip(lives, choice, strict=True) if c is r] for r in REGIONS}
        if any(max(live_bytes(here[r.name]), default=0) > r.capacity for r in REGIONS):
            continue
        cost = sum(access_cost(here[r.name], r, moved) for r in REGIONS)
        best = cost if best is None else min(best, cost)
    # Live bytes are less than a placement may need; where no choice of regions had one, nothing bounds the cost.
    assert best is not None and best <= plan.cost and plan.cost_bound in (0, best)


@settings(max_examples=60, deadline=None)
@given(programs, st.integers(60, 200), st.integers(0, 200))
def test_all_on_chip_or_a_clear_error(parts: tuple[list[int], list[int], list[bool]], first: int, second: int) -> None:
    program = _program(*parts)
    regions = [PlanRegion("a", first), PlanRegion("b", second, 1.5)]
    try:
        plan = plan_memory(program, regions)
    except DoesNotFit as error:
        assert error.region == "a + b" and error.need > error.have == first + second
        return
    validate_plan(program, plan)
    assert plan.arenas == [name for name in ("a", "b") if plan.arena[name]]


def test_hot_bytes_stand_in_the_fast_bank() -> None:
    # Large buffers fill what first fit places first; the small ones are those that are read again and again.
    program = _program([100, 100, 100, 100], [0, 1, 0, 0], [False] * 4)
    scratch = [Buffer(10 + i, f"w{i}", 40, "scratch") for i in range(3)]
    for step, buffer in zip(program.steps, scratch, strict=True):
        step.calls.append(KernelCall("k", (BufferArg(buffer, "int8_t", True),)))
        step.macs = 10_000
    region = PlanRegion("ram", 1024, 1.15, banks=((48, 1.0), (1024, 1.2)))
    lives, moved = lifetimes(program), traffic(program)
    plain = place(lives)
    better = in_fast_banks(lives, plain, region, moved)
    assert better.peak <= plain.peak
    assert bank_cost(lives, better.offsets, region, moved) < bank_cost(lives, plain.offsets, region, moved)
    plan = plan_memory(program, [region])
    validate_plan(program, plan)
    assert [plan.places[buffer].offset for buffer in scratch] == [0, 0, 0]


def test_traffic_by_hand() -> None:
    x, y, window, copy = (Buffer(i, n, s, k) for i, (n, s, k) in enumerate(
        [("x", 8, "activation"), ("y", 4, "activation"), ("w", 6, "scratch"), ("c", 8, "copy")]))  # fmt: skip
    direct = KernelCall("k", (BufferArg(x, "int8_t"), BufferArg(y, "int8_t", True)))
    windows = KernelCall("k", (BufferArg(x, "int8_t"), BufferArg(y, "int8_t", True), BufferArg(window, "int8_t", True)))
    move = KernelCall(COPY, (BufferArg(x, "uint8_t", True), BufferArg(copy, "uint8_t"), Literal(8)))
    steps = [Step(0, "a", "op", 100, [move, direct]), Step(1, "b", "op", 30, [windows])]
    program = Program("p", steps, [x, y, window, copy], [], [], [], [])
    assert passes(program) == {x: 24, y: 8, window: 6, copy: 8}
    assert traffic(program) == {x: 124, y: 8, window: 36, copy: 8}


def test_blocks_without_room_have_no_assignment() -> None:
    program = _program([100, 100, 100], [0, 1, 0], [False] * 3)
    assert assign(lifetimes(program), [PlanRegion("a", 120), PlanRegion("b", 90)], traffic(program)) is None
