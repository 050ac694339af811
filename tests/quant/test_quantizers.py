"""All quantizers of weights, one suite: shapes, widths, empty channels, determinism, error, and the integer graph."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edgekit.errors import BadUsage
from edgekit.ir import Array, DType, Graph, Node, Value
from edgekit.ops import spec_of
from edgekit.ops.conv2d import channel_axis, is_product
from edgekit.ops.reference import run_reference
from edgekit.quant.activations import activation_quants
from edgekit.quant.affine import quantize_graph
from edgekit.quant.calibrate import calibrate
from edgekit.quant.power import CodedRows, largest_code
from edgekit.quant.weight_quantizers import DATA_FREE, GLOBAL, coded_weights, power_clipped
from edgekit.quant.weights import channel_rows

LEARNED = ("adaround", "nupes")
WIDTHS = (2, 3, 4, 5, 6, 7)


def _network() -> Graph:
    """Convolution, depthwise, attention's kind of projection without bias, linear; each has a channel of zeros."""
    rng = np.random.default_rng(3)
    nodes: list[Node] = []
    value = x = Value("x", (1, 8, 8, 3), DType.FLOAT32)

    def add(op: str, weights: Array | None, attrs: dict[str, object], bias: bool = True) -> None:
        nonlocal value
        operands: list[Value | None] = [value]
        name = f"layer{len(nodes)}"
        if weights is not None:
            operands.append(Value.constant(f"{name} weights", weights.astype(np.float32)))
            if bias:
                channels = weights.shape[-1] if op == "depthwise_conv2d" else weights.shape[0]
                operands.append(Value.constant(f"{name} bias", rng.normal(0, 0.1, channels).astype(np.float32)))
        value = Value(f"{name} output", (), DType.FLOAT32)
        node = Node(op, name, operands, [value], attrs)
        (value.shape,) = spec_of(op).infer(node)
        nodes.append(node)

    conv = {"stride": (2, 2), "padding": (0, 0, 1, 1), "dilation": (1, 1), "activation": "relu"}
    first, depthwise = rng.laplace(0, 0.2, (6, 3, 3, 3)), rng.laplace(0, 0.3, (3, 3, 6))
    projection, last = rng.normal(0, 0.2, (7, 96)), rng.standard_t(4, (5, 7)) * 0.2
    first[2], depthwise[:, :, 4], projection[1], last[0] = 0, 0, 0, 0
    add("conv2d", first, {**conv, "groups": 1})
    add("depthwise_conv2d", depthwise, {**conv, "stride": (1, 1), "padding": (1, 1, 1, 1)})
    add("reshape", None, {"shape": (1, 96)})
    add("fully_connected", projection, {"activation": "none"}, bias=False)
    add("fully_connected", last, {"activation": "none"})
    return Graph("network", [x], [value], nodes)


def _samples() -> list[list[Array]]:
    return [[a] for a in np.random.default_rng(4).normal(size=(32, 1, 8, 8, 3)).astype(np.float32)]


def _choose(graph: Graph, bits: int, quantizer: str, steps: int = 3) -> dict[str, CodedRows]:
    widths = {n.name: bits for n in graph.nodes if is_product(n)}
    if quantizer not in LEARNED:
        return coded_weights(graph, widths, quantizer)
    torch = pytest.importorskip("torch", reason="learning of weights needs torch: pip install 'edgekit[search]'")
    torch.set_num_threads(1)
    from edgekit.quant.learning.learn import LearningSettings, learned_weights

    samples = _samples()
    quants = activation_quants(graph, calibrate(graph, samples))
    return learned_weights(graph, samples, quants, widths, quantizer, LearningSettings(steps, steps))


@pytest.mark.parametrize(("quantizer", "bits"), [
    *itertools.product((*DATA_FREE, GLOBAL), WIDTHS), ("adaround", 3), ("nupes", 2), ("nupes", 4)
])  # fmt: skip
def test_codes(quantizer: str, bits: int) -> None:
    graph = _network()
    coded = _choose(graph, bits, quantizer)
    products = [n for n in graph.nodes if is_product(n)]
    assert list(coded) == [n.name for n in products]
    for node in products:
        rows, found = channel_rows(node), coded[node.name]
        assert found.codes.shape == rows.shape and found.codes.dtype == np.int64 and found.bits == bits
        assert np.abs(found.codes).max() <= largest_code(bits) and all(0.3 <= a <= 1.0 for a in found.exponents)
        assert found.peaks.shape == (len(rows),) and (found.peaks >= 0).all() and np.isfinite(found.values).all()
        empty = ~rows.any(axis=1)
        assert empty.sum() == 1 and np.abs(found.values[empty]).max() < 1e-9
        axis = channel_axis(node)
        assert found.codes.shape[0] == node.input(1).shape[axis]
    again = _choose(_network(), bits, quantizer)
    assert all(
        (again[name].codes == c.codes).all() and (again[name].peaks == c.peaks).all() for name, c in coded.items()
    )


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("quantizer", [q for q in (*DATA_FREE, GLOBAL) if q != "uniform"])
def test_weights_are_no_farther_than_the_nearest_uniform_codes(quantizer: str, bits: int) -> None:
    graph = _network()
    coded, nearest = _choose(graph, bits, quantizer), _choose(graph, bits, "uniform")

    def error(found: dict[str, CodedRows]) -> float:
        return sum(float(((channel_rows(n) - found[n.name].values) ** 2).sum()) for n in graph.nodes if is_product(n))

    assert error(coded) <= error(nearest) * (1 + 1e-9)


@pytest.mark.parametrize(("quantizer", "bits"), [
    *itertools.product((*DATA_FREE, GLOBAL), (2, 3, 4)), ("adaround", 3), ("nupes", 2), ("nupes", 3)
])  # fmt: skip
def test_the_integer_network_has_these_codes(quantizer: str, bits: int) -> None:
    """And, where they are learned, answers no farther from float than with the nearest codes."""
    graph, samples = _network(), _samples()
    coded = _choose(graph, bits, quantizer, steps=25)

    def made(found: dict[str, CodedRows]) -> tuple[Graph, float]:
        result = quantize_graph(graph, samples, coded=found)
        (x,), (y,) = result.inputs, result.outputs
        assert x.quant is not None and y.quant is not None
        errors = []
        for (sample,) in samples:
            codes = run_reference(result, [x.quant.quantize(sample, x.dtype)])[y]
            errors.append(y.quant.dequantize(codes) - run_reference(graph, [sample])[graph.outputs[0]])
        return result, float(np.square(errors).sum())

    result, error = made(coded)
    for node in result.nodes:
        if is_product(node):
            quant = node.input(1).quant
            assert quant is not None and quant.codebook is not None and quant.codebook.bits == bits
            rows = np.moveaxis(node.input(1).array, channel_axis(node), 0).reshape(coded[node.name].codes.shape)
            assert (quant.codebook.codes(rows) == coded[node.name].codes).all()
    if quantizer in LEARNED:
        assert error <= made(_choose(graph, bits, "uniform"))[1]


def _layer(op: str, shape: tuple[int, ...], weights: Array, groups: int = 1) -> Graph:
    attrs: dict[str, object] = {"activation": "none"}
    if op != "fully_connected":
        attrs |= {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1)}
    attrs |= {"groups": groups} if op == "conv2d" else {}
    x, y = Value("x", shape, DType.FLOAT32), Value("y", (), DType.FLOAT32)
    node = Node(op, op, [x, Value.constant("w", weights.astype(np.float32))], [y], attrs)
    (y.shape,) = spec_of(op).infer(node)
    return Graph("layer", [x], [y], [node])


@pytest.mark.parametrize(("bits", "share"), [(2, 0.75), (3, 0.9)])
def test_codes_do_without_a_zero_where_that_is_nearer_and_nothing_is_padded(bits: int, share: float) -> None:
    rng = np.random.default_rng(3)
    dense, deep = rng.normal(size=(8, 3, 3, 16)), rng.normal(size=(3, 3, 8))
    empty, sparse = dense.copy(), dense * (rng.random(dense.shape) < 0.2)
    empty[2] = 0.0
    for op, shape, weights, groups, wanted in (
        ("conv2d", (1, 5, 5, 16), dense, 1, True),
        ("conv2d", (1, 5, 5, 16), empty, 1, False),
        ("conv2d", (1, 5, 5, 16), sparse, 1, False),
        ("conv2d", (1, 5, 5, 3), dense[..., :3], 1, False),
        ("conv2d", (1, 5, 5, 6), dense[..., :3], 2, True),
        ("fully_connected", (1, 48), dense.reshape(24, 48), 1, True),
        ("fully_connected", (1, 36), dense.reshape(32, 36), 1, False),
        ("depthwise_conv2d", (1, 5, 5, 8), deep, 1, True),
    ):
        graph = _layer(op, shape, weights, groups)
        (found,) = coded_weights(graph, {op: bits}, "power-clip").values()
        rows = channel_rows(graph.nodes[0])
        errors = [float(((rows - coded.values) ** 2).sum()) for coded in (found, power_clipped(rows, bits))]
        assert found.halves == wanted, (op, shape)
        assert errors[0] < share * errors[1] if wanted else errors[0] == errors[1]
        if op != "depthwise_conv2d":
            (grouped,) = coded_weights(graph, {op: bits}, "power-clip", 4).values()
            assert grouped.halves == wanted and grouped.group == (4 if bits > 2 and groups == 1 else 0)
            assert float(((rows - grouped.values) ** 2).sum()) <= errors[0] * (1 + 1e-9)


@pytest.mark.parametrize("bits", [3, 4])
@pytest.mark.parametrize("quantizer", ["powerquant", "power-clip"])
def test_groups_of_channels_choose_exponents_of_their_own(quantizer: str, bits: int) -> None:
    """Of linear layers and dense convolutions; the last group has what is left."""
    graph, widths = _network(), {n.name: bits for n in _network().nodes if is_product(n)}
    grouped = coded_weights(graph, widths, quantizer, 4)
    for node in graph.nodes:
        if is_product(node):
            rows, found = channel_rows(node), grouped[node.name]
            if node.op == "depthwise_conv2d":
                assert found.group == 0 and len(found.exponents) == 1
                continue
            assert found.group == 4 and len(found.exponents) == 2
            for index, part in enumerate((slice(0, 4), slice(4, None))):
                alone = DATA_FREE[quantizer](rows[part], bits)
                assert (found.codes[part] == alone.codes).all() and found.exponents[index] == alone.exponents[0]
    assert any(len(set(found.exponents)) > 1 for found in grouped.values())
    result = quantize_graph(graph, _samples(), coded=grouped)
    for node in result.nodes:
        if is_product(node):
            quant, found = node.input(1).quant, grouped[node.name]
            assert quant is not None and quant.codebook is not None and quant.codebook == found.book
            rows = np.moveaxis(node.input(1).array, channel_axis(node), 0).reshape(found.codes.shape)
            assert (quant.codebook.codes(rows) == found.codes).all()


def test_a_group_of_all_channels_is_the_layer() -> None:
    widths = {n.name: 4 for n in _network().nodes if is_product(n)}
    whole, grouped = (coded_weights(_network(), widths, "powerquant", group) for group in (0, 8))
    for name, found in grouped.items():
        assert found.group == 0 and found.exponents == whole[name].exponents
        assert (found.codes == whole[name].codes).all()


def test_eight_bits_are_plain_weights() -> None:
    graph, samples = _network(), _samples()
    layers = [n for n in graph.nodes if is_product(n)]
    plain = quantize_graph(graph, samples)
    for quantizer in ("uniform", "powerquant"):
        coded = {n.name: DATA_FREE[quantizer](channel_rows(n), 8) for n in layers}
        result = quantize_graph(graph, samples, coded=coded)
        for node, other in zip(result.nodes, plain.nodes, strict=True):
            if is_product(node):
                assert node.input(1).quant is not None and node.input(1).quant.codebook is None
                assert np.abs(node.input(1).array.astype(int) - other.input(1).array).max() <= 1


def test_another_name_is_told() -> None:
    with pytest.raises(BadUsage, match="powerquant-global"):
        coded_weights(_network(), {}, "best")
