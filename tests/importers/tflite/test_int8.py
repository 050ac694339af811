"""TFLite's int8 (and legacy uint8) definitions: no output differs from LiteRT's reference kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import UnsupportedModel
from edgekit.importers.tflite import import_tflite
from edgekit.ops.reference import run_reference
from tests.importers.tflite.models import Op, T, compare, const, litert, random_input, write_model

Quant = tuple[float, int]
SCALES: list[tuple[Quant, Quant]] = [
    ((0.05, 7), (0.04, -9)), ((0.02, -128), (0.02, -128)), ((0.1, 0), (0.03, 5)), ((0.7, 20), (0.9, -100))
]  # fmt: skip
EVERY_CODE = (np.arange(256) - 128).astype(np.int8).reshape(1, 16, 16)
FUNCTIONS: list[tuple[str, dict[str, Any], Quant | None]] = [
    *((op, {}, None) for op in (
        "ABS", "ELU", "EXP", "HARD_SWISH", "LOG", "NEG", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1"
    )),
    ("LEAKY_RELU", {"alpha": 0.1}, None),
    ("LEAKY_RELU", {"alpha": -0.3}, None),
    ("GELU", {"approximate": True}, None),
    ("GELU", {"approximate": False}, None),
    ("LOGISTIC", {}, (1 / 256, -128)),
    ("TANH", {}, (1 / 128, 0)),
]  # fmt: skip


def coded(shape: tuple[int, ...], dtype: str, quant: Quant) -> T:
    """A tensor of codes; uint8 zero points are 128 above int8 ones."""
    return T(shape, dtype, (quant[0], quant[1] + 128) if dtype == "uint8" else quant)


@pytest.mark.parametrize(("x_quant", "y_quant"), SCALES)
@pytest.mark.parametrize(("op", "options", "fixed"), FUNCTIONS)
def test_functions(
    tmp_path: Path, op: str, options: dict[str, Any], fixed: Quant | None, x_quant: Quant, y_quant: Quant
) -> None:
    legacy = op in ("RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "TANH")
    for dtype in ("int8", "uint8") if legacy else ("int8",):
        x, y = coded(EVERY_CODE.shape, dtype, x_quant), coded(EVERY_CODE.shape, dtype, fixed or y_quant)
        data = EVERY_CODE if dtype == "int8" else EVERY_CODE.view(np.uint8)
        compare(tmp_path / "m.tflite", [x], [y], [Op(op, [x], [y], options)], data=[[data]])


@pytest.mark.parametrize("op", ["RSQRT", "SQRT"])
@pytest.mark.parametrize(("x_quant", "y_quant"), [((0.05, -128), (0.04, -9)), ((0.5, -128), (0.02, -128))])
def test_roots(tmp_path: Path, op: str, x_quant: Quant, y_quant: Quant) -> None:
    x, y = coded(EVERY_CODE.shape, "int8", x_quant), coded(EVERY_CODE.shape, "int8", y_quant)
    compare(tmp_path / "m.tflite", [x], [y], [Op(op, [x], [y])], data=[[EVERY_CODE]])


BINARY_SCALES: list[tuple[Quant, Quant, Quant]] = [
    ((0.05, 7), (0.03, -3), (0.1, -9)), ((0.02, -128), (0.5, 127), (0.9, 0)), ((0.3, 0), (0.3, 0), (0.3, 0))
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(("a_quant", "b_quant", "y_quant"), [
    ((0.05, 3), (0.05, 3), (0.05, 3)), ((0.1, -10), (0.03, 20), (0.7, 0)), ((0.02, -128), (0.07, -128), (0.03, -128)),
    ((0.004, 127), (0.9, 0), (0.0001, 5)),
])  # fmt: skip
def test_quotients(tmp_path: Path, dtype: str, a_quant: Quant, b_quant: Quant, y_quant: Quant) -> None:
    a, b, y = (coded((256, 256), dtype, q) for q in (a_quant, b_quant, y_quant))
    path = write_model(tmp_path / "m.tflite", [a, b], [y], [Op("DIV", [a, b], [y], version=2)])
    data = list(np.meshgrid(np.arange(-128, 128), np.arange(-128, 128), indexing="ij"))
    data[1][data[1] == b_quant[1]] += 1 if b_quant[1] < 127 else -1
    sample = [(d + (128 if dtype == "uint8" else 0)).astype(dtype) for d in data]
    graph = import_tflite(path)
    ours, theirs = run_reference(graph, sample)[graph.outputs[0]].astype(int), litert(path, sample)[0].astype(int)
    # LiteRT shifts quotients that are far below a step by more bits than there are, which C does not define.
    zero = y_quant[1] + (128 if dtype == "uint8" else 0)
    assert (ours[ours != theirs] == zero).all() and np.mean(ours != theirs) < 0.05
    assert (np.abs(data[0] - a_quant[1])[ours != theirs] < 16).all()


def test_activated_quotients_are_refused(tmp_path: Path) -> None:
    a, b, y = (T((2, 3), "int8", (0.1, 0)) for _ in range(3))
    options = {"fusedActivationFunction": 1}
    path = write_model(tmp_path / "m.tflite", [a, b], [y], [Op("DIV", [a, b], [y], options)])
    with pytest.raises(UnsupportedModel, match="relu of quotients of codes"):
        import_tflite(path)


COMPARISONS = ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("quants", BINARY_SCALES)
@pytest.mark.parametrize("shape", [(2, 3, 64), (3, 1), ()], ids=["same", "broadcast", "scalar"])
@pytest.mark.parametrize("op", ["ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "PRELU", *COMPARISONS])
def test_two_operands(
    tmp_path: Path, op: str, shape: tuple[int, ...], quants: tuple[Quant, Quant, Quant], dtype: str
) -> None:
    if (dtype == "uint8" and op == "SQUARED_DIFFERENCE") or (op == "PRELU" and len(shape) != 3):
        pytest.skip("TFLite has no such kernel")
    qa, qb, qy = quants if op not in ("MAXIMUM", "MINIMUM") else (quants[0],) * 3
    a, b, y = coded((2, 3, 64), dtype, qa), coded(shape, dtype, qb), coded((2, 3, 64), dtype, qy)
    y = T(y.shape, "bool") if op in COMPARISONS else y
    for activation in (0, 1, 3) if op in ("ADD", "SUB", "MUL") else (0,):
        options = {"fusedActivationFunction": activation} if op in ("ADD", "SUB", "MUL") else {}
        compare(tmp_path / "m.tflite", [a, b], [y], [Op(op, [a, b], [y], options)])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
@pytest.mark.parametrize("op", ["MEAN", "REDUCE_PROD", "REDUCE_MAX", "REDUCE_MIN"])
@pytest.mark.parametrize(("axes", "keep"), [([1, 2], True), ([1, 2], False), ([0, -1], False), ([0, 1, 2, 3], False)])
def test_reductions(tmp_path: Path, op: str, axes: list[int], keep: bool, dtype: str) -> None:
    if op == "REDUCE_PROD" and dtype == "uint8":
        pytest.skip("TFLite has no such kernel")
    for x_quant, y_quant in SCALES:
        wide = dtype == "int16"
        x = coded((2, 3, 4, 5), dtype, (x_quant[0], 0) if wide else x_quant)
        quant = x_quant if op in ("REDUCE_MAX", "REDUCE_MIN") else y_quant
        shape = np.zeros(x.shape).sum(axis=tuple(axes), keepdims=keep).shape
        y = coded(shape, dtype, (quant[0], 0) if wide else quant)
        compare(tmp_path / "m.tflite", [x], [y], [Op(op, [x, const(axes)], [y], {"keepDims": keep})])


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("axes", [[1, 2], [0, -1], [0, 1, 2, 3]])
def test_sums_are_within_a_code_of_the_optimised_kernel(tmp_path: Path, axes: list[int], dtype: str) -> None:
    # LiteRT 2.3's reference SUM leaves its output unset; the optimised kernel scales in floats, which moves ties.
    x = T((2, 3, 4, 5), dtype, (0.3, 0))
    y = T(np.zeros(x.shape).sum(axis=tuple(axes)).shape, dtype, (2.0, 0))
    path = write_model(tmp_path / "m.tflite", [x], [y], [Op("SUM", [x, const(axes)], [y], {"keepDims": False})])
    graph, data = import_tflite(path), random_input(np.random.default_rng(0), x)
    (theirs,) = litert(path, [data], "BUILTIN_WITHOUT_DEFAULT_DELEGATES")
    assert np.abs(run_reference(graph, [data])[graph.outputs[0]].astype(int) - theirs).max() <= 1


@pytest.mark.parametrize("scale", [0.1, 0.02, 1.0, 0.004])
@pytest.mark.parametrize("shape", [(3, 17), (2, 200), (4, 1)])
@pytest.mark.parametrize(("op", "quant", "options"), [
    ("LOG_SOFTMAX", (1 / 16, 127), {}), ("SOFTMAX", (1 / 256, -128), {"beta": 1.0}),
    ("L2_NORMALIZATION", (1 / 128, 0), {}),
])  # fmt: skip
def test_rows(
    tmp_path: Path, op: str, quant: Quant, options: dict[str, Any], shape: tuple[int, ...], scale: float
) -> None:
    x, y = T(shape, "int8", (scale, 7)), T(shape, "int8", quant)
    compare(tmp_path / "m.tflite", [x], [y], [Op(op, [x], [y], options)])


@pytest.mark.parametrize(("align", "half"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("size", [(8, 12), (5, 7), (2, 3), (1, 1), (13, 4)])
@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_bilinear(tmp_path: Path, dtype: str, size: tuple[int, int], align: bool, half: bool) -> None:
    quant = (0.1, 3 if dtype == "int8" else 0)
    x, y = T((2, 4, 6, 3), dtype, quant), T((2, *size, 3), dtype, quant)
    options = {"alignCorners": align, "halfPixelCenters": half}
    compare(tmp_path / "m.tflite", [x], [y], [Op("RESIZE_BILINEAR", [x, const(size)], [y], options)])


SMALL = ["int8", "uint8", "int16"]


@pytest.mark.parametrize(("source", "target"), [
    *((a, b) for a in SMALL for b in SMALL if {a, b} != {"uint8", "int16"}), ("float32", "int8"),
    ("float32", "uint8"), ("float32", "int16"), ("int8", "float32"), ("uint8", "float32"), ("int16", "float32"),
])  # fmt: skip
def test_quantization(tmp_path: Path, source: str, target: str) -> None:
    quants: dict[str, tuple[Quant, Quant]] = {
        "int8": ((0.05, 4), (0.03, -20)), "uint8": ((0.05, 100), (0.03, 77)), "int16": ((0.0003, 0), (0.0001, 0))
    }  # fmt: skip
    x = T((3, 300), source, quants[source][0] if source in quants else None)
    y = T((3, 300), target, quants[target][1] if target in quants else None)
    compare(tmp_path / "m.tflite", [x], [y], [Op("DEQUANTIZE" if target == "float32" else "QUANTIZE", [x], [y])])


def test_maxima_of_two_quantizations_are_refused(tmp_path: Path) -> None:
    a, b, y = T((2, 3), "int8", (0.05, 7)), T((2, 3), "int8", (0.03, 7)), T((2, 3), "int8", (0.05, 7))
    with pytest.raises(UnsupportedModel, match="one quantization"):
        compare(tmp_path / "m.tflite", [a, b], [y], [Op("MAXIMUM", [a, b], [y])])
