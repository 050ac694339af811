"""Which samples calibrate, which validate, and what the report says where they are the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgekit.cli import group
from edgekit.errors import BadUsage
from edgekit.models import packaged_model
from edgekit.progress import Progress
from edgekit.quantization import Quantization
from edgekit.source import BuildOptions, Source, load_source


@pytest.fixture
def samples(tmp_path: Path) -> tuple[Path, Path]:
    """Two files of six images each, without one in common."""
    packaged = packaged_model()
    paths = tmp_path / "train.npz", tmp_path / "test.npz"
    for path, part in zip(paths, (packaged.calibration, packaged.test), strict=True):
        np.savez(path, x=np.stack([s[0] for s in part.samples[:6]]), y=np.arange(6))
    return paths


def _source(folder: Path, **options: Path) -> Source:
    model = packaged_model().model_path
    return load_source(BuildOptions("stm32f746", folder / "out", model=model, **options), Progress(quiet=True))


def test_calibration_and_validation_have_samples_of_their_own(tmp_path: Path, samples: tuple[Path, Path]) -> None:
    train, test = samples
    apart, shared = _source(tmp_path, calibration=train, data=test), _source(tmp_path, data=test)
    alone, same = _source(tmp_path, calibration=train), _source(tmp_path, calibration=test, data=test)
    assert [s.calibrated for s in (apart, shared, alone, same)] == [0, 6, 6, 6]
    assert [Path(s.origin) for s in (apart, shared, alone)] == [test, test, train]
    own, other, only = ([v.quant for v in s.graph.values()] for s in (apart, shared, alone))
    assert own != other and own == only


def test_calibration_of_what_needs_none_is_refused(
    data_dir: Path, tmp_path: Path, samples: tuple[Path, Path]
) -> None:  # fmt: skip
    quantized = data_dir / "models/tinymaix/mnist_valid_q.tflite"
    for model, precision, text in (
        (quantized, "int8", "takes no --calibration"),
        (packaged_model().model_path, "float32", "takes no --calibration"),
        (None, "int8", "brings its own samples"),
    ):
        options = BuildOptions(
            "stm32f746", tmp_path / "out", model=model, quantization=Quantization(precision), calibration=samples[0]
        )  # fmt: skip
        with pytest.raises(BadUsage, match=text):
            load_source(options, Progress(quiet=True))


@pytest.mark.parametrize("separate", [False, True])
def test_the_report_says_what_accuracy_was_measured_on(
    tmp_path: Path, samples: tuple[Path, Path], separate: bool
) -> None:  # fmt: skip
    train, test = samples
    arguments = ["build", str(packaged_model().model_path), "--board", "stm32f746", "-o", str(tmp_path / "out")]
    arguments += ["--samples", "2", "--data", str(test)] + (["--calibration", str(train)] if separate else [])
    result = CliRunner().invoke(group, arguments)
    assert result.exit_code == 0, result.output
    note = "accuracy was measured on 2 samples of which 2 also chose the ranges"
    warnings = json.loads((tmp_path / "out" / "report.json").read_text())["warnings"]
    assert (note in result.stdout) is not separate
    assert any(note in warning for warning in warnings) is not separate
