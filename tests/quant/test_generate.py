"""Inputs made up from a network: what its first layer wants, the same for the same seed, within a known span."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning of weights needs torch: pip install 'edgekit[search]'")

from edgekit.errors import UnsupportedModel  # noqa: E402
from edgekit.ir import DType, Graph, Node, Value  # noqa: E402
from edgekit.ops import spec_of  # noqa: E402
from edgekit.ops.reference import run_reference  # noqa: E402
from edgekit.passes import optimise  # noqa: E402
from edgekit.quant.learning import generate  # noqa: E402
from edgekit.quant.learning.axes import space_axes  # noqa: E402
from edgekit.quant.learning.generate import generated_inputs  # noqa: E402
from edgekit.quant.learning.variation import varied  # noqa: E402
from tests.importers.onnx import helpers  # noqa: E402
from tests.quant.samples import stacked  # noqa: E402

MEAN = np.array([120.0, 90.0, 200.0])


def _network(shape: tuple[int, ...] = (1, 16, 16, 3)) -> tuple[Graph, Value]:
    """A convolution that wants inputs around MEAN that deviate by about 40, its sums before any activation."""
    rng = np.random.default_rng(0)
    weights = rng.normal(0, 1 / 40 / 5, (12, 3, 3, 3)).astype(np.float32)
    bias = -(weights.sum(axis=(1, 2)) @ MEAN).astype(np.float32)
    x, y = Value("x", shape, DType.FLOAT32), Value("y", (), DType.FLOAT32)
    attrs = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "activation": "none", "groups": 1}
    node = Node("conv2d", "conv", [x, Value.constant("w", weights), Value.constant("b", bias)], [y], attrs)
    (y.shape,) = spec_of("conv2d").infer(node)
    return Graph("network", [x], [y], [node]), y


def test_the_first_layer_gets_what_it_was_made_for() -> None:
    graph, y = _network()
    samples = generated_inputs(graph, 64, 0)
    inputs = stacked(samples)
    assert inputs.shape == (64, 1, 16, 16, 3) and inputs.dtype == np.float32
    assert np.abs(inputs.mean(axis=(0, 1, 2, 3)) - MEAN).max() < 25
    sums = np.stack([run_reference(graph, sample)[y] for sample in samples])
    assert np.abs(sums.mean(axis=(0, 1, 2, 3))).max() < 0.5
    assert 0.8 < sums.std(axis=(0, 1, 2, 3)).mean() < 1.2


def test_neighbours_are_alike_and_samples_are_not() -> None:
    graph, _ = _network()
    inputs = stacked(generated_inputs(graph, 32, 0))
    centred = inputs - inputs.mean(axis=(0, 1, 2, 3))
    alike = (centred[:, :, :, 1:] * centred[:, :, :, :-1]).mean() / (centred**2).mean()
    assert alike > 0.5
    flat = centred.reshape(32, -1)
    assert np.abs(np.corrcoef(flat)[np.triu_indices(32, 1)]).mean() < 0.4


def test_seed_and_span() -> None:
    graph, _ = _network()
    first, again, other = (stacked(generated_inputs(graph, 8, seed)) for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()
    limited = stacked(generated_inputs(graph, 8, 1, (0.0, 255.0)))
    assert limited.min() >= 0 and limited.max() <= 255 and limited.std() > 20


def test_what_has_no_first_layer_is_told() -> None:
    x, y = Value("x", (1, 4), DType.FLOAT32), Value("y", (1, 4), DType.FLOAT32)
    graph = Graph("relu", [x], [y], [Node("relu", "relu", [x], [y], {})])
    with pytest.raises(UnsupportedModel, match="--data"):
        generated_inputs(graph)


def test_what_no_input_changes_is_told() -> None:
    graph, _ = _network()
    for name in ("zeros", "not finite"):
        weights = np.full((12, 3, 3, 3), 0.0 if name == "zeros" else np.inf, np.float32)
        graph.nodes[0].set_input(1, Value.constant("w", weights))
        with pytest.raises(UnsupportedModel, match=r"layer 'conv'.*the same of every input.*--data"):
            generated_inputs(graph, 8)


def test_layers_without_a_form_before_the_first_weights_are_told() -> None:
    graph, _ = _network()
    x, read = graph.inputs[0], Value("read", (1, 16, 16, 3), DType.FLOAT32)
    graph.nodes[0].set_input(0, read)
    odd = Node("cumulate", "odd", [x], [read], {})
    with pytest.raises(UnsupportedModel, match=r"layer 'odd'.*inputs cannot be generated through it; give samples"):
        generated_inputs(Graph("odd", [x], graph.outputs, [odd, *graph.nodes]), 8)


def test_inputs_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, _ = _network()
    threads, seen, real = torch.get_num_threads(), set(), generate.run_product

    def observed(node: Node, x: torch.Tensor) -> torch.Tensor:
        seen.add(torch.get_num_threads())
        return real(node, x)

    monkeypatch.setattr(generate, "run_product", observed)
    torch.set_num_threads(2)
    try:
        generated_inputs(graph, 8)
        assert seen == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(("shape", "space"), [((1, 16, 16, 3), (1, 2)), ((1, 3, 16, 16), (2, 3)), ((1, 20), ())])
def test_variations(shape: tuple[int, ...], space: tuple[int, ...]) -> None:
    samples = torch.from_numpy(np.random.default_rng(0).normal(size=(20, *shape)).astype(np.float32))
    (made,) = varied([samples], space, 64, torch.Generator().manual_seed(0))
    assert made.shape == (64, *shape) and torch.isfinite(made).all()
    same = sum(any(torch.equal(sample, one) for sample in samples) for one in made)
    assert 16 < same < 58
    assert torch.equal(made, *varied([samples], space, 64, torch.Generator().manual_seed(0)))


def test_channels_stay_where_they_are() -> None:
    """[1,T,C], each channel of its own number: whatever moves or is mixed, it is found in its channel."""
    samples = torch.arange(12.0).expand(20, 1, 16, 12)
    assert torch.allclose(*varied([samples], (1,), 64, torch.Generator().manual_seed(0)), samples[:1])


CONV = [helpers.node("Conv", "x w", "y")]
PRODUCT = [helpers.node("MatMul", "x w", "y")]


@pytest.mark.parametrize(
    ("nodes", "shape", "weights", "space"),
    [
        (CONV, (1, 12, 20), (4, 12, 3), (2,)),
        (CONV, (1, 12, 16, 16), (4, 12, 3, 3), (2, 3)),
        (CONV, (1, 3, 7, 16), (4, 3, 3, 3), (3,)),
        ([helpers.node("Relu", "x", "r"), helpers.node("Conv", "r w", "y")], (1, 9, 9, 9), (4, 9, 3, 3), (2, 3)),
        (PRODUCT, (1, 20, 12), (12, 3), (1,)),
        (PRODUCT, (1, 20), (20, 3), ()),
        ([helpers.node("Flatten", "x", "f"), helpers.node("MatMul", "f w", "y")], (1, 20, 12), (240, 3), (1,)),
    ],
)
def test_space_is_what_is_long_and_no_channels(
    nodes: list[object], shape: tuple[int, ...], weights: tuple[int, ...], space: tuple[int, ...], tmp_path: Path
) -> None:
    model = helpers.make_model(nodes, list(shape), {"w": np.ones(weights, np.float32)})
    assert space_axes(optimise(helpers.import_model(model, tmp_path))) == space
