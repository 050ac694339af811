"""A small model, built and run on every board: one data file per board is all that a board takes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from benchmarks.hot_blocks import hottest, lines
from edgekit.boards import board_names, load_board
from edgekit.cli import group
from edgekit.emulators.qemu_machine import COMMAND
from edgekit.errors import EdgekitError, ToolchainError
from edgekit.latency.cores import CORES
from edgekit.pipeline import BuildOptions, build
from edgekit.progress import Progress


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution and a matrix product, with their calibration samples beside them."""
    folder = tmp_path_factory.mktemp("model")
    rng = np.random.default_rng(0)
    filters = numpy_helper.from_array(rng.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32), "filters")
    matrix = numpy_helper.from_array(rng.normal(0, 0.3, (144, 5)).astype(np.float32), "matrix")
    nodes = [
        helper.make_node("Conv", ["x", "filters"], ["c"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("MatMul", ["f", "matrix"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "two_layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        [filters, matrix],
    )
    path = folder / "two_layers.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    np.savez(folder / "x.npz", x=rng.uniform(0, 1, (4, 3, 8, 8)).astype(np.float32))
    return path


def options(board: str, model: Path, output: Path) -> BuildOptions:
    return BuildOptions(board=board, output=output, model=model, data=model.parent / "x.npz", samples=2)


@pytest.mark.parametrize("name", board_names())
def test_model_runs_on_every_board(name: str, model: Path, tmp_path: Path) -> None:
    board = load_board(name)
    if board.unicorn_cpu is None and shutil.which(COMMAND) is None:
        pytest.skip(f"{COMMAND} is not installed, which alone emulates {board.core}")
    report = build(options(name, model, tmp_path / "out"), Progress(quiet=True))
    validation, ram = report["validation"], report["ram"]
    assert report["fits"] and validation["bit_exact"] and validation["inputs"] == 2
    assert 0 < ram["stack_measured"] <= ram["stack_bound"]
    layers = report["instructions"]["per_layer"]
    assert [layer["op"] for layer in layers] == ["transpose", "conv2d", "fully_connected"]
    assert all(layer["instructions"] > 0 for layer in layers)
    assert 8_000 < report["instructions"]["total"] < 400_000
    latency = report["latency_ms"]
    assert latency["low"] < latency["model"] < latency["high"]
    calibrated = board.core in ("cortex-m4", "cortex-m7", "cortex-m33")
    assert ("NOT CALIBRATED" in latency["label"]) == (not calibrated) == (not latency["calibrated"])
    assert latency["model"] == pytest.approx(latency["cycles"] / (board.mhz * 1000), abs=1e-3)
    assert 0.5 < latency["cycles_per_instruction"] < 5 and 0 < latency["memory_cycles"] < latency["cycles"]
    if latency["method"] == "cycles":
        assert 0.9 < sum(layer["cycles"] for layer in layers) / latency["cycles"] <= 1
        image, core, ranked, total = hottest(tmp_path / "out", 5)
        assert core == board.core and len(ranked) == 5
        of_pipeline = (latency["cycles"] - latency["memory_cycles"]) / CORES[core].scale
        assert total == pytest.approx(of_pipeline, rel=0.1)  # the input is another one
        assert all("instructions" in next(lines(image, same, total, False)) for same in ranked)
    else:
        assert board.core == "cortex-m55" and all(layer["cycles"] is None for layer in layers)
    # Contiguous banks fill up from the first one; the model is far smaller than any of them.
    used = {region["name"] for region in report["regions"] if region["used"]}
    starts = {board.ram_stack.address, board.flash_internal.address}
    assert used == {region.name for region in board.regions if region.address in starts}


@pytest.mark.skipif(shutil.which(COMMAND) is None, reason=f"{COMMAND} is not installed")
def test_cortex_m55_build_says_what_ran_and_runs_again(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = build(options("stm32n657", model, out), Progress(quiet=True))
    validation = report["validation"]
    assert validation["emulator"] == "qemu mps3-an547"
    assert "axi1 to axi6 at 0x21000000" in validation["image"] and "not run" in validation["image"]
    assert any("no flash inside" in warning for warning in report["warnings"])
    shipped, emulated = out / "two_layers.elf", out / "emulator" / "two_layers.elf"
    assert shipped.read_bytes() != emulated.read_bytes()
    runner = CliRunner()
    data = str(model.parent / "x.npz")
    result = runner.invoke(group, ["run", str(out), "--input", data, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["instructions"] == report["instructions"]["total"]
    result = runner.invoke(group, ["validate", str(out), "--data", data, "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout)["validation"]["bit_exact"]
    with pytest.raises(EdgekitError, match="no cycle model"):
        hottest(out, 5)


def test_missing_qemu_is_said_before_any_work(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolchainError, match=r"stm32n657 \(cortex-m55\).*QEMU.*apt install qemu-system-arm"):
        build(options("stm32n657", model, tmp_path / "out"), Progress(quiet=True))
    assert list(tmp_path.iterdir()) == []
