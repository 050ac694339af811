"""Damaged TFLite files end in one typed error, quickly."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import numpy as np
import pytest

from edgekit.codegen.lowering import Target, lower
from edgekit.errors import BadModel, EdgekitError, UnsupportedModel
from edgekit.importers.tflite import import_tflite
from edgekit.ir import DType, Graph, Node, QuantType, Value
from edgekit.ops.supported import require_supported_graph

MODEL = "models/tinymaix/mnist_valid_q.tflite"


def _try(path: Path) -> None:
    start = time.monotonic()
    with contextlib.suppress(EdgekitError):
        graph = import_tflite(path)
        require_supported_graph(graph)
        lower(graph, Target(dsp=True))
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("seed", range(8))
def test_bit_flips(data_dir: Path, tmp_path: Path, seed: int) -> None:
    original = (data_dir / MODEL).read_bytes()
    rng = np.random.default_rng(seed)
    target = tmp_path / "flipped.tflite"
    for _ in range(60):
        damaged = bytearray(original)
        for position in rng.integers(0, len(damaged), int(rng.integers(1, 6))):
            damaged[position] ^= 1 << int(rng.integers(8))
        target.write_bytes(damaged)
        _try(target)


def test_truncation(data_dir: Path, tmp_path: Path) -> None:
    original = (data_dir / MODEL).read_bytes()
    target = tmp_path / "short.tflite"
    for length in range(0, len(original), 97):
        target.write_bytes(original[:length])
        with pytest.raises(EdgekitError):
            import_tflite(target)


def test_not_a_model(tmp_path: Path) -> None:
    target = tmp_path / "text.tflite"
    target.write_text("hello, this is no model")
    with pytest.raises(BadModel, match="TFL3"):
        import_tflite(target)
    with pytest.raises(BadModel, match="cannot read"):
        import_tflite(tmp_path / "missing.tflite")


def test_absurd_scales_are_refused() -> None:
    x = Value("x", (1, 4), DType.INT8, QuantType.per_tensor(3e38, 0))
    y = Value("y", (1, 4), DType.INT8, QuantType.per_tensor(1e-38, 0))
    graph = Graph("g", [x], [y], [Node("relu", "r", [x], [y])])
    with pytest.raises(UnsupportedModel, match="scale"):
        require_supported_graph(graph)
