"""Gradient descent on codes: what it ends with, in whatever unit signals are."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning of weights needs torch: pip install 'edgekit[search]'")

from edgekit.ir import Array, DType, Graph, Node, Value  # noqa: E402
from edgekit.quant.activation_grids import ActivationOptions, chosen_grids, narrow_inputs  # noqa: E402
from edgekit.quant.activations import activation_quants  # noqa: E402
from edgekit.quant.calibrate import calibrate  # noqa: E402
from edgekit.quant.learning import learn  # noqa: E402
from edgekit.quant.learning.descent import relative_error  # noqa: E402
from edgekit.quant.learning.distil import Distillation  # noqa: E402
from edgekit.quant.learning.learn import (  # noqa: E402
    LearningProgress,
    LearningSettings,
    learned_weights,
)
from edgekit.quant.learning.power_weights import BlockRows, WholeRows  # noqa: E402
from edgekit.quant.learning.reconstruct import Reconstruction  # noqa: E402
from edgekit.quant.learning.simulate import Part, even_step, replaced_by  # noqa: E402
from edgekit.quant.learning.weights import AdaRound  # noqa: E402
from edgekit.quant.power import CodedRows  # noqa: E402
from edgekit.quant.weight_quantizers import clipped  # noqa: E402
from edgekit.quant.weights import channel_rows  # noqa: E402

SETTINGS = LearningSettings(iterations=20, final=20)
CPU = torch.device("cpu")


def _chain(unit: float = 1.0) -> tuple[Graph, list[list[Array]]]:
    """Three linear layers; biases and samples in a unit."""
    rng = np.random.default_rng(0)
    x = Value("x", (1, 24), DType.FLOAT32)
    nodes, value = [], x
    for name, activation in (("first", "relu"), ("second", "relu"), ("third", "none")):
        made = Value(f"{name} made", (1, 24), DType.FLOAT32)
        weights = Value.constant(f"{name} weights", rng.normal(0, 0.3, (24, 24)).astype(np.float32))
        bias = Value.constant(f"{name} bias", (unit * rng.normal(0, 0.3, 24)).astype(np.float32))
        nodes.append(Node("fully_connected", name, [value, weights, bias], [made], {"activation": activation}))
        value = made
    samples = [[(unit * rng.normal(size=(1, 24))).astype(np.float32)] for _ in range(64)]
    return Graph("chain", [x], [value], nodes), samples


@pytest.mark.parametrize("bits", [4, 3, 2])
@pytest.mark.parametrize("kind", [AdaRound, BlockRows])
def test_codes_are_decided_when_the_steps_are_over(kind: type[AdaRound | BlockRows], bits: int) -> None:
    graph, _ = _chain()
    node, rows = graph.nodes[0], channel_rows(graph.nodes[0])
    start, part = clipped(rows, bits), Part([node], graph.inputs, CPU)
    # Inputs that go together: what is lost in one weight, another one can make up for.
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.normal(size=(256, 1, 4)) @ rng.normal(size=(4, 24))).float()
    exact = part.run_all([x], [node.output], {}, {})
    learned: AdaRound | BlockRows = (
        AdaRound(start, torch.from_numpy(rows).float())
        if kind is AdaRound
        else BlockRows(start, start.positions(rows), None, 1.0)
    )
    drawn = torch.Generator().manual_seed(0)
    Reconstruction(part, [node.output], [x], exact, {}).learn({node.name: node}, 300, {node.name: learned}, drawn)
    up = learned.up().detach()
    assert float(((up > 0.05) & (up < 0.95)).float().mean()) < 0.05

    def error(coded: CodedRows) -> float:
        made = part.run_all([x], [node.output], {node.name: replaced_by(node, coded, CPU)}, {})
        return float(relative_error(made[0], exact[0]))

    assert error(learned.finished()) < 0.35 * error(start)


def test_exponents_come_back_from_their_limits() -> None:
    rows = np.random.default_rng(0).uniform(-1, 1, (4, 50))
    start = clipped(rows, 4)
    learned = WholeRows(start, start.positions(rows), None, 1.0, 1e-3)
    optimizer = torch.optim.SGD([learned.theta], lr=0.1)
    for direction in (1.0, -1.0):
        optimizer.zero_grad()
        (direction * learned.theta - 0.0 * learned().sum()).backward()
        optimizer.step()
        learned.settle()
        optimizer.zero_grad()
        learned().sum().backward()
        assert learned.theta.grad is not None and learned.theta.grad != 0
    assert float(learned.theta.detach()) == pytest.approx(0.1)


@pytest.mark.parametrize("coarse", [False, True])
def test_with_activations_of_4_bits_codes_move_longer_and_faster(coarse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, samples = _chain()
    narrow = narrow_inputs(graph) if coarse else []
    ranges = calibrate(graph, samples)
    chosen = chosen_grids(graph, samples, ranges, ActivationOptions(4 if coarse else 8, "uniform"), narrow)
    assert bool(chosen) == coarse
    quants = activation_quants(graph, ranges, {value: grid.quant for value, grid in chosen.items()})
    rates, steps = [], []

    def observed(start: CodedRows, positions: Array, bias: Array | None, unit: float, rate: float) -> WholeRows:
        rates.append(rate)
        return WholeRows(start, positions, bias, unit, rate)

    learned = Distillation.learn
    biases = []

    def block(start: CodedRows, positions: Array, bias: Array | None, unit: float) -> BlockRows:
        biases.append(bias)
        return BlockRows(start, positions, bias, unit)

    monkeypatch.setattr(learn, "BlockRows", block)
    monkeypatch.setattr(learn, "WholeRows", observed)
    monkeypatch.setattr(Distillation, "learn", lambda *given: (steps.append(given[2]), learned(*given))[1])
    learn.learned_weights(graph, samples, quants, {"second": 3}, "nupes", LearningSettings(4))
    assert (rates, steps) == (([5e-3], [6]) if coarse else ([1e-3], [2]))
    assert [bias is None for bias in biases] == [coarse]
    assert LearningSettings(4, 1).whole(coarse) == 1


def test_biases_of_codes_of_a_power_move_as_those_of_even_ones() -> None:
    graph, samples = _chain()
    ranges = calibrate(graph, samples)
    value = graph.nodes[0].output
    even = activation_quants(graph, ranges)[value]
    (grid,) = chosen_grids(graph, samples, {value: ranges[value]}, ActivationOptions(4, "power"), [value]).values()
    assert even_step(even) == even.scale[0] and even_step(grid.quant) == pytest.approx(even.scale[0], rel=0.5)


def test_errors_have_no_unit() -> None:
    rng = np.random.default_rng(0)
    made, exact = (torch.from_numpy(rng.normal(size=(8, 16))).float() for _ in range(2))
    error = float(relative_error(made, exact))
    assert [float(relative_error(made * unit, exact * unit)) for unit in (2.0**-40, 2.0**40)] == [error] * 2
    assert torch.isfinite(relative_error(made, torch.zeros(8, 16)))


def test_learning_has_no_unit() -> None:
    told: list[list[LearningProgress]] = []
    for unit in (1.0, 2.0**-30):
        (graph, samples), progress = _chain(unit), list[LearningProgress]()
        quants, bits = activation_quants(graph, calibrate(graph, samples)), dict.fromkeys(("first", "second"), 3)
        learned_weights(graph, samples, quants, bits, "nupes", SETTINGS, progress.append)
        told.append(progress)
    losses, small = ([state.loss for state in progress if state.loss is not None] for progress in told)
    assert losses and small == pytest.approx(losses, rel=1e-3)
