"""The passes that recognise transformers: each on the smallest graph it is for, and on what it must leave alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgekit.ir import Codebook, DType, Graph, QuantType, Value
from edgekit.ops.reference import run_reference
from edgekit.passes.attention_scale import FoldScaleIntoSoftmax
from edgekit.passes.constant_add import AddOfConstantToAffine
from edgekit.passes.hoist_slice import GatherToSlice, HoistSlice
from edgekit.passes.merge_sums import MergeConstantSums
from edgekit.passes.recognise_functions import RecogniseFunctions
from edgekit.passes.recognise_norms import RecogniseNorms
from edgekit.passes.recognise_softmax import RecogniseSoftmax
from edgekit.passes.split_product import SplitProduct
from edgekit.passes.transpose_matmul import FoldTransposeIntoMatmul
from edgekit.passes.unordered_affine import DropTransposesAroundScale
from tests.passes.maker import CONV, Maker, check, untouched

PLAIN = {"activation": "none"}
BETA = {"beta": 1.0}
PRODUCT = {"transpose_a": False, "transpose_b": True}


def number(value: float) -> Value:
    return Value.constant("k", np.array(value, np.float32))


def scaled(m: Maker, x: Value, factor: float) -> Value:
    return m("mul", x, number(factor), **PLAIN)


def shifted(m: Maker, x: Value, offset: float) -> Value:
    return m("add", x, number(offset), **PLAIN)


def spread(m: Maker, x: Value, factor: float, offset: float) -> Value:
    """One scale and offset as importers write them."""
    rows = m("reshape", x, shape=(1, x.elements // x.shape[-1], 1, x.shape[-1]))
    constants = (np.full((1, 1, x.shape[-1]), factor, np.float32), np.full(x.shape[-1], offset, np.float32))
    y = m("depthwise_conv2d", rows, *(Value.constant("c", c) for c in constants), **CONV)
    return m("reshape", y, shape=x.shape)


def tanh_gelu(m: Maker, x: Value) -> Value:
    """x (1 + 0.044715 x^2) instead of x + 0.044715 x^3."""
    inner = m("mul", scaled(m, x, 0.79788456), shifted(m, scaled(m, m("square", x), 0.044715), 1.0), **PLAIN)
    return m("mul", scaled(m, x, 0.5), shifted(m, m("tanh", inner), 1.0), **PLAIN)


def softplus(m: Maker, x: Value) -> Value:
    return m("log", shifted(m, m("exp", x), 1.0))


def above(m: Maker, x: Value, limit: float) -> Value:
    """x itself above a limit, as torch exports softplus."""
    return m("where", m("less", number(limit), x), x, m("softplus", x))


SPELLINGS: list[tuple[str, Callable[[Maker, Value], Value]]] = [
    ("gelu", lambda m, x: scaled(m, m("mul", x, spread(m, m("erf", scaled(m, x, 0.70710678)), 1, 1), **PLAIN), 0.5)),
    ("gelu", lambda m, x: m("mul", x, spread(m, m("erf", m("div", x, number(1.4142135), **PLAIN)), 0.5, 0.5), **PLAIN)),
    ("gelu_tanh", tanh_gelu),
    ("silu", lambda m, x: m("mul", m("sigmoid", x), x, **PLAIN)),
    ("silu", lambda m, x: m("mul", x, m("sigmoid", spread(m, x, 1.702, 0.0)), **PLAIN)),
    ("sigmoid", lambda m, x: m("reciprocal", shifted(m, m("exp", m("neg", x)), 1.0))),
    ("mish", lambda m, x: m("mul", x, m("tanh", softplus(m, x)), **PLAIN)),
    ("softplus", softplus),
    ("softplus", lambda m, x: above(m, x, 20.0)),
    ("mish", lambda m, x: m("mul", x, m("tanh", above(m, x, 20.0)), **PLAIN)),
    ("hard_swish", lambda m, x: m("mul", x, scaled(m, m("relu6", shifted(m, x, 3.0)), 1 / 6), **PLAIN)),
]


@pytest.mark.parametrize("index", range(len(SPELLINGS)))
def test_functions(index: int) -> None:
    m = Maker()
    name, spelling = SPELLINGS[index]
    check(RecogniseFunctions(), m.graph(spelling(m, m.input(2, 5, 7))), [name])


def test_what_is_no_known_function_is_left() -> None:
    m = Maker()
    x, y = m.input(2, 5), m.input(2, 5)
    untouched(RecogniseFunctions(), m.graph(m("mul", x, m("tanh", x), **PLAIN), m("mul", x, m("sigmoid", y), **PLAIN)))
    # The sigmoid is needed anyway.
    m = Maker()
    x = m.input(2, 5)
    gate = m("sigmoid", x)
    untouched(RecogniseFunctions(), m.graph(m("mul", x, gate, **PLAIN), gate))
    # One scale per channel is no function of a number.
    m = Maker()
    x = m.input(2, 5)
    gated = m("mul", m("mul", x, m.const(5), **PLAIN), m("sigmoid", x), **PLAIN)
    untouched(RecogniseFunctions(), m.graph(gated))
    # Beyond 3, x is not its softplus.
    m = Maker()
    untouched(RecogniseFunctions(), m.graph(above(m, m.input(2, 5), 3.0)))


def chosen(m: Maker, limit: float, x: Value, beyond: Value, y: Value) -> Value:
    """Another value where x is above a limit."""
    return m("where", m("less", number(limit), x), beyond, y)


def silu(m: Maker, x: Value) -> Value:
    return m("mul", x, m("sigmoid", x), **PLAIN)


def rms_norm(m: Maker, x: Value) -> Value:
    return m("mul", x, m("rsqrt", shifted(m, mean(m, m("mul", x, x, **PLAIN)), 1e-3)), **PLAIN)


def spelled_softmax(m: Maker, x: Value) -> Value:
    terms = m("exp", m("sub", x, m("reduce_max", x, axes=(len(x.shape) - 1,), keep_dims=True), **PLAIN))
    return exponentials(m, terms, len(x.shape) - 1)


LIMITED: list[Callable[[Maker, Value, float], Value]] = [
    lambda m, x, limit: m("min", softplus(m, x), number(limit)),
    lambda m, x, limit: m("clip", silu(m, x), low=-limit, high=limit),
    lambda m, x, limit: silu(m, m("min", x, number(limit))),
    lambda m, x, limit: m("sub", silu(m, x), m("relu", shifted(m, x, -limit)), **PLAIN),
    lambda m, x, limit: chosen(m, limit, x, number(0.0), m("softplus", x)),
    lambda m, x, limit: chosen(m, limit, x, number(0.5), m("reciprocal", shifted(m, m("exp", m("neg", x)), 1.0))),
    lambda m, x, limit: rms_norm(m, m("clip", x, low=-3e38, high=limit)),
    lambda m, x, limit: chosen(m, limit, x, number(1e-5), rms_norm(m, x)),
    lambda m, x, limit: chosen(m, limit, x, number(0.5), spelled_softmax(m, x)),
]


@pytest.mark.parametrize("limit", [13.0, 25.0, 300.0])
@pytest.mark.parametrize("index", range(len(LIMITED)))
def test_limits_far_out_are_seen(index: int, limit: float) -> None:
    m = Maker()
    graph = m.graph(LIMITED[index](m, m.input(1, 8), limit))
    x = np.array([[-2, -1, -0.3, 0.1, 0.9, 1.7, 0.5, 1]], np.float32) * 2 * limit
    before = run_reference(graph, [x])[graph.outputs[0]]
    for found in (RecogniseFunctions(), RecogniseNorms(), RecogniseSoftmax()):
        found.run(graph)
    np.testing.assert_allclose(run_reference(graph, [x])[graph.outputs[0]], before, rtol=1e-4, atol=1e-5)


def test_a_mask_behind_the_sample_points_is_seen() -> None:
    m = Maker()
    x, mask = m.input(4, 256), np.ones(256, np.float32)
    mask[200:] = 0.0
    gated = m("mul", m("mul", x, m("sigmoid", x), **PLAIN), Value.constant("mask", mask), **PLAIN)
    graph = m.graph(gated)
    RecogniseFunctions().run(graph)
    assert [n.op for n in graph.nodes][-1] == "mul"
    assert "silu" in [n.op for n in graph.nodes]


def test_quantized_steps_are_left() -> None:
    m = Maker()
    x = m.input(2, 5, quant=QuantType.per_tensor(0.05, 3))
    gate = m("sigmoid", x, quant=QuantType.per_tensor(1 / 256, -128))
    untouched(RecogniseFunctions(), m.graph(m("mul", x, gate, **PLAIN)))


def mean(m: Maker, x: Value) -> Value:
    return m("mean", x, axes=(len(x.shape) - 1,), keep_dims=True)


def norm(m: Maker, x: Value, square: Callable[[Value], Value], columns: Callable[[Value], Value]) -> Value:
    centred = m("sub", x, mean(m, x), **PLAIN)
    deviation = m("sqrt", shifted(m, mean(m, square(centred)), 1e-5))
    return columns(m("div", centred, deviation, **PLAIN))


def test_layer_norm() -> None:
    m = Maker()
    gamma, beta = m.const(6), m.const(6)
    y = norm(
        m, m.input(2, 3, 6), lambda v: m("square", v),
        lambda v: m("add", m("mul", v, gamma, **PLAIN), beta, **PLAIN),
    )  # fmt: skip
    graph = check(RecogniseNorms(), m.graph(y), ["layer_norm"])
    node = graph.nodes[0]
    assert (node.attrs["axis"], node.attrs["centred"]) == (2, True) and np.isclose(node.attrs["epsilon"], 1e-5)
    np.testing.assert_allclose(node.input(1).array, gamma.array, rtol=1e-6)
    np.testing.assert_allclose(node.input(2).array, beta.array, rtol=1e-6)


def test_rms_norm() -> None:
    m = Maker()
    x = m.input(2, 3, 6)
    factor = m("rsqrt", shifted(m, mean(m, m("mul", x, x, **PLAIN)), 1e-3))
    graph = check(RecogniseNorms(), m.graph(m("mul", x, factor, **PLAIN)), ["layer_norm"])
    assert not graph.nodes[0].attrs["centred"]


def test_other_norms_are_left() -> None:
    # The variance of a sample, over one less than there are.
    m = Maker()
    x = m.input(2, 3, 6)
    untouched(RecogniseNorms(), m.graph(norm(m, x, lambda v: scaled(m, m("square", v), 6 / 5), lambda v: v)))
    m = Maker()
    x = m.input(2, 3, 6)
    variance = m("mean", m("square", x), axes=(1,), keep_dims=True)
    untouched(RecogniseNorms(), m.graph(m("mul", x, m("rsqrt", shifted(m, variance, 1e-3)), **PLAIN)))


def exponentials(m: Maker, terms: Value, axis: int) -> Value:
    return m("div", terms, m("reduce_sum", terms, axes=(axis,), keep_dims=True), **PLAIN)


def test_softmax() -> None:
    m = Maker()
    x = m.input(2, 3, 6)
    largest = m("reduce_max", x, axes=(2,), keep_dims=True)
    check(RecogniseSoftmax(), m.graph(exponentials(m, m("exp", m("sub", x, largest, **PLAIN)), 2)), ["softmax"])
    m = Maker()
    check(RecogniseSoftmax(), m.graph(exponentials(m, m("exp", m.input(2, 6)), 1)), ["softmax"])
    m = Maker()
    untouched(RecogniseSoftmax(), m.graph(exponentials(m, m("exp", m.input(2, 3, 6)), 1)))


def attention(m: Maker, q: Value, k: Value) -> Graph:
    return m.graph(m("softmax", m("matmul", q, k, **PRODUCT), **BETA))


def test_attention_scale() -> None:
    m = Maker()
    q, k = (
        scaled(m, m.input(1, 2, 3, 4), 0.5),
        m("reshape", spread(m, m.input(1, 2, 5, 4), 0.25, 0.0), shape=(1, 2, 5, 4)),
    )
    graph = check(FoldScaleIntoSoftmax(), attention(m, q, k), ["reshape", "reshape", "reshape", "matmul", "softmax"])
    assert graph.nodes[-1].attrs["beta"] == 0.125
    m = Maker()
    scores = m("matmul", m.input(3, 4), m.input(5, 4), **PRODUCT)
    graph = check(
        FoldScaleIntoSoftmax(),
        m.graph(m("softmax", m("div", scores, number(2.0), **PLAIN), **BETA)),
        ["matmul", "softmax"],
    )
    assert graph.nodes[-1].attrs["beta"] == 0.5


def test_other_scales_are_left() -> None:
    m = Maker()
    q, k = m.input(3, 4), m.input(5, 4)
    untouched(FoldScaleIntoSoftmax(), attention(m, scaled(m, q, -1.0), k))
    m = Maker()
    q, k = scaled(m, m.input(3, 4), 0.5), m.input(5, 4)
    untouched(FoldScaleIntoSoftmax(), m.graph(m("softmax", m("matmul", q, k, **PRODUCT), **BETA), q))
    # A computed mask is not scaled.
    m = Maker()
    scores = scaled(m, m("matmul", m.input(3, 4), m.input(5, 4), **PRODUCT), 0.5)
    untouched(FoldScaleIntoSoftmax(), m.graph(m("softmax", m("add", scores, m.input(3, 5), **PLAIN), **BETA)))


@pytest.mark.parametrize("behind", [False, True])
def test_attention_scale_before_a_sum(behind: bool) -> None:
    m = Maker()
    q, positions = m.input(3, 4), m.const(3, 5)
    scores = m("matmul", q if behind else scaled(m, q, 0.5), m.input(5, 4), **PRODUCT)
    scores = m("add", positions, scores, **PLAIN)
    scores = scaled(m, scores, 0.5) if behind else scores
    graph = check(FoldScaleIntoSoftmax(), m.graph(m("softmax", scores, **BETA)), ["matmul", "add", "softmax"])
    (add,) = (node for node in graph.nodes if node.op == "add")
    np.testing.assert_array_equal(add.input(0).array, positions.array * (1.0 if behind else 2.0))


def test_constants_added_in_a_row() -> None:
    m = Maker()
    x = m.input(2, 3, 4)
    first = m("add", m.const(3, 1), x, **PLAIN)
    y = m("add", first, m.const(2, 3, 4), **PLAIN)
    check(MergeConstantSums(), m.graph(m("softmax", y, **BETA)), ["add", "softmax"])
    m = Maker()
    first = m("add", m.input(2, 3), m.const(3), **PLAIN)
    untouched(MergeConstantSums(), m.graph(m("add", first, m.const(3), **PLAIN), first))
    m = Maker()
    untouched(MergeConstantSums(), m.graph(m("add", m("add", m.input(3), m.const(2, 3), **PLAIN), m.const(3), **PLAIN)))


def part(m: Maker, x: Value, axis: int, start: int, size: int) -> Value:
    whole = range(len(x.shape))
    return m(
        "slice", x, starts=tuple(start if a == axis else 0 for a in whole), steps=(1,) * len(x.shape),
        sizes=tuple(size if a == axis else x.shape[a] for a in whole),
    )  # fmt: skip


def test_split_product() -> None:
    m = Maker()
    qkv = m("fully_connected", m.input(1, 3, 4), m.const(12, 4), m.const(12), **PLAIN)
    graph = m.graph(*(part(m, qkv, 2, start, 4) for start in (8, 0, 4)))
    check(SplitProduct(), graph, ["fully_connected"] * 3)
    for parts in (((0, 6), (4, 6)), ((0, 4), None)):
        m = Maker()
        y = m("fully_connected", m.input(1, 3, 4), m.const(12, 4), **PLAIN)
        untouched(SplitProduct(), m.graph(*(y if p is None else part(m, y, 2, *p) for p in parts)))


def test_products_whose_parts_share_levels_stay_whole() -> None:
    book = Codebook(4, tuple((0, 1, 2, 3, 4, 5, 6, top) for top in (7, 9, 12)), 4)
    for starts, splits in (((0, 4, 8), True), ((0, 6), False)):
        m = Maker()
        weights = m.const(12, 4)
        weights.quant = QuantType((1.0,) * 12, (0,) * 12, 0, book)
        y = m("fully_connected", m.input(1, 3, 4), weights, **PLAIN)
        graph = m.graph(*(part(m, y, 2, start, 12 // len(starts)) for start in starts))
        assert SplitProduct().run(graph) == splits


def test_gather_to_slice() -> None:
    for indices, ops in ((np.array(-1), ["slice", "reshape"]), (np.array([1, 2]), ["slice"])):
        m = Maker()
        check(GatherToSlice(), m.graph(m("gather", m.input(3, 4), Value.constant("i", indices), axis=0)), ops)
    m = Maker()
    untouched(GatherToSlice(), m.graph(m("gather", m.input(3, 4), Value.constant("i", np.array([0, 2])), axis=0)))


def test_hoist_slice() -> None:
    m = Maker()
    check(
        HoistSlice(),
        m.graph(part(m, m("reshape", m.input(1, 5, 12), shape=(1, 5, 3, 2, 2)), 2, 1, 1)),
        ["slice", "reshape"],
    )
    # One of two neighbours in each of three: no run.
    m = Maker()
    untouched(HoistSlice(), m.graph(part(m, m("reshape", m.input(1, 5, 12), shape=(1, 5, 3, 4)), 3, 1, 1)))


def test_transpose_into_matmul() -> None:
    m = Maker()
    k = m("transpose", m.input(1, 5, 2, 4), perm=(0, 2, 3, 1))
    y = m("matmul", m.input(1, 2, 3, 4), k, transpose_a=False, transpose_b=False)
    graph = check(FoldTransposeIntoMatmul(), m.graph(y), ["transpose", "matmul"])
    assert graph.nodes[1].attrs["transpose_b"] and graph.nodes[0].attrs["perm"] == (0, 2, 1, 3)
    m = Maker()
    a = m("transpose", m.input(4, 3), perm=(1, 0))
    check(
        FoldTransposeIntoMatmul(),
        m.graph(m("matmul", a, m.input(4, 5), transpose_a=False, transpose_b=False)),
        ["matmul"],
    )
    m = Maker()
    rows = m("transpose", m.input(5, 2, 4), perm=(1, 0, 2))
    untouched(FoldTransposeIntoMatmul(), m.graph(m("matmul", m.input(2, 3, 4), rows, **PRODUCT)))


def test_scale_between_transposes() -> None:
    def scale_in_nhwc(factors: list[float]) -> tuple[Maker, Value]:
        m = Maker()
        inner = m("transpose", m.input(1, 2, 5, 6), perm=(0, 2, 3, 1))
        weights = Value.constant("c", np.array(factors, np.float32).reshape(1, 1, 2))
        y = m("depthwise_conv2d", inner, weights, **CONV)
        return m, m("erf", m("transpose", y, perm=(0, 3, 1, 2)))

    m, y = scale_in_nhwc([0.5, 0.5])
    check(DropTransposesAroundScale(), m.graph(y), ["depthwise_conv2d", "erf"])
    m, y = scale_in_nhwc([0.5, 0.25])
    untouched(DropTransposesAroundScale(), m.graph(y))


@pytest.mark.parametrize("constant", [(5, 3), (1, 4, 5, 3)])
def test_position_embeddings_stay_sums(constant: tuple[int, ...]) -> None:
    m = Maker()
    untouched(AddOfConstantToAffine(), m.graph(m("add", m.const(*constant), m.input(1, 4, 5, 3), **PLAIN)))


def test_only_real_numbers_are_recognised() -> None:
    x = Value("x", (2, 5), DType.INT64)
    one = Value.constant("one", np.array(1, np.int64))
    m = Maker()
    m.inputs.append(x)
    lower, upper = m("max", x, one), m("min", x, one)
    untouched(RecogniseFunctions(), m.graph(m("mul", lower, m("clip", upper, low=0.0, high=6.0), **PLAIN)))
    m = Maker()
    empty = m.input(2, 0)
    untouched(RecogniseFunctions(), m.graph(m("mul", empty, m("sigmoid", empty), **PLAIN)))
