"""Constants that are no numbers or infinite: refused by name, but for limits and masks, which saturate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.errors import BadData, UnsupportedModel
from edgekit.importers import import_model
from edgekit.ir import Array, DType, Graph, QuantType
from edgekit.ops.reference import run_reference
from edgekit.ops.supported import require_supported_graph
from edgekit.passes import optimise
from edgekit.quant.affine import quantize_graph, quantize_shape
from edgekit.quant.prepare import prepared
from tests.importers.onnx.helpers import make_model, node, save

_RNG = np.random.default_rng(3)
CONVOLUTION = node("Conv", "x w", "c", pads=[1, 1, 1, 1])
SAMPLES = [[_RNG.normal(0, 1, (1, 2, 6, 6)).astype(np.float32)] for _ in range(4)]

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def _graph(layers: list[onnx.NodeProto], constants: dict[str, Array], folder: Path) -> Graph:
    weights = np.random.default_rng(4).normal(0, 0.4, (4, 2, 3, 3)).astype(np.float32)
    model = make_model([CONVOLUTION, *layers], [1, 2, 6, 6], {"w": weights} | constants, opset=17)
    return prepared(optimise(import_model(save(model, folder), {})))


def _with(bad: float, *shape: int) -> Array:
    array = np.ones(shape, np.float32)
    array.flat[0] = bad
    return array


@pytest.mark.parametrize(("op", "bad"), [
    ("Add", np.nan), ("Mul", np.nan), ("Div", np.nan), ("Div", np.inf), ("Div", -np.inf), ("Max", np.nan),
    ("PRelu", np.inf), ("PRelu", -np.inf), ("MatMul", np.nan), ("Mul", np.inf), ("Mul", -np.inf),
])  # fmt: skip
def test_constants_without_codes_are_refused_with_their_layers_name(op: str, bad: float, tmp_path: Path) -> None:
    shape = (1, 4, 6, 6)
    inputs = "a c" if op == "MatMul" else "c a"
    graph = _graph([node(op, inputs, "y")], {"a": _with(bad, *shape)}, tmp_path)
    kind = "NaN" if np.isnan(bad) else "infinite numbers"
    for quantize in (lambda: quantize_graph(graph, SAMPLES), lambda: quantize_shape(graph)):
        with pytest.raises(UnsupportedModel, match=rf"float32:\n  layer '{op}_y' \(.*constant 'a.*' has {kind}"):
            quantize()


@pytest.mark.parametrize(("op", "bad"), [("Min", np.inf), ("Max", -np.inf)])
def test_limits_out_of_reach_saturate(op: str, bad: float, tmp_path: Path) -> None:
    graph = _graph([node(op, "c a", "y")], {"a": _with(bad, 1, 4, 1, 1)}, tmp_path)
    assert _error(graph, quantize_graph(graph, SAMPLES)) < 0.1


def _error(graph: Graph, quantized: Graph) -> float:
    require_supported_graph(quantized)
    worst = 0.0
    for sample in SAMPLES:
        x, y = quantized.inputs[0], quantized.outputs[0]
        assert x.quant is not None and y.quant is not None
        codes = run_reference(quantized, [x.quant.quantize(sample[0], x.dtype)])[y]
        worst = max(
            worst, float(np.abs(y.quant.dequantize(codes) - run_reference(graph, sample)[graph.outputs[0]]).max())
        )
    return worst


@pytest.mark.parametrize("mask", [-1e4, -1e9, -3e38, -np.inf])
def test_masks_of_keys_cost_no_precision(mask: float, tmp_path: Path) -> None:
    layers = [node("Add", "c a", "m"), node("Softmax", "m", "y", axis=-1)]
    graph = _graph(layers, {"a": _with(mask, 6)}, tmp_path)
    quantized = quantize_graph(graph, SAMPLES)
    assert _error(graph, quantized) < 0.03
    assert all(len(set(v.quant.scale)) == 1 for v in quantized.values() if v.name == "Add_m scale" and v.quant)


@pytest.mark.parametrize("bias", [-1e9, -np.inf])
def test_a_bias_that_silences_its_channel_does_so_in_codes(bias: float, tmp_path: Path) -> None:
    graph = _graph([node("Add", "c a", "d"), node("Relu", "d", "y")], {"a": _with(bias, 4, 1, 1)}, tmp_path)
    assert _error(graph, quantize_graph(graph, SAMPLES)) < 0.1


def test_what_overflows_names_the_sample(tmp_path: Path) -> None:
    graph = _graph([node("Mul", "c a", "y")], {"a": _with(3e38, 1, 4, 6, 6)}, tmp_path)
    with pytest.raises(BadData, match="calibration sample 0 makes 'Mul_y' infinite or NaN: leave it out"):
        quantize_graph(graph, [[np.full((1, 2, 6, 6), 1e3, np.float32)]])


def test_a_scale_that_would_make_weights_infinite_stays_a_layer(tmp_path: Path) -> None:
    graph = _graph([node("Mul", "c a", "y")], {"a": _with(3e38, 4, 1, 1)}, tmp_path)
    assert all(np.isfinite(v.array).all() for v in graph.values() if v.is_constant)
    tiny = [np.full((1, 2, 6, 6), 1e-30, np.float32)]
    assert np.isfinite(run_reference(graph, tiny)[graph.outputs[0]]).all()


def test_nan_has_the_code_of_zero_as_in_the_kernels() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0], np.float32)
    assert QuantType.per_tensor(0.1, 7).quantize(x, DType.INT8).tolist() == [7, 127, -128, 7]
    assert QuantType.per_tensor(0.1, 0).quantize(x, DType.INT16).tolist() == [0, 32767, -32768, 0]
