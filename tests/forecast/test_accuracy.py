"""What is forecast is what the linker then finds, on every core; and the verdict is the build's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.forecast_accuracy import BOARDS, MODELS, Comparison, compare
from edgekit.cli import group
from edgekit.models import packaged_model

LIMIT = 0.15
QUICK = (
    ("mlperf_tiny/ad/ad01_int8.tflite", "int8", ("rp2040", "stm32u585")),
    ("mlperf_tiny/kws/kws_ref_model.tflite", "int8", ("stm32f103", "stm32n657")),
    ("mlperf_tiny/vww/vww_96_int8.tflite", "int8", ("stm32f103", "stm32h743")),
    ("onnx_small/mnist-8.onnx", "int8", ("rp2040", "stm32f411")),
    ("onnx_small/mnist-8.onnx", "float32", ("rp2040", "stm32f746")),
    ("tflm/hello_world_float.tflite", "float32", ("stm32f103",)),
)


def check(comparison: Comparison) -> None:
    where = f"{comparison.model} {comparison.precision} on {comparison.forecast.board}"
    assert comparison.forecast.unmeasured == (), where
    assert comparison.forecast.fits == (comparison.measured is not None), where
    if comparison.measured is not None:
        assert max(map(abs, comparison.errors)) <= LIMIT, f"{where}: {comparison}"


@pytest.mark.parametrize(("model", "precision", "boards"), QUICK)
def test_public_models(data_dir: Path, model: str, precision: str, boards: tuple[str, ...]) -> None:
    for comparison in compare(model, precision, boards, data_dir / "models"):
        check(comparison)


def test_weights_and_activations_that_go_to_external_memories(data_dir: Path) -> None:
    (weights,) = compare("mlperf_tiny/ad/ad01_fp32.tflite", "float32", ["stm32f746"], data_dir / "models")
    check(weights)
    flash = weights.forecast.flash
    assert flash.code + flash.weights > flash.budget >= flash.total == flash.code + flash.weights - flash.external
    assert weights.forecast.ram.external == 0
    (arena,) = compare("onnx_small/yunet_n_320_320.onnx", "float32", ["stm32f746"], data_dir / "models")
    check(arena)
    assert arena.forecast.ram.external > 0 and arena.forecast.flash.external == 0


def test_layers_that_run_by_rows(data_dir: Path) -> None:
    (streams,) = compare("onnx_small/yunet_n_320_320.onnx", "int8", ["stm32f746"], data_dir / "models")
    check(streams)
    assert streams.measured is not None and streams.forecast.fits and streams.forecast.ram.external == 0


@pytest.mark.slow
@pytest.mark.parametrize(("model", "precision"), MODELS)
def test_every_model_on_every_core(data_dir: Path, model: str, precision: str) -> None:
    comparisons = compare(model, precision, BOARDS, data_dir / "models")
    for comparison in comparisons:
        check(comparison)
    assert any(comparison.measured for comparison in comparisons)


def test_analyze_says_what_build_then_reports(tmp_path: Path) -> None:
    """The packaged float model: forecast without data, built with real calibration."""
    runner = CliRunner()
    arguments = ["--board", "stm32f411", "--json"]
    result = runner.invoke(group, ["analyze", str(packaged_model().model_path), *arguments])
    assert result.exit_code == 0, result.output
    (said,) = json.loads(result.stdout)["boards"]
    result = runner.invoke(group, ["build", *arguments, "--samples", "1", "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert said["fits"] and report["fits"]
    for memory, parts in (("ram", ("total", "arena", "data_bss")), ("flash", ("total", "code", "weights"))):
        for part in parts:
            assert said[memory][part] == pytest.approx(report[memory][part], rel=LIMIT), (memory, part)
    assert said["ram"]["stack"] == pytest.approx(report["ram"]["stack_bound"], rel=LIMIT)
