"""The planner on random programs, held to the independent validator and to the lower bound."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.codegen.memory import PlanRegion, plan_memory, validate_plan
from edgekit.codegen.memory.plan import MemoryPlan, Place
from edgekit.codegen.program import COPY, WAIT, Buffer, BufferArg, KernelCall, Literal, Port, Program, Step
from edgekit.errors import DoesNotFit, InternalError


def _program(sizes: list[int], skips: list[int], in_place: list[bool]) -> Program:
    """A chain with skip connections: step i reads buffer i and an older one, and writes buffer i + 1."""
    buffers = [Buffer(i, f"b{i}", s, "activation") for i, s in enumerate(sizes)]
    steps = []
    for i in range(len(sizes) - 1):
        step = Step(i, f"s{i}", "op", 0)
        older = buffers[max(0, i - skips[i])]
        args = (BufferArg(buffers[i], "int8_t"), BufferArg(older, "int8_t"), BufferArg(buffers[i + 1], "int8_t", True))
        step.calls.append(KernelCall("k", args))
        if in_place[i]:
            step.in_place.append((buffers[i], buffers[i + 1]))
        steps.append(step)
    port_in = Port("x", buffers[0], "int8_t", "int8", (sizes[0],), None, None)
    port_out = Port("y", buffers[-1], "int8_t", "int8", (sizes[-1],), None, None)
    return Program("p", steps, buffers, [], [], [port_in], [port_out])


programs = st.integers(2, 12).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(1, 64), min_size=n, max_size=n),
        st.lists(st.integers(0, 4), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
    )
)


@settings(max_examples=60, deadline=None)
@given(programs)
def test_every_plan_is_valid_and_at_least_the_bound(parts: tuple[list[int], list[int], list[bool]]) -> None:
    program = _program(*parts)
    plan = plan_memory(program, [PlanRegion("ram", 1 << 20)])
    validate_plan(program, plan)
    assert plan.arena["ram"] >= plan.lower_bound["ram"]


def _survives(program: Program, plan: MemoryPlan, late: bool = False) -> bool:
    """Whether every read and every output finds its bytes as they were written, byte by byte.

    Copies are made when they start, or with `late` not before something waits for them.
    """
    flying: list[tuple[Buffer, Buffer]] = []
    memory: dict[tuple[str, int], Buffer] = {}

    def cells(buffer: Buffer) -> list[tuple[str, int]]:
        place = plan.places[buffer]
        return [(place.region, place.offset + i) for i in range(buffer.size)]

    def holds(buffer: Buffer) -> bool:
        return all(memory.get(cell) is buffer for cell in cells(buffer))

    memory.update((cell, port.buffer) for port in program.inputs for cell in cells(port.buffer))
    for step in program.steps:
        for call in step.calls:
            args = [arg for arg in call.args if isinstance(arg, BufferArg)]
            if late and call.kernel == COPY:
                flying.append((args[0].buffer, args[1].buffer))
                continue
            if late and call.kernel == WAIT:
                unfinished = call.args[0]
                assert isinstance(unfinished, Literal)
                while len(flying) > unfinished.value:
                    target, source = flying.pop(0)
                    if not holds(source):
                        return False
                    memory.update((cell, target) for cell in cells(target))
                continue
            if not all(holds(arg.buffer) for arg in args if not arg.writes):
                return False
            memory.update((cell, arg.buffer) for arg in args if arg.writes for cell in cells(arg.buffer))
    return all(holds(port.buffer) for port in program.outputs)


@settings(max_examples=150, deadline=None)
@given(programs, st.integers(0, 11), st.integers(0, 40))
def test_what_the_validator_accepts_loses_no_byte(
    parts: tuple[list[int], list[int], list[bool]], moved: int, words: int
) -> None:
    program = _program(*parts)
    plan = plan_memory(program, [PlanRegion("fast", 160), PlanRegion("slow", 1 << 20)])
    assert _survives(program, plan)
    buffer = program.buffers[moved % len(program.buffers)]
    places = {**plan.places, buffer: Place(plan.places[buffer].region, 4 * words)}
    changed = replace(plan, places=places)
    try:
        validate_plan(program, changed)
    except InternalError:
        return
    assert _survives(program, changed)


def test_overlap_is_caught() -> None:
    program = _program([8, 8, 8], [0, 0, 0], [False, False, False])
    plan = plan_memory(program, [PlanRegion("ram", 1024)])
    wrong = replace(plan, places={b: Place("ram", 0) for b in program.buffers})
    with pytest.raises(InternalError, match="overlap"):
        validate_plan(program, wrong)


def test_spills_to_the_slower_region_and_refuses_without_one() -> None:
    program = _program([100, 400, 100, 50], [0, 0, 0, 0], [False] * 4)
    plan = plan_memory(program, [PlanRegion("fast", 300), PlanRegion("slow", 4096)])
    validate_plan(program, plan)
    assert plan.arena["fast"] <= 300 and plan.arena["slow"] >= 400
    with pytest.raises(DoesNotFit, match="fast"):
        plan_memory(program, [PlanRegion("fast", 300)])
