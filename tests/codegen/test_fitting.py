"""Scratch for speed: only what costs neither copies nor layers that run again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgekit.codegen import fitting
from edgekit.codegen.fitting import lower_and_plan
from edgekit.codegen.lowering import Target
from edgekit.codegen.memory import MemoryPlan, PlanRegion
from edgekit.codegen.program import Move, Program
from tests.codegen.streaming.networks import random_network


@pytest.mark.parametrize("copied", [False, True])
def test_scratch_is_worth_no_copies(monkeypatch: pytest.MonkeyPatch, copied: bool) -> None:
    planned, offered = fitting._planned, list[Program]()

    def faster(program: Program, *args: Any) -> tuple[Program, MemoryPlan]:
        found, plan = planned(program, *args)
        if offered and copied:
            near, far = found.buffers[:2]
            found = replace(found, moves=[Move(0, "x", near, far, near.size, False, 0, 0)])
        offered.append(found)
        return found, plan

    monkeypatch.setattr(fitting, "_planned", faster)
    program, _ = lower_and_plan(random_network(1), Target(True), [PlanRegion("ram", 1 << 20)])
    least, *others = offered
    assert any(step.flexible for step in least.steps) and others
    assert program is (least if copied else others[0])
    assert len(others) == (len(fitting._SHARES) if copied else 1)


def test_copies_are_not_traded_for_what_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    planned, offered = fitting._planned, list[Program]()

    def faster(program: Program, *args: Any) -> tuple[Program, MemoryPlan]:
        found, plan = planned(program, *args)
        near, far = found.buffers[:2]
        if offered:
            # The multiplications are fewer than the bytes that are copied otherwise.
            found.steps[0] = replace(found.steps[0], again=True, macs=1)
        else:
            found = replace(found, moves=[Move(0, "x", near, far, 2, False, 0, 0)])
        offered.append(found)
        return found, plan

    monkeypatch.setattr(fitting, "_planned", faster)
    program, _ = lower_and_plan(random_network(1), Target(True), [PlanRegion("ram", 1 << 20)])
    assert len(offered) > 1 and program is offered[0]
