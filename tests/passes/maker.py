"""Graphs in the making, and what every pass does to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.ir import DType, Graph, Node, QuantType, Value, dump_graph
from edgekit.ops import spec_of
from edgekit.ops.reference import run_reference
from edgekit.ops.verify import verify_graph
from edgekit.passes import Pass
from edgekit.passes.dead_code import RemoveDeadCode

CONV: dict[str, Any] = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "activation": "none"}
PADDED: dict[str, Any] = {**CONV, "padding": (1, 1, 1, 1)}


class Maker:
    """A float graph in the making; every method returns the new value."""

    def __init__(self) -> None:
        self.inputs: list[Value] = []
        self.nodes: list[Node] = []
        self.rng = np.random.default_rng(3)

    def input(self, *shape: int, quant: QuantType | None = None) -> Value:
        value = Value(f"x{len(self.inputs)}", shape, DType.INT8 if quant else DType.FLOAT32, quant)
        self.inputs.append(value)
        return value

    def const(self, *shape: int) -> Value:
        return Value.constant("c", self.rng.normal(size=shape).astype(np.float32))

    def __call__(self, op: str, *inputs: Value, quant: QuantType | None = None, **attrs: Any) -> Value:
        output = Value(f"v{len(self.nodes)}", (), inputs[0].dtype, quant or inputs[0].quant)
        node = Node(op, f"n{len(self.nodes)}", inputs, [output], attrs)
        (output.shape,) = spec_of(op).infer(node)
        (output.dtype,) = spec_of(op).infer_types(node)
        self.nodes.append(node)
        return output

    def affine(self, x: Value, offset: bool = True, activation: str = "none") -> Value:
        operands = [x, self.const(1, 1, x.shape[3]), *([self.const(x.shape[3])] if offset else [])]
        return self("depthwise_conv2d", *operands, **{**CONV, "activation": activation})

    def conv(self, x: Value, **more: Any) -> Value:
        return self("conv2d", x, self.const(4, 3, 3, x.shape[3]), self.const(4), **{**CONV, **more})

    def graph(self, *outputs: Value) -> Graph:
        return Graph("g", self.inputs, outputs, self.nodes)


def results(graph: Graph) -> list[npt.NDArray[Any]]:
    rng = np.random.default_rng(0)
    inputs = [
        rng.normal(size=v.shape).astype(np.float32)
        if v.dtype is DType.FLOAT32
        else rng.integers(-128, 128, v.shape).astype(np.int8)
        for v in graph.inputs
    ]
    values = run_reference(graph, inputs)
    return [values[v] for v in graph.outputs]


def check(step: Pass, graph: Graph, ops: list[str]) -> Graph:
    """Run one pass: it changes the graph once, keeps results and leaves these operators (dead code aside)."""
    before = results(graph)
    assert step.run(graph)
    verify_graph(graph, step.name)
    RemoveDeadCode().run(graph)
    while step.run(graph):
        RemoveDeadCode().run(graph)
    verify_graph(graph, step.name)
    for old, new in zip(before, results(graph), strict=True):
        if old.dtype == np.float32:
            np.testing.assert_allclose(new, old, rtol=1e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(new, old)
    assert [n.op for n in graph.nodes] == ops
    return graph


def untouched(step: Pass, graph: Graph) -> None:
    before = dump_graph(graph)
    assert not step.run(graph)
    assert dump_graph(graph) == before
