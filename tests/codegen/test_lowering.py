"""Lowering names every layer that no kernel computes, and reads constants from their tables."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.codegen.lowering import Target, lower
from edgekit.errors import UnsupportedModel
from edgekit.host import build_host_model
from edgekit.ir import DType, Graph, Node, QuantType, Value
from edgekit.passes import optimise


def test_all_float_layers_of_a_quantized_model_are_named() -> None:
    values = [Value(f"v{i}", (1, 4), DType.FLOAT32) for i in range(4)]
    nodes = [Node("relu", f"layer {i}", [values[i]], [values[i + 1]]) for i in range(3)]
    graph = Graph("floats", values[:1], values[3:], nodes)
    with pytest.raises(UnsupportedModel) as info:
        lower(graph, Target(dsp=True))
    assert [f"'layer {i}' (relu)" in str(info.value) for i in range(3)] == [True] * 3
    assert len(lower(graph, Target(dsp=True), floats=True).steps) == 3


@pytest.mark.parametrize("quant", [None, QuantType.per_tensor(0.1, 3)], ids=["plain", "codes"])
def test_reshape_of_a_constant_is_written(quant: QuantType | None) -> None:
    codes = np.arange(6, dtype=np.int8).reshape(2, 3)
    x, flat = Value("x", (6,), DType.INT8, quant), Value("flat", (6,), DType.INT8, quant)
    both = Value("both", (12,), DType.INT8, quant)
    reshape = Node("reshape", "flatten", [Value.constant("c", codes, quant)], [flat], {"shape": (6,)})
    concat = Node("concat", "join", [flat, x], [both], {"axis": 0})
    model = build_host_model(optimise(Graph("g", [x], [flat, both], [reshape, concat])))
    ones = np.ones(6, np.int8)
    for got, want in zip(model([ones]), (codes.reshape(6), [*range(6), *ones]), strict=True):
        np.testing.assert_array_equal(got, want)


def test_a_layer_of_a_constant_reads_its_table() -> None:
    numbers = np.array([[1.0, 2.0, 4.0]], np.float32)
    y = Value("y", (1, 3), DType.FLOAT32)
    node = Node("softmax", "softmax", [Value.constant("c", numbers)], [y], {"beta": 1.0})
    (got,) = build_host_model(Graph("g", [], [y], [node]))([])
    powers = np.exp(numbers - 4)
    np.testing.assert_allclose(got, powers / powers.sum(), rtol=1e-6)
