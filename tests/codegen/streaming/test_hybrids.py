"""Streams beside attention and row chains: all are alternatives of one choice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from edgekit.cli import group
from edgekit.codegen.attention import Attention
from edgekit.codegen.fitting import lower_and_plan
from edgekit.codegen.integration import RowChain, Tricks
from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.memory import PlanRegion, plan_memory, validate_plan
from edgekit.codegen.streaming.choice import Chooser
from tests.codegen.streaming.hybrids import Hybrid

TARGETS = [Target(dsp=True, dual_issue=True), Target(dsp=False), Target(dsp=True, mve=True)]
PLENTY = 1 << 30


@pytest.mark.parametrize("target", TARGETS, ids=["dsp", "scalar", "vectors"])
@pytest.mark.parametrize("image", [36, 64])
def test_plans_keep_to_the_capacity_of_their_choice(tmp_path: Path, target: Target, image: int) -> None:
    graph = Hybrid(image).quantized(tmp_path)
    found = Chooser(graph, target, PLENTY).smallest(1 << 20, float("inf"))
    assert found is not None
    capacity, choice = found
    assert choice.streams and any(isinstance(g, Attention) for g in choice.groups)
    program = lower(graph, target, groups=choice.groups)
    plan = plan_memory(program, [PlanRegion("ram", PLENTY)])
    validate_plan(program, plan)
    assert plan.arena["ram"] <= capacity + 64


def test_whole_tensors_integrate_all_that_can_be(tmp_path: Path) -> None:
    choice = Chooser(Hybrid(36).quantized(tmp_path), TARGETS[0], PLENTY, streaming=False).cheapest(PLENTY)
    assert choice is not None
    assert [type(g) for g in choice.groups] == [Attention, RowChain, RowChain]


def test_nothing_is_integrated_where_there_is_room_for_whole_tensors(tmp_path: Path) -> None:
    graph = Hybrid(36).quantized(tmp_path)
    choice = Chooser(graph, TARGETS[0], PLENTY).cheapest(PLENTY)
    assert choice is not None and not any(isinstance(g, RowChain) for g in choice.groups)
    off = Chooser(graph, TARGETS[0], PLENTY, tricks=Tricks(integration=False)).smallest(PLENTY, float("inf"))
    on = Chooser(graph, TARGETS[0], PLENTY).smallest(PLENTY, float("inf"))
    assert off is not None and on is not None
    assert all(type(g) not in (Attention, RowChain) for g in off[1].groups) and on[0] < off[0]


def test_the_stem_streams_where_the_blocks_are_integrated(tmp_path: Path) -> None:
    graph, regions = Hybrid().quantized(tmp_path), [PlanRegion("ram", 1 << 20)]
    arenas = {
        mode: lower_and_plan(graph, TARGETS[0], regions, optimize=mode)[1].arena["ram"] for mode in ("balanced", "ram")
    }
    assert 4 * arenas["ram"] < arenas["balanced"]


@pytest.mark.parametrize(("board", "feed"), [("stm32f746", "whole"), ("rp2040", "rows")])
def test_builds_equal_the_reference(tmp_path: Path, board: str, feed: str) -> None:
    hybrid = Hybrid(36)
    onnx.save(hybrid.model(), tmp_path / "hybrid.onnx")
    np.savez(tmp_path / "x.npz", x=hybrid.samples())
    reports: list[dict[str, Any]] = []
    for mode in ("balanced", "ram"):
        command = ["build", str(tmp_path / "hybrid.onnx"), "--board", board, "--data", str(tmp_path / "x.npz")]
        command += ["--json", "--optimize", mode, "--feed", feed, "-o", str(tmp_path / mode)]
        result = CliRunner().invoke(group, command, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        reports.append(json.loads(result.stdout))
    usual, small = reports
    assert usual["validation"]["bit_exact"] and small["validation"]["bit_exact"]
    assert 2 * small["ram"]["arena"] < usual["ram"]["arena"]
    # Cycles are estimated to grow by a fifth at most.
    assert small["instructions"]["total"] < 1.25 * usual["instructions"]["total"]
