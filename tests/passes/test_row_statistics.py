"""Normalization in steps between scales: each part becomes one operator on codes, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgekit.ir import Array, DType, Graph, Node, QuantType, Value
from edgekit.ops import spec_of
from edgekit.ops.reference import run_reference
from edgekit.passes import optimise

SHAPE, ROWS = (1, 5, 12), (1, 5, 1)
X, S = QuantType.per_tensor(0.05, -7), QuantType.per_tensor(0.02, -128)
NONE = {"activation": "none"}
MEAN = {"axes": (2,), "keep_dims": True}


def steps(graph_of: Callable[[Callable[..., Value], Value, Value], Value], result: QuantType) -> Graph:
    """A graph of steps whose last value alone has a scale, beside those of x and s."""
    x, s = Value("x", SHAPE, DType.INT8, X), Value("s", ROWS, DType.INT8, S)
    nodes: list[Node] = []

    def made(op: str, *inputs: Value, **attrs: object) -> Value:
        node = Node(op, f"{op} {len(nodes)}", inputs, [Value(op, (), DType.INT8)], dict(attrs))
        (node.output.shape,) = spec_of(op).infer(node)
        nodes.append(node)
        return node.output

    y = graph_of(made, x, s)
    y.quant = result
    return Graph("steps", [x, s], [y], nodes)


def compared(graph: Graph, wanted: Callable[[Array, Array], Array]) -> list[str]:
    """The operators of the optimised graph, whose results are within 1 step of the float64 ones."""
    graph = optimise(graph)
    rng, y = np.random.default_rng(1), graph.outputs[0]
    x, s = rng.integers(-128, 128, SHAPE).astype(np.int8), np.array([-127, -120, 0, 60, 127], np.int8).reshape(ROWS)
    assert y.quant is not None
    real = wanted(*(q.dequantize(c).astype(np.float64) for q, c in ((X, x), (S, s))))
    exact = np.clip(real / y.quant.scale[0] + y.quant.zero_point[0], -128, 127)
    assert np.abs(run_reference(graph, [x, s])[y] - exact).max() <= 0.6
    return [node.op for node in graph.nodes]


def centred(made: Callable[..., Value], x: Value) -> Value:
    return made("sub", x, made("mean", x, **MEAN), **NONE)


def test_variance() -> None:
    def mean_of_squares(made: Callable[..., Value], x: Value, s: Value) -> Value:
        return made("mean", made("square", centred(made, x)), **MEAN)

    graph = steps(mean_of_squares, QuantType.per_tensor(0.05, -128))
    assert compared(graph, lambda x, s: x.var(axis=2, keepdims=True)) == ["int_variance"]


def test_mean_square_by_a_sum() -> None:
    def sum_of_squares(made: Callable[..., Value], x: Value, s: Value) -> Value:
        return made("reduce_sum", made("mul", x, x, **NONE), **MEAN)

    graph = steps(sum_of_squares, QuantType.per_tensor(0.7, -128))
    assert compared(graph, lambda x, s: (x * x).sum(axis=2, keepdims=True)) == ["int_variance"]


@pytest.mark.parametrize("root", ["sqrt", "log"])
def test_rows_by_a_function_of_one_code(root: str) -> None:
    function = {"sqrt": np.sqrt, "log": np.log}[root]

    def divided(made: Callable[..., Value], x: Value, s: Value) -> Value:
        return made("div", centred(made, x), made(root, s), **NONE)

    graph = steps(divided, QuantType.per_tensor(0.1, 3))
    assert compared(graph, lambda x, s: (x - x.mean(axis=2, keepdims=True)) / function(s)) == ["int_row_scale"]


def test_root_of_zero_saturates() -> None:
    def divided(made: Callable[..., Value], x: Value, s: Value) -> Value:
        return made("div", x, made("sqrt", s), **NONE)

    graph = optimise(steps(divided, QuantType.per_tensor(0.1, 3)))
    x = np.full(SHAPE, -7, np.int8)
    x[..., 0], x[..., 1] = -6, -8
    codes = run_reference(graph, [x, np.full(ROWS, -128, np.int8)])[graph.outputs[0]]
    assert codes[0, 0, :3].tolist() == [127, -128, 3]


def test_difference_that_others_read_too() -> None:
    def both(made: Callable[..., Value], x: Value, s: Value) -> Value:
        apart = centred(made, x)
        variance = made("mean", made("square", apart), **MEAN)
        variance.quant = QuantType.per_tensor(0.05, -128)
        return made("div", apart, made("sqrt", variance), **NONE)

    graph = optimise(steps(both, QuantType.per_tensor(0.03, 3)))
    assert [node.op for node in graph.nodes] == ["int_variance", "int_row_scale"]


def test_steps_with_scales_stay_steps() -> None:
    def scaled_mean(made: Callable[..., Value], x: Value, s: Value) -> Value:
        mean = made("mean", x, **MEAN)
        mean.quant = X
        return made("sub", x, mean, **NONE)

    graph = optimise(steps(scaled_mean, QuantType.per_tensor(0.1, 0)))
    assert [node.op for node in graph.nodes] == ["mean", "sub"]


def test_rows_scaled_by_more_than_one_code_are_left() -> None:
    def of_columns(made: Callable[..., Value], x: Value, s: Value) -> Value:
        return made("sub", x, made("mean", x, axes=(1,), keep_dims=True), **NONE)

    graph = optimise(steps(of_columns, QuantType.per_tensor(0.1, 0)))
    assert [node.op for node in graph.nodes] == ["mean", "sub"]


def test_rows_of_one_column_have_no_factor() -> None:
    x, s = Value("x", (1, 4, 1), DType.INT8, X), Value("s", (1, 4, 1), DType.INT8, S)
    one = Value.constant("one", np.ones(1, np.float32))
    gate, y = Value("gate", (1, 4, 1), DType.INT8), Value("y", (1, 4, 1), DType.INT8, QuantType.per_tensor(0.1, 0))
    nodes = [Node("add", "add", [s, one], [gate], dict(NONE)), Node("mul", "mul", [x, gate], [y], dict(NONE))]
    graph = optimise(Graph("steps", [x, s], [y], nodes))
    codes = np.array([[-128, -7, 60, 127], [-120, 0, 5, 127]], np.int8).reshape(2, 1, 4, 1)
    real_x, real_s = (q.dequantize(c).astype(np.float64) for q, c in ((X, codes[0]), (S, codes[1])))
    exact = np.clip(real_x * (real_s + 1.0) / 0.1, -128, 127)
    assert np.abs(run_reference(graph, list(codes))[graph.outputs[0]] - exact).max() <= 0.6
