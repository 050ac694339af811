"""Readers of the two image sets, and the random changes that training makes to images."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

Images = npt.NDArray[np.uint8]
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def read_idx(path: Path) -> Images:
    """An IDX file of unsigned bytes, as an array of its own shape."""
    data = gzip.decompress(path.read_bytes())
    rank = data[3]
    shape = np.frombuffer(data, ">i4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def fashion_mnist(folder: Path) -> tuple[Images, Images, Images, Images]:
    """Training images uint8 [60000,1,28,28] and labels, test images [5000,1,28,28] and labels."""
    names = ("train-images-idx3", "train-labels-idx1", "test5k-images-idx3", "test5k-labels-idx1")
    train_x, train_y, test_x, test_y = (read_idx(folder / f"{name}-ubyte.gz") for name in names)
    return train_x[:, None], train_y, test_x[:, None], test_y


def cifar10(folder: Path) -> tuple[Images, Images, Images, Images]:
    """Training images uint8 [50000,3,32,32], from JPEG, and labels, lossless test images [500,3,32,32] and labels."""
    pixels, labels = [], []
    with tarfile.open(folder / "cifar10_jpeg" / "cifar10_jpeg_train.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                pixels.append(np.asarray(Image.open(io.BytesIO(file.read()))).transpose(2, 0, 1))
                labels.append(CIFAR_CLASSES.index(Path(member.name).parent.name))
    with np.load(folder / "cifar10" / "cifar10_train4000_test500.npz", allow_pickle=False) as arrays:
        test_x, test_y = arrays["x_test"].transpose(0, 3, 1, 2).copy(), arrays["y_test"]
    return np.stack(pixels), np.array(labels, np.uint8), test_x, test_y


def augmented(images: Tensor, shift: int, generator: torch.Generator) -> Tensor:
    """uint8 [B,C,S,S] to float: each image mirrored or not, moved by up to `shift` pixels, a quarter partly erased."""
    count, channels, side, _ = images.shape

    def draw(low: int, high: int) -> Tensor:
        return torch.randint(low, high, (count, 1), generator=generator, device=images.device)

    line = torch.arange(side, device=images.device)
    columns = torch.where(draw(0, 2) == 1, line.flip(0), line)
    rows, columns = line + draw(0, 2 * shift + 1), columns + draw(0, 2 * shift + 1)
    padded = torch.nn.functional.pad(images, (shift, shift, shift, shift))
    batch = torch.arange(count, device=images.device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).float()
    above = (line - draw(0, side)).abs() < draw(side // 8, side // 4)
    beside = (line - draw(0, side)).abs() < draw(side // 8, side // 4)
    erased = above[:, :, None] & beside[:, None, :] & (draw(0, 4) == 0)[:, :, None]
    return moved.masked_fill(erased[:, None].expand(-1, channels, -1, -1), 0.0)
