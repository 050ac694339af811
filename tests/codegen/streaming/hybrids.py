"""A network with a convolutional stem and transformer blocks behind it, as MobileViT and EfficientFormer are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from edgekit.importers import import_model
from edgekit.ir import Array, Graph
from edgekit.passes import optimise
from edgekit.quant.affine import quantize_graph
from edgekit.quant.prepare import prepared
from tests.importers.onnx.helpers import ModelBuilder


class Hybrid(ModelBuilder):
    """Nodes and weights under construction.

    Args:
        image: side of the image, four times that of the grid of tokens; channels: of the stem.
        width: numbers of a token; heads: of the attention.
    """

    def __init__(self, image: int = 64, channels: int = 16, width: int = 24, heads: int = 2) -> None:
        self._image, self._channels, self._width, self._heads = image, channels, width, heads
        super().__init__()
        self._rng = np.random.default_rng(7)

    def _conv(self, x: str, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> str:
        shape = (outputs, inputs // groups, kernel, kernel)
        weights = self._rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)
        pads = [kernel // 2] * 4
        y = self.add("Conv", x, weights, self._rng.normal(0, 0.1, outputs), kernel_shape=[kernel] * 2, pads=pads,
                     strides=[stride] * 2, group=groups)  # fmt: skip
        return self.add("Clip", y, np.float32(0), np.float32(6))

    def _linear(self, x: str, inputs: int, outputs: int) -> str:
        product = self.add("MatMul", x, self._rng.normal(0, inputs**-0.5, (inputs, outputs)))
        return self.add("Add", product, self._rng.normal(0, 0.1, outputs))

    def _norm(self, x: str) -> str:
        return self.add("LayerNormalization", x, np.ones(self._width), np.zeros(self._width), axis=-1)

    def _attention(self, x: str, tokens: int) -> str:
        rows, depth = self._norm(x), self._width // self._heads
        split = np.array([1, tokens, self._heads, depth])
        q, k, v = (
            self.add("Transpose", self.add("Reshape", self._linear(rows, self._width, self._width), split), perm=perm)
            for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
        )
        scores = self.add("Softmax", self.add("MatMul", self.add("Mul", q, np.float32(depth**-0.5)), k), axis=-1)
        mixed = self.add("Transpose", self.add("MatMul", scores, v), perm=[0, 2, 1, 3])
        merged = self.add("Reshape", mixed, np.array([1, tokens, self._width]))
        return self.add("Add", x, self._linear(merged, self._width, self._width))

    def model(self) -> onnx.ModelProto:
        """Input "x" float32 [1, 3, image, image], output "y" float32 [1, 10]."""
        c, wide, d = self._channels, 4 * self._channels, self._width
        x = self._conv("x", 3, c, 3, 2)
        inner = self._conv(self._conv(self._conv(x, c, wide, 1), wide, wide, 3, groups=wide), wide, c, 1)
        x = self.add("Add", x, inner)
        x = self._conv(self._conv(self._conv(x, c, wide, 1), wide, wide, 3, 2, groups=wide), wide, d, 1)
        side = (self._image + 3) // 4
        tokens = side * side
        x = self.add("Transpose", self.add("Reshape", x, np.array([1, d, tokens])), perm=[0, 2, 1])
        x = self._attention(x, tokens)
        hidden = self.add("Relu", self._linear(self._norm(x), d, 4 * d))
        x = self.add("Add", x, self._linear(hidden, 4 * d, d))
        pooled = self.add("ReduceMean", x, axes=[1], keepdims=0)
        y = self._linear(pooled, d, 10)
        return self.made(y, [1, 3, self._image, self._image], [1, 10])

    def samples(self, count: int = 2) -> Array:
        """Random images."""
        size = (count, 3, self._image, self._image)
        return np.random.default_rng(1).uniform(0, 1, size).astype(np.float32)

    def quantized(self, folder: Path) -> Graph:
        """The model in integers."""
        onnx.save(self.model(), folder / "hybrid.onnx")
        graph = prepared(optimise(import_model(folder / "hybrid.onnx", {})))
        return quantize_graph(graph, [[x[None]] for x in self.samples()])
