"""Activations on a grid: what a file says of them is read, and refused by name where it makes no sense."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgekit import onnx_backend
from edgekit.errors import BadModel, UnsupportedModel
from edgekit.host import build_host_model
from edgekit.importers import import_model
from edgekit.importers.onnx.grid_function import PARAMETERS, grid_parameters, on_grid
from edgekit.ir import DType, Grid, QuantType
from edgekit.ops.reference import run_reference
from edgekit.ops.supported import require_supported_graph
from edgekit.passes import optimise
from tests.importers.onnx.helpers import make_model, node, run_onnxruntime, save

QUANT = QuantType.on_grid(2.0 / 200, Grid(4, 0.5, 4, 200))
CODED = QuantType.on_grid(2.0 / 20000, Grid(8, 0.5, 4, 20000))


def _call(x: str, y: str) -> onnx.NodeProto:
    return helper.make_node("OnGrid", [x, *PARAMETERS], [y], name="the grid", domain="edgekit")


def _rounded(x: str, y: str) -> list[onnx.NodeProto]:
    return [node("QuantizeLinear", f"{x} s z", f"{y}c"), node("DequantizeLinear", f"{y}c s z", y)]


def _with_grid(
    layers: list[onnx.NodeProto], quant: QuantType, changes: dict[str, Any] | None = None
) -> onnx.ModelProto:
    parts = dict(zip(PARAMETERS, grid_parameters(quant), strict=True)) | (changes or {})
    codes = {"s": np.array(0.05, np.float32), "z": np.array(128, np.uint8)}
    model = make_model(layers, [1, 6], codes | parts, opset=21)
    model.opset_import.append(helper.make_opsetid("edgekit", 1))
    model.functions.append(on_grid(21))
    return model


def _model(quant: QuantType, changes: dict[str, Any] | None = None, then: str = "Relu") -> onnx.ModelProto:
    """x, rounded to int8 codes and then to those of a grid, before another layer."""
    layers = [*_rounded("x", "r"), _call("r", "g"), node(then, "g", "t"), *_rounded("t", "y")]
    return _with_grid(layers, quant, changes)


def test_the_grid_is_read_as_a_layer_of_its_own(tmp_path: Path) -> None:
    for quant in (QUANT, QuantType.on_grid(0.1 / 17, Grid(4, 1.0, 6, 153))):
        path = save(_model(quant), tmp_path)
        graph = optimise(import_model(path, {}))
        assert [n.op for n in graph.nodes] == ["requantize", "relu"] and graph.nodes[0].output.quant == quant
        require_supported_graph(graph)


@pytest.mark.parametrize("quant", [QUANT, CODED])
@pytest.mark.parametrize("then", ["Relu", "Tanh"])
def test_numbers_of_a_grid_may_be_rounded_evenly_after_it(quant: QuantType, then: str, tmp_path: Path) -> None:
    layers = [*_rounded("x", "r"), node("Sigmoid", "r", "h"), _call("h", "g"), *_rounded("g", "e"),
              node(then, "e", "t"), *_rounded("t", "y")]  # fmt: skip
    path = save(_with_grid(layers, quant), tmp_path)
    graph = optimise(import_model(path, {}))
    require_supported_graph(graph)
    made, evenly = graph.nodes[0].output.quant, graph.nodes[1].output.quant
    assert [n.op for n in graph.nodes] == ["sigmoid", "requantize", then.lower()]
    assert made == quant and evenly == QuantType.per_tensor(0.05, 0)
    for x in np.linspace(-6.0, 6.0, 60, dtype=np.float32).reshape(10, 1, 6):
        codes = graph.inputs[0].quant.quantize(x, DType.INT8)
        values = run_reference(graph, [codes])
        wanted = evenly.quantize(quant.dequantize(values[graph.nodes[0].output]), DType.INT8)
        assert np.array_equal(values[graph.nodes[1].output], wanted)
        assert np.array_equal(build_host_model(graph)([codes])[0], values[graph.outputs[0]])
        got = graph.outputs[0].quant.dequantize(values[graph.outputs[0]])
        np.testing.assert_allclose(got, run_onnxruntime(path, [x])[0], atol=0.051)


@pytest.mark.parametrize("grid", [
    *(Grid(8, e, z, n) for e, z, n in ((0.5, 0, 20000), (0.62, 40, 32767), (0.33, 255, 9000), (1.0, 128, 4000))),
    *(Grid(4, e, z, n) for e, z, n in ((0.7, 7, 127), (1.0, 3, 204), (0.5, 0, 255), (0.4, 15, 255))),
])  # fmt: skip
def test_the_function_rounds_to_the_reference_for_every_code(grid: Grid, tmp_path: Path) -> None:
    quant, codes = QuantType.on_grid(1.7 / grid.largest, grid), np.arange(1 << grid.bits)
    # What every code stands for, and near both ends of what is rounded to it.
    places = np.concatenate([codes + part for part in (-0.49, -0.3, 0.0, 0.3, 0.49)] + [[-40.0, 400.0]])
    x = (grid.between(places) * quant.scale[0]).astype(np.float32)
    model = make_model([_call("x", "y")], [len(x)], dict(zip(PARAMETERS, grid_parameters(quant), strict=True)), 21)
    model.opset_import.append(helper.make_opsetid("edgekit", 1))
    model.functions.append(on_grid(21))
    held = quant.quantize(x, DType.INT8)
    assert np.array_equal(quant.steps(held), grid.levels[[*np.tile(codes, 5), 0, -1]])
    np.testing.assert_array_equal(run_onnxruntime(save(model, tmp_path), [x])[0], quant.dequantize(held))


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


@pytest.mark.parametrize("quant", [QUANT, CODED])
@pytest.mark.parametrize("alone", [True, False])
def test_plain_numbers_are_rounded_as_onnxruntime_rounds_them(quant: QuantType, alone: bool, tmp_path: Path) -> None:
    model = _with_grid([_call("x", "g"), node("Relu", "g", "y")], quant) if alone else _model(quant)
    path, x = save(model, tmp_path), np.linspace(-1.0, 2.5, 6, dtype=np.float32).reshape(1, 6)
    graph = optimise(import_model(path, {}, literal=True))
    wanted = run_onnxruntime(path, [x])
    np.testing.assert_allclose(run_reference(graph, [x])[graph.outputs[0]], wanted[0], rtol=1e-6)
    np.testing.assert_allclose(onnx_backend.run_model(model, [x]), wanted, rtol=1e-6)


def test_a_grid_alone_makes_a_model_quantized(tmp_path: Path) -> None:
    path = save(_with_grid([_call("x", "g"), node("Relu", "g", "y")], QUANT), tmp_path)
    with pytest.raises(UnsupportedModel, match=r"Relu_y.*its output is not quantized"):
        import_model(path, {})


@pytest.mark.parametrize("quant", [QUANT, CODED])
def test_grids_are_refused_on_inputs(quant: QuantType, tmp_path: Path) -> None:
    layers = [_call("x", "g"), node("Relu", "g", "t"), *_rounded("t", "y")]
    graph = optimise(import_model(save(_with_grid(layers, quant), tmp_path), {}))
    with pytest.raises(UnsupportedModel, match=r"input 'x' of the model has codes of a power.*DequantizeLinear first"):
        require_supported_graph(graph)


def test_codes_of_8_bits_are_refused_on_outputs(tmp_path: Path) -> None:
    layers = [*_rounded("x", "r"), node("Sigmoid", "r", "h"), _call("h", "y")]
    graph = optimise(import_model(save(_with_grid(layers, CODED), tmp_path), {}))
    with pytest.raises(
        UnsupportedModel, match=r"output 'y' of the model has codes of a power.*DequantizeLinear instead"
    ):
        require_supported_graph(graph)
    narrow = optimise(import_model(save(_with_grid(layers, QUANT), tmp_path), {}))
    require_supported_graph(narrow)
    assert narrow.outputs[0].quant == QUANT


def _renamed() -> onnx.FunctionProto:
    """The same function with names of its own."""
    function = on_grid(21)
    for part in function.node:
        part.input[:] = [f"my {name}" for name in part.input]
        part.output[:] = [f"my {name}" for name in part.output]
    function.input[:] = [f"my {name}" for name in function.input]
    function.output[:] = [f"my {name}" for name in function.output]
    return function


def test_names_inside_the_function_do_not_matter(tmp_path: Path) -> None:
    model = _model(QUANT)
    model.functions[0].CopyFrom(_renamed())
    assert optimise(import_model(save(model, tmp_path), {})).nodes[0].output.quant == QUANT


def _negates(model: onnx.ModelProto) -> None:
    del model.functions[0].node[:]
    model.functions[0].node.append(helper.make_node("Neg", ["x"], ["y"]))


def _keeps_the_sign(model: onnx.ModelProto) -> None:
    model.functions[0].node[2].input[0] = "x"


def _casts_to_int64(model: onnx.ModelProto) -> None:
    model.functions[0].node[5].attribute[0].i = onnx.TensorProto.INT64


def _is_of_another_opset(model: onnx.ModelProto) -> None:
    model.functions[0].opset_import[0].version = 20


def _swaps_parameters(model: onnx.ModelProto) -> None:
    model.functions[0].input[1:3] = ["step", "exponent"]


@pytest.mark.parametrize(
    "change", [_negates, _keeps_the_sign, _casts_to_int64, _is_of_another_opset, _swaps_parameters]
)
@pytest.mark.parametrize("literal", [True, False])
def test_other_definitions_are_refused(
    change: Callable[[onnx.ModelProto], None], literal: bool, tmp_path: Path
) -> None:
    model = _model(QUANT)
    change(model)
    with pytest.raises(
        UnsupportedModel, match=r"the grid.*defines the function in another way; export the model again"
    ):
        import_model(save(model, tmp_path), {}, literal=literal)


def test_a_file_has_to_define_the_function_once(tmp_path: Path) -> None:
    model = _model(QUANT)
    model.functions.append(on_grid(21))
    with pytest.raises(BadModel, match=r"defines edgekit\.OnGrid twice"):
        import_model(save(model, tmp_path), {})
    del model.functions[:]
    with pytest.raises(UnsupportedModel, match=r"the grid.*does not define the function; export the model again"):
        import_model(save(model, tmp_path), {})
