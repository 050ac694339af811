"""Products of codes: no output differs from LiteRT's reference kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.importers.tflite.models import Op, T, compare, const

CODES = ["int8", "int16"]


class Product:
    """Random tensors of a product: int8 weights, activations of either width, a bias of theirs."""

    def __init__(self, dtype: str, outputs: int, per_channel: bool, seed: int = 0) -> None:
        self.dtype, self.wide, self.outputs = dtype, dtype == "int16", outputs
        self.rng = np.random.default_rng(seed)
        self.scales = self.rng.uniform(0.002, 0.01, outputs) if per_channel else np.array([0.01])
        self.x_scale, self.y_scale = (0.05 / 256, 0.1 / 256) if self.wide else (0.05, 0.1)

    def input(self, shape: tuple[int, ...]) -> T:
        return T(shape, self.dtype, (self.x_scale, 0 if self.wide else 7))

    def output(self, shape: tuple[int, ...]) -> T:
        return T(shape, self.dtype, (self.y_scale, 0 if self.wide else -11))

    def weights(self, shape: tuple[int, ...], axis: int = 0) -> T:
        return const(self.rng.integers(-127, 128, shape), "int8", (self.scales, np.zeros(len(self.scales)), axis))

    def bias(self) -> T:
        numbers = self.rng.integers(-3000, 3000, self.outputs) * (200 if self.wide else 1)
        quant = (self.scales * self.x_scale, np.zeros(len(self.scales)), 0)
        return const(numbers, "int64" if self.wide else "int32", quant)


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("activation", [0, 1, 3])
def test_fully_connected(tmp_path: Path, dtype: str, per_channel: bool, biased: bool, activation: int) -> None:
    product = Product(dtype, 6, per_channel)
    w, bias = product.weights((6, 16)), product.bias() if biased else None
    for shape, keep, result in (((3, 16), False, (3, 6)), ((2, 3, 16), True, (2, 3, 6)), ((2, 3, 16), False, (6, 6))):
        x, y = product.input(shape), product.output(result)
        options = {"fusedActivationFunction": activation, "keepNumDims": keep}
        compare(tmp_path / "m.tflite", [x], [y], [Op("FULLY_CONNECTED", [x, w, bias], [y], options, version=7)])


def test_fully_connected_of_uint8(tmp_path: Path) -> None:
    x, y = T((3, 8), "uint8", (0.05, 100)), T((3, 4), "uint8", (0.1, 90))
    w = const(np.random.default_rng(0).integers(0, 256, (4, 8)), "uint8", ([0.01], [120], 0))
    compare(tmp_path / "m.tflite", [x], [y], [Op("FULLY_CONNECTED", [x, w, None], [y])], samples=20)


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("kind", ["whole", "groups", "depthwise"])
@pytest.mark.parametrize("activation", [0, 1, 3])
def test_convolution(tmp_path: Path, dtype: str, per_channel: bool, kind: str, activation: int) -> None:
    depthwise = kind == "depthwise"
    product = Product(dtype, 8 if depthwise else 6, per_channel)
    shape = (1, 3, 3, 8) if depthwise else (6, 3, 3, 2 if kind == "groups" else 4)
    options: dict[str, Any] = {
        "fusedActivationFunction": activation, "strideH": 2, "strideW": 2, "padding": 0
    }  # fmt: skip
    options |= {"depthMultiplier": 2} if depthwise else {}
    x, y = product.input((2, 7, 6, 4)), product.output((2, 4, 3, product.outputs))
    inputs = [x, product.weights(shape, 3 if depthwise else 0), product.bias()]
    op = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    compare(tmp_path / "m.tflite", [x], [y], [Op(op, inputs, [y], options, version=5)])


@pytest.mark.parametrize("dtype", ["float32", *CODES])
@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (2, 3)])
@pytest.mark.parametrize("kernel", [(3, 3), (2, 2), (1, 4), (5, 3)])
def test_transposed_convolution(
    tmp_path: Path, dtype: str, same: bool, stride: tuple[int, int], kernel: tuple[int, int]
) -> None:
    product, (h, w) = Product(dtype, 6, True), (4, 5)
    size = tuple(d * s if same else (d - 1) * s + k for d, s, k in zip((h, w), stride, kernel, strict=True))
    if dtype == "float32":
        rng = np.random.default_rng(0)
        x, y = T((2, h, w, 3)), T((2, *size, 6))
        weights, bias = const(rng.normal(0, 1, (6, *kernel, 3)), dtype), const(rng.normal(0, 1, 6), dtype)
    else:
        x, y = product.input((2, h, w, 3)), product.output((2, *size, 6))
        weights, bias = product.weights((6, *kernel, 3)), product.bias()
    options = {"strideH": stride[0], "strideW": stride[1], "padding": 0 if same else 1, "fusedActivationFunction": 1}
    ops = [Op("TRANSPOSE_CONV", [const([2, *size, 6]), weights, x, bias], [y], options, version=4)]
    compare(tmp_path / "m.tflite", [x], [y], ops, samples=2)


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize(("a_shape", "b_shape", "adjoint", "result"), [
    ((2, 3, 8), (2, 8, 5), (False, False), (2, 3, 5)), ((2, 3, 8), (2, 5, 8), (False, True), (2, 3, 5)),
    ((2, 8, 3), (8, 5), (True, False), (2, 3, 5)), ((2, 3, 4, 60), (3, 60, 7), (False, False), (2, 3, 4, 7)),
])  # fmt: skip
def test_batch_matmul(
    tmp_path: Path, dtype: str, a_shape: tuple[int, ...], b_shape: tuple[int, ...], adjoint: tuple[bool, bool],
    result: tuple[int, ...],
) -> None:  # fmt: skip
    wide = dtype == "int16"
    for scales in ((0.05, 0.02, 0.3), (0.03, 0.04, 0.011), (0.05, 0.01, 0.1)):
        sa, sb, sy = (s / 256 if wide else s for s in scales)
        za, zb, zy = (0, 0, 0) if wide else (7, -3, 5)
        a, b, y = T(a_shape, dtype, (sa, za)), T(b_shape, dtype, (sb, zb)), T(result, dtype, (sy, zy))
        options = {"adjX": adjoint[0], "adjY": adjoint[1]}
        compare(tmp_path / "m.tflite", [a, b], [y], [Op("BATCH_MATMUL", [a, b], [y], options, version=4)])
