"""Weights of fewer than 8 bits in ONNX files: what is a codebook, and what makes plain weights or an error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from edgekit.codegen.lowering.coded import codebook_of
from edgekit.errors import BadModel, UnsupportedModel
from edgekit.passes import optimise
from tests.importers.onnx.helpers import import_model, make_model, node
from tests.importers.onnx.level_models import TABLES, groups_model, table_model


def test_table_of_levels(tmp_path: Path) -> None:
    graph = optimise(import_model(table_model([-9, -2, -1, 0, 1, 2, 9], [[0, 3, 6], [1, 2, 5]]), tmp_path))
    (weights,) = [n.input(1) for n in graph.nodes if n.op == "fully_connected"]
    assert weights.quant is not None and weights.quant.codebook is not None
    assert weights.quant.codebook.levels == ((0, 1, 2, 9),) and weights.array.tolist() == [[-9, -2], [0, -1], [9, 2]]


def test_a_table_without_a_zero_is_a_codebook_that_short_rows_do_not_use(tmp_path: Path) -> None:
    graph = optimise(import_model(table_model([-9, -2, 2, 9], [[0, 3, 1], [1, 2, 3]]), tmp_path))
    (layer,) = [n for n in graph.nodes if n.op == "fully_connected"]
    quant = layer.input(1).quant
    assert quant is not None and quant.codebook is not None and quant.codebook.levels == ((2, 9),)
    assert layer.input(1).array.tolist() == [[-9, -2], [9, 2], [-2, 9]]
    # Two weights a row: kernels would pad them.
    assert codebook_of(layer) is None


@pytest.mark.parametrize("table", [
    [-9, -2, -1, 0, 1, 2, 8], [-9, -1, -2, 0, 2, 1, 9], [-9, -2, -1, 1, 2, 3, 9], [-128, -2, -1, 0, 1, 2, 127],
    [-9, 0, 9, 12], [0, 0, 0, 0, 0, 0, 0],
])  # fmt: skip
def test_a_table_that_is_no_codebook_makes_plain_weights(table: list[int], tmp_path: Path) -> None:
    graph = optimise(import_model(table_model(table, [[0, 3, 2], [1, 2, 3]]), tmp_path))
    (weights,) = [n.input(1) for n in graph.nodes if n.op == "fully_connected"]
    assert weights.quant is not None and weights.quant.codebook is None
    assert weights.array.tolist() == np.array(table)[[[0, 1], [3, 2], [2, 3]]].tolist()


@pytest.mark.parametrize(("tables", "starts", "along", "group"), [
    (TABLES, [0, 0, 0, 0, 7, 7], 1, 4), (TABLES, [0] * 8 + [7] * 3, 1, 8), (TABLES, [0] * 4 + [7] * 4, 1, 4),
    (TABLES, [0, 0, 0, 7, 7, 7], 1, None), (TABLES, [7, 7, 7, 7, 0, 0], 1, None),
    (TABLES, [0] * 4 + [7] * 5, 1, None), (TABLES, [0, 0, 0, 0, 7, 7], 0, None),
    ([TABLES[0], [-7, -5, -4, 0, 4, 5, 8]], [0, 0, 0, 0, 7, 7], 1, None),
    ([*TABLES, TABLES[0]], [0, 0, 0, 0, 7, 7], 1, None),
])  # fmt: skip
def test_tables_of_groups(
    tables: list[list[int]], starts: list[int], along: int, group: int | None, tmp_path: Path
) -> None:
    """Whatever is no power of two of channels in a row, each with the next table, makes plain weights."""
    shape = (3, len(starts)) if along == 1 else (len(starts), 8)
    codes = np.random.default_rng(1).integers(0, 7, shape)
    offsets = np.array(starts).reshape((1, -1) if along == 1 else (-1, 1))
    graph = optimise(import_model(groups_model(tables, starts, codes, along), tmp_path))
    (weights,) = [n.input(1) for n in graph.nodes if n.op == "fully_connected"]
    assert weights.quant is not None
    assert weights.array.T.tolist() == np.array(tables).reshape(-1)[codes + offsets].tolist()
    book = weights.quant.codebook
    assert (None if book is None else book.group) == group
    assert book is None or book.levels == tuple(tuple(table[3:]) for table in tables)


def test_numbers_gathered_from_a_table_of_real_numbers_have_its_scale(tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "r"),
        node("DequantizeLinear", "t st", "u"), node("Gather", "u i", "w"),
        node("QuantizeLinear", "w s z", "k"), node("DequantizeLinear", "k s z", "v"), node("MatMul", "r v", "m"),
        node("QuantizeLinear", "m s z", "p"), node("DequantizeLinear", "p s z", "y"),
    ]  # fmt: skip
    constants = {
        "s": np.array(0.1, np.float32), "z": np.array(0, np.int8), "st": np.array(0.5, np.float32),
        "t": np.arange(-3, 4, dtype=np.int8), "i": np.array([[0, 3, 6], [1, 2, 5]], np.int64),
    }  # fmt: skip
    graph = optimise(import_model(make_model(nodes, [1, 2], constants, 21), tmp_path))
    (weights,) = [n.input(1) for n in graph.nodes if n.op == "fully_connected"]
    assert weights.quant is not None
    real = weights.quant.dequantize(weights.array)
    np.testing.assert_allclose(real, [[-1.5, -1.0], [0.0, -0.5], [1.5, 1.0]], atol=1e-6)


def test_index_outside_the_table(tmp_path: Path) -> None:
    for table in ([-9, -2, -1, 0, 1, 2, 9], [1, 2, 3, 4]):
        with pytest.raises(BadModel, match="Gather_w"):
            import_model(table_model(table, [[0, 3, 7], [1, 2, 5]]), tmp_path)


@pytest.mark.parametrize("kind", [TensorProto.INT4, TensorProto.UINT4])
def test_integers_of_four_bits(kind: int, tmp_path: Path) -> None:
    model = table_model([-9, -2, -1, 0, 1, 2, 9], [[0, 3, 6], [1, 2, 5]], kind)
    with pytest.raises(BadModel, match="'i' has 6 bytes"):
        import_model(model, tmp_path)
    tensor = next(t for t in model.graph.initializer if t.name == "i")
    tensor.raw_data = b"\x30\x16\x52"
    graph = optimise(import_model(model, tmp_path))
    assert any(v.quant is not None and v.quant.codebook is not None for v in graph.values())
    # Nowhere else: saturation and arithmetic would be those of 8 bits.
    model.graph.node[0].input[2] = "i"
    with pytest.raises(UnsupportedModel, match=r"'QuantizeLinear_q'.*has 4 bits"):
        import_model(model, tmp_path)
    tensor.dims[0] = 1 << 40
    with pytest.raises(BadModel, match="impossible shape"):
        import_model(model, tmp_path)
