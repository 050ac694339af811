"""Products whose weights come out of tables of levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from tests.importers.onnx.helpers import make_model, node


def table_model(table: Any, indices: Any, narrow: int | None = None) -> onnx.ModelProto:
    """A product whose weights [2,3] come out of a table; with `narrow`, that type for the indices' data as they are."""
    nodes = [
        node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "r"), node("Cast", "i", "c", to=6),
        node("Gather", "t c", "w"), node("DequantizeLinear", "w sw", "v", axis=1), node("MatMul", "r v", "m"),
        node("QuantizeLinear", "m s z", "p"), node("DequantizeLinear", "p s z", "y"),
    ]  # fmt: skip
    constants = {
        "s": np.array(0.1, np.float32), "z": np.array(0, np.int8), "sw": np.full(3, 0.1, np.float32),
        "t": np.array(table, np.int8), "i": np.array(indices, np.uint8),
    }  # fmt: skip
    model = make_model(nodes, [1, 2], constants, 21)
    if narrow is not None:
        tensor = next(t for t in model.graph.initializer if t.name == "i")
        tensor.data_type = narrow
    return model


def groups_model(tables: list[list[int]], starts: list[int], codes: Any, along: int) -> onnx.ModelProto:
    """A product whose weights come out of several tables; where each channel's begins is added along that axis."""
    nodes = [
        node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "r"), node("Cast", "i", "c", to=6),
        node("Add", "c o", "a"), node("Gather", "t a", "w"), node("DequantizeLinear", "w sw", "v", axis=1),
        node("MatMul", "r v", "m"), node("QuantizeLinear", "m s z", "p"), node("DequantizeLinear", "p s z", "y"),
    ]  # fmt: skip
    shape = (1, -1) if along == 1 else (-1, 1)
    constants = {
        "s": np.array(0.1, np.float32), "z": np.array(0, np.int8),
        "sw": np.full(np.shape(codes)[1], 0.1, np.float32), "t": np.array(tables, np.int8).reshape(-1),
        "i": np.array(codes, np.uint8), "o": np.array(starts, np.int32).reshape(shape),
    }  # fmt: skip
    return make_model(nodes, [1, np.shape(codes)[0]], constants, 21)


TABLES = [[-9, -2, -1, 0, 1, 2, 9], [-7, -5, -4, 0, 4, 5, 7]]
