"""Export the modules of this folder as exporters write them: python -m tests.data.vision_transformers.export

Needs torch and onnxscript; the tests read only the files. Weights are drawn from one seed.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

FOLDER = Path(__file__).parent
TOKENS, EMBED, HEADS = 5, 16, 2


class PreNorm(nn.Module):
    """LayerNorm, a part and a residual sum; then LayerNorm, an MLP with one activation and another sum."""

    def __init__(self, part: nn.Module, activation: nn.Module, norm: Callable[[int], nn.Module] = nn.LayerNorm) -> None:
        super().__init__()
        self.first, self.part, self.second = norm(EMBED), part, norm(EMBED)
        self.mlp = nn.Sequential(nn.Linear(EMBED, 24), activation, nn.Linear(24, EMBED))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.part(self.first(x))
        y: Tensor = x + self.mlp(self.second(x))
        return y


class MultiHead(nn.Module):
    """torch's own multi-head attention as self-attention."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(EMBED, HEADS, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return y


class FusedQkv(nn.Module):
    """q, k and v from one layer, as in timm; `mix` is how the heads attend."""

    def __init__(self, mix: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.qkv, self.projection, self.mix = nn.Linear(EMBED, 3 * EMBED), nn.Linear(EMBED, EMBED), mix

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, embed = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, HEADS, embed // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
        y: Tensor = self.projection(self.mix(q, k, v).transpose(1, 2).reshape(batch, tokens, embed))
        return y


class ChunkedQkv(nn.Module):
    """q, k and v as chunks of one layer's columns, heads split after that."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.projection = nn.Linear(EMBED, 3 * EMBED), nn.Linear(EMBED, EMBED)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, embed = x.shape
        q, k, v = (part.reshape(batch, tokens, HEADS, -1).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        y: Tensor = self.projection(divided_scores(q, k, v).transpose(1, 2).reshape(batch, tokens, embed))
        return y


def scaled_queries(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The scale on q."""
    return ((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)).softmax(dim=-1) @ v


def divided_scores(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The scale on the scores, and softmax spelt out."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    terms = torch.exp(scores - scores.amax(dim=-1, keepdim=True))
    return terms / terms.sum(dim=-1, keepdim=True) @ v


class QuickGelu(nn.Module):
    """GELU by a sigmoid."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class PlainNorm(nn.Module):
    """Layer normalization spelt out."""

    def __init__(self, embed: int) -> None:
        super().__init__()
        self.scale, self.bias = nn.Parameter(torch.rand(embed) + 0.5), nn.Parameter(torch.randn(embed))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        deviation = torch.sqrt((centred * centred).mean(dim=-1, keepdim=True) + 1e-6)
        return self.scale * (centred / deviation) + self.bias


class TinyVit(nn.Module):
    """A whole vision transformer: patches, class token or mean, position embedding, a block, norm and classifier."""

    def __init__(self, class_token: bool) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, EMBED, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, EMBED)) if class_token else None
        self.position = nn.Parameter(torch.randn(1, 4 + class_token, EMBED) * 0.5)
        self.block, self.norm = PreNorm(FusedQkv(scaled_queries), nn.GELU()), nn.LayerNorm(EMBED)
        self.classifier = nn.Linear(EMBED, 7)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        if self.token is not None:
            x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1)
        x = self.norm(self.block(x + self.position))
        logits: Tensor = self.classifier(x[:, 0] if self.token is not None else x.mean(dim=1))
        return logits


class ConvNextBlock(nn.Module):
    """Channels first around a block in channels last, and a global average pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.LayerNorm(8)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))

    def forward(self, x: Tensor) -> Tensor:
        y = self.mlp(self.norm(self.depthwise(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return (x + y).mean(dim=(2, 3))


def modules() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """Module and input shape by name."""
    tokens = (1, TOKENS, EMBED)
    sdpa = functional.scaled_dot_product_attention
    return {
        "multi_head": (PreNorm(MultiHead(), nn.GELU()), tokens),
        "fused_qkv": (PreNorm(FusedQkv(scaled_queries), nn.GELU(approximate="tanh")), tokens),
        "sdpa": (PreNorm(FusedQkv(sdpa), nn.SiLU()), tokens),
        "chunked_qkv": (PreNorm(ChunkedQkv(), QuickGelu(), nn.RMSNorm), tokens),
        "plain_norm": (PreNorm(FusedQkv(scaled_queries), nn.GELU(), PlainNorm), tokens),
        "vit_class_token": (TinyVit(True), (1, 3, 8, 8)),
        "vit_mean": (TinyVit(False), (1, 3, 8, 8)),
        "convnext": (ConvNextBlock(), (1, 8, 5, 6)),
    }


# What is exported: (module, opset) by the exporter that traces a module into operators of its own, and by the older
# one, which records TorchScript. Below opset 17 there is no LayerNormalization, below 20 no Gelu.
DYNAMO = (*((name, 18) for name in modules()), ("fused_qkv", 20), ("vit_class_token", 20))
LEGACY = (
    ("multi_head", 14), ("multi_head", 17), ("fused_qkv", 13), ("sdpa", 14), ("plain_norm", 13),
    ("vit_class_token", 13), ("vit_mean", 17), ("convnext", 17),
)  # fmt: skip


def exported(module: nn.Module, shape: tuple[int, ...], opset: int, dynamo: bool) -> onnx.ModelProto:
    """The model, without notes of this machine."""
    buffer = io.BytesIO()
    torch.manual_seed(1)
    example = (torch.randn(shape),)
    if dynamo:
        program = torch.onnx.export(module, example, dynamo=True, opset_version=opset, verbose=False)
        assert program is not None
        proto = program.model_proto
    else:
        torch.onnx.export(module, example, buffer, dynamo=False, opset_version=opset)
        proto = onnx.load_from_string(buffer.getvalue())
    parts = (proto, proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.output)
    for part in (*parts, *proto.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return proto


def main() -> None:
    """Write all files."""
    for exporter, wanted in (("dynamo", DYNAMO), ("legacy", LEGACY)):
        for name, opset in wanted:
            torch.manual_seed(0)
            module, shape = modules()[name]
            proto = exported(module.eval(), shape, opset, exporter == "dynamo")
            onnx.save(proto, FOLDER / f"{name}_{exporter}{opset}.onnx")


if __name__ == "__main__":
    main()
