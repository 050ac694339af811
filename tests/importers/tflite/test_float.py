"""Float operators and plain numbers: edgekit's reference is close to LiteRT's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.importers.tflite import import_tflite
from tests.importers.tflite.models import Op, T, compare, const, random_input, write_model

SHAPE = (2, 3, 37)
UNARY: list[tuple[str, dict[str, Any], bool]] = [
    *((op, {}, False) for op in (
        "ABS", "CEIL", "COS", "ELU", "EXP", "FLOOR", "HARD_SWISH", "L2_NORMALIZATION", "LOGISTIC", "LOG_SOFTMAX",
        "NEG", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "ROUND", "SIGN", "SIN", "SQUARE", "TANH",
    )),
    *((op, {}, True) for op in ("LOG", "RSQRT", "SQRT")),
    ("LEAKY_RELU", {"alpha": 0.1}, False),
    ("GELU", {"approximate": True}, False),
    ("GELU", {"approximate": False}, False),
    ("SOFTMAX", {"beta": 0.7}, False),
]  # fmt: skip


def check(path: Path, inputs: list[T], outputs: list[T], ops: list[Op], **more: Any) -> None:
    compare(path / "m.tflite", inputs, outputs, ops, **more)


def one(path: Path, op: str, x: T, y: T, operands: list[T] | None = None, **options: Any) -> None:
    check(path, [x], [y], [Op(op, [x, *(operands or [])], [y], options)])


@pytest.mark.parametrize(("op", "options", "positive"), UNARY)
def test_functions(tmp_path: Path, op: str, options: dict[str, Any], positive: bool) -> None:
    x, y = T(SHAPE), T(SHAPE)
    data = np.random.default_rng(0).normal(0, 3, SHAPE).astype(np.float32)
    data = np.abs(data) + np.float32(0.01) if positive else data
    check(tmp_path, [x], [y], [Op(op, [x], [y], options)], data=[[data]])


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize(
    "op",
    ["ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL",
     "GREATER", "GREATER_EQUAL"],
)  # fmt: skip
def test_two_operands_broadcast(tmp_path: Path, op: str, dtype: str) -> None:
    a, b = T((2, 3, 5), dtype), T((3, 1), dtype)
    y = T((2, 3, 5), "bool" if "EQUAL" in op or op in ("LESS", "GREATER") else dtype)
    check(tmp_path, [a, b], [y], [Op(op, [a, b], [y])])


@pytest.mark.parametrize("op", ["DIV", "FLOOR_DIV", "FLOOR_MOD"])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_division(tmp_path: Path, op: str, dtype: str) -> None:
    a, b, y = T((2, 3), dtype), T((2, 3), dtype), T((2, 3), dtype)
    data = [np.array([[-7, 7, 5], [9, -9, 3]], dtype), np.array([[2, -2, 5], [-4, 4, -2]], dtype)]
    check(tmp_path, [a, b], [y], [Op(op, [a, b], [y])], data=[data])


@pytest.mark.parametrize("op", ["ADD", "SUB", "MUL", "DIV"])
@pytest.mark.parametrize("activation", [1, 2, 3])
def test_fused_activations(tmp_path: Path, op: str, activation: int) -> None:
    a, b, y = T((2, 9)), T((2, 9)), T((2, 9))
    check(tmp_path, [a, b], [y], [Op(op, [a, b], [y], {"fusedActivationFunction": activation})])


def test_other_elementwise(tmp_path: Path) -> None:
    a, b, y = T((2, 3, 5)), T((1, 1, 5)), T((2, 3, 5))
    check(tmp_path, [a, b], [y], [Op("PRELU", [a, b], [y])])
    base = np.abs(np.random.default_rng(1).normal(0, 2, (2, 3, 5))).astype(np.float32)
    exponent = np.array([[[1.5, 2, -1, 0, 0.5]]], np.float32)
    check(tmp_path, [a, b], [y], [Op("POW", [a, b], [y])], data=[[base, exponent]])
    c = T((2, 3, 5))
    check(tmp_path, [a, c], [y], [Op("ADD_N", [a, c, a], [y])])
    for op in ("LOGICAL_AND", "LOGICAL_OR"):
        p, q, r = T((3, 4), "bool"), T((3, 4), "bool"), T((3, 4), "bool")
        check(tmp_path, [p, q], [r], [Op(op, [p, q], [r])])
    check(tmp_path, [p], [r], [Op("LOGICAL_NOT", [p], [r])])


def test_choices(tmp_path: Path) -> None:
    c, a, b, y = T((2, 1, 5), "bool"), T((2, 3, 5)), T((3, 1)), T((2, 3, 5))
    check(tmp_path, [c, a, b], [y], [Op("SELECT_V2", [c, a, b], [y])])
    c, a, b, y = T((2,), "bool"), T((2, 3, 5)), T((2, 3, 5)), T((2, 3, 5))
    check(tmp_path, [c, a, b], [y], [Op("SELECT", [c, a, b], [y])])


@pytest.mark.parametrize("op", ["SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"])
@pytest.mark.parametrize(("axes", "keep"), [([1, 2], True), ([0, -1], False), ([3], False), ([0, 1, 2, 3], False)])
def test_reductions(tmp_path: Path, op: str, axes: list[int], keep: bool) -> None:
    x = T((2, 3, 4, 5))
    y = T(np.zeros(x.shape).sum(axis=tuple(axes), keepdims=keep).shape)
    one(tmp_path, op, x, y, [const(axes)], keepDims=keep)


@pytest.mark.parametrize("op", ["REDUCE_ANY", "REDUCE_ALL"])
def test_truth(tmp_path: Path, op: str) -> None:
    one(tmp_path, op, T((2, 3, 4), "bool"), T((2, 4), "bool"), [const([1])], keepDims=False)


@pytest.mark.parametrize(("source", "target"), [
    ("float32", "int32"), ("int32", "float32"), ("float32", "bool"), ("bool", "float32"), ("uint8", "float32"),
    ("int64", "int32"),
])  # fmt: skip
def test_casts(tmp_path: Path, source: str, target: str) -> None:
    one(tmp_path, "CAST", T((3, 4), source), T((3, 4), target))


@pytest.mark.parametrize(("align", "half"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("size", [(8, 12), (5, 7), (2, 3), (1, 1)])
@pytest.mark.parametrize("op", ["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"])
def test_resizing(tmp_path: Path, op: str, size: tuple[int, int], align: bool, half: bool) -> None:
    x, y = T((2, 4, 6, 3)), T((2, *size, 3))
    one(tmp_path, op, x, y, [const(size)], alignCorners=align, halfPixelCenters=half)


def test_local_response_normalization(tmp_path: Path) -> None:
    # LiteRT's reference kernel leaves out the last neighbour; TensorFlow and LiteRT's optimised kernel do not.
    x, y = T((1, 3, 4, 9)), T((1, 3, 4, 9))
    options = {"radius": 2, "bias": 1.0, "alpha": 0.3, "beta": 0.75}
    ops = [Op("LOCAL_RESPONSE_NORMALIZATION", [x], [y], options)]
    check(tmp_path, [x], [y], ops, resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES")


def test_products(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    a, b, y = T((2, 3, 4)), T((2, 5, 4)), T((2, 3, 5))
    check(tmp_path, [a, b], [y], [Op("BATCH_MATMUL", [a, b], [y], {"adjY": True})])
    x, w = T((2, 3, 8)), const(rng.normal(0, 1, (5, 8)), "float32")
    for keep, shape in ((True, (2, 3, 5)), (False, (6, 5))):
        y = T(shape)
        check(tmp_path, [x], [y], [Op("FULLY_CONNECTED", [x, w, None], [y], {"keepNumDims": keep})])
    half, w = const(rng.normal(0, 1, (5, 8)), "float16"), T((5, 8))
    ops = [Op("DEQUANTIZE", [half], [w]), Op("FULLY_CONNECTED", [x, w, None], [y])]
    check(tmp_path, [x], [y], ops)


@pytest.mark.parametrize("channels", [4, 2], ids=["whole", "groups"])
def test_convolution(tmp_path: Path, channels: int) -> None:
    rng = np.random.default_rng(0)
    x, y = T((2, 6, 7, 4)), T((2, 3, 4, 6))
    w, b = const(rng.normal(0, 1, (6, 3, 3, channels)), "float32"), const(rng.normal(0, 1, 6), "float32")
    options = {"strideH": 2, "strideW": 2, "padding": 0, "fusedActivationFunction": 3}
    check(tmp_path, [x], [y], [Op("CONV_2D", [x, w, b], [y], options)])


def test_dynamic_range_weights(tmp_path: Path) -> None:
    # LiteRT rounds the activations of such models to int8 at run time; the file's numbers are these.
    rng = np.random.default_rng(0)
    codes = rng.integers(-127, 128, (5, 8))
    x, y, w = T((3, 8)), T((3, 5)), const(codes, "int8", ([0.01], [0], 0))
    path = write_model(tmp_path / "m.tflite", [x], [y], [Op("FULLY_CONNECTED", [x, w, None], [y])])
    from edgekit.ops.reference import run_reference
    from edgekit.passes import optimise

    graph = optimise(import_tflite(path))
    data = random_input(rng, x)
    want = data @ (codes.astype(np.float32) * np.float32(0.01)).T
    np.testing.assert_allclose(run_reference(graph, [data])[graph.outputs[0]], want, rtol=1e-5)


def lstm(batch: int, steps: int, time_major: bool, coupled: bool, projected: int, clip: float) -> tuple[T, T, Op]:
    """An LSTM of 4 inputs and 6 units."""
    rng, units = np.random.default_rng(0), 6
    width = projected or units

    def weights(*shape: int) -> T:
        return const(rng.normal(0, 0.5, shape), "float32")

    def gates(*shape: int) -> list[T | None]:
        return [None if coupled else weights(*shape), *(weights(*shape) for _ in range(3))]

    order = (steps, batch) if time_major else (batch, steps)
    x, y = T((*order, 4)), T((*order, width))
    projection = [weights(width, units), weights(width)] if projected else [None, None]
    states = [T((batch, width), variable=True), T((batch, units), variable=True)]
    inputs = [x, *gates(units, 4), *gates(units, width), None, None, None, *gates(units), *projection, *states]
    options = {"fusedActivationFunction": 4, "cellClip": clip, "projClip": 0.0, "timeMajor": time_major}
    return x, y, Op("UNIDIRECTIONAL_SEQUENCE_LSTM", [*inputs, None, None, None, None], [y], options)


@pytest.mark.parametrize(("batch", "steps", "time_major", "coupled", "projected", "clip"), [
    (1, 5, False, False, 0, 10.0), (2, 5, False, False, 0, 0.0), (2, 5, True, False, 0, 0.3),
    (1, 5, False, True, 0, 10.0), (2, 4, False, False, 4, 10.0), (1, 1, False, False, 0, 10.0),
])  # fmt: skip
def test_lstm(
    tmp_path: Path, batch: int, steps: int, time_major: bool, coupled: bool, projected: int, clip: float
) -> None:
    x, y, op = lstm(batch, steps, time_major, coupled, projected, clip)
    check(tmp_path, [x], [y], [op], samples=1)
