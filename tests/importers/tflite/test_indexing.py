"""Operators that follow indices or make them: equal to LiteRT's in every element type that it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgekit.errors import BadModel, UnsupportedModel
from edgekit.importers.tflite import import_tflite
from tests.importers.tflite.models import Op, T, compare, const, write_model

QUANTS = {"int8": (0.03, 5), "uint8": (0.03, 50), "int16": (0.0003, 0)}


def check(path: Path, inputs: list[T], outputs: list[T], op: Op, **more: Any) -> None:
    compare(path / "m.tflite", inputs, outputs, [op], **more)


def tensor(shape: tuple[int, ...], kind: str) -> T:
    return T(shape, kind, QUANTS.get(kind))


@pytest.mark.parametrize("kind", ["float32", "int8", "uint8", "int32", "bool"])
@pytest.mark.parametrize("op", ["ARG_MAX", "ARG_MIN"])
@pytest.mark.parametrize(("axis", "result"), [(1, (2, 5)), (-1, (2, 9)), (0, (9, 5))])
@pytest.mark.parametrize("wide", [False, True])
def test_the_best_place(
    tmp_path: Path, kind: str, op: str, axis: int, result: tuple[int, ...], wide: bool
) -> None:  # fmt: skip
    x, y = tensor((2, 9, 5), kind), T(result, "int64" if wide else "int32")
    options = {"outputType": schema.TensorType.INT64 if wide else schema.TensorType.INT32}
    check(tmp_path, [x], [y], Op(op, [x, const(axis)], [y], options, version=2))


@pytest.mark.parametrize("kind", ["float32", "int8", "uint8", "int16", "int32", "int64"])
@pytest.mark.parametrize("k", [1, 4, 9])
def test_the_best_few(tmp_path: Path, kind: str, k: int) -> None:
    x, y, places = tensor((2, 3, 9), kind), tensor((2, 3, k), kind), T((2, 3, k), "int32")
    check(tmp_path, [x], [y, places], Op("TOPK_V2", [x, const(k)], [y, places], version=3))


@pytest.mark.parametrize("kind", ["float32", "int8", "uint8", "int16", "int32", "int64", "bool"])
@pytest.mark.parametrize("indices", ["int32", "int64", "int16"])
def test_rows_by_tuples(tmp_path: Path, kind: str, indices: str) -> None:
    x, y = tensor((3, 4, 5), kind), tensor((2, 5), kind)
    places = const([[2, 3], [0, 1]], indices)
    check(tmp_path, [x], [y], Op("GATHER_ND", [x, places], [y], version=5))


def test_rows_by_computed_tuples(tmp_path: Path) -> None:
    x, i, y = T((3, 4, 5)), T((2, 2, 3), "int32"), T((2, 2))
    data = [np.random.default_rng(0).normal(0, 1, (3, 4, 5)), np.random.default_rng(1).integers(0, 3, (2, 2, 3))]
    check(
        tmp_path, [x, i], [y], Op("GATHER_ND", [x, i], [y]), data=[[data[0].astype("float32"), data[1].astype("int32")]]
    )


@pytest.mark.parametrize("kind", ["float32", "int8", "uint8", "int32", "int64"])
def test_sums_of_scattered_rows(tmp_path: Path, kind: str) -> None:
    updates, y = T((3, 5), kind), T((4, 5), kind)
    check(tmp_path, [updates], [y], Op("SCATTER_ND", [const([[2], [0], [2]]), updates, const([4, 5])], [y]))
    i, y = T((3, 2), "int32"), T((4, 2), kind)
    data = [np.array([[0, 1], [3, 0], [0, 1]], np.int32), np.array([7, 5, 2], kind)]
    updates = T((3,), kind)
    check(tmp_path, [i, updates], [y], Op("SCATTER_ND", [i, updates, const([4, 2])], [y]), data=[data])


@pytest.mark.parametrize("kind", ["float32", "int32", "int64"])
@pytest.mark.parametrize(("exclusive", "reverse"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_running_sums(tmp_path: Path, kind: str, exclusive: bool, reverse: bool, axis: int) -> None:
    x, y = T((3, 4, 5), kind), T((3, 4, 5), kind)
    options = {"exclusive": exclusive, "reverse": reverse}
    check(tmp_path, [x], [y], Op("CUMSUM", [x, const(axis)], [y], options))


@pytest.mark.parametrize("kind", ["float32", "int8", "uint8", "int32", "int64", "bool"])
@pytest.mark.parametrize(("axis", "result"), [(-1, (2, 3, 6)), (0, (6, 2, 3)), (1, (2, 6, 3))])
@pytest.mark.parametrize("indices", ["int32", "int64"])
def test_one_hot(tmp_path: Path, kind: str, axis: int, result: tuple[int, ...], indices: str) -> None:
    i, y = T((2, 3), indices), T(result, kind)
    on, off = const(1, kind), const(0, kind)
    data = [np.array([[0, 5, 6], [-1, 2, 3]], indices)]
    check(tmp_path, [i], [y], Op("ONE_HOT", [i, const(6), on, off], [y], {"axis": axis}), data=[data])


@pytest.mark.parametrize("kind", ["float32", "uint8", "int16", "int32", "int64"])
@pytest.mark.parametrize(("batch", "time"), [(0, 1), (1, 0), (0, 2), (2, 1)])
def test_reversed_sequences(tmp_path: Path, kind: str, batch: int, time: int) -> None:
    shape = (3, 4, 5, 2)
    x, y = tensor(shape, kind), tensor(shape, kind)
    lengths = const(np.arange(shape[batch]) % (shape[time] + 1), "int32")
    options = {"batchDim": batch, "seqDim": time}
    check(tmp_path, [x], [y], Op("REVERSE_SEQUENCE", [x, lengths], [y], options))


@pytest.mark.parametrize(("source", "target"), [("float32", "int32"), ("int32", "float32"), ("int8", "uint8"),
                                                ("int16", "int16")])  # fmt: skip
def test_bytes_of_another_type(tmp_path: Path, source: str, target: str) -> None:
    x, y = T((3, 4), source), T((3, 4), target)
    check(tmp_path, [x], [y], Op("BITCAST", [x], [y]))


@pytest.mark.parametrize(("op", "match"), [
    (Op("CUMSUM", [T((3, 4), "int8", (0.1, 0)), const(1)], [T((3, 4), "int8", (0.1, 0))]), "float models only"),
    (Op("SCATTER_ND", [const([[0]]), T((1, 4), "int8", (0.1, 0)), const([2, 4])], [T((2, 4), "int8", (0.1, 0))]),
     "float models only"),
    (Op("BITCAST", [T((3, 4), "int32")], [T((3, 4, 4), "int8")]), "int32 as int8; use types of the same size"),
    (Op("ARG_MAX", [T((3, 4)), T((), "int32")], [T((3,), "int32")]), "input 1 must be a constant"),
    (Op("REVERSE_SEQUENCE", [T((3, 4)), T((3,), "int32")], [T((3, 4))], {"seqDim": 1}), "computed lengths"),
    (Op("REVERSE_SEQUENCE", [T((2, 1 << 20)), const([1, 2])], [T((2, 1 << 20))], {"seqDim": 1}), "2 sequences of"),
    (Op("LOCAL_RESPONSE_NORMALIZATION", [T((1, 1, 1, 2000))], [T((1, 1, 1, 2000))],
        {"radius": 2, "bias": 1.0, "alpha": 1.0, "beta": 0.5}), "sums over 2000 channels"),
])  # fmt: skip
def test_refusals(tmp_path: Path, op: Op, match: str) -> None:
    inputs = [t for t in op.inputs if t is not None and t.data is None]
    write_model(tmp_path / "m.tflite", inputs, op.outputs, [op])
    with pytest.raises(UnsupportedModel, match=match):
        import_tflite(tmp_path / "m.tflite")


@pytest.mark.parametrize(("op", "match"), [
    (Op("GATHER_ND", [T((3, 4)), const([[3]])], [T((1, 4))]), "indices leave a tensor of \\[3, 4\\]"),
    (Op("SCATTER_ND", [const([[-1]]), T((1, 4)), const([2, 4])], [T((2, 4))]), "indices leave"),
    (Op("SCATTER_ND", [const([[0]]), T((1, 4)), const([1 << 30, 4])], [T((2, 4))]), "over the limit"),
    (Op("ONE_HOT", [T((3,), "int32"), const(-1), const(1), const(0)], [T((3, 1), "int32")], {"axis": -1}), "depth"),
    (Op("REVERSE_SEQUENCE", [T((3, 4)), const([1, 2, 5])], [T((3, 4))], {"seqDim": 1}), "do not fit"),
    (Op("TOPK_V2", [T((3, 4)), const(5)], [T((3, 5)), T((3, 5), "int32")]), "no 5 best"),
])  # fmt: skip
def test_malformed(tmp_path: Path, op: Op, match: str) -> None:
    inputs = [t for t in op.inputs if t is not None and t.data is None]
    write_model(tmp_path / "m.tflite", inputs, op.outputs, [op])
    with pytest.raises(BadModel, match=match):
        import_tflite(tmp_path / "m.tflite")
