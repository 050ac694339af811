"""The command line on ONNX files that want far too much: one clear error, within limits on time and memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from tests.importers.hostile import refused, run, within_limits
from tests.importers.onnx.hostile_models import ATTRIBUTES, BOMBS, NASTY_NAMES, STRUCTURE, nasty_names
from tests.importers.onnx.long_models import TINY

MALFORMED = STRUCTURE | ATTRIBUTES
# Twelve thousand layers, as many as a file may have, take longer to read and rewrite than any other file.
LONG_SECONDS = 60


def _saved(model: Callable[[], onnx.ModelProto], folder: Path) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(model().SerializeToString())
    return path


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name: str, tmp_path: Path) -> None:
    model, match = MALFORMED[name]
    refused(_saved(model, tmp_path), "analyze_float32", match)


@pytest.mark.parametrize("name", BOMBS)
def test_too_much_work_or_memory(name: str, tmp_path: Path) -> None:
    model, match = BOMBS[name]
    refused(_saved(model, tmp_path), "build_float32", match)


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_long_but_plain(name: str, tmp_path: Path) -> None:
    outcome = run(_saved(TINY[name], tmp_path), "analyze_float32", seconds=LONG_SECONDS)
    assert outcome.code in (0, 1, 2), outcome.text[-1500:]
    within_limits(outcome, LONG_SECONDS)


def test_names_reach_neither_c_nor_paths(tmp_path: Path) -> None:
    outcome = run(_saved(nasty_names, tmp_path), "build_float32")
    assert outcome.code == 0, outcome.text[-1500:]
    within_limits(outcome)
    assert {path.name for path in tmp_path.iterdir()} == {"m.onnx", "firmware", "said"}
    code = "".join(path.read_text() for path in (tmp_path / "firmware").rglob("*.[ch]"))
    assert code.isascii()
    assert not any(name in code for name in NASTY_NAMES if len(name) > 8)
