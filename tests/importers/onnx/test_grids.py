"""Activations on a grid: what a file says of them is read, and refused by name where it makes no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgekit.errors import BadModel, UnsupportedModel
from edgekit.exporters.onnx.grids import PARAMETERS, grid_parameters, on_grid
from edgekit.importers import import_model
from edgekit.ir import Grid, QuantType
from edgekit.ops.supported import require_supported_graph
from edgekit.passes import optimise
from tests.importers.onnx.helpers import make_model, node, save

QUANT = QuantType.on_grid(2.0 / 200, Grid(4, 0.5, 4, 200))
CODED = QuantType.on_grid(2.0 / 20000, Grid(8, 0.5, 4, 20000))


def _model(quant: QuantType, changes: dict[str, Any] | None = None, then: str = "Relu") -> onnx.ModelProto:
    """x, rounded to int8 codes and then to those of a grid, before another layer."""
    parts = dict(zip(PARAMETERS, grid_parameters(quant), strict=True)) | (changes or {})
    codes = {"s": np.array(0.05, np.float32), "z": np.array(128, np.uint8)}
    call = helper.make_node("OnGrid", ["r", *PARAMETERS], ["g"], name="the grid", domain="edgekit")
    layers = [
        node("QuantizeLinear", "x s z", "c"), node("DequantizeLinear", "c s z", "r"), call, node(then, "g", "t"),
        node("QuantizeLinear", "t s z", "d"), node("DequantizeLinear", "d s z", "y"),
    ]  # fmt: skip
    model = make_model(layers, [1, 6], codes | parts, opset=21)
    model.opset_import.append(helper.make_opsetid("edgekit", 1))
    model.functions.append(on_grid(21))
    return model


def test_the_grid_is_read_as_a_layer_of_its_own(tmp_path: Path) -> None:
    for quant in (QUANT, QuantType.on_grid(0.1 / 17, Grid(4, 1.0, 6, 153))):
        path = save(_model(quant), tmp_path)
        graph = optimise(import_model(path, {}))
        assert [n.op for n in graph.nodes] == ["requantize", "relu"] and graph.nodes[0].output.quant == quant
        require_supported_graph(graph)


@pytest.mark.parametrize(("changes", "error", "text"), [
    ({"exponent": np.array(1.5, np.float32)}, BadModel, "exponent at most 1"),
    ({"exponent": np.array(np.nan, np.float32)}, BadModel, "exponent at most 1"),
    ({"scale": np.array(0.0, np.float32)}, BadModel, "must be positive"),
    ({"zero": np.array(16, np.uint8)}, BadModel, "do not fit its table"),
    ({"last": np.array(255, np.int32)}, BadModel, "do not fit its table"),
    ({"step": np.array(9.0, np.float32)}, UnsupportedModel, "not those of its exponent"),
    ({"levels": np.arange(16, dtype=np.int16) - 4}, UnsupportedModel, "not those of its exponent"),
    ({"levels": np.zeros(16, np.int16)}, BadModel, "do not fit its table"),
    ({"levels": np.arange(5, dtype=np.int16)}, UnsupportedModel, "no table of 256 or 16 numbers"),
    ({"levels": np.arange(16, dtype=np.float32)}, UnsupportedModel, "no table of 256 or 16 numbers"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_with_the_layers_name(
    changes: dict[str, Any], error: type[Exception], text: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=f"the grid.*{text}"):
        import_model(save(_model(QUANT, changes), tmp_path), {})


def test_coded_levels_before_a_layer_that_does_not_decode_are_refused(tmp_path: Path) -> None:
    graph = optimise(import_model(save(_model(CODED, then="Tanh"), tmp_path), {}))
    with pytest.raises(UnsupportedModel, match=r"Tanh.*codes are those of a power"):
        require_supported_graph(graph)
