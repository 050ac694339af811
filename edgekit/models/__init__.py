"""The models that come with edgekit: what `build` without MODEL builds, with data to calibrate and check it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.data import Dataset
from edgekit.ir import Array

_FOLDER = Path(__file__).parent


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


def packaged_model() -> PackagedModel:
    """The packaged model: a Fashion-MNIST classifier with 47 450 parameters, the same for all boards.

    Its samples are raw pixels 0..255 as float32 [1,1,28,28].
    """
    with np.load(_FOLDER / "fashion_mnist_samples.npz", allow_pickle=False) as arrays:
        calibration, test, labels = (arrays[key] for key in ("calibration_x", "test_x", "test_y"))
    return PackagedModel(
        _FOLDER / "fashion_mnist_cnn.onnx",
        Dataset(_samples(calibration), None),
        Dataset(_samples(test), labels.astype(np.int64)),
    )


def _samples(images: Array) -> list[list[Array]]:
    return [[image] for image in images.astype(np.float32)[:, None]]
