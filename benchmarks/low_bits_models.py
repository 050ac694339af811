"""Models, samples and labels of the comparison at low bits; samples that weights learn from are none of the tested."""

from __future__ import annotations

import gzip
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from edgekit.host import build_host_model
from edgekit.importers import import_model
from edgekit.ir import Array, Graph
from edgekit.models import packaged_model
from edgekit.passes import optimise
from edgekit.quant.learning.simulate import Part
from edgekit.quant.prepare import prepared

ROOT = Path(__file__).resolve().parents[1]
CALIBRATION = 4000
VIT_TEST = 2500
VWW_TEST = 500
# Scale and zero point of the codes in the speech commands file, those of kws_ref_model.tflite.
_MFCC_SCALE, _MFCC_ZERO = 0.5847029089927673, 83


@dataclass(frozen=True)
class Subject:
    """A float model with what it is judged by.

    Attributes:
        title: with data and how many inputs are tested.
        calibration, test: float32 [N, *shape of the graph's input].
        truth: int [N], labels of the test inputs, or the float model's answers.
        span: lowest and highest number of inputs, what is told to the generator of inputs.
    """

    title: str
    graph: Graph
    calibration: Array
    test: Array
    truth: Array
    span: tuple[float, float] | None


def data_folder() -> Path:
    """Where the public data is."""
    return Path(os.environ.get("EDGEKIT_DATA", ROOT.parent / "shared" / "data"))


def load(name: str) -> Subject:
    """A subject by its name in `SUBJECTS`."""
    return SUBJECTS[name]()


def float_answers(graph: Graph, x: Array) -> Array:
    """int [N]: the class that a float graph gives each input, by its C on this computer."""
    model = build_host_model(graph)
    return np.array([model([sample])[0].reshape(-1).argmax() for sample in x])


def _float_model(path: Path) -> Graph:
    return prepared(optimise(import_model(path, {})))


def _cifar10() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], Array]:
    with np.load(data_folder() / "cifar10" / "cifar10_train4000_test500.npz", allow_pickle=False) as arrays:
        return arrays["x_train"][:CALIBRATION], arrays["x_test"], arrays["y_test"].astype(np.int64)


def _resnet8() -> Subject:
    train, test, labels = _cifar10()
    calibration, test = (np.ascontiguousarray(a.transpose(0, 3, 1, 2))[:, None] for a in (train, test))
    graph = _float_model(data_folder() / "models" / "mlperf_tiny" / "onnx_twins" / "pretrainedResnet.onnx")
    title = f"ResNet8, CIFAR-10, {len(test)} images"
    return Subject(title, graph, calibration.astype(np.float32), test.astype(np.float32), labels, (0, 255))


def _ds_cnn() -> Subject:
    with np.load(data_folder() / "speech_commands_mfcc" / "kws_500.npz", allow_pickle=False) as arrays:
        codes, labels = arrays["x"].astype(np.float32), arrays["y"].astype(np.int64)
    x = ((codes - _MFCC_ZERO) * np.float32(_MFCC_SCALE))[:, None, :, :, None]
    graph = _float_model(data_folder() / "models" / "mlperf_tiny" / "kws" / "kws_ref_model_float32.tflite")
    title = f"DS-CNN, speech commands, {len(x) - 256} clips"
    return Subject(title, graph, x[:256], x[256:], labels[256:], None)


def _mobilenet() -> Subject:
    """No labelled people at hand: CIFAR-10 images, enlarged, and the float model's answers, as many of each.

    Nineteen of twenty images are no person to it: a network that says so to all of them would seem nearly right.
    """
    graph = _float_model(data_folder() / "models" / "mlperf_tiny" / "vww" / "vww_96_float.tflite")
    small = _cifar10_jpeg()
    answers = np.concatenate([_probabilities(graph, _enlarged(part)).argmax(-1) for part in np.split(small, 100)])
    of_each = [np.flatnonzero(answers == answer)[: (CALIBRATION + VWW_TEST) // 2] for answer in (0, 1)]
    # By turns: ranges come from the first of them.
    chosen = small[np.stack(of_each, axis=1).reshape(-1)]
    test, calibration = _enlarged(chosen[:VWW_TEST]), _enlarged(chosen[VWW_TEST:])
    title = (
        f"MobileNetV1-0.25 VWW, agreement with float on {len(test)} enlarged CIFAR-10 images, half of them people to it"
    )
    return Subject(title, graph, calibration, test, float_answers(graph, test), (0, 1))


def _cifar10_jpeg() -> npt.NDArray[np.uint8]:
    """[50000, 32, 32, 3], in an order of chance: the archive has one class after the other."""
    with tarfile.open(data_folder() / "cifar10_jpeg" / "cifar10_jpeg_train.tar.xz") as archive:
        files = (archive.extractfile(member) for member in archive)
        images = np.stack([np.asarray(Image.open(file)) for file in files if file is not None])
    shuffled: npt.NDArray[np.uint8] = images[np.random.default_rng(0).permutation(len(images))]
    return shuffled


def _enlarged(images: npt.NDArray[np.uint8]) -> Array:
    """float32 [N, 1, 96, 96, 3], 0 to 1."""
    large = [np.asarray(Image.fromarray(i).resize((96, 96), Image.Resampling.BICUBIC)) for i in images]
    made: Array = np.stack(large).astype(np.float32)[:, None] / np.float32(255)
    return made


def _probabilities(graph: Graph, x: Array) -> Array:
    """float32 [N, classes], by torch: faster for many inputs than one after the other."""
    (made,) = Part(graph.nodes, graph.inputs, torch.device("cpu")).run_all([torch.from_numpy(x)], graph.outputs, {}, {})
    return np.asarray(made.reshape(len(x), -1).numpy())


def _vision_transformer(small: bool) -> Subject:
    def read(name: str, offset: int) -> npt.NDArray[np.uint8]:
        return np.frombuffer(
            gzip.decompress((data_folder() / "fashion_mnist" / name).read_bytes()), np.uint8, -1, offset
        )

    train, test = (
        read(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 1, 28, 28) for part in ("train", "test5k")
    )  # fmt: skip
    labels = read("test5k-labels-idx1-ubyte.gz", 8).astype(np.int64)
    graph = _float_model(packaged_model(small).model_path)
    title = f"packaged ViT{' (small)' if small else ''}, Fashion-MNIST, {VIT_TEST} images"
    calibration, tested = (x.astype(np.float32) for x in (train[:CALIBRATION], test[:VIT_TEST]))
    return Subject(title, graph, calibration, tested, labels[:VIT_TEST], (0, 255))


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "resnet8": _resnet8,
    "ds_cnn": _ds_cnn,
    "vit": lambda: _vision_transformer(small=False),
    "vit_small": lambda: _vision_transformer(small=True),
    "mobilenet": _mobilenet,
}
