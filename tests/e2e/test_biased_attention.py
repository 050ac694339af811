"""Attention with relative positions and constant masks: recognised, integrated, and near onnxruntime's floats."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner

from edgekit.cli import group
from edgekit.codegen.integration import integrate, layers_of
from edgekit.importers import import_model
from edgekit.ir import Array, Node
from edgekit.ops.reference import run_reference
from edgekit.passes import optimise
from edgekit.quant.affine import quantize_graph
from tests.importers.onnx.helpers import ModelBuilder

TOKENS, WIDTH, HEADS = 83, 12, 2
RNG = np.random.default_rng(5)
RELATIVE = RNG.normal(0, 1, (1, HEADS, TOKENS, TOKENS))
CAUSAL = np.tril(np.ones((TOKENS, TOKENS), bool))
# The constants that are added to the scores, and whether 1 / sqrt(d) is on q or on the scores.
CASES: dict[str, tuple[list[Array], str]] = {
    "relative positions": ([RELATIVE], "q"),
    "relative positions behind the scale": ([RELATIVE[0]], "scores"),
    "mask": ([np.where(CAUSAL, 0.0, -100.0)], "q"),
    "infinite mask": ([np.where(CAUSAL, 0.0, -np.inf)[None, None]], "scores"),
    "both": ([RELATIVE, np.where(CAUSAL, 0.0, -1e9)], "q"),
}


class Block(ModelBuilder):
    """A pre-norm attention with its residual sum, as exporters write it."""

    def linear(self, x: str) -> str:
        product = self.add("MatMul", x, RNG.normal(0, 0.3, (WIDTH, WIDTH)))
        return self.add("Add", product, RNG.normal(0, 0.1, WIDTH))

    def heads(self, x: str, perm: list[int]) -> str:
        split = self.add("Reshape", self.linear(x), np.array([1, TOKENS, HEADS, WIDTH // HEADS]))
        return self.add("Transpose", split, perm=perm)

    def model(self, biases: list[Array], scale_on: str) -> onnx.ModelProto:
        rows = self.add("LayerNormalization", "x", np.ones(WIDTH), np.zeros(WIDTH), axis=-1)
        q, k, v = (self.heads(rows, perm) for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
        scale = np.float32((WIDTH // HEADS) ** -0.5)
        q = self.add("Mul", q, scale) if scale_on == "q" else q
        scores = self.add("MatMul", q, k)
        scores = self.add("Mul", scores, scale) if scale_on == "scores" else scores
        for bias in biases:
            scores = self.add("Add", scores, bias)
        mixed = self.add("Transpose", self.add("MatMul", self.add("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        y = self.add("Add", "x", self.linear(self.add("Reshape", mixed, np.array([1, TOKENS, WIDTH]))))
        return self.made(y, [1, TOKENS, WIDTH], [1, TOKENS, WIDTH])


def saved(folder: Path, biases: list[Array], scale_on: str = "q") -> Path:
    onnx.save(Block().model(biases, scale_on), folder / "block.onnx")
    return folder / "block.onnx"


def samples(count: int = 3) -> list[Array]:
    return [np.random.default_rng(seed).normal(size=(1, TOKENS, WIDTH)).astype(np.float32) for seed in range(count)]


@pytest.mark.parametrize("name", CASES)
def test_recognised_and_near_the_floats(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, *CASES[name])
    session = onnxruntime.InferenceSession(str(path))
    wanted = [session.run(None, {"x": x})[0] for x in samples()]
    graph = optimise(import_model(path, {}))
    for x, real in zip(samples(), wanted, strict=True):
        np.testing.assert_allclose(run_reference(graph, [x])[graph.outputs[0]], real, rtol=1e-4, atol=1e-5)
    integers = quantize_graph(graph, [[x] for x in samples()])
    layers = layers_of(integers, integrate(integers))
    assert [layer.op if isinstance(layer, Node) else layer.name for layer in layers] == [
        "layer_norm+attention", "fully_connected+add"
    ]  # fmt: skip
    x, y = integers.inputs[0], integers.outputs[0]
    assert x.quant is not None and y.quant is not None
    for sample, real in zip(samples(), wanted, strict=True):
        codes = run_reference(integers, [x.quant.quantize(sample, x.dtype)])[y]
        assert np.abs(y.quant.dequantize(codes) - real).max() < 0.06 * np.abs(real).max()


@pytest.mark.parametrize("name", ["relative positions", "both"])
@pytest.mark.parametrize("board", ["stm32f746", "rp2040"])
def test_runs_on_a_board(tmp_path: Path, name: str, board: str) -> None:
    np.savez(tmp_path / "x.npz", x=np.concatenate(samples(2)))
    command = ["build", str(saved(tmp_path, *CASES[name])), "--board", board, "--data", str(tmp_path / "x.npz")]
    result = CliRunner().invoke(group, [*command, "--json", "-o", str(tmp_path / "out")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["validation"]["bit_exact"]
    assert any("attention" in layer["op"] for layer in report["instructions"]["per_layer"])


def test_a_mask_of_keys_is_built_step_by_step(tmp_path: Path) -> None:
    keys = np.where(np.arange(TOKENS) < 70, 0.0, -1e4)[None, None, None]
    integers = quantize_graph(optimise(import_model(saved(tmp_path, [keys]), {})), [[x] for x in samples()])
    assert any(isinstance(layer, Node) and layer.op == "softmax" for layer in layers_of(integers, integrate(integers)))
