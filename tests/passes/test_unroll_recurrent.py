"""Recurrent layers step by step: equal to the layer up to rounding, in all directions and forms, and in integers."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.codegen.lowering import Target, lower
from edgekit.ir import DType, Graph, Node, Value
from edgekit.ops import spec_of
from edgekit.ops.reference import run_reference
from edgekit.ops.supported import require_supported_graph
from edgekit.ops.verify import verify_graph
from edgekit.passes.unroll_recurrent import UnrollRecurrent
from edgekit.quant.affine import quantize_graph
from edgekit.quant.error import layer_errors

STEPS, BATCH, INPUTS, HIDDEN = 5, 2, 3, 4
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
FUNCTIONS = {"rnn": ["tanh"], "gru": ["sigmoid", "tanh"], "lstm": ["sigmoid", "tanh", "tanh"]}


def recurrent(op: str, directions: int = 1, reverse: bool = False, h0: bool = False, before: bool = False) -> Graph:
    rng, rows = np.random.default_rng(3), GATES[op] * HIDDEN

    def constant(name: str, *shape: int) -> Value:
        return Value.constant(name, rng.normal(0, 0.5, shape).astype(np.float32))

    x = Value("x", (STEPS, BATCH, INPUTS), DType.FLOAT32)
    start = Value("h0", (directions, BATCH, HIDDEN), DType.FLOAT32) if h0 else None
    operands = [
        x, constant("w", directions, rows, INPUTS), constant("r", directions, rows, HIDDEN),
        constant("b", directions, 2 * rows), None, start,
    ]  # fmt: skip
    outputs = ("y", "y_h", "y_c") if op == "lstm" else ("y", "y_h")
    attrs = {
        "activations": tuple((name, 0.0, 0.0) for name in FUNCTIONS[op] * directions), "reverse": reverse,
        "clip": float("inf"), "outputs": outputs, "linear_before_reset": before, "input_forget": False,
    }  # fmt: skip
    values = [Value(name, (), DType.FLOAT32) for name in outputs]
    node = Node(op, op, operands, values, attrs)
    for value, shape in zip(values, spec_of(op).infer(node), strict=True):
        value.shape = tuple(shape)
    return Graph(op, [v for v in (x, start) if v is not None], values, [node])


@pytest.mark.parametrize("op", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("directions,reverse", [(1, False), (1, True), (2, False)])
@pytest.mark.parametrize("h0", [False, True])
@pytest.mark.parametrize("before", [False, True])
def test_steps_equal_the_layer(op: str, directions: int, reverse: bool, h0: bool, before: bool) -> None:
    graph = recurrent(op, directions, reverse, h0, before)
    rng = np.random.default_rng(4)
    inputs = [rng.normal(0, 1, v.shape).astype(np.float32) for v in graph.inputs]
    values = run_reference(graph, inputs)
    want = [values[v] for v in graph.outputs]
    assert UnrollRecurrent().run(graph)
    verify_graph(graph, "unroll")
    assert all(node.op not in GATES for node in graph.nodes)
    values = run_reference(graph, inputs)
    for value, array in zip(graph.outputs, want, strict=True):
        np.testing.assert_allclose(values[value], array, rtol=1e-5, atol=1e-6)


def with_peepholes(directions: int, state: bool) -> Graph:
    graph, rng = recurrent("lstm", directions), np.random.default_rng(6)
    node = graph.nodes[0]
    c0 = Value("c0", (directions, BATCH, HIDDEN), DType.FLOAT32)
    peepholes = rng.normal(0, 0.7, (directions, 3 * HIDDEN)).astype(np.float32)
    operands = [*node.inputs, c0 if state else None, Value.constant("p", peepholes)]
    node.detach()
    node = Node("lstm", "lstm", operands, node.outputs, node.attrs)
    return Graph("lstm", [graph.inputs[0], *([c0] if state else [])], graph.outputs, [node])


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("state", [False, True])
def test_peepholes(directions: int, state: bool) -> None:
    graph, rng = with_peepholes(directions, state), np.random.default_rng(7)
    samples = [[rng.normal(0, 1, v.shape).astype(np.float32) for v in graph.inputs] for _ in range(20)]
    before = run_reference(graph, samples[0])
    want = [before[v] for v in graph.outputs]
    assert UnrollRecurrent().run(graph)
    verify_graph(graph, "unroll")
    after = run_reference(graph, samples[0])
    for value, array in zip(graph.outputs, want, strict=True):
        np.testing.assert_allclose(after[value], array, rtol=1e-5, atol=1e-6)
    quantized = quantize_graph(graph, samples)
    require_supported_graph(quantized)
    lower(quantized, Target(dsp=True))
    assert layer_errors(graph, quantized, samples)[-1].sqnr_db > 20


def test_clipping_stays() -> None:
    graph = recurrent("lstm")
    graph.nodes[0].attrs["clip"] = 1.0
    assert not UnrollRecurrent().run(graph)


@pytest.mark.parametrize("op", ["rnn", "gru", "lstm"])
def test_codes(op: str) -> None:
    graph, rng = recurrent(op), np.random.default_rng(5)
    samples = [[rng.normal(0, 1, v.shape).astype(np.float32) for v in graph.inputs] for _ in range(30)]
    UnrollRecurrent().run(graph)
    quantized = quantize_graph(graph, samples)
    require_supported_graph(quantized)
    lower(quantized, Target(dsp=True))
    outputs = {value.name for value in quantized.outputs}
    errors = [e.sqnr_db for e, n in zip(layer_errors(graph, quantized, samples), quantized.nodes, strict=False)
              if n.outputs[0].name in outputs]  # fmt: skip
    assert errors and min(errors) > 20
