"""The models that come with edgekit: what `build` without MODEL builds, with data to calibrate and check them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.boards import Board
from edgekit.data import Dataset
from edgekit.ir import Array

_FOLDER = Path(__file__).parent
SMALL_RAM = 64 * 1024


@dataclass(frozen=True)
class PackagedModel:
    """A model file with the data it needs.

    Attributes:
        model_path: a float ONNX file.
        calibration: real-valued samples to quantize with.
        test: samples and labels to measure accuracy on.
    """

    model_path: Path
    calibration: Dataset
    test: Dataset


def packaged_model(small: bool = False) -> PackagedModel:
    """A vision transformer of MCUFormer's kind that tells the ten classes of Fashion-MNIST apart.

    101 306 parameters, or 38 466 where `small`. Its samples are raw pixels 0..255 as float32 [1,1,28,28].
    """
    with np.load(_FOLDER / "fashion_mnist_samples.npz", allow_pickle=False) as arrays:
        calibration, test, labels = (arrays[key] for key in ("calibration_x", "test_x", "test_y"))
    return PackagedModel(
        _FOLDER / ("fashion_mnist_vit_small.onnx" if small else "fashion_mnist_vit.onnx"),
        Dataset(_samples(calibration), None),
        Dataset(_samples(test), labels.astype(np.int64)),
    )


def packaged_model_for(board: Board) -> PackagedModel:
    """The packaged model that a board builds: the small one where its on-chip RAM is under 64 KB."""
    return packaged_model(small=board.ram_internal.size < SMALL_RAM)


def _samples(images: Array) -> list[list[Array]]:
    return [[image] for image in images.astype(np.float32)[:, None]]
