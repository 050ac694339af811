"""Symmetric int16 activations: no output differs from LiteRT's reference kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import UnsupportedModel
from tests.importers.tflite.models import Op, T, compare

EVERY_CODE = (np.arange(65536) - 32768).astype(np.int16).reshape(1, 256, 256)


def every_code(path: Path, op: str, x_scale: float, y_scale: float, version: int, options: dict[str, Any]) -> None:
    x, y = T(EVERY_CODE.shape, "int16", (x_scale, 0)), T(EVERY_CODE.shape, "int16", (y_scale, 0))
    compare(path / "m.tflite", [x], [y], [Op(op, [x], [y], options, version=version)], data=[[EVERY_CODE]])


@pytest.mark.parametrize("op", ["LOGISTIC", "TANH"])
@pytest.mark.parametrize("scale", [2.0**-12, 2.0**-11, 2.0**-13, 0.0003, 0.001, 0.00007, 0.01, 1e-6])
def test_tables(tmp_path: Path, op: str, scale: float) -> None:
    every_code(tmp_path, op, scale, 2.0**-15, 3, {})


@pytest.mark.parametrize(("op", "options"), [
    ("RELU", {}), ("RELU6", {}), ("LEAKY_RELU", {"alpha": 0.1}), ("LEAKY_RELU", {"alpha": -0.3})
])  # fmt: skip
@pytest.mark.parametrize("scales", [(0.0003, 0.0002), (0.0001, 0.0004), (0.0002, 0.0002)])
def test_rectifiers(tmp_path: Path, op: str, options: dict[str, Any], scales: tuple[float, float]) -> None:
    every_code(tmp_path, op, *scales, 2, options)


@pytest.mark.parametrize("op", ["ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"])
@pytest.mark.parametrize("shape", [(2, 3, 64), (3, 1)])
def test_two_operands(tmp_path: Path, op: str, shape: tuple[int, ...]) -> None:
    shared = op in ("MAXIMUM", "MINIMUM")
    for sa, sb, sy in ((0.0005, 0.0003, 0.001), (0.0002, 0.001, 0.00001 if op == "MUL" else 0.0011)):
        a = T((2, 3, 64), "int16", (sa, 0))
        b, y = (T(s, "int16", (sa if shared else q, 0)) for s, q in ((shape, sb), ((2, 3, 64), sy)))
        for activation in (0,) if shared else (0, 1, 3):
            options = {} if shared else {"fusedActivationFunction": activation}
            compare(tmp_path / "m.tflite", [a, b], [y], [Op(op, [a, b], [y], options, version=3)])


@pytest.mark.parametrize("op", ["ADD", "SUB"])
def test_powers_of_two_are_refused(tmp_path: Path, op: str) -> None:
    a, b, y = (T((2, 3), "int16", (2.0**-s, 0)) for s in (12, 13, 11))
    with pytest.raises(UnsupportedModel, match="powers of two"):
        compare(tmp_path / "m.tflite", [a, b], [y], [Op(op, [a, b], [y], {"potScaleInt16": True}, version=3)])
    compare(tmp_path / "m.tflite", [a, b], [y], [Op(op, [a, b], [y], {"potScaleInt16": False}, version=3)])


def comparison(path: Path, op: str, a_scale: float, b_scale: float) -> None:
    a, b, y = T((3, 900), "int16", (a_scale, 0)), T((3, 900), "int16", (b_scale, 0)), T((3, 900), "bool")
    rng = np.random.default_rng(0)
    data = rng.integers(-32768, 32768, (2, 3, 900)).astype(np.int16)
    near = np.round(data[0, :, :300] * (a_scale / b_scale)) + rng.integers(-2, 3, (3, 300))
    data[1, :, :300] = np.clip(near, -32768, 32767)
    compare(path / "m.tflite", [a, b], [y], [Op(op, [a, b], [y], version=2)], data=[list(data)])


@pytest.mark.parametrize("op", ["EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"])
@pytest.mark.parametrize("scale", [0.5, 0.001, 0.00003])
def test_comparisons(tmp_path: Path, op: str, scale: float) -> None:
    comparison(tmp_path, op, scale, scale)
    if "EQUAL" in op and op not in ("LESS_EQUAL", "GREATER_EQUAL"):
        comparison(tmp_path, op, scale, 0.7 * scale)
    else:
        with pytest.raises(UnsupportedModel, match="int16 codes must have one scale"):
            comparison(tmp_path, op, scale, 0.7 * scale)


@pytest.mark.parametrize("op", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("activation", [0, 1, 3])
def test_pooling(tmp_path: Path, op: str, activation: int) -> None:
    x, y = T((2, 7, 6, 5), "int16", (0.0005, 0)), T((2, 4, 3, 5), "int16", (0.0005, 0))
    options = {"filterHeight": 3, "filterWidth": 2, "strideH": 2, "strideW": 2, "fusedActivationFunction": activation}
    compare(tmp_path / "m.tflite", [x], [y], [Op(op, [x], [y], options, version=3)])


@pytest.mark.parametrize("scale", [0.0003, 0.001, 0.00001, 0.1])
@pytest.mark.parametrize("shape", [(3, 17), (2, 200), (4, 1)])
def test_softmax(tmp_path: Path, scale: float, shape: tuple[int, ...]) -> None:
    x, y = T(shape, "int16", (scale, 0)), T(shape, "int16", (2.0**-15, 0))
    compare(tmp_path / "m.tflite", [x], [y], [Op("SOFTMAX", [x], [y], {"beta": 1.0}, version=3)])
