"""From a model file to validated firmware, through the command line, on the packaged and the public models."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from elftools.elf.elffile import ELFFile

from edgekit.cli import group
from edgekit.errors import EdgekitError

TFLITE = [
    "mlperf_tiny/ad/ad01_int8",
    "mlperf_tiny/ic/pretrainedResnet_quant",
    "mlperf_tiny/kws/kws_ref_model",
    "mlperf_tiny/vww/vww_96_int8",
    "mobilenet_uint8/mobilenet_v1_0.25_128_quant",
    "tinymaix/mnist_dw_q",
    "tinymaix/mnist_valid_q",
    "tinymaix/vww96_q",
]
# TFLite Micro with CMSIS-NN on Cortex-M7: instructions, code bytes allowed, arena bytes.
PEERS = {
    "ad01_int8": (583_229, 20_480, 2_580),
    "pretrainedResnet_quant": (30_017_649, 40_960, 54_996),
    "kws_ref_model": (7_643_158, None, 22_820),
    "vww_96_int8": (24_025_600, None, 100_708),
}


def _build(*arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(group, ["build", *arguments, "--json"])
    if isinstance(result.exception, EdgekitError):
        raise result.exception
    assert result.exit_code == 0, result.output
    report: dict[str, object] = json.loads(result.stdout)
    return report


def test_packaged_model_everywhere(tmp_path: Path) -> None:
    for board in ("stm32f746", "rp2040"):
        report = _build("--board", board, "-o", str(tmp_path / board), "--samples", "4")
        assert report["fits"] and report["validation"]["bit_exact"]  # type: ignore[index]


@pytest.mark.parametrize("board", ["stm32f746", "stm32f103"])
def test_vision_transformer(tmp_path: Path, board: str) -> None:
    model = Path(__file__).parents[1] / "data" / "vision_transformers" / "vit_class_token_legacy13.onnx"
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(8, 3, 8, 8)).astype(np.float32))
    output = tmp_path / "out"
    report = _build(
        str(model), "--board", board, "--data", str(tmp_path / "x.npz"), "-o", str(output), "--samples", "3"
    )
    assert report["fits"] and report["validation"]["bit_exact"]  # type: ignore[index]


@pytest.mark.parametrize("model", TFLITE)
def test_tflite_models_are_exact_and_within_the_peers(data_dir: Path, tmp_path: Path, model: str) -> None:
    path = data_dir / "models" / f"{model}.tflite"
    report = _build(str(path), "--board", "stm32f746", "-o", str(tmp_path / "out"), "--samples", "3")
    validation, ram, flash = report["validation"], report["ram"], report["flash"]
    assert isinstance(validation, dict) and isinstance(ram, dict) and isinstance(flash, dict)
    assert validation["bit_exact"] and validation["runtimes"][0]["differing"] == 0
    assert ram["stack_measured"] <= ram["stack_bound"] and ram["data_bss"] < 1024
    if path.stem in PEERS:
        instructions, code, arena = PEERS[path.stem]
        assert report["instructions"]["total"] <= instructions  # type: ignore[index]
        assert ram["arena"] <= arena
        assert code is None or flash["code"] <= code


def test_two_builds_are_identical(data_dir: Path, tmp_path: Path) -> None:
    model = str(data_dir / "models/tinymaix/mnist_valid_q.tflite")
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        _build(model, "--board", "stm32f411", "-o", str(folder), "--samples", "1")
    files = sorted(p.relative_to(folders[0]) for p in folders[0].rglob("*") if p.is_file())
    assert len(files) > 10
    for file in files:
        assert (folders[0] / file).read_bytes() == (folders[1] / file).read_bytes(), file


def test_run_and_validate_a_build(data_dir: Path, tmp_path: Path) -> None:
    out, x = tmp_path / "out", tmp_path / "x.npy"
    _build(str(data_dir / "models/tinymaix/mnist_valid_q.tflite"), "--board", "stm32f746", "-o", str(out))
    np.save(x, np.random.default_rng(0).integers(-128, 128, (3, 28, 28, 1)).astype(np.int8))
    result = CliRunner().invoke(
        group, ["run", str(out), "--input", str(x), "--output", str(tmp_path / "y.npy"), "--json"]
    )
    assert result.exit_code == 0, result.output
    y = np.load(tmp_path / "y.npy")
    assert y.shape == (3, 10) and y.dtype == np.int8
    assert json.loads(result.stdout)["outputs"][0] == y.tolist()
    result = CliRunner().invoke(group, ["validate", str(out), "--data", str(x), "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout)["validation"]["bit_exact"]


def test_too_large_for_the_board(data_dir: Path, tmp_path: Path) -> None:
    model = str(data_dir / "models/mobilenet_uint8/mobilenet_v1_0.25_128_quant.tflite")
    with pytest.raises(
        EdgekitError, match=r"does not fit: region .* needs \d+ B, has \d+ B; costliest layers: .+"
    ) as info:
        _build(model, "--board", "stm32f411", "-o", str(tmp_path / "out"))
    assert info.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["MODEL", "--board", "stm32f999"], "stm32f"),
        (["missing.tflite", "--board", "stm32f746"], "cannot read"),
        (["FLOAT", "--board", "stm32f746"], "--data"),
    ],
)
def test_bad_usage_is_one_clear_error(data_dir: Path, tmp_path: Path, arguments: list[str], text: str) -> None:
    names = {
        "MODEL": str(data_dir / "models/tinymaix/mnist_valid_q.tflite"),
        "FLOAT": str(data_dir / "models/tinymaix/mnist_valid_f.tflite"),
    }
    with pytest.raises(EdgekitError, match=text) as info:
        _build(*[names.get(a, a) for a in arguments], "-o", str(tmp_path / "out"))
    assert info.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_an_integer_image_calls_no_float_library(data_dir: Path, tmp_path: Path) -> None:
    for board in ("stm32f746", "stm32f411", "rp2040"):
        out = tmp_path / board
        _build(
            str(data_dir / "models/mlperf_tiny/kws/kws_ref_model.tflite"),
            "--board",
            board,
            "-o",
            str(out),
            "--samples",
            "1",
        )
        (elf,) = out.glob("*.elf")
        with elf.open("rb") as stream:
            symbols = ELFFile(stream).get_section_by_name(".symtab")
            names = [s.name for s in symbols.iter_symbols()]
        floats = re.compile(r"__aeabi_[fd]|__(add|sub|mul|div)[sd]f3|^(expf?|logf?|powf?|sqrtf?|roundf?|tanhf?)$")
        assert [n for n in names if floats.search(n)] == []
