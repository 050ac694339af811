"""A transformer block as TFLite's converter decomposes it, in float: one node per operator, and LiteRT's results."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from edgekit.importers.tflite import import_tflite
from edgekit.ops.reference import run_reference
from edgekit.passes import optimise
from tests.importers.tflite.models import Op, T, const, litert, write_model

TOKENS, EMBED, HEADS = 6, 8, 2
RNG = np.random.default_rng(4)


class Writer:
    """Operators in order; every method returns the new tensor."""

    def __init__(self) -> None:
        self.ops: list[Op] = []

    def __call__(self, name: str, inputs: list[T], shape: tuple[int, ...], **options: object) -> T:
        output = T(shape)
        self.ops.append(Op(name, inputs, [output], options))
        return output

    def norm(self, x: T) -> T:
        """Keras' LayerNormalization: x * (rsqrt(variance + e) * gamma) + (beta - mean * (rsqrt(..) * gamma))."""
        shape, column = tuple(x.shape), (*x.shape[:-1], 1)
        axis, gamma, beta = const([2]), RNG.uniform(0.5, 2, EMBED), RNG.normal(size=EMBED)
        mean = self("MEAN", [x, axis], column, keepDims=True)
        variance = self("MEAN", [self("SQUARED_DIFFERENCE", [x, mean], shape), axis], column, keepDims=True)
        factor = self("RSQRT", [self("ADD", [variance, const(np.float32(1e-3), "float32")], column)], column)
        scale = self("MUL", [factor, const(gamma, "float32")], shape)
        offset = self("SUB", [const(beta, "float32"), self("MUL", [mean, scale], shape)], shape)
        return self("ADD", [self("MUL", [x, scale], shape), offset], shape)

    def linear(self, x: T, outputs: int) -> T:
        weights = const(RNG.normal(0, 0.4, (outputs, x.shape[-1])), "float32")
        bias = const(RNG.normal(0, 0.4, outputs), "float32")
        return self("FULLY_CONNECTED", [x, weights, bias], (*x.shape[:-1], outputs), keepNumDims=True)

    def heads(self, x: T) -> T:
        split = (1, TOKENS, HEADS, EMBED // HEADS)
        moved = (1, HEADS, TOKENS, EMBED // HEADS)
        parts = self("RESHAPE", [self.linear(x, EMBED), const(split)], split)
        return self("TRANSPOSE", [parts, const([0, 2, 1, 3])], moved)

    def attention(self, x: T) -> T:
        q, k, v = (self.heads(x) for _ in range(3))
        q = self("MUL", [q, const(np.float32(0.5), "float32")], tuple(q.shape))
        square = (1, HEADS, TOKENS, TOKENS)
        scores = self("SOFTMAX", [self("BATCH_MATMUL", [q, k], square, adjY=True)], square, beta=1.0)
        mixed = self("BATCH_MATMUL", [scores, v], tuple(v.shape))
        joined = self("TRANSPOSE", [mixed, const([0, 2, 1, 3])], (1, TOKENS, HEADS, EMBED // HEADS))
        flat = (1, TOKENS, EMBED)
        return self.linear(self("RESHAPE", [joined, const(flat)], flat), EMBED)

    def gelu(self, x: T) -> T:
        """By tanh, with the cube as a power."""
        shape = tuple(x.shape)

        def number(value: float) -> T:
            return const(np.float32(value), "float32")

        cube = self("MUL", [self("POW", [x, number(3)], shape), number(0.044715)], shape)
        inner = self("MUL", [self("ADD", [x, cube], shape), number(0.7978846)], shape)
        curve = self("ADD", [self("TANH", [inner], shape), number(1)], shape)
        return self("MUL", [self("MUL", [x, number(0.5)], shape), curve], shape)


def test_float_block(tmp_path: Path) -> None:
    w, shape = Writer(), (1, TOKENS, EMBED)
    x = T(shape)
    position = const(RNG.normal(size=shape), "float32")
    start = w("ADD", [x, position], shape)
    middle = w("ADD", [start, w.attention(w.norm(start))], shape)
    y = w("ADD", [middle, w.linear(w.gelu(w.linear(w.norm(middle), 12)), EMBED)], shape)
    path = write_model(tmp_path / "m.tflite", [x], [y], w.ops)
    graph = optimise(import_tflite(path))
    assert Counter(n.op for n in graph.nodes if n.op != "reshape") == {
        "add": 3, "layer_norm": 2, "fully_connected": 6, "transpose": 4, "matmul": 2, "softmax": 1, "gelu_tanh": 1
    }  # fmt: skip
    for _ in range(3):
        data = RNG.normal(0, 2, shape).astype(np.float32)
        (wanted,) = litert(path, [data])
        np.testing.assert_allclose(run_reference(graph, [data])[graph.outputs[0]], wanted, rtol=1e-4, atol=1e-5)
