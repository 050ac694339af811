"""Lowering names every layer that no kernel computes."""

from __future__ import annotations

import pytest

from edgekit.codegen.lowering import Target, lower
from edgekit.errors import UnsupportedModel
from edgekit.ir import DType, Graph, Node, Value


def test_all_float_layers_of_a_quantized_model_are_named() -> None:
    values = [Value(f"v{i}", (1, 4), DType.FLOAT32) for i in range(4)]
    nodes = [Node("relu", f"layer {i}", [values[i]], [values[i + 1]]) for i in range(3)]
    graph = Graph("floats", values[:1], values[3:], nodes)
    with pytest.raises(UnsupportedModel) as info:
        lower(graph, Target(dsp=True))
    assert [f"'layer {i}' (relu)" in str(info.value) for i in range(3)] == [True] * 3
    assert len(lower(graph, Target(dsp=True), floats=True).steps) == 3
