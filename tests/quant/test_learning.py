"""Learned weights: gradients, blocks, operators in torch, and that learning makes blocks what they were in float."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning of weights needs torch: pip install 'edgekit[search]'")

from edgekit.importers.onnx import import_onnx  # noqa: E402
from edgekit.models import packaged_model  # noqa: E402
from edgekit.ops.conv2d import is_product  # noqa: E402
from edgekit.ops.reference import run_reference  # noqa: E402
from edgekit.passes import optimise  # noqa: E402
from edgekit.quant.learning.blocks import Block, blocks_of  # noqa: E402
from edgekit.quant.learning.reconstruct import Reconstruction, run_block  # noqa: E402
from edgekit.quant.learning.weights import AdaRound, LearnedRows, Nupes  # noqa: E402
from edgekit.quant.power import CodedRows, power_codes, power_values  # noqa: E402
from edgekit.quant.weight_quantizers import coded_weights, nearest  # noqa: E402


def _model():  # type: ignore[no-untyped-def]
    packaged = packaged_model(small=True)
    samples = np.stack([s[0] for s in packaged.calibration.samples[:64]])
    return optimise(import_onnx(packaged.model_path, {})), samples


def test_gradients_are_finite_at_zero_weights_and_at_both_ends() -> None:
    rows = np.array([[0.0, 1e-30, -1e-30, 1.0, -1.0, 0.4, 1e-3]])
    for bits in (2, 3, 4, 8):
        for exponent in (0.3, 0.55, 1.0):
            start = CodedRows(power_codes(rows, np.ones(1), exponent, bits), np.ones(1), exponent, bits)
            learned = Nupes(start, torch.from_numpy(rows).float())
            made = learned()
            (made * torch.arange(1.0, 8.0)).sum().backward()
            for parameter in learned.parameters():
                assert parameter.grad is not None and torch.isfinite(parameter.grad).all()
            # Weights at zero can leave it.
            assert (learned.positions.grad[0, :3] > 0).all()
            assert np.allclose(made.detach().numpy(), power_values(start.codes, start.peaks, exponent, bits), atol=1e-6)


def test_the_exponents_gradient_is_its_slope() -> None:
    rows = np.random.default_rng(0).normal(size=(4, 50))
    learned = Nupes(nearest(rows, 4, 0.6), torch.from_numpy(rows).float())
    learned().sum().backward()
    step = 1e-3
    with torch.no_grad():
        sums = []
        for sign in (1, -1):
            learned.theta += sign * step
            sums.append(float(learned().double().sum()))
            learned.theta -= sign * step
    assert float(learned.theta.grad) == pytest.approx((sums[0] - sums[1]) / (2 * step), rel=0.02, abs=0.05)


@pytest.mark.parametrize("kind", [AdaRound, Nupes])
def test_finished_codes_are_within_their_width(kind: type[LearnedRows]) -> None:
    rows = np.random.default_rng(1).normal(size=(3, 40))
    for bits in (2, 3, 4):
        finished = kind(nearest(rows, bits), torch.from_numpy(rows).float()).finished()
        assert np.abs(finished.codes).max() <= (1 << (bits - 1)) - 1 and finished.codes.shape == rows.shape


def test_blocks_keep_residual_connections_inside() -> None:
    graph, _ = _model()
    blocks = blocks_of(graph)
    assert [n for b in blocks for n in b.nodes] == graph.nodes
    for block, following in itertools.pairwise(blocks):
        assert block.output is following.source
        assert all(reader in block.nodes for n in block.nodes[:-1] for reader, _ in n.output.uses)
    # Three convolutions, two blocks of attention, two of an MLP, and the classifier.
    assert len(blocks) == 8 and all(block.products for block in blocks)


def test_torch_computes_what_the_reference_does() -> None:
    graph, samples = _model()
    whole = Block(graph.inputs[0], tuple(graph.nodes))
    with torch.no_grad():
        made = run_block(whole, torch.from_numpy(samples[:4]), {}, {}).numpy()
    for sample, logits in zip(samples[:4], made, strict=True):
        assert np.abs(run_reference(graph, [sample])[graph.outputs[0]] - logits).max() < 1e-3


@pytest.mark.parametrize("kind", [AdaRound, Nupes])
def test_learning_brings_the_output_nearer_to_float(kind: type[LearnedRows]) -> None:
    graph, samples = _model()
    bits = {n.name: 3 for n in graph.nodes if is_product(n)}
    start = coded_weights(graph, bits, "mse")

    def error(coded: dict[str, CodedRows]) -> float:
        learning = Reconstruction(graph, samples, {}, coded, kind, 0, 0)
        whole = Block(graph.inputs[0], tuple(graph.nodes))
        with torch.no_grad():
            exact = run_block(whole, torch.from_numpy(samples), {}, {})
            return float(
                ((run_block(whole, torch.from_numpy(samples), learning.weights_of(coded), {}) - exact) ** 2).mean()
            )

    learned = Reconstruction(graph, samples, {}, start, kind, 60, 0).run()
    again = Reconstruction(graph, samples, {}, start, kind, 60, 0).run()
    assert set(learned) == set(start) and error(learned) < 0.6 * error(start)
    assert all((learned[name].codes == again[name].codes).all() for name in learned)
