"""The integer graph: conventions, guards, and what accuracy is left."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgekit.errors import BadData, UnsupportedModel
from edgekit.ir import DType, Graph, QuantType, Value, dump_graph
from edgekit.ops import spec_of
from edgekit.ops.reference import run_reference
from edgekit.ops.spec import check_constraints
from edgekit.quant.affine import quantize_graph, quantize_shape
from edgekit.quant.error import layer_errors
from edgekit.quant.weight_quantizers import DATA_FREE, coded_weights
from edgekit.quant.weights import MAX_ACCUMULATOR
from tests.passes.maker import CONV, PADDED, Maker

Arrays = list[list[npt.NDArray[Any]]]


def samples_for(graph: Graph, count: int = 8, scale: float = 1.0) -> Arrays:
    rng = np.random.default_rng(0)
    return [[(rng.normal(size=v.shape) * scale).astype(np.float32) for v in graph.inputs] for _ in range(count)]


def quantized(graph: Graph, observer: str = "minmax") -> Graph:
    """The integer graph, after checking what holds for all of them."""
    result = quantize_graph(graph, samples_for(graph), observer)
    for node in result.nodes:
        assert not check_constraints(node, spec_of(node.op))
        for value in (*node.inputs, *node.outputs):
            assert value is not None and value.quant is not None
            assert value.dtype is (DType.INT32 if value is node.optional_input(2) else DType.INT8)
            assert all(0 < s < np.inf and s == np.float32(s) for s in value.quant.scale)
            assert all(-128 <= z <= 127 for z in value.quant.zero_point)
    return result


def small_net(m: Maker) -> Value:
    x = m.input(1, 8, 8, 3)
    a = m("conv2d", x, m.const(6, 3, 3, 3), m.const(6), **{**PADDED, "activation": "relu"})
    b = m("depthwise_conv2d", a, m.const(3, 3, 6), m.const(6), **PADDED)
    s = m("add", a, b, activation="relu6")
    p = m("max_pool2d", s, kernel=(2, 2), stride=(2, 2), padding=(0, 0, 0, 0), activation="none")
    g = m("mean", p, axes=(1, 2), keep_dims=False)
    h = m("fully_connected", g, m.const(4, 6), m.const(4), activation="none")
    return m("softmax", h, beta=1.0)


@pytest.mark.parametrize("observer", ["minmax", "percentile", "mse"])
def test_small_net(observer: str) -> None:
    m = Maker()
    graph = m.graph(small_net(m))
    text = dump_graph(graph)
    result = quantized(graph, observer)
    assert dump_graph(graph) == text
    rows = layer_errors(graph, result, samples_for(graph))
    assert [row.name for row in rows] == [n.name for n in graph.nodes]
    assert all(row.sqnr_db > 15 and row.max_abs_error <= row.max_abs_value for row in rows)
    assert result.outputs[0].quant == QuantType.per_tensor(1 / 256, -128)


def test_weights_are_symmetric_per_channel() -> None:
    m = Maker()
    conv = next(n for n in quantized(m.graph(small_net(m))).nodes if n.op == "conv2d")
    weights, bias = conv.input(1), conv.input(2)
    x = conv.input(0)
    assert weights.quant is not None and bias.quant is not None and x.quant is not None
    assert weights.quant.axis == 0 and len(weights.quant.scale) == 6 and not any(weights.quant.zero_point)
    assert np.abs(weights.array.reshape(6, -1)).max(axis=1).tolist() == [127] * 6
    np.testing.assert_allclose(bias.quant.scale, np.array(weights.quant.scale) * x.quant.scale[0], rtol=1e-6)


def test_movement_and_pooling_share_one_quantization() -> None:
    m = Maker()
    x = m.input(1, 4, 4, 2)
    joined = m("concat", m("tanh", x), x, axis=3)
    up = m("resize_nearest", joined, factors=(2, 2))
    result = quantized(m.graph(m("reshape", up, shape=(1, 256))))
    concat = next(n for n in result.nodes if n.op == "concat")
    assert len({v.quant for v in (*concat.inputs, *result.outputs, result.inputs[0]) if v is not None}) == 1


def test_fixed_quantization_spreads_or_gives_way() -> None:
    m = Maker()
    x = m.input(1, 6)
    shared = quantized(m.graph(m("reshape", m("sigmoid", x), shape=(6,))))
    assert shared.outputs[0].quant == QuantType.per_tensor(1 / 256, -128)
    m = Maker()
    x = m.input(1, 6)
    mixed = quantized(m.graph(m("concat", m("softmax", x, beta=1.0), x, axis=1)))
    assert [n.op for n in mixed.nodes] == ["softmax", "requantize", "concat"]


def product(weights: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]) -> Graph:
    m = Maker()
    x = m.input(1, weights.shape[1])
    y = m("fully_connected", x, Value.constant("w", weights), Value.constant("b", bias), activation="none")
    return m.graph(y)


@pytest.mark.parametrize(
    ("weight", "bias"), [(0.0, 0.0), (0.0, 5.0), (1e-30, 5.0), (1e-9, 1e4), (1e-38, 0.0), (1e20, 1.0), (1.0, 1e30)]
)
def test_degenerate_channels(weight: float, bias: float) -> None:
    weights = np.stack([np.full(8, weight, np.float32), np.linspace(-1, 1, 8, dtype=np.float32)])
    graph = product(weights, np.array([bias, 0.5], np.float32))
    node = quantized(graph).nodes[0]
    total = np.abs(node.input(1).array.astype(np.int64)).sum(axis=1) * 255 + np.abs(
        node.input(2).array.astype(np.int64)
    )
    assert total.max() <= MAX_ACCUMULATOR
    (row,) = layer_errors(graph, quantize_graph(graph, samples_for(graph)), samples_for(graph))
    assert row.sqnr_db > 20


def test_long_sums_stay_inside_int32() -> None:
    node = quantized(product(np.ones((1, 70_000), np.float32), np.zeros(1, np.float32))).nodes[0]
    assert np.abs(node.input(1).array.astype(np.int64)).sum() * 255 <= MAX_ACCUMULATOR


def test_constant_activations() -> None:
    m = Maker()
    x = m.input(1, 4)
    zero = m(
        "relu",
        m("fully_connected", x, m.const(4, 4), Value.constant("b", np.full(4, -1e6, np.float32)), activation="none"),
    )
    graph = m.graph(m("add", zero, zero, activation="none"))
    result = quantized(graph)
    codes = run_reference(result, [np.zeros((1, 4), np.int8)])[result.outputs[0]]
    assert result.outputs[0].quant is not None
    assert not result.outputs[0].quant.dequantize(codes).any()


def test_sum_that_cancels() -> None:
    m = Maker()
    x = m.input(1, 50)
    minus = m("fully_connected", x, Value.constant("w", -np.eye(50, dtype=np.float32)), activation="none")
    quantized(m.graph(m("add", x, minus, activation="none")))


def test_real_zero_has_a_code() -> None:
    m = Maker()
    graph = m.graph(m("relu", m.input(1, 100)))
    samples = [[a + 100 for a in s] for s in samples_for(graph)]
    quant = quantize_graph(graph, samples).inputs[0].quant
    assert quant is not None and quant.zero_point == (-128,)


def test_narrow_weights() -> None:
    m = Maker()
    graph = m.graph(small_net(m))
    conv = next(n for n in graph.nodes if n.op == "conv2d")
    for quantizer in DATA_FREE:
        coded = coded_weights(graph, {conv.name: 4}, quantizer)
        result = quantize_graph(graph, samples_for(graph), coded=coded)
        narrow = next(n for n in result.nodes if n.op == "conv2d").input(1)
        assert narrow.quant is not None and narrow.quant.codebook is not None
        book = narrow.quant.codebook
        assert book.bits == 4 and len(book.levels[0]) == 8 and set(np.abs(narrow.array).flat) <= set(book.levels[0])
        assert (book.weights(book.codes(narrow.array)) == narrow.array).all()
        real = narrow.quant.dequantize(narrow.array)
        assert np.abs(real - conv.input(1).array).max() < 0.2 * np.abs(conv.input(1).array).max()


def test_wrong_samples() -> None:
    m = Maker()
    graph = m.graph(m("conv2d", m.input(1, 4, 4, 3), m.const(2, 3, 3, 3), **CONV))
    wrong: list[Arrays] = [[], [[]], [[np.zeros((1, 4, 4, 2), np.float32)]], [[np.zeros((1, 4, 4, 3))]]]
    for bad in wrong:
        with pytest.raises(BadData):
            quantize_graph(graph, bad)
    with pytest.raises(BadData, match="NaN"):
        quantize_graph(graph, [[np.full((1, 4, 4, 3), np.nan, np.float32)]])
    done = quantize_graph(graph, samples_for(graph))
    with pytest.raises(UnsupportedModel, match="int8"):
        quantize_graph(done, samples_for(graph))


def test_shape_of_quantization_has_every_size_of_it() -> None:
    m = Maker()
    graph = m.graph(small_net(m))
    real, shape = quantized(graph), quantize_shape(graph)
    for a, b in zip(real.nodes, shape.nodes, strict=True):
        assert (a.op, a.name, [v and (v.shape, v.dtype) for v in a.inputs]) == (
            b.op, b.name, [v and (v.shape, v.dtype) for v in b.inputs]
        )  # fmt: skip
    scales = [node.outputs[0].quant for node in shape.nodes if node.op in ("conv2d", "add", "fully_connected")]
    assert len(set(scales)) == len(scales)
