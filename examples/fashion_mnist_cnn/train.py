"""Train the packaged Fashion-MNIST classifier and export it with its calibration and test samples.

    python examples/fashion_mnist_cnn/train.py DATA_DIR [--epochs N] [--output edgekit/models]

DATA_DIR holds the gzip IDX files of Fashion-MNIST. The model takes raw pixels (0..255) as float [1,1,28,28]; the
division by 255 is its first operator, so that uint8 images are right as they are. About four minutes on one core.
"""

from __future__ import annotations

import argparse
import gzip
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

CALIBRATION_IMAGES = 256
TEST_IMAGES = 100


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """An IDX file of unsigned bytes, as an array of its own shape."""
    data = gzip.decompress(path.read_bytes())
    rank = data[3]
    shape = np.frombuffer(data, ">i4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


class FashionNet(nn.Module):
    """Four strided 3x3 / 5x5 convolutions with batch norm, global average pooling and a linear classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_block(1, 16, 5, 2), *_block(16, 32, 3, 2), *_block(32, 48, 3, 1), *_block(48, 64, 3, 2)
        )
        self.classifier = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x * (1.0 / 255.0))
        logits: Tensor = self.classifier(x.mean(dim=(2, 3)))
        return logits


def _block(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]


def augmented(images: Tensor, generator: torch.Generator) -> Tensor:
    """Random mirror images and shifts by up to two pixels."""
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    padded = nn.functional.pad(images, (2, 2, 2, 2))
    down, right = torch.randint(0, 5, (2,), generator=generator).tolist()
    return padded[:, :, down : down + 28, right : right + 28]


def train(model: nn.Module, images: Tensor, labels: Tensor, epochs: int, batch: int = 128) -> None:
    """One-cycle SGD with label smoothing."""
    generator = torch.Generator().manual_seed(0)
    steps = len(images) // batch
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.25, total_steps=epochs * steps, pct_start=0.2)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.05)
    for epoch in range(epochs):
        model.train()
        started, total = time.perf_counter(), 0.0
        order = torch.randperm(len(images), generator=generator)
        for step in range(steps):
            index = order[step * batch : (step + 1) * batch]
            loss = loss_of(model(augmented(images[index].float(), generator)), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        seconds = time.perf_counter() - started
        print(f"epoch {epoch + 1}/{epochs}: loss {total / steps:.4f}, {seconds:.0f} s", flush=True)


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


def main() -> None:
    """Train, export, and write the sample file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parents[2] / "edgekit" / "models")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    arrays = {name: read_idx(args.data / f"{name}-ubyte.gz") for name in _FILES}
    train_x, train_y, test_x, test_y = (torch.from_numpy(arrays[name].copy()) for name in _FILES)
    model = FashionNet()
    train(model, train_x[:, None], train_y.long(), args.epochs)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters} parameters, test accuracy {accuracy(model, test_x[:, None], test_y):.2f} %")
    args.output.mkdir(parents=True, exist_ok=True)
    export(model, args.output / "fashion_mnist_cnn.onnx")
    np.savez_compressed(
        args.output / "fashion_mnist_samples.npz",
        calibration_x=train_x[:CALIBRATION_IMAGES, None].numpy(),
        test_x=test_x[:TEST_IMAGES, None].numpy(),
        test_y=test_y[:TEST_IMAGES].numpy(),
    )


_FILES = ("train-images-idx3", "train-labels-idx1", "test5k-images-idx3", "test5k-labels-idx1")

if __name__ == "__main__":
    main()
