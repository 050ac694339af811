"""SVDF: outputs and next states equal to LiteRT's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.memory.liveness import lifetimes
from edgekit.errors import UnsupportedModel
from edgekit.importers.tflite import import_tflite
from tests.importers.tflite.models import Op, T, compare, const, write_model

INPUTS = 5


def svdf(
    kind: str, batch: int = 2, units: int = 3, rank: int = 2, memory: int = 4, biased: bool = True, scale: float = 0.04
) -> tuple[T, T, T, Op]:  # fmt: skip
    """(x, y, state, layer) of random weights; int8 or float32, or float32 with int8 weights ("hybrid")."""
    rng, filters, codes = np.random.default_rng(0), units * rank, kind == "int8"
    if kind == "float32":
        features, time = (const(rng.normal(0, 1, (filters, n)), kind) for n in (INPUTS, memory))
    else:
        features = const(rng.integers(-127, 128, (filters, INPUTS)), "int8", ([0.01], [0], 0))
        time_codes = rng.integers(-32767, 32768, (filters, memory)) // (1 if codes else 256)
        time = const(time_codes, "int16" if codes else "int8", ([0.0001], [0], 0))
    bias = const(rng.integers(-90000, 90000, units), "int32", ([3e-7], [0], 0)) if codes else None
    bias = bias or const(rng.normal(0, 1, units), "float32")
    x, y = (T((batch, n), "int8" if codes else "float32", q if codes else None)
            for n, q in ((INPUTS, (0.05, 3)), (units, (scale, -128))))  # fmt: skip
    state = T((batch, filters * memory), "int16" if codes else "float32", (0.003, 0) if codes else None, variable=True)
    options = {"rank": rank, "fusedActivationFunction": 1}
    return x, y, state, Op("SVDF", [x, features, time, bias if biased else None, state], [y], options, version=3)


@pytest.mark.parametrize("kind", ["float32", "int8"])
@pytest.mark.parametrize(("batch", "rank", "memory"), [(2, 2, 4), (1, 1, 1), (3, 3, 9)])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("scale", [0.04, 0.5])
def test_steps(
    tmp_path: Path, kind: str, batch: int, rank: int, memory: int, biased: bool, scale: float
) -> None:  # fmt: skip
    x, y, state, op = svdf(kind, batch, 3, rank, memory, biased, scale)
    compare(tmp_path / "m.tflite", [x], [y], [op], states=[state])


def test_hybrid_weights_are_their_numbers(tmp_path: Path) -> None:
    x, y, _, op = svdf("hybrid")
    graph = import_tflite(write_model(tmp_path / "m.tflite", [x], [y], [op]))
    assert graph.nodes[0].input(2).dtype.value == "float32" and graph.nodes[0].input(3).dtype.value == "float32"


def test_states_are_inputs_and_outputs(tmp_path: Path) -> None:
    x, y, _, op = svdf("int8")
    graph = import_tflite(write_model(tmp_path / "m.tflite", [x], [y], [op]))
    assert [v.name for v in graph.inputs] == ["t0", "t4"]
    assert [v.name for v in graph.outputs] == ["t5", "t4 next"]


def test_states_stay_in_place(tmp_path: Path) -> None:
    x, y, _, op = svdf("int8")
    weights, z = const(np.ones((4, 3)), "int8", ([0.1], [0], 0)), T((2, 4), "int8", (0.5, 3))
    ops = [op, Op("FULLY_CONNECTED", [y, weights, None], [z])]
    program = lower(import_tflite(write_model(tmp_path / "m.tflite", [x], [z], ops)), Target(dsp=False))
    (life,) = (life for life in lifetimes(program) if program.inputs[1].buffer in life.buffers)
    assert program.outputs[1].buffer in life.buffers and (life.first, life.last) == (0, len(program.steps))


def test_shared_states_are_refused(tmp_path: Path) -> None:
    x, y, _, op = svdf("int8")
    z = T(y.shape, y.dtype, y.quant)
    write_model(tmp_path / "m.tflite", [x], [y, z], [op, replace(op, outputs=[z])])
    with pytest.raises(UnsupportedModel, match="a state that another layer has too"):
        import_tflite(tmp_path / "m.tflite")
