"""Train two vision transformers on Fashion-MNIST and export them with calibration and test samples.

    python examples/vision_transformer/train.py DATA_DIR [--variant main|small] [--epochs N] [--output edgekit/models]

DATA_DIR holds the gzip IDX files of Fashion-MNIST. The models are MCUFormer's, at the scale of these images: patch
convolutions, a learned position embedding, pre-norm blocks whose linear layers are products of two thinner ones where
that saves work, GELU, the mean over the tokens and a linear classifier. They take raw pixels (0..255) as float
[1,1,28,28]. Everything is drawn from one seed; a checkpoint after each epoch lets an interrupted training go on.
"""

from __future__ import annotations

import argparse
import gzip
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

CALIBRATION_IMAGES = 256
TEST_IMAGES = 100
BATCH = 256
# Brings pixels to a deviation of about 1.
PIXEL_SCALE = 1.0 / 90.0
AVERAGE_DECAY = 0.998


@dataclass(frozen=True)
class Variant:
    """Size and length of training of one model.

    Attributes:
        stem: channels of the strided convolutions before the last one, which makes the tokens.
        embed, depth, heads: width of a token, blocks, heads of each attention.
        hidden: width of the hidden layer of each MLP.
        rank_ratio: rank of a linear layer, as a share of its smaller side.
        epochs: through the training images.
    """

    name: str
    stem: tuple[int, ...]
    embed: int
    depth: int
    heads: int
    hidden: int
    rank_ratio: float
    epochs: int


# Tokens of an image of 28 x 28 pixels after three convolutions of stride 2.
TOKENS = 16

VARIANTS = {
    "main": Variant("fashion_mnist_vit", (16, 32), 64, 3, 4, 128, 0.5, 14),
    "small": Variant("fashion_mnist_vit_small", (8, 16), 48, 2, 3, 96, 0.5, 14),
}


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
    """Overlapping patches in steps: float32 [B,1,28,28] -> [B,embed,4,4]; learns quicker than one wide convolution."""
    layers: list[nn.Module] = []
    channels = 1
    for index, outputs in enumerate((*variant.stem, variant.embed)):
        kernel = 3 if index else 5
        layers += [nn.Conv2d(channels, outputs, kernel, 2, kernel // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        channels = outputs
    return nn.Sequential(*layers[:-1])


class VisionTransformer(nn.Module):
    """float32 [B,1,28,28] of pixels 0..255 -> logits [B,10]."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.patches = patch_convolutions(variant)
        self.position = nn.Parameter(torch.randn(1, TOKENS, variant.embed) * 0.02)
        self.blocks = nn.Sequential(*(Block(variant) for _ in range(variant.depth)))
        self.norm = nn.LayerNorm(variant.embed)
        self.classifier = nn.Linear(variant.embed, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x * PIXEL_SCALE).flatten(2).transpose(1, 2) + self.position
        logits: Tensor = self.classifier(self.norm(self.blocks(x)).mean(dim=1))
        return logits


def augmented(images: Tensor, generator: torch.Generator) -> Tensor:
    """uint8 [B,1,28,28] to float: random mirror images, and shifts by up to a pixel for each quarter of them."""
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    pixels = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    padded = nn.functional.pad(pixels, (1, 1, 1, 1))
    shifts = torch.randint(0, 3, (4, 2), generator=generator).tolist()
    parts = zip(padded.chunk(4), shifts, strict=True)
    return torch.cat([part[:, :, y : y + 28, x : x + 28] for part, (y, x) in parts]).float()


def optimizers_of(model: VisionTransformer, steps: int) -> tuple[list[torch.optim.Optimizer], list[object]]:
    """Muon for the matrices of the blocks, AdamW for all else; both warm up and then follow a cosine to zero."""
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=0.006, weight_decay=0.02),
        torch.optim.AdamW(others, lr=1.5e-3, weight_decay=0.02),
    ]
    warm_up = max(1, steps // 20)

    def share(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 * (1.0 + float(np.cos(np.pi * (step - warm_up) / max(1, steps - warm_up))))

    return optimizers, [torch.optim.lr_scheduler.LambdaLR(o, share) for o in optimizers]


class Training:
    """The state of a training, epoch by epoch; `save` and `resume` keep all of it."""

    def __init__(self, variant: Variant, images: Tensor, labels: Tensor) -> None:
        self.variant, self.images, self.labels = variant, images, labels
        self.generator = torch.Generator().manual_seed(0)
        self.model, self.average = VisionTransformer(variant), VisionTransformer(variant)
        self.average.load_state_dict(self.model.state_dict())
        self.steps = len(images) // BATCH
        self.optimizers, self.schedules = optimizers_of(self.model, variant.epochs * self.steps)
        self.epoch = self.updates = 0

    def run_epoch(self) -> float:
        """One pass through the images; the mean loss."""
        self.model.train()
        loss_of = nn.CrossEntropyLoss(label_smoothing=0.05)
        order, total = torch.randperm(len(self.images), generator=self.generator), 0.0
        for step in range(self.steps):
            index = order[step * BATCH : (step + 1) * BATCH]
            pixels = augmented(self.images[index], self.generator)
            loss = loss_of(self.model(pixels), self.labels[index])
            for optimizer in self.optimizers:
                optimizer.zero_grad()
            loss.backward()
            for optimizer in self.optimizers:
                optimizer.step()
            for schedule in self.schedules:
                schedule.step()
            self._average()
            total += loss.item()
        self.epoch += 1
        return total / self.steps

    @torch.no_grad()
    def _average(self) -> None:
        self.updates += 1
        # Early on the average is young, so that it forgets the random start.
        decay = min(AVERAGE_DECAY, self.updates / (self.updates + 10))
        averages, current = list(self.average.parameters()), list(self.model.parameters())
        torch._foreach_lerp_(averages, current, 1.0 - decay)
        for average, buffer in zip(self.average.buffers(), self.model.buffers(), strict=True):
            average.copy_(buffer)

    def save(self, path: Path) -> None:
        """Write everything that the rest of the training depends on."""
        parts = [self.model, self.average, *self.optimizers, *self.schedules]
        torch.save(
            {"epoch": self.epoch, "random": self.generator.get_state(), "parts": [p.state_dict() for p in parts]}, path
        )

    def resume(self, path: Path) -> None:
        """Go on where `save` was called."""
        state = torch.load(path, weights_only=True)
        self.epoch = state["epoch"]
        self.updates = self.epoch * self.steps
        self.generator.set_state(state["random"])
        parts = [self.model, self.average, *self.optimizers, *self.schedules]
        for part, saved in zip(parts, state["parts"], strict=True):
            part.load_state_dict(saved)


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Top-1 accuracy in percent."""
    model.eval()
    batches = zip(images.split(500), labels.split(500), strict=True)
    hits = sum(int((model(x.float()).argmax(1) == y).sum()) for x, y in batches)
    return 100.0 * hits / len(images)


def export(model: nn.Module, path: Path) -> None:
    """Write ONNX without the exporter's notes, which hold source paths of this machine."""
    program = torch.onnx.export(
        model, (torch.zeros(1, 1, 28, 28),), input_names=["image"], output_names=["logits"], dynamo=True, verbose=False
    )
    assert program is not None
    proto = program.model_proto
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.input):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for tensor in (*proto.graph.initializer, *proto.graph.output):
        tensor.ClearField("metadata_props")
    onnx.save(proto, path)


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """An IDX file of unsigned bytes, as an array of its own shape."""
    data = gzip.decompress(path.read_bytes())
    rank = data[3]
    shape = np.frombuffer(data, ">i4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def main() -> None:
    """Train or go on, export, and write the sample file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--variant", choices=VARIANTS, default="main")
    parser.add_argument("--checkpoint", type=Path, help="file to keep the training in (VARIANT.pt)")
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parents[2] / "edgekit" / "models")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    variant, checkpoint = VARIANTS[args.variant], args.checkpoint or Path(f"{args.variant}.pt")
    arrays = {name: read_idx(args.data / f"{name}-ubyte.gz") for name in _FILES}
    train_x, train_y, test_x, test_y = (torch.from_numpy(arrays[name].copy()) for name in _FILES)
    training = Training(variant, train_x[:, None], train_y.long())
    if checkpoint.exists():
        training.resume(checkpoint)
    while training.epoch < variant.epochs:
        started = time.perf_counter()
        loss = training.run_epoch()
        training.save(checkpoint)
        seconds = time.perf_counter() - started
        reached = accuracy(training.average, test_x[:, None], test_y)
        print(
            f"epoch {training.epoch}/{variant.epochs}: loss {loss:.4f}, test {reached:.2f} %, {seconds:.0f} s",
            flush=True,
        )
    parameters = sum(p.numel() for p in training.model.parameters())
    print(f"{parameters} parameters, test accuracy {accuracy(training.average, test_x[:, None], test_y):.2f} %")
    args.output.mkdir(parents=True, exist_ok=True)
    export(training.average.eval(), args.output / f"{variant.name}.onnx")
    np.savez_compressed(
        args.output / "fashion_mnist_samples.npz",
        calibration_x=train_x[:CALIBRATION_IMAGES, None].numpy(),
        test_x=test_x[:TEST_IMAGES, None].numpy(),
        test_y=test_y[:TEST_IMAGES].numpy(),
    )


_FILES = ("train-images-idx3", "train-labels-idx1", "test5k-images-idx3", "test5k-labels-idx1")

if __name__ == "__main__":
    main()
