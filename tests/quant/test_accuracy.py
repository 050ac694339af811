"""Top-1 accuracy of quantized published models: within half a point of float."""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgekit.importers.onnx import import_onnx
from edgekit.ir import Graph
from edgekit.models import packaged_model
from edgekit.ops.reference import run_reference
from edgekit.passes import optimise
from edgekit.quant.affine import quantize_graph

Samples = list[npt.NDArray[Any]]


def accuracy(graph: Graph, samples: Samples, labels: npt.NDArray[Any]) -> float:
    """Percent; real samples become codes where the graph is quantized."""
    (x,), hits = graph.inputs, 0
    for sample, label in zip(samples, labels, strict=True):
        array = sample if x.quant is None else x.quant.quantize(sample, x.dtype)
        hits += int(np.argmax(run_reference(graph, [array])[graph.outputs[0]])) == label
    return 100.0 * hits / len(samples)


def check(
    path: Path, calibration: Samples, samples: Samples, labels: npt.NDArray[Any], least: float, lost: float = 0.5
) -> None:
    graph = optimise(import_onnx(path, {}))
    reference = accuracy(graph, samples, labels)
    assert reference >= least
    assert accuracy(quantize_graph(graph, [[s] for s in calibration]), samples, labels) >= reference - lost


def test_resnet8(data_dir: Path) -> None:
    with np.load(data_dir / "cifar10" / "cifar10_train4000_test500.npz") as arrays:
        train, test, labels = arrays["x_train"][:64], arrays["x_test"], arrays["y_test"]
    nchw = [np.ascontiguousarray(a.transpose(0, 3, 1, 2)).astype(np.float32)[:, None] for a in (train, test)]
    path = data_dir / "models" / "mlperf_tiny" / "onnx_twins" / "pretrainedResnet.onnx"
    check(path, list(nchw[0]), list(nchw[1]), labels, 87.0)


@pytest.mark.parametrize(("name", "scale", "shape", "least"), [
    ("mnist-8", 1.0, (1, 1, 28, 28), 98.0),
    ("onnx2c_mnist_mlp", 1 / 255, (1, 784), 89.0),
])  # fmt: skip
def test_mnist(name: str, scale: float, shape: tuple[int, ...], least: float, data_dir: Path) -> None:
    with np.load(data_dir / "mnist" / "mnist_test1500.npz") as arrays:
        samples, labels = [(x * scale).astype(np.float32).reshape(shape) for x in arrays["x"]], arrays["y"]
    check(data_dir / "models" / "onnx_small" / f"{name}.onnx", samples[:64], samples, labels, least)


@pytest.mark.parametrize(("small", "least"), [(False, 92.0), (True, 91.0)])
def test_packaged_model(small: bool, least: float) -> None:
    model = packaged_model(small)
    assert model.test.labels is not None
    flat = [[s[0] for s in data.samples] for data in (model.calibration, model.test)]
    # One of the hundred images is one point.
    check(model.model_path, flat[0], flat[1], model.test.labels, least, lost=2.0)


@pytest.mark.slow
@pytest.mark.parametrize(("small", "least"), [(False, 92.4), (True, 91.7)])
def test_packaged_model_on_5000_images(small: bool, least: float, data_dir: Path) -> None:
    images, labels = (
        gzip.decompress((data_dir / "fashion_mnist" / f"test5k-{part}-ubyte.gz").read_bytes())
        for part in ("images-idx3", "labels-idx1")
    )
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 1, 1, 28, 28).astype(np.float32)
    model = packaged_model(small)
    calibration = [s[0] for s in model.calibration.samples]
    check(model.model_path, calibration, list(pixels), np.frombuffer(labels, np.uint8, offset=8), least)


def test_yunet_calibrates_fast(data_dir: Path) -> None:
    graph = optimise(import_onnx(data_dir / "models" / "onnx_small" / "yunet_n_320_320.onnx", {}))
    with np.load(data_dir / "models" / "mobilenet_uint8" / "photos160.npz") as arrays:
        photos = arrays["x"][:8].repeat(2, axis=1).repeat(2, axis=2).transpose(0, 3, 1, 2).astype(np.float32)
    started = time.perf_counter()
    quantize_graph(graph, [[np.ascontiguousarray(p[None])] for p in photos], "mse")
    assert time.perf_counter() - started < 60
