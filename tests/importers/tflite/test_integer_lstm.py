"""LSTM of int8 codes: equal to LiteRT's code for code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import BadModel, UnsupportedModel
from edgekit.importers.tflite import import_tflite
from tests.importers.tflite.models import Op, T, compare, const, write_model

INPUTS, UNITS = 7, 9
X, Y = (0.03, -4), (0.008, 3)


def lstm(
    batch: int = 1, steps: int = 6, time_major: bool = False, coupled: bool = False, projected: int = 0,
    clips: tuple[float, float] = (0.0, 0.0), cell: int = -12, hidden: tuple[float, int] = (0.007, -9), seed: int = 0,
) -> tuple[T, T, Op]:  # fmt: skip
    """An LSTM of random weights whose gates reach all of their range."""
    rng = np.random.default_rng(seed)
    width = projected or UNITS

    def weights(rows: int, columns: int, scale: float) -> T:
        return const(rng.integers(-127, 128, (rows, columns)), "int8", ([scale], [0], 0))

    def bias(size: int, scale: float) -> T:
        return const(rng.integers(-3000, 3000, size), "int32", ([scale], [0], 0))

    scales = [0.004 * (g + 1) for g in range(4)]
    fed = [weights(UNITS, INPUTS, s) for s in scales]
    back = [weights(UNITS, width, s) for s in scales]
    biases = [bias(UNITS, s * X[0]) for s in scales]
    gates: list[list[T | None]] = [[None, *t[1:]] if coupled else [*t] for t in (fed, back, biases)]
    projection = [weights(projected, UNITS, 0.01), bias(projected, 0.01 * hidden[0])] if projected else [None, None]
    hidden = hidden if projected else Y
    states = [T((batch, width), "int8", Y, variable=True), T((batch, UNITS), "int16", (2.0**cell, 0), variable=True)]
    order = (steps, batch) if time_major else (batch, steps)
    x, y = T((*order, INPUTS), "int8", X), T((*order, width), "int8", Y)
    inputs = [x, *gates[0], *gates[1], None, None, None, *gates[2], *projection, *states, None, None, None, None]
    options = {
        "fusedActivationFunction": 4, "cellClip": clips[0], "projClip": clips[1], "timeMajor": time_major
    }  # fmt: skip
    inner = [T((), "int16", (2.0**-12, 0)) for _ in range(4)] + [T((), "int8", hidden)]
    return x, y, Op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [y], options, intermediates=inner)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("batch", "steps", "time_major"), [(1, 6, False), (2, 5, False), (3, 4, True), (1, 1, False)])
def test_shapes(tmp_path: Path, batch: int, steps: int, time_major: bool, seed: int) -> None:
    x, y, op = lstm(batch, steps, time_major, seed=seed)
    compare(tmp_path / "m.tflite", [x], [y], [op])


@pytest.mark.parametrize("cell", range(-15, -8))
def test_scales_of_the_cell_state(tmp_path: Path, cell: int) -> None:
    x, y, op = lstm(2, 40, cell=cell)
    compare(tmp_path / "m.tflite", [x], [y], [op])


@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("projected", [0, 4, 12])
@pytest.mark.parametrize("clips", [(0.0, 0.0), (0.7, 0.5), (100.0, 100.0)])
def test_forms(tmp_path: Path, coupled: bool, projected: int, clips: tuple[float, float]) -> None:
    x, y, op = lstm(2, 8, coupled=coupled, projected=projected, clips=clips)
    compare(tmp_path / "m.tflite", [x], [y], [op])


@pytest.mark.parametrize("zero", [-128, -60, 0, 77, 127])
@pytest.mark.parametrize("projected", [0, 5])
def test_hidden_zero_points(tmp_path: Path, projected: int, zero: int) -> None:
    x, y, op = lstm(2, 8, projected=projected)
    op = replace(op, intermediates=[*op.intermediates[:4], T((), "int8", (0.006, zero))])
    compare(tmp_path / "m.tflite", [x], [y], [op])


def test_refusals(tmp_path: Path) -> None:
    def refused(op: Op, error: type[Exception], match: str) -> None:
        inputs = [op.inputs[0]] if op.inputs[0] is not None else []
        write_model(tmp_path / "m.tflite", inputs, op.outputs, [op])
        with pytest.raises(error, match=match):
            import_tflite(tmp_path / "m.tflite")

    _, _, op = lstm()
    refused(replace(op, intermediates=[]), BadModel, "hidden state")
    norms = [const(np.ones(UNITS), "int16", ([0.001], [0], 0)) for _ in range(4)]
    refused(replace(op, inputs=[*op.inputs[:20], *norms]), UnsupportedModel, "layer normalization")
    cell = T((1, UNITS), "int16", (0.0003, 0), variable=True)
    refused(replace(op, inputs=[*op.inputs[:19], cell, *op.inputs[20:]]), BadModel, "no power of two")
    cell = T((1, UNITS), "int8", (0.0003, 0), variable=True)
    refused(replace(op, inputs=[*op.inputs[:19], cell, *op.inputs[20:]]), UnsupportedModel, "cell state of int8")
