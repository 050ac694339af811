"""Write the ONNX file of a vision transformer of any size with random weights, to measure what such a model costs.

    python examples/vision_transformer/random_vit.py vit.onnx --image 28 --channels 1 --patch 4 --embed 64 --depth 4
    edgekit analyze vit.onnx --board stm32f746

Pre-norm blocks with fused qkv, as exporters write them: patch convolution, class token or mean over the tokens,
learned position embedding, GELU through Erf, and optionally every linear layer as two thinner ones.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


@dataclass(frozen=True)
class VitShape:
    """The size of a vision transformer.

    Attributes:
        image, channels, patch: pixels per side of the square image, its channels, pixels per side of a patch.
        embed, depth, heads: width of a token, number of blocks, heads of each attention.
        head_width: numbers per head; None is embed / heads.
        mlp_ratio: width of the hidden layer of each MLP, in embeds.
        rank_ratio: rank of every linear layer as a share of its smaller side; None for full layers.
        class_token: read the result from a token of its own; otherwise from the mean of all.
    """

    image: int = 28
    channels: int = 1
    patch: int = 4
    embed: int = 64
    depth: int = 4
    heads: int = 4
    head_width: int | None = None
    mlp_ratio: float = 2.0
    rank_ratio: float | None = None
    class_token: bool = False
    classes: int = 10

    @property
    def patches(self) -> int:
        """Patches of the image; what does not fill one at the right and the bottom is left out."""
        return (self.image // self.patch) ** 2

    @property
    def tokens(self) -> int:
        return self.patches + self.class_token

    @property
    def width_of_head(self) -> int:
        return self.embed // self.heads if self.head_width is None else self.head_width


def random_vit(shape: VitShape, seed: int = 0) -> onnx.ModelProto:
    """Input "image" float32 [1, channels, image, image] in 0..1, output "logits" float32 [1, classes]."""
    writer = _Writer(shape, np.random.default_rng(seed))
    logits = writer.head(writer.blocks(writer.tokens("image")))
    writer.add("Identity", [logits], output="logits")
    image = [1, shape.channels, shape.image, shape.image]
    graph = helper.make_graph(
        writer.nodes,
        "vision_transformer",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, shape.classes])],
        writer.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


class _Writer:
    """Nodes and initializers, in order; every method takes and returns names of tensors."""

    def __init__(self, shape: VitShape, rng: np.random.Generator) -> None:
        self.shape, self.rng = shape, rng
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.prefix = ""

    def add(self, op: str, inputs: list[str], output: str = "", **attrs: object) -> str:
        output = output or f"{self.prefix}{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], f"{output}", **attrs))
        return output

    def constant(self, name: str, array: np.ndarray) -> str:
        full = f"{self.prefix}{name}_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(array, full))
        return full

    def integers(self, *numbers: int) -> str:
        return self.constant("shape", np.array(numbers, np.int64))

    def number(self, value: float) -> str:
        return self.constant("number", np.array(value, np.float32))

    def normal(self, name: str, *dims: int, deviation: float) -> str:
        return self.constant(name, self.rng.normal(0.0, deviation, dims).astype(np.float32))

    def tokens(self, image: str) -> str:
        s = self.shape
        kernel = self.normal(
            "patch", s.embed, s.channels, s.patch, s.patch, deviation=(s.channels * s.patch**2) ** -0.5
        )
        x = self.add(
            "Conv",
            [image, kernel, self.normal("bias", s.embed, deviation=0.1)],
            kernel_shape=[s.patch] * 2,
            strides=[s.patch] * 2,
        )
        x = self.add("Reshape", [x, self.integers(1, s.embed, s.patches)])
        x = self.add("Transpose", [x], perm=[0, 2, 1])
        if s.class_token:
            x = self.add("Concat", [self.normal("class", 1, 1, s.embed, deviation=0.5), x], axis=1)
        return self.add("Add", [x, self.normal("position", 1, s.tokens, s.embed, deviation=0.5)])

    def blocks(self, x: str) -> str:
        for index in range(self.shape.depth):
            self.prefix = f"block{index}/"
            x = self.add("Add", [x, self.attention(self.norm(x))])
            x = self.add("Add", [x, self.mlp(self.norm(x))])
        self.prefix = ""
        return x

    def norm(self, x: str) -> str:
        scale = self.constant("gamma", self.rng.uniform(0.5, 1.5, self.shape.embed).astype(np.float32))
        return self.add(
            "LayerNormalization",
            [x, scale, self.normal("beta", self.shape.embed, deviation=0.1)],
            axis=-1,
            epsilon=1e-5,
        )

    def linear(self, x: str, inputs: int, outputs: int) -> str:
        """One matrix product, or two thinner ones; the bias comes after the last."""
        ratio, widths = self.shape.rank_ratio, [inputs, outputs]
        if ratio is not None:
            widths.insert(1, max(1, int(ratio * min(inputs, outputs))))
        for before, after in itertools.pairwise(widths):
            x = self.add("MatMul", [x, self.normal("weights", before, after, deviation=before**-0.5)])
        return self.add("Add", [x, self.normal("bias", outputs, deviation=0.1)])

    def attention(self, x: str) -> str:
        s = self.shape
        width = s.width_of_head
        inner = s.heads * width
        qkv = self.linear(x, s.embed, 3 * inner)
        qkv = self.add("Reshape", [qkv, self.integers(1, s.tokens, 3, s.heads, width)])
        qkv = self.add("Transpose", [qkv], perm=[2, 0, 3, 1, 4])
        q, k, v = (
            self.add("Gather", [qkv, self.constant("index", np.array(index, np.int64))], axis=0) for index in range(3)
        )
        q = self.add("Mul", [q, self.number(width**-0.5)])
        scores = self.add("MatMul", [q, self.add("Transpose", [k], perm=[0, 1, 3, 2])])
        mixed = self.add("MatMul", [self.add("Softmax", [scores], axis=-1), v])
        mixed = self.add("Transpose", [mixed], perm=[0, 2, 1, 3])
        return self.linear(self.add("Reshape", [mixed, self.integers(1, s.tokens, inner)]), inner, s.embed)

    def mlp(self, x: str) -> str:
        hidden = int(self.shape.mlp_ratio * self.shape.embed)
        x = self.linear(x, self.shape.embed, hidden)
        erf = self.add("Erf", [self.add("Div", [x, self.number(2.0**0.5)])])
        x = self.add("Mul", [self.add("Mul", [x, self.add("Add", [erf, self.number(1.0)])]), self.number(0.5)])
        return self.linear(x, hidden, self.shape.embed)

    def head(self, x: str) -> str:
        s = self.shape
        x = self.norm(x)
        if s.class_token:
            x = self.add("Gather", [x, self.constant("index", np.array(0, np.int64))], axis=1)
        else:
            x = self.add("ReduceMean", [x], axes=[1], keepdims=0)
        weights = self.normal("weights", s.classes, s.embed, deviation=s.embed**-0.5)
        return self.add("Gemm", [x, weights, self.normal("bias", s.classes, deviation=0.1)], transB=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    for name in ("image", "channels", "patch", "embed", "depth", "heads", "classes"):
        parser.add_argument(f"--{name}", type=int, default=getattr(VitShape, name))
    parser.add_argument("--head-width", type=int, help="numbers per head (embed / heads)")
    parser.add_argument("--mlp-ratio", type=float, default=VitShape.mlp_ratio)
    parser.add_argument("--rank-ratio", type=float, help="two thinner layers instead of each linear layer")
    parser.add_argument("--class-token", action="store_true", help="instead of the mean over the tokens")
    parser.add_argument("--seed", type=int, default=0)
    options = vars(parser.parse_args())
    file, seed = options.pop("file"), options.pop("seed")
    onnx.save(random_vit(VitShape(**options), seed), file)
    print(f"{file}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
