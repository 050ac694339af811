"""Operators that move elements, of floats and of codes: equal to LiteRT's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.importers.tflite.models import Op, T, compare, const

KINDS: dict[str, tuple[float, int] | None] = {
    "float32": None, "int8": (0.03, 5), "uint8": (0.03, 50), "int16": (0.0003, 0)
}  # fmt: skip
kinds = pytest.mark.parametrize("kind", KINDS)


def tensor(shape: tuple[int, ...], kind: str) -> T:
    return T(shape, kind, KINDS[kind])


def moved(
    path: Path, op: str, kind: str, x_shape: tuple[int, ...], y_shape: tuple[int, ...], *operands: T, version: int = 2,
    **options: Any,
) -> None:  # fmt: skip
    x, y = tensor(x_shape, kind), tensor(y_shape, kind)
    compare(path / "m.tflite", [x], [y], [Op(op, [x, *operands], [y], options, version=version)], samples=1)


@kinds
def test_padding(tmp_path: Path, kind: str) -> None:
    amounts = const([[1, 0], [2, 2], [0, 0]])
    moved(tmp_path, "PAD", kind, (2, 3, 4), (3, 7, 4), amounts)
    fill = const(-1.5, "float32") if kind == "float32" else const(7, kind, KINDS[kind])
    moved(tmp_path, "PADV2", kind, (2, 3, 4), (3, 7, 4), amounts, fill)
    for mode in (0, 1):
        moved(tmp_path, "MIRROR_PAD", kind, (2, 3, 4), (2, 6, 6), const([[0, 0], [2, 1], [0, 2]]), mode=mode)


@pytest.mark.parametrize("fill", [np.inf, -np.inf])
def test_infinite_padding(tmp_path: Path, fill: float) -> None:
    moved(tmp_path, "PADV2", "float32", (2, 3, 4), (3, 7, 4), const([[1, 0], [2, 2], [0, 0]]), const(fill, "float32"))


@kinds
def test_parts(tmp_path: Path, kind: str) -> None:
    moved(tmp_path, "SLICE", kind, (2, 3, 4), (1, 2, 4), const([1, 0, 0]), const([1, 2, -1]))
    moved(tmp_path, "GATHER", kind, (2, 6, 4), (2, 2, 4), const([5, 0]), axis=1)
    x = tensor((2, 6, 4), kind)
    for op, operands, sizes, options in (
        ("SPLIT", [const(1), x], (2, 2, 2), {"numSplits": 3}),
        ("SPLIT_V", [x, const([1, -1, 2]), const(1)], (1, 3, 2), {"numSplits": 3}),
    ):
        parts = [tensor((2, s, 4), kind) for s in sizes]
        compare(tmp_path / "m.tflite", [x], parts, [Op(op, operands, parts, options, version=2)], samples=1)
    parts = [tensor((2, 4), kind) for _ in range(6)]
    compare(tmp_path / "m.tflite", [x], parts, [Op("UNPACK", [x], parts, {"num": 6, "axis": 1}, version=2)], samples=1)


@pytest.mark.parametrize(("shape", "begin", "end", "strides", "result", "masks"), [
    ((3, 4, 5), [1, 0, 4], [3, 4, 0], [1, 2, -2], (2, 2, 2), {}),
    ((3, 4, 5), [0, 0, 0], [0, 4, -1], [1, 1, 1], (3, 4, 4), {"beginMask": 1, "endMask": 1}),
    ((3, 4, 5), [1, 0], [2, 2], [1, 1], (2, 5), {"shrinkAxisMask": 1}),
    ((3, 4, 5), [-1, 0], [0, 2], [1, 1], (2, 5), {"shrinkAxisMask": 1}),
    ((3, 4, 5), [0, 1], [0, 3], [1, 1], (3, 4, 2), {"ellipsisMask": 1}),
    ((3, 4, 5), [0, 0, -1], [3, 9, -10], [1, 1, -1], (3, 4, 5), {}),
    ((3, 4), [0, 0, 1], [0, 0, 3], [1, 1, 1], (1, 3, 2), {"newAxisMask": 1, "beginMask": 2, "endMask": 2}),
])  # fmt: skip
def test_strided_slices(
    tmp_path: Path, shape: tuple[int, ...], begin: list[int], end: list[int], strides: list[int],
    result: tuple[int, ...], masks: dict[str, int],
) -> None:  # fmt: skip
    moved(tmp_path, "STRIDED_SLICE", "float32", shape, result, const(begin), const(end), const(strides), **masks)


@kinds
def test_joining(tmp_path: Path, kind: str) -> None:
    a, b, y = tensor((2, 3), kind), tensor((2, 1), kind), tensor((2, 4), kind)
    ops = [Op("CONCATENATION", [a, b], [y], {"axis": -1}, version=2)]
    compare(tmp_path / "m.tflite", [a, b], [y], ops)
    a, b, y = tensor((2, 3), kind), tensor((2, 3), kind), tensor((2, 2, 3), kind)
    ops = [Op("PACK", [a, b], [y], {"valuesCount": 2, "axis": 1}, version=2)]
    compare(tmp_path / "m.tflite", [a, b], [y], ops)


def test_legacy_concatenation_of_several_scales(tmp_path: Path) -> None:
    a, b, y = T((2, 3), "uint8", (0.05, 10)), T((2, 40), "uint8", (0.03, 100)), T((2, 43), "uint8", (0.04, 77))
    compare(tmp_path / "m.tflite", [a, b], [y], [Op("CONCATENATION", [a, b], [y], {"axis": -1}, version=2)], samples=9)


@kinds
def test_order_and_shape(tmp_path: Path, kind: str) -> None:
    moved(tmp_path, "TRANSPOSE", kind, (2, 6, 4), (4, 2, 6), const([2, 0, 1]))
    moved(tmp_path, "RESHAPE", kind, (2, 6, 4), (2, 24), const([2, 24]), version=1)
    moved(tmp_path, "SPACE_TO_BATCH_ND", kind, (1, 4, 6, 8), (6, 3, 2, 8), const([2, 3]), const([[1, 1], [0, 0]]))
    moved(tmp_path, "BATCH_TO_SPACE_ND", kind, (6, 3, 2, 8), (1, 5, 6, 8), const([2, 3]), const([[1, 0], [0, 0]]))
    moved(tmp_path, "RESIZE_NEAREST_NEIGHBOR", kind, (1, 4, 6, 8), (1, 5, 7, 8), const([5, 7]), halfPixelCenters=True)
    if kind != "int16":
        moved(tmp_path, "DEPTH_TO_SPACE", kind, (1, 4, 6, 8), (1, 8, 12, 2), blockSize=2, version=1)
        moved(tmp_path, "SPACE_TO_DEPTH", kind, (1, 4, 6, 8), (1, 2, 3, 32), blockSize=2, version=1)


def test_repetition_and_reversal(tmp_path: Path) -> None:
    moved(tmp_path, "TILE", "float32", (2, 6, 4), (4, 6, 4), const([2, 1, 1]), version=1)
    moved(tmp_path, "BROADCAST_TO", "float32", (1, 6, 1), (2, 6, 4), const([2, 6, 4]), version=2)
    moved(tmp_path, "REVERSE_V2", "float32", (2, 6, 4), (2, 6, 4), const([1]), version=1)


def test_computed_indices(tmp_path: Path) -> None:
    x, i, y = T((2, 6, 4)), T((3,), "int32"), T((2, 3, 4))
    data = [np.random.default_rng(0).normal(0, 1, (2, 6, 4)).astype(np.float32), np.array([1, 5, 0], np.int32)]
    compare(tmp_path / "m.tflite", [x, i], [y], [Op("GATHER", [x, i], [y], {"axis": 1})], data=[data])
    table, y = const(np.random.default_rng(0).normal(0, 1, (9, 3)), "float32"), T((4, 3))
    i = T((4,), "int32")
    ops = [Op("EMBEDDING_LOOKUP", [i, table], [y])]
    compare(tmp_path / "m.tflite", [i], [y], ops, data=[[np.array([8, 0, 3, 3], np.int32)]])


def test_shape_arithmetic_is_folded(tmp_path: Path) -> None:
    from edgekit.importers.tflite import import_tflite

    x, s, f, p, y = T((2, 3, 4)), T((3,), "int32"), T((), "int32"), T((2,), "int32"), T((2, 12))
    ops = [
        Op("SHAPE", [x], [s], {"outType": 2}),
        Op("STRIDED_SLICE", [s, const([0]), const([1]), const([1])], [f], {"shrinkAxisMask": 1}),
        Op("PACK", [f, const(-1)], [p], {"valuesCount": 2}),
        Op("RESHAPE", [x, p], [y]),
    ]
    compare(tmp_path / "m.tflite", [x], [y], ops)
    assert [node.op for node in import_tflite(tmp_path / "m.tflite").nodes] == ["reshape"]
