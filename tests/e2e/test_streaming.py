"""Builds with streams: smaller arenas, the same bits, images by rows, and what does not fit without."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from benchmarks.mobilenet_v2 import mobilenet_v2
from edgekit.boards import load_board
from edgekit.cli import group
from edgekit.emulators.qemu_machine import COMMAND
from edgekit.errors import BadUsage, DoesNotFit
from edgekit.forecast.boards import Forecaster
from edgekit.ir import load_graph


def _model(folder: Path, **shape: Any) -> Path:
    onnx.save(mobilenet_v2(classes=10, **shape), folder / "net.onnx")
    size = (2, 3, shape["image"], shape["image"])
    np.savez(folder / "x.npz", x=np.random.default_rng(0).uniform(0, 1, size).astype(np.float32))
    return folder / "net.onnx"


def _build(model: Path, output: Path, board: str, *arguments: str) -> dict[str, Any]:
    command = ["build", str(model), "--board", board, "--data", str(model.parent / "x.npz"), "--json"]
    result = CliRunner().invoke(group, [*command, "-o", str(output), *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    assert report["validation"]["bit_exact"]
    layers = report["instructions"]["per_layer"]
    assert 0 <= report["instructions"]["total"] - sum(layer["instructions"] for layer in layers) < 40 * len(layers)
    return report


def test_what_an_arena_is_made_for(tmp_path: Path) -> None:
    model = _model(tmp_path, image=64, width=0.35, stages=4)
    usual, ram, rows, speed = (
        _build(model, tmp_path / f"out{index}", "stm32f746", *arguments)
        for index, arguments in enumerate(
            (
                (),
                ("--optimize", "ram"),
                ("--optimize", "ram", "--feed", "rows"),
                ("--optimize", "speed"),
            )
        )
    )
    arenas = [report["ram"]["arena"] for report in (rows, ram, usual, speed)]
    assert arenas == sorted(arenas) and 2 * arenas[1] < arenas[2]
    instructions = [report["instructions"]["total"] for report in (usual, ram, rows)]
    # Cycles are estimated to grow by a fifth at most.
    assert max(instructions) < 1.25 * instructions[0]
    assert speed["latency_ms"]["cycles"] <= usual["latency_ms"]["cycles"]
    assert len({report["macs"] for report in (usual, ram, rows, speed)}) == 1
    assert not any("run by rows" in note for note in usual["warnings"])
    assert any("run by rows" in note for note in ram["warnings"])
    plan = json.loads((tmp_path / "out1" / "plan.json").read_text())
    assert any(step["rounds"] > 1 for step in plan["steps"])


def test_streams_where_whole_tensors_do_not_fit(tmp_path: Path) -> None:
    model = _model(tmp_path, image=40, width=0.35, stages=3)
    with pytest.raises(DoesNotFit):
        _build(model, tmp_path / "refused", "stm32f103", "--disable", "streaming")
    report = _build(model, tmp_path / "out", "stm32f103")
    assert report["fits"] and any("run by rows" in note for note in report["warnings"])
    board = load_board("stm32f103")
    forecast = Forecaster(load_graph(tmp_path / "out" / "reference")).board(board)
    assert forecast.fits and forecast.ram.arena == report["ram"]["arena"]


def test_stripes_of_an_image_that_is_whole(tmp_path: Path) -> None:
    model = _model(tmp_path, image=96, width=0.35, stages=3)
    report = _build(model, tmp_path / "out", "stm32f746", "--optimize", "ram", "--feed", "whole")
    usual = _build(model, tmp_path / "usual", "stm32f746", "--feed", "whole")
    assert 2 * report["ram"]["arena"] < usual["ram"]["arena"]
    assert 0 < report["halo_macs"] < 0.2 * report["macs"] and report["macs"] == usual["macs"]
    assert usual["halo_macs"] == 0 and any("stripes" in note for note in report["warnings"])
    # The image, which is NCHW, is turned row by row: it never stands there twice.
    assert report["instructions"]["per_layer"][0]["op"].startswith("transpose+conv2d+")
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert sum(step["halo_macs"] for step in plan["steps"]) == report["halo_macs"]


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        (("--precision", "float32"), "no effect with --precision float32"),
        (("--disable", "streaming"), "no effect with --disable streaming"),
    ],
)
def test_what_has_no_effect_is_said(tmp_path: Path, arguments: tuple[str, ...], note: str) -> None:
    model = _model(tmp_path, image=24, width=0.35, stages=1)
    report = _build(model, tmp_path / "out", "stm32f746", "--optimize", "ram", *arguments)
    assert any(note in warning for warning in report["warnings"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--precision", "float32"), "leave it out with --precision float32"),
        (("--disable", "decomposition"), "--disable decomposition rules out"),
    ],
)
def test_rows_that_cannot_be_fed_are_refused(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    model = _model(tmp_path, image=24, width=0.35, stages=1)
    with pytest.raises(BadUsage, match=message):
        _build(model, tmp_path / "out", "stm32f746", "--feed", "rows", *arguments)


@pytest.mark.parametrize(
    "board", ["stm32n657", *(pytest.param(name, marks=pytest.mark.slow) for name in ("stm32f411", "rp2040"))]
)
def test_images_by_rows_on_other_cores(tmp_path: Path, board: str) -> None:
    if load_board(board).unicorn_cpu is None and shutil.which(COMMAND) is None:
        pytest.skip(f"{COMMAND} is not installed, which alone emulates {board}")
    model = _model(tmp_path, image=48, width=0.35, stages=3)
    report = _build(model, tmp_path / "out", board, "--optimize", "ram", "--feed", "rows")
    assert report["instructions"]["per_layer"][0]["op"].startswith("feed_rows+")
