"""Learned weights: gradients, blocks, and that learning makes blocks what they were in float, again after a stop."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning of weights needs torch: pip install 'edgekit[search]'")

from edgekit.errors import BadUsage  # noqa: E402
from edgekit.importers.onnx import import_onnx  # noqa: E402
from edgekit.ir import Array, DType, Graph, Node, QuantType, Value  # noqa: E402
from edgekit.models import packaged_model  # noqa: E402
from edgekit.ops.conv2d import is_product  # noqa: E402
from edgekit.passes import optimise  # noqa: E402
from edgekit.quant.activations import activation_quants  # noqa: E402
from edgekit.quant.affine import quantize_graph  # noqa: E402
from edgekit.quant.calibrate import calibrate  # noqa: E402
from edgekit.quant.learning.blocks import blocks_of  # noqa: E402
from edgekit.quant.learning.descent import TENTHS  # noqa: E402
from edgekit.quant.learning.distil import DIVERGENCE  # noqa: E402
from edgekit.quant.learning.learn import (  # noqa: E402
    LearningProgress,
    LearningSettings,
    learned_weights,
)
from edgekit.quant.learning.power_weights import BlockRows, WholeRows  # noqa: E402
from edgekit.quant.learning.reconstruct import Reconstruction  # noqa: E402
from edgekit.quant.learning.simulate import Part, fake_quantized, replaced_by  # noqa: E402
from edgekit.quant.power import (  # noqa: E402
    CodedRows,
    joined,
    power_codes,
    power_values,
)
from edgekit.quant.weight_quantizers import clipped, coded_weights, nearest  # noqa: E402

SETTINGS = LearningSettings(iterations=40, final=20)
torch.set_num_threads(1)
CPU = torch.device("cpu")


def _model() -> tuple[Graph, list[list[Array]]]:
    packaged = packaged_model(small=True)
    samples = [[s[0]] for s in packaged.calibration.samples[:32]]
    return optimise(import_onnx(packaged.model_path, {})), samples


def _rows(start: CodedRows, rows: Array, bias: Array | None = None) -> WholeRows:
    return WholeRows(start, start.positions(rows), bias, 1.0, 1e-3)


def test_gradients_are_finite_at_zero_weights_at_both_ends_and_in_empty_channels() -> None:
    rows = np.array([[0.0, 1e-30, -1e-30, 1.0, -1.0, 0.4, 1e-3], [0.0] * 7])
    for bits, halves in ((2, False), (2, True), (3, False), (4, False), (8, False)):
        for exponent in (0.3, 0.55, 1.0):
            peaks = np.array([1.0, 0.0])
            codes = power_codes(rows, peaks, exponent, bits, halves)
            start = CodedRows(codes, peaks, (exponent,), bits, halves=halves)
            learned = _rows(start, rows, np.zeros(2))
            made = learned()
            bias = learned.bias()
            assert bias is not None
            ((made * torch.arange(1.0, 8.0)).sum() + bias.sum()).backward()
            for parameter in learned.parameters():
                assert parameter.grad is not None and torch.isfinite(parameter.grad).all()
            # Weights at zero can leave it.
            assert (learned.positions.grad[0, :3] > 0).all()
            # What is learned is what firmware has: whole levels, not the power itself.
            assert np.allclose(made.detach().numpy(), start.values, atol=1e-6)
            soft = BlockRows(start, start.positions(rows), np.zeros(2), 1.0)
            # Before anything is learned a uniform weight stands for itself.
            assert exponent < 1 or halves or np.allclose(soft().detach().numpy(), rows, atol=1e-6)
            (soft() * torch.arange(1.0, 8.0)).sum().backward()
            for parameter in (soft.up.logits, soft.theta, soft.log_peaks):
                assert parameter.grad is not None and torch.isfinite(parameter.grad).all()
            assert start.book.lowest_code <= soft.finished().codes.min()
            assert soft.finished().codes.max() <= start.book.largest_code
            assert (soft.finished().codes - codes).min() >= -1 and (soft.finished().codes - codes).max() <= 1


@pytest.mark.parametrize(("bits", "halves"), [(4, False), (3, True), (2, True)])
def test_the_exponents_gradient_is_its_slope(bits: int, halves: bool) -> None:
    rows = np.random.default_rng(0).normal(size=(4, 50))
    start = clipped(rows, bits, 0.6, halves)
    learned = _rows(start, rows)
    learned().sum().backward()
    sums = [
        float(power_values(start.codes, start.peaks, 1 / rho, bits, halves).sum())
        for rho in (np.exp(learned.theta.item() + 1e-3), np.exp(learned.theta.item() - 1e-3))
    ]
    assert float(learned.theta.grad) == pytest.approx((sums[0] - sums[1]) / 2e-3, rel=0.03, abs=0.05)


def test_groups_learn_exponents_of_their_own() -> None:
    rows = np.random.default_rng(0).normal(size=(6, 50))
    parts = [nearest(rows[:4], 4, 0.6), nearest(rows[4:], 4, 0.8)]
    learned = _rows(joined(parts, 4), rows)
    made = learned()
    assert np.allclose(made.detach().numpy(), joined(parts, 4).values, atol=1e-6)
    (made * torch.linspace(-1.0, 1.0, 50)).sum().backward()
    for index, (part, channels) in enumerate(zip(parts, (slice(0, 4), slice(4, None)), strict=True)):
        alone = _rows(part, rows[channels])
        (alone() * torch.linspace(-1.0, 1.0, 50)).sum().backward()
        torch.testing.assert_close(learned.theta.grad[index], alone.theta.grad)
        torch.testing.assert_close(learned.positions.grad[channels], alone.positions.grad)
    assert learned.finished().exponents == pytest.approx((0.6, 0.8)) and learned.finished().group == 4


def test_blocks_keep_residual_connections_inside() -> None:
    graph, _ = _model()
    blocks = blocks_of(graph)
    assert [n for b in blocks for n in b.nodes] == graph.nodes
    for block, following in itertools.pairwise(blocks):
        assert following.sources == (block.output,) == block.outputs
        assert all(reader in block.nodes for n in block.nodes[:-1] for reader, _ in n.output.uses)
    # Three convolutions, two blocks of attention, two of an MLP, and the classifier.
    assert len(blocks) == 8 and all(block.products for block in blocks)


@pytest.mark.parametrize("method", ["adaround", "nupes"])
def test_learning_brings_the_output_nearer_to_float(method: str) -> None:
    graph, samples = _model()
    quants = activation_quants(graph, calibrate(graph, samples[:8]))
    bits = {n.name: 3 for n in graph.nodes if is_product(n)}
    x = torch.from_numpy(np.stack([s[0] for s in samples]))
    whole = Part(graph.nodes, graph.inputs, CPU)
    (exact,) = whole.run_all([x], graph.outputs, {}, {})

    def error(coded: dict[str, CodedRows]) -> float:
        replaced = {n.name: replaced_by(n, coded[n.name], CPU) for n in graph.nodes if is_product(n)}
        (made,) = whole.run_all([x], graph.outputs, replaced, quants)
        return float(((made - exact) ** 2).mean())

    told: list[LearningProgress] = []
    learned = learned_weights(graph, samples, quants, bits, method, SETTINGS, told.append)
    start = coded_weights(graph, bits, "mse")
    assert set(learned) == set(start) and error(learned) < 0.8 * error(start)
    if method == "adaround":
        # The last block makes the network's output: what is told of it is the error of the codes that were chosen.
        assert told[-1].loss == pytest.approx(error(learned) / float((exact**2).mean()), rel=1e-4)
    assert [p.part for p in told] == list(range(1, told[0].parts + 1)) and all(np.isfinite(p.loss) for p in told)
    result = quantize_graph(graph, samples[:8], coded=learned)
    books = [n.input(1).quant.codebook for n in result.nodes if is_product(n)]  # type: ignore[union-attr]
    assert all(book is not None and book.bits == 3 for book in books)


def _equal(a: dict[str, CodedRows], b: dict[str, CodedRows]) -> bool:
    return list(a) == list(b) and all(
        (a[k].codes == b[k].codes).all()
        and (a[k].peaks == b[k].peaks).all()
        and (a[k].exponents, a[k].halves) == (b[k].exponents, b[k].halves)
        and np.array_equal(np.asarray(a[k].bias, float), np.asarray(b[k].bias, float), equal_nan=True)
        for k in a
    )


@pytest.mark.parametrize("width", [4, 3])
def test_a_stopped_learning_goes_on_to_the_same_result(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, samples = _model()
    quants = activation_quants(graph, calibrate(graph, samples[:8]))
    bits = {n.name: width for n in graph.nodes if is_product(n)}
    settings = LearningSettings(iterations=1, final=2)
    whole = learned_weights(graph, samples, quants, bits, "nupes", settings)

    def stop(done: LearningProgress) -> None:
        if done.part == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learned_weights(graph, samples, quants, bits, "nupes", settings, stop, tmp_path)
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 3
    kept[1].write_bytes(b"damaged")
    ran: list[int] = []
    real = Reconstruction.learn
    monkeypatch.setattr(Reconstruction, "learn", lambda block, *rest: (ran.append(1), real(block, *rest))[1])
    assert _equal(learned_weights(graph, samples, quants, bits, "nupes", settings, None, tmp_path), whole)
    assert len(ran) == len(blocks_of(graph)) - 2
    # Another seed, and groups of channels, are another learning.
    grouped = LearningSettings(1, 2, group=4)
    first = learned_weights(graph, samples, quants, bits, "nupes", grouped, None, tmp_path)
    assert any(len(set(rows.exponents)) > 1 for rows in first.values())
    monkeypatch.setattr(Reconstruction, "learn", lambda *_: pytest.fail("it was kept"))
    assert _equal(learned_weights(graph, samples, quants, bits, "nupes", grouped, None, tmp_path), first)
    monkeypatch.setattr(Reconstruction, "learn", real)
    other = learned_weights(graph, samples, quants, bits, "nupes", LearningSettings(1, 2, 1), None, tmp_path)
    assert not _equal(other, whole)


def test_what_cannot_be_learned_is_told() -> None:
    graph, samples = _model()
    with pytest.raises(BadUsage, match="adaround, nupes"):
        learned_weights(graph, samples, {}, {}, "powerquant")


def test_a_device_that_is_not_there_is_refused() -> None:
    graph, samples = _model()
    with pytest.raises(BadUsage, match="no device named 'tpu'"):
        learned_weights(graph, samples, {}, {}, settings=LearningSettings(device="tpu"))
    if not torch.cuda.is_available():
        with pytest.raises(BadUsage, match="--learn-on cpu"):
            learned_weights(graph, samples, {}, {}, settings=LearningSettings(device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA GPU")
@pytest.mark.parametrize("method", ["adaround", "nupes"])
def test_a_gpu_learns_as_the_processor_does(method: str) -> None:
    graph, samples = _model()
    quants = activation_quants(graph, calibrate(graph, samples[:8]))
    bits = {n.name: 3 for n in graph.nodes if is_product(n)}
    losses = []
    for device in ("cpu", "cuda", "cuda"):
        told: list[LearningProgress] = []
        settings = replace(SETTINGS, device=device)
        learned_weights(graph, samples, quants, bits, method, settings, told.append)
        losses.append([p.loss for p in told])
    assert losses[1] == pytest.approx(losses[0], rel=0.2)
    assert losses[2] == pytest.approx(losses[1], rel=0.05)


def test_rounded_numbers_at_the_ends_pass_their_gradient_on() -> None:
    quant = QuantType.per_tensor(0.1, -128)
    x = torch.tensor([-1.0, 0.0, 0.01, 12.7, 25.5, 25.5 - 1e-3, 30.0], requires_grad=True)
    # As of a value that a layer makes and one that moves it.
    fake_quantized(fake_quantized(x, quant), quant).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 1, 1, 1, 1, 1, 0]


def test_masked_classes_are_learned_through() -> None:
    rng = np.random.default_rng(0)
    sizes = {"x": 8, "h": 16, "g": 16, "y": 5, "m": 5, "p": 5}
    x, h, g, y, m, p = (Value(name, (1, size), DType.FLOAT32) for name, size in sizes.items())
    weights = [Value.constant("w", rng.normal(size=size).astype(np.float32)) for size in ((16, 8), (16, 16), (5, 16))]
    mask = Value.constant("mask", np.array([[0, -np.inf, 0, 0, -1e9]], np.float32))
    plain = {"activation": "none"}
    nodes = [
        Node("fully_connected", "first", [x, weights[0]], [h], {"activation": "relu"}),
        Node("fully_connected", "middle", [h, weights[1]], [g], {"activation": "relu"}),
        Node("fully_connected", "last", [g, weights[2]], [y], plain),
        Node("add", "masked", [y, mask], [m], plain),
        Node("softmax", "shares", [m], [p], {"beta": 1.0}),
    ]
    graph, samples = Graph("g", [x], [p], nodes), [[rng.normal(size=(1, 8)).astype(np.float32)] for _ in range(32)]
    quants, told = activation_quants(graph, calibrate(graph, samples)), list[LearningProgress]()
    found = learned_weights(graph, samples, quants, {"middle": 3}, "nupes", SETTINGS, told.append)
    assert found["middle"].bits == 3 and told[-1].loss is not None and np.isfinite(told[-1].loss)
    measures = {state.part: state.measure for state in told if state.loss is not None}
    blocks = told[0].parts - TENTHS
    assert measures and all((part > blocks) == (measure == DIVERGENCE) for part, measure in measures.items())
