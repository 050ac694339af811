"""MCUFormer's vision transformers, at the scale of images of 28 x 28 or 32 x 32 pixels.

Patches embedded by strided convolutions, a learned position embedding, pre-norm blocks whose linear layers are products
of two thinner ones where that saves weights, GELU, the mean over the tokens and a linear classifier. They take raw
pixels (0..255).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

# Brings pixels to a deviation of about 1.
PIXEL_SCALE = 1.0 / 90.0
CLASSES = 10


@dataclass(frozen=True)
class Variant:
    """What one model is made of.

    Attributes:
        name: file name without ending.
        image: channels and side of the image, pixels.
        stem: channels of the convolutions of stride 2 before the last one, which makes the tokens.
        embed, depth, heads: width of a token, blocks, heads of each attention.
        hidden: width of the hidden layer of each MLP.
        rank_ratio: rank of a linear layer, as a share of its smaller side.
        epochs: of its training.
    """

    name: str
    image: tuple[int, int]
    stem: tuple[int, ...]
    embed: int
    depth: int
    heads: int
    hidden: int
    rank_ratio: float
    epochs: int

    @property
    def tokens(self) -> int:
        """Tokens of an image: a square, halved in side by each convolution."""
        return int(-(-self.image[1] // 2 ** (len(self.stem) + 1))) ** 2


def linear(inputs: int, outputs: int, rank_ratio: float) -> nn.Module:
    """A linear layer, or the product of two thinner ones where that has fewer weights; the bias is the last one's."""
    rank = int(rank_ratio * min(inputs, outputs))
    if rank * (inputs + outputs) >= inputs * outputs:
        return nn.Linear(inputs, outputs)
    return nn.Sequential(nn.Linear(inputs, rank, bias=False), nn.Linear(rank, outputs))


class Attention(nn.Module):
    """Self-attention over tokens [B,N,E] with q, k and v from one layer."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.heads = variant.heads
        self.qkv = linear(variant.embed, 3 * variant.embed, variant.rank_ratio)
        self.projection = linear(variant.embed, variant.embed, variant.rank_ratio)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, embed = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, embed // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        y: Tensor = self.projection(mixed.transpose(1, 2).reshape(batch, tokens, embed))
        return y


class Block(nn.Module):
    """Attention, then an MLP, each after a layer norm and beside a residual connection."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.first_norm, self.second_norm = nn.LayerNorm(variant.embed), nn.LayerNorm(variant.embed)
        self.attention = Attention(variant)
        self.mlp = nn.Sequential(
            linear(variant.embed, variant.hidden, variant.rank_ratio),
            nn.GELU(),
            linear(variant.hidden, variant.embed, variant.rank_ratio),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.first_norm(x))
        y: Tensor = x + self.mlp(self.second_norm(x))
        return y


def patch_convolutions(variant: Variant) -> nn.Sequential:
    """Overlapping patches in steps: float32 [B,C,S,S] -> [B,embed,H,H]; learns quicker than one wide convolution."""
    layers: list[nn.Module] = []
    channels = variant.image[0]
    for index, outputs in enumerate((*variant.stem, variant.embed)):
        kernel = 3 if index else 5
        layers += [nn.Conv2d(channels, outputs, kernel, 2, kernel // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        channels = outputs
    return nn.Sequential(*layers[:-1])


class VisionTransformer(nn.Module):
    """float32 [B,C,S,S] of pixels 0..255 -> logits [B,10]."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.patches = patch_convolutions(variant)
        self.position = nn.Parameter(torch.randn(1, variant.tokens, variant.embed) * 0.02)
        self.blocks = nn.Sequential(*(Block(variant) for _ in range(variant.depth)))
        self.norm = nn.LayerNorm(variant.embed)
        self.classifier = nn.Linear(variant.embed, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x * PIXEL_SCALE).flatten(2).transpose(1, 2) + self.position
        logits: Tensor = self.classifier(self.norm(self.blocks(x)).mean(dim=1))
        return logits
