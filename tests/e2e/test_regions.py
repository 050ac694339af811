"""Models that need more than one memory: several on the chip, and memory outside with copies back and forth."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest

from benchmarks.large_activations import hourglass, large_classifier, long_skip, measure, three_banks
from edgekit.boards import load_board
from edgekit.codegen.fitting import lower_and_plan
from edgekit.codegen.integration import Tricks
from edgekit.codegen.lowering import Target
from edgekit.codegen.memory.region import plan_regions
from edgekit.errors import DoesNotFit
from edgekit.ir import load_graph


def test_a_model_that_needs_three_memories_of_the_chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # With less set aside than the stack takes, the image does not fit at first, and the build plans again.
    monkeypatch.setattr("edgekit.generation.RESERVE", 256)
    report = measure(tmp_path, three_banks(), "stm32h743")
    assert report["fits"] and report["validation"]["bit_exact"]
    used = {region["name"]: region["used"] for region in report["regions"]}
    assert used["dtcm"] > 60_000 and used["axi"] >= 512_000 and used["sram1"] + used["sram2"] >= 256_000
    ram = report["ram"]
    assert ram["total"] == ram["arena"] + ram["data_bss"] + ram["stack_bound"] <= ram["budget"]
    assert ram["external"] == report["moves"]["count"] == 0 and ram["stack_region"] == "dtcm"
    plan = json.loads((tmp_path / "firmware" / "plan.json").read_text())
    assert plan["accesses"]["proven"]
    # The hottest buffer is the window that every multiplication reads; it stands in the fastest memory.
    scratch = {b["region"] for b in plan["buffers"] if b["kind"] == "scratch" and b["name"].endswith("linear")}
    assert scratch == {"dtcm"}
    graph, board = load_graph(tmp_path / "firmware" / "reference"), load_board("stm32h743")
    large = [region for region in plan_regions(board, external=True) if region.name != "sram4"]
    for two in combinations(large, 2):
        with pytest.raises(DoesNotFit, match="costliest"):
            lower_and_plan(graph, Target.of(board), two, tricks=Tricks(streaming=False, recomputation=False))


def test_weights_that_are_read_least_leave_the_flash(tmp_path: Path) -> None:
    report = measure(tmp_path, large_classifier(), "stm32f746")
    assert report["fits"] and report["validation"]["bit_exact"]
    flash = report["flash"]
    assert flash["total"] == flash["code"] + flash["weights"] - flash["external"] <= flash["budget"]
    plan = json.loads((tmp_path / "firmware" / "plan.json").read_text())
    outside = [table for table in plan["weights"] if table["region"] == "qspi"]
    assert [table["layer"] for table in outside] == ["middle"]
    assert sum(table["bytes"] for table in outside) == flash["external"] > 1_000_000
    near = [table for table in plan["weights"] if table["region"] == "flash" and table["layer"] == "second.linear"]
    assert any(table["read"] > 1_000 * table["bytes"] for table in near)
    (qspi,) = (region for region in report["regions"] if region["name"] == "qspi")
    assert qspi["used"] == flash["external"]


def test_a_layer_runs_again_where_its_result_has_no_room(tmp_path: Path) -> None:
    with pytest.raises(DoesNotFit, match=r"second\.linear"):
        measure(tmp_path, long_skip(), "stm32f103", disabled=("streaming", "recomputation"))
    report = measure(tmp_path, long_skip(), "stm32f103")
    assert report["fits"] and report["validation"]["bit_exact"]
    layers = report["instructions"]["per_layer"]
    again = {layer["name"]: layer for layer in layers if layer["name"].startswith("stem.linear")}
    first, second = again["stem.linear"], again["stem.linear (again)"]
    assert report["recomputed"] == {"layers": 1, "macs": 22 * 22 * 3 * 16} == {"layers": 1, "macs": second["macs"]}
    assert report["macs"] == sum(layer["macs"] for layer in layers) - second["macs"]
    assert abs(first["instructions"] - second["instructions"]) < 100
    # By rows it takes fewer cycles.
    usual = measure(tmp_path, long_skip(), "stm32f103", disabled=())
    assert usual["recomputed"]["layers"] == 0 and usual["instructions"]["total"] < report["instructions"]["total"]


def test_a_layer_runs_again_where_several_memories_have_no_room(tmp_path: Path) -> None:
    # Less is live at once than the chip has, but three activations of 272 KB have no places.
    report = measure(tmp_path, long_skip(side=132), "stm32h743")
    assert report["fits"] and report["validation"]["bit_exact"]
    assert report["recomputed"] == {"layers": 1, "macs": 132 * 132 * 3 * 16}


@pytest.mark.parametrize(("objective", "moves"), [("bytes", 2), pytest.param("time", 0, marks=pytest.mark.slow)])
def test_activations_of_a_megabyte_run_from_sdram(tmp_path: Path, objective: str, moves: int) -> None:
    report = measure(tmp_path, hourglass(), "stm32f746", objective)
    assert report["fits"] and report["validation"]["bit_exact"]
    assert report["ram"]["external"] >= 3 << 19
    assert report["moves"] == {"count": moves, "bytes": moves * 131072}
    plan = json.loads((tmp_path / "firmware" / "plan.json").read_text())
    source = (tmp_path / "firmware" / "src" / f"{plan['name']}.c").read_text()
    assert source.count("ek_dma_start(") == moves
    assert [move["kind"] for move in plan["moves"]] == ["store", "fetch"][:moves]
    with pytest.raises(DoesNotFit, match="dtcm_sram1_sram2"):
        graph = load_graph(tmp_path / "firmware" / "reference")
        board = load_board("stm32f746")
        lower_and_plan(
            graph,
            Target.of(board),
            plan_regions(board, external=False),
            tricks=Tricks(streaming=False, recomputation=False),
        )
