"""Dead channels: what no input changes goes, and every code of the results stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgekit.codegen.lowering.coded import codebook_of
from edgekit.ir import Array, Codebook, DType, Graph, Node, QuantType, Value
from edgekit.ops import spec_of
from edgekit.ops.coded_cases import BY_GROUP
from edgekit.ops.reference import run_reference
from edgekit.ops.spec import random_codes
from edgekit.ops.verify import verify_graph
from edgekit.passes import optimise, remove_dead_channels

CONV: dict[str, Any] = {
    "stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "activation": "none", "double_rounding": True
}  # fmt: skip
PADDED = {**CONV, "padding": (1, 1, 1, 1)}
POOL: dict[str, Any] = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0, 0, 0), "activation": "none"}
ZERO = -7


class Chain:
    """An int8 graph in the making, layer behind layer."""

    def __init__(self, *shape: int) -> None:
        self.rng = np.random.default_rng(5)
        self.value = Value("x", shape, DType.INT8, QuantType.per_tensor(0.05, 3))
        self.inputs, self.nodes = [self.value], list[Node]()

    def layer(self, op: str, attrs: dict[str, Any], *constants: Value, zero: int = ZERO) -> Node:
        output = Value(f"v{len(self.nodes)}", (), DType.INT8, QuantType.per_tensor(0.08, zero))
        if op in ("max_pool2d", "avg_pool2d"):
            output.quant = self.value.quant
        node = Node(op, f"n{len(self.nodes)}", [self.value, *constants], [output], attrs)
        (output.shape,) = spec_of(op).infer(node)
        self.nodes.append(node)
        self.value = output
        return node

    def product(self, op: str, w_shape: tuple[int, ...], attrs: dict[str, Any], dead: dict[int, int]) -> Node:
        """A product whose output channels `dead` have no weights, and biases instead; per-channel scales."""
        axis = len(w_shape) - 1 if op == "depthwise_conv2d" else 0
        channels = w_shape[axis]
        weights, bias = random_codes(self.rng, w_shape), self.rng.integers(-3000, 3000, channels).astype(np.int32)
        for channel, offset in dead.items():
            np.moveaxis(weights, axis, 0)[channel] = 0
            bias[channel] = offset
        scales = tuple(float(np.float32(s)) for s in self.rng.uniform(0.004, 0.01, channels))
        quant = QuantType(scales, (0,) * channels, axis)
        return self.layer(op, attrs, Value.constant("w", weights, quant), Value.constant("b", bias))

    def graph(self) -> Graph:
        graph = Graph("g", self.inputs, [self.value], self.nodes)
        verify_graph(graph, "test")
        return graph


def outputs(graph: Graph, inputs: list[list[Array]]) -> list[Array]:
    return [run_reference(graph, x)[graph.outputs[0]] for x in inputs]


def check(chain: Chain, shapes: list[tuple[int, ...]]) -> Graph:
    """Reduce the chain's graph: same results, and these shapes of weights."""
    graph = chain.graph()
    inputs = [[random_codes(np.random.default_rng(i), graph.inputs[0].shape)] for i in range(3)]
    want = outputs(graph, inputs)
    optimise(graph)
    verify_graph(graph, "dead-channels")
    assert all(np.array_equal(got, expected) for got, expected in zip(outputs(graph, inputs), want, strict=True))
    products = [n for n in graph.nodes if len(n.inputs) > 1]
    assert [n.input(1).shape for n in products] == shapes
    return graph


def test_constants_go_through_a_whole_chain() -> None:
    chain = Chain(1, 8, 8, 3)
    chain.product("conv2d", (11, 3, 3, 3), PADDED, {0: 900, 4: -60000, 10: 70000})
    chain.layer("relu", {})
    chain.product("depthwise_conv2d", (3, 3, 11), CONV, {})
    chain.layer("max_pool2d", POOL)
    chain.layer("avg_pool2d", {**POOL, "kernel": (3, 3), "stride": (1, 1)})
    chain.layer("reshape", {"shape": (1, 11)}).output.quant = chain.nodes[-2].output.quant
    chain.product("fully_connected", (5, 11), CONV, {})
    graph = check(chain, [(8, 3, 3, 3), (3, 3, 8), (5, 8)])
    assert graph.nodes[0].attrs["dead_channels"] == 3


def test_what_a_later_layer_saturates_is_dead_from_its_source_on() -> None:
    chain = Chain(1, 5, 5, 4)
    chain.product("conv2d", (12, 1, 1, 4), CONV, {})
    chain.product("depthwise_conv2d", (3, 3, 12), PADDED, {c: 1000 * c for c in range(4)})
    chain.product("conv2d", (4, 1, 1, 12), CONV, {})
    check(chain, [(8, 1, 1, 4), (3, 3, 8), (4, 1, 1, 8)])


@pytest.mark.parametrize(("offset", "kept"), [(0, 8), (20000, 12)])
def test_padding_keeps_constants_that_are_not_its_code(offset: int, kept: int) -> None:
    chain = Chain(1, 5, 5, 4)
    chain.product("conv2d", (12, 1, 1, 4), CONV, dict.fromkeys(range(4), offset))
    chain.product("conv2d", (4, 3, 3, 12), PADDED, {})
    check(chain, [(kept, 1, 1, 4), (4, 3, 3, kept)])


def test_padding_in_between_makes_a_constant_vary() -> None:
    chain = Chain(1, 5, 5, 4)
    chain.product("conv2d", (12, 1, 1, 4), CONV, dict.fromkeys(range(4), 20000))
    chain.product("depthwise_conv2d", (3, 3, 12), PADDED, {})
    chain.product("conv2d", (4, 1, 1, 12), CONV, {})
    check(chain, [(12, 1, 1, 4), (3, 3, 12), (4, 1, 1, 12)])


def test_channels_that_nobody_weighs_are_dead() -> None:
    chain = Chain(2, 6)
    chain.product("fully_connected", (16, 6), CONV, {})
    reader = chain.product("fully_connected", (3, 16), CONV, {})
    reader.input(1).array[:, 3:11] = 0
    check(chain, [(8, 6), (3, 8)])


def test_one_word_of_channels_stays_where_all_are_dead() -> None:
    chain = Chain(2, 6)
    chain.product("fully_connected", (9, 6), CONV, dict.fromkeys(range(9), 500))
    chain.product("fully_connected", (3, 9), CONV, {})
    check(chain, [(4, 6), (3, 4)])


def test_channels_that_share_levels_stay_together() -> None:
    """Group by group as many go as leave whole words; the third group has none that live."""
    chain = Chain(2, 6)
    first = chain.product("fully_connected", (24, 6), CONV, dict.fromkeys((0, 1, 2, 3, 4, 9, *range(16, 24)), 500))
    chain.product("fully_connected", (3, 24), CONV, {})
    weights = first.input(1)
    assert weights.quant is not None
    book = Codebook(4, BY_GROUP[4], 8)
    codes = np.where(weights.array == 0, 0, weights.array % 15 - 7)
    quant = replace(weights.quant, codebook=book)
    first.set_input(1, Value.constant("w", book.weights(codes), quant))
    check(chain, [(12, 6), (3, 12)])
    kept = first.input(1).quant
    assert kept is not None and kept.codebook == Codebook(4, (BY_GROUP[4][0], *[BY_GROUP[4][1]] * 2), 4)


@pytest.mark.parametrize(("dead", "kept"), [(20, 16), (4, 32)])
def test_readers_whose_weights_have_no_zero_keep_whole_rows(dead: int, kept: int) -> None:
    chain = Chain(2, 6)
    chain.product("fully_connected", (32, 6), CONV, dict.fromkeys(range(dead), 500))
    reader = chain.product("fully_connected", (3, 32), CONV, {})
    weights = reader.input(1)
    assert weights.quant is not None
    book = Codebook.shared(2, (29, 127))
    made = book.weights(weights.array % 4 - 2)
    reader.set_input(1, Value.constant("w", made, replace(weights.quant, codebook=book)))
    check(chain, [(kept, 6), (3, kept)])
    assert codebook_of(reader) == book


def test_outputs_and_other_readers_keep_all_channels() -> None:
    chain = Chain(1, 5, 5, 4)
    first = chain.product("conv2d", (12, 1, 1, 4), CONV, dict.fromkeys(range(8), 0))
    chain.product("conv2d", (4, 1, 1, 12), CONV, {})
    graph = chain.graph()
    graph.outputs.append(first.output)
    remove_dead_channels(graph)
    assert first.output.shape == (1, 5, 5, 12)


def test_int16_stays_as_it_is() -> None:
    chain = Chain(2, 6)
    chain.product("fully_connected", (9, 6), CONV, dict.fromkeys(range(9), 500))
    chain.product("fully_connected", (3, 9), CONV, {})
    for value in (chain.inputs[0], *(n.output for n in chain.nodes)):
        value.dtype = DType.INT16
    remove_dead_channels(Graph("g", chain.inputs, [chain.value], chain.nodes))
    assert chain.nodes[0].input(1).shape == (9, 6)


def test_what_no_kernel_takes_is_left_to_be_refused() -> None:
    chain = Chain(2, 6)
    first = chain.product("fully_connected", (9, 6), CONV, dict.fromkeys(range(9), 500))
    chain.product("fully_connected", (3, 9), CONV, {})
    first.output.quant = QuantType((0.1,) * 9, (0,) * 9, 1)
    remove_dead_channels(chain.graph())
    assert first.input(1).shape == (9, 6)
