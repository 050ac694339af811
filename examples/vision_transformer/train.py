"""Train a small vision transformer and export it as ONNX.

    python examples/vision_transformer/train.py DATA_DIR --variant main [--device cuda]

DATA_DIR holds the gzip IDX files of Fashion-MNIST for the variants `main` and `small`, which are the packaged models,
and the folders cifar10_jpeg and cifar10 for the variant `cifar10`. Everything is drawn from one seed; a checkpoint
after each epoch lets an interrupted training go on. Four minutes on a GPU, an hour or more on a processor.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from images import augmented, cifar10, fashion_mnist
from model import Variant, VisionTransformer
from torch import Tensor, nn

CALIBRATION_IMAGES = 256
TEST_IMAGES = 100
BATCH = 256
AVERAGE_DECAY = 0.998

VARIANTS = {
    "main": Variant("fashion_mnist_vit", (1, 28), (16, 32), 64, 3, 4, 128, 0.5, 105),
    "small": Variant("fashion_mnist_vit_small", (1, 28), (8, 16), 48, 2, 3, 96, 0.5, 128),
    "cifar10": Variant("cifar10_vit", (3, 32), (32,), 128, 6, 4, 256, 0.5, 80),
}


class Training:
    """The state of a training, epoch by epoch; `save` and `resume` keep all of it."""

    def __init__(self, variant: Variant, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels, self.epochs = images, labels, variant.epochs
        self.shift = images.shape[-1] // 8 if images.shape[1] == 3 else 2
        self.generator = torch.Generator(images.device).manual_seed(0)
        self.model, self.average = (VisionTransformer(variant).to(images.device) for _ in range(2))
        self.average.load_state_dict(self.model.state_dict())
        self.steps = len(images) // BATCH
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=2e-3, weight_decay=0.05)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._share)
        self.epoch = self.updates = 0

    def _share(self, step: int) -> float:
        """The learning rate warms up, then follows a cosine to zero."""
        total = self.epochs * self.steps
        warm_up = max(1, total // 20)
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 * (1.0 + float(np.cos(np.pi * (step - warm_up) / max(1, total - warm_up))))

    def run_epoch(self) -> float:
        """One pass through the images; the mean loss."""
        self.model.train()
        loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
        order = torch.randperm(len(self.images), generator=self.generator, device=self.images.device)
        total = torch.zeros((), device=self.images.device)
        for index in order[: self.steps * BATCH].split(BATCH):
            pixels = augmented(self.images[index], self.shift, self.generator)
            loss = loss_of(self.model(pixels), self.labels[index])
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()
            self._average()
            total += loss.detach()
        self.epoch += 1
        return float(total) / self.steps

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
        parts = [self.model, self.average, self.optimizer, self.schedule]
        torch.save(
            {"epoch": self.epoch, "random": self.generator.get_state(), "parts": [p.state_dict() for p in parts]}, path
        )

    def resume(self, path: Path) -> None:
        """Go on where `save` was called."""
        state = torch.load(path, weights_only=True, map_location=self.images.device)
        self.epoch = state["epoch"]
        self.updates = self.epoch * self.steps
        self.generator.set_state(state["random"].cpu())
        parts = [self.model, self.average, self.optimizer, self.schedule]
        for part, saved in zip(parts, state["parts"], strict=True):
            part.load_state_dict(saved)


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Top-1 accuracy in percent."""
    model.eval()
    batches = zip(images.split(500), labels.split(500), strict=True)
    hits = sum(int((model(x.float()).argmax(1) == y).sum()) for x, y in batches)
    return 100.0 * hits / len(images)


def export(model: nn.Module, variant: Variant, path: Path) -> None:
    """Write ONNX without the exporter's notes, which hold source paths of this machine."""
    channels, side = variant.image
    program = torch.onnx.export(
        model,
        (torch.zeros(1, channels, side, side),),
        input_names=["image"],
        output_names=["logits"],
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    proto = program.model_proto
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.input):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for tensor in (*proto.graph.initializer, *proto.graph.output):
        tensor.ClearField("metadata_props")
    onnx.save(proto, path)


def main() -> None:
    """Train or go on, export, and write the sample file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--variant", choices=VARIANTS, default="main")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--checkpoint", type=Path, help="file to keep the training in (VARIANT.pt)")
    parser.add_argument("--output", type=Path, help="folder for the model (edgekit/models)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    variant, checkpoint = VARIANTS[args.variant], args.checkpoint or Path(f"{args.variant}.pt")
    arrays = (cifar10 if variant.image[0] == 3 else fashion_mnist)(args.data)
    train_x, train_y, test_x, test_y = (torch.from_numpy(a.copy()).to(args.device) for a in arrays)
    train_y, test_y = train_y.long(), test_y.long()
    training = Training(variant, train_x, train_y)
    if checkpoint.exists():
        training.resume(checkpoint)
    while training.epoch < variant.epochs:
        started = time.perf_counter()
        loss = training.run_epoch()
        training.save(checkpoint)
        seconds = time.perf_counter() - started
        reached = accuracy(training.average, test_x, test_y)
        print(
            f"epoch {training.epoch}/{variant.epochs}: loss {loss:.4f}, test {reached:.2f} %, {seconds:.1f} s",
            flush=True,
        )
    parameters = sum(p.numel() for p in training.model.parameters())
    print(f"{parameters} parameters, test accuracy {accuracy(training.average, test_x, test_y):.2f} %")
    output = args.output or Path(__file__).resolve().parents[2] / "edgekit" / "models"
    output.mkdir(parents=True, exist_ok=True)
    export(training.average.cpu().eval(), variant, output / f"{variant.name}.onnx")
    if variant.image[0] == 1:
        np.savez_compressed(
            output / "fashion_mnist_samples.npz",
            calibration_x=arrays[0][:CALIBRATION_IMAGES],
            test_x=arrays[2][:TEST_IMAGES],
            test_y=arrays[3][:TEST_IMAGES],
        )


if __name__ == "__main__":
    main()
