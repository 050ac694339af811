"""Masks before a softmax cost no precision, and what is no mask keeps its range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edgekit.ir import Array, DType, Graph, Node, Value
from edgekit.ops.reference import run_reference
from edgekit.passes import optimise
from edgekit.quant.affine import quantize_graph, quantize_shape
from edgekit.quant.error import layer_errors

TOKENS, HEADS = 12, 2
SHAPE = (1, HEADS, TOKENS, TOKENS)
CAUSAL = np.tril(np.ones((TOKENS, TOKENS), bool))[None, None]


def scores(constants: Sequence[Array], beta: float = 1.0, read_elsewhere: bool = False) -> Graph:
    """softmax(x + all constants); the sum may be another output."""
    x = Value("x", SHAPE, DType.FLOAT32)
    nodes, value = list[Node](), x
    for index, constant in enumerate(constants):
        y = Value(f"sum {index}", SHAPE, DType.FLOAT32)
        operands = [value, Value.constant(f"c{index}", constant.astype(np.float32))]
        nodes.append(Node("add", y.name, operands, [y], {"activation": "none"}))
        value = y
    p = Value("p", SHAPE, DType.FLOAT32)
    nodes.append(Node("softmax", "softmax", [value], [p], {"beta": beta}))
    return Graph("scores", [x], [p, value] if read_elsewhere else [p], nodes)


def samples() -> list[list[Array]]:
    return [[np.random.default_rng(seed).normal(0, 2, SHAPE).astype(np.float32)] for seed in range(3)]


def real_error(graph: Graph, integers: Graph, inputs: list[list[Array]]) -> float:
    """The largest of the integer graph's output, in real units."""
    (x,), (y,) = integers.inputs, integers.outputs
    assert x.quant is not None and y.quant is not None
    worst = 0.0
    for (sample,) in inputs:
        real = run_reference(graph, [sample])[graph.outputs[0]]
        codes = run_reference(integers, [x.quant.quantize(sample, x.dtype)])[y]
        worst = max(worst, float(np.abs(y.quant.dequantize(codes) - real).max()))
    return worst


def largest_error(graph: Graph) -> float:
    """Of the shares, in their steps of 1/256."""
    return 256 * real_error(graph, quantize_graph(optimise(graph), samples()), samples())


@pytest.mark.parametrize("low", [-100.0, -1e4, -1e9, float(np.finfo(np.float32).min), -np.inf])
@pytest.mark.parametrize("with_bias", [False, True])
def test_masks_cost_no_precision(low: float, with_bias: bool) -> None:
    bias = [np.random.default_rng(7).normal(0, 1, SHAPE)] if with_bias else []
    plain = largest_error(scores(bias))
    # What is left of the range is twice as wide: the first row has a single score.
    assert largest_error(scores([*bias, np.where(CAUSAL, 0.0, low)])) < 2 * plain + 2
    assert largest_error(scores([np.where(CAUSAL, 0.0, low), *bias])) < 2 * plain + 2


@pytest.mark.parametrize("low", [-1e9, float(np.finfo(np.float32).min), -np.inf])
@pytest.mark.parametrize("form", ["add", "where"])
def test_errors_are_those_of_scores_that_count(low: float, form: str) -> None:
    graph = scores([np.where(CAUSAL, 0.0, low)]) if form == "add" else chosen(low)
    graph = optimise(graph)
    added, softmax = layer_errors(graph, quantize_graph(graph, samples()), samples())
    assert (added.op, softmax.op) == ("add", "softmax")
    # Codes over a range of some 25, and shares in steps of 1/256.
    assert 30 < added.sqnr_db < 60 and added.max_abs_error < 0.2 and added.max_abs_value < 30
    assert softmax.sqnr_db > 25


@pytest.mark.parametrize("low", [-1e9, float(np.finfo(np.float32).min), -np.inf])
def test_sizes_need_no_samples(low: float) -> None:
    plain = quantize_shape(optimise(scores([np.random.default_rng(7).normal(0, 1, SHAPE)])))
    masked = quantize_shape(optimise(scores([np.where(CAUSAL, 0.0, low)])))
    assert [node.op for node in masked.nodes] == [node.op for node in plain.nodes]
    # Scores between -1 and 1, and what brings any of them to -1.
    assert -1.2 < lowest(masked.nodes[0].output) < -0.9 and -3 < lowest(masked.nodes[0].input(1)) < -1.9


def chosen(low: float) -> Graph:
    """softmax(where(causal, x, low))."""
    x, y, p = (Value(name, SHAPE, DType.FLOAT32) for name in "xyp")
    constants = Value.constant("causal", CAUSAL), Value.constant("low", np.array(low, np.float32))
    where = Node("where", "where", [constants[0], x, constants[1]], [y], {})
    return Graph("scores", [x], [p], [where, Node("softmax", "softmax", [y], [p], {"beta": 1.0})])


def test_masks_of_keys_cost_no_precision() -> None:
    keys = np.where(np.arange(TOKENS) < 9, 0.0, -1e4)[None, None, None]
    assert largest_error(scores([keys])) < 2 * largest_error(scores([])) + 1


@pytest.mark.parametrize("low", [-1e9, -np.inf])
@pytest.mark.parametrize("op", ["fully_connected", "conv2d"])
def test_masks_in_the_bias_of_a_layer_cost_no_precision(low: float, op: str) -> None:
    rng = np.random.default_rng(3)
    shape = (1, 4, 1, 8) if op == "conv2d" else (4, 8)
    x, y, p = (Value(name, (*shape[:-1], size), DType.FLOAT32) for name, size in (("x", 8), ("y", 5), ("p", 5)))
    weights = rng.normal(size=(5, 1, 1, 8) if op == "conv2d" else (5, 8)).astype(np.float32)
    bias = np.where(np.arange(5) % 2, low, 0.5).astype(np.float32)
    attrs = {"activation": "none"} | (
        {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1)} if op == "conv2d" else {}
    )
    nodes = [
        Node(op, "layer", [x, Value.constant("w", weights), Value.constant("b", bias)], [y], attrs),
        Node("softmax", "softmax", [y], [p], {"beta": 1.0}),
    ]
    graph = Graph("g", [x], [p], nodes)
    inputs = [[rng.normal(size=x.shape).astype(np.float32)] for _ in range(3)]
    assert real_error(graph, quantize_graph(graph, inputs), inputs) < 0.03


@pytest.mark.parametrize("relu", [False, True])
def test_infinite_numbers_outdo_all_that_they_are_added_to(relu: bool) -> None:
    """Scores that the mask broadcasts, and a mask under a limit: neither is the plain case."""
    rng = np.random.default_rng(4)
    x, y, p = (Value(n, (2, 5, 5) if relu or n != "x" else (2, 1, 5), DType.FLOAT32) for n in "xyp")
    mask = Value.constant("mask", np.where(CAUSAL[0, 0, :5, :5], 0.0, -np.inf).astype(np.float32))
    add = Node("add", "add", [x, mask], [y], {"activation": "relu" if relu else "none"})
    nodes = [add] if relu else [add, Node("softmax", "softmax", [y], [p], {"beta": 1.0})]
    graph = Graph("g", [x], [y if relu else p], nodes)
    inputs = [[rng.normal(0, 2, x.shape).astype(np.float32)] for _ in range(3)]
    assert real_error(graph, quantize_graph(graph, inputs), inputs) < (0.1 if relu else 0.03)


def lowest(value: Value) -> float:
    """What the lowest code stands for."""
    assert value.quant is not None
    return value.quant.scale[0] * (-128 - value.quant.zero_point[0])


def test_small_betas_reach_further_down() -> None:
    mask = np.where(CAUSAL, 0.0, -1e6)
    for beta, low in ((1.0, -12.0), (0.01, -1200.0)):
        (added,) = (n for n in quantize_graph(scores([mask], beta), samples()).nodes if n.op == "add")
        assert low - 8 < lowest(added.output) < low


def test_scores_without_a_mask_keep_their_range() -> None:
    wide = [[10 * x for x in sample] for sample in samples()]
    graph = quantize_graph(scores([np.zeros(SHAPE)]), wide)
    (added,) = (node for node in graph.nodes if node.op == "add")
    assert lowest(added.output) == pytest.approx(min(float(x.min()) for (x,) in wide), rel=0.02)


def test_scores_that_are_read_elsewhere_keep_their_range() -> None:
    graph = quantize_graph(scores([np.where(CAUSAL, 0.0, -1000.0)], read_elsewhere=True), samples())
    assert lowest(graph.outputs[1]) < -990
