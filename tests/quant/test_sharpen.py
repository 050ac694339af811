"""Generated inputs moved towards a network's answers: all answers are asked for, inputs stay like what they were."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="learning of weights needs torch: pip install 'edgekit[search]'")

from edgekit.ir import Array, Graph, Value
from edgekit.ops.reference import run_reference
from edgekit.quant.learning.generate import generated_inputs
from edgekit.quant.learning.sharpen import sharpened
from tests.passes.maker import Maker
from tests.quant.samples import stacked

ANSWERS = 4


def _classifier(make: Maker, softmax: bool = True, places: int = 1, beta: float = 1.0) -> Value:
    """Each of four answers has a channel; noise gets the first one, whose bias is large. The same for any `beta`."""
    x = make.input(1, 16, 16, 3)
    seen = make("relu", make.conv(x, activation="none", stride=(2, 2)))
    mean = make("mean", seen, axes=(1, 2) if places == 1 else (1,), keep_dims=False)
    constants = (6 * np.eye(ANSWERS), np.array([6, 0, 0, 0]))
    operands = (Value.constant("c", (array / beta).astype(np.float32)) for array in constants)
    made = make("fully_connected", mean, *operands, activation="none")
    return make("softmax", made, beta=beta) if softmax else made


def _answers(graph: Graph, samples: list[list[Array]]) -> Array:
    return np.array([run_reference(graph, sample)[graph.outputs[0]].argmax() for sample in samples])


@pytest.mark.parametrize("softmax", [True, False])
def test_every_other_input_asks_for_an_answer_of_its_own(softmax: bool) -> None:
    make = Maker()
    graph = make.graph(_classifier(make, softmax))
    noise = generated_inputs(graph, 64, 0)
    before = _answers(graph, noise)
    assert np.bincount(before, minlength=ANSWERS).max() > 48
    made = sharpened(graph, noise, seed=1)
    assert len(made) == 64 and (stacked(made)[1::2] == stacked(noise)[1::2]).all()
    after = _answers(graph, made[::2])
    assert np.bincount(after, minlength=ANSWERS).max() < 24 and len(set(after)) >= 3
    again, other = sharpened(graph, noise, seed=1), sharpened(graph, noise, seed=2)
    assert (stacked(again) == stacked(made)).all() and (stacked(other) != stacked(made)).any()


def test_inputs_stay_within_their_span_and_deviation() -> None:
    make = Maker()
    graph = make.graph(_classifier(make))
    noise = generated_inputs(graph, 32, 0, (-2.0, 2.0))
    made = stacked(sharpened(graph, noise, (-2.0, 2.0)))
    assert made.dtype == np.float32 and np.abs(made).max() <= 2.0
    axes = (1, 2, 3, 4)
    assert (made.std(axis=axes) <= 1.001 * stacked(noise).std(axis=axes)).all()
    # Natural moves: neighbours move alike.
    push = (made - stacked(noise))[::2]
    assert (push[:, :, :, 1:] * push[:, :, :, :-1]).mean() > 0.3 * (push**2).mean()


def test_what_is_sure_is_the_softmax_with_its_beta() -> None:
    graphs = [make.graph(_classifier(make, beta=beta)) for make, beta in ((Maker(), 1.0), (Maker(), 0.25))]
    noise = generated_inputs(graphs[0], 8, 0)
    made = [stacked(sharpened(graph, noise)) for graph in graphs]
    assert (made[0] == made[1]).all() and (made[0] != stacked(noise)).any()


def test_networks_without_answers_keep_their_inputs() -> None:
    kept = []
    make = Maker()
    kept.append(make.graph(_classifier(make, softmax=False, places=8)))
    make = Maker()
    y = _classifier(make, softmax=False)
    kept.append(make.graph(y, make("relu", y)))
    make = Maker()
    y = _classifier(make, softmax=False)
    kept.append(make.graph(make("reduce_max", y, axes=(1,), keep_dims=True)))
    make = Maker()
    # A quarter as many as the input's: signals, not answers.
    x = make.input(1, 16)
    kept.append(make.graph(make("fully_connected", x, make.const(4, 16), make.const(4), activation="none")))
    for graph in kept:
        noise = generated_inputs(graph, 4, 0)
        made = sharpened(graph, noise)
        assert (stacked(made) == stacked(noise)).all() and made is not noise


def test_an_input_without_a_finite_slope_stays() -> None:
    make = Maker()
    x = make.input(1, 16)
    # The root of 0 has an infinite slope, and 0 times that is no number.
    root = make("sqrt", make("mul", x, Value.constant("c", np.zeros((1, 16), np.float32))))
    read = make("add", x, root)
    graph = make.graph(make("fully_connected", read, make.const(4, 16), make.const(4), activation="none"))
    noise = generated_inputs(graph, 8, 0)
    made = stacked(sharpened(graph, noise))
    assert np.isfinite(made).all() and (made == stacked(noise)).all()
