"""Passes on quantized TFLite models change no bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.importers.tflite import import_tflite
from edgekit.ops.reference import run_reference
from edgekit.passes import optimise

MODELS = [
    "mlperf_tiny/ic/pretrainedResnet_quant.tflite",
    "mlperf_tiny/kws/kws_ref_model.tflite",
    "mlperf_tiny/vww/vww_96_int8.tflite",
    "mlperf_tiny/ad/ad01_int8.tflite",
    "mobilenet_uint8/mobilenet_v1_0.25_128_quant.tflite",
    "tinymaix/mnist_dw_q.tflite",
    "tinymaix/mnist_valid_q.tflite",
    "tinymaix/vww96_q.tflite",
    "tinyengine/ptq_mnist_lenet-300-100.tflite",
]


@pytest.mark.parametrize("name", MODELS)
def test_bit_exact(name: str, data_dir: Path) -> None:
    graph = import_tflite(data_dir / "models" / name)
    rng = np.random.default_rng(1)
    inputs = []
    for value in graph.inputs:
        if value.dtype.value == "float32":
            inputs.append(rng.normal(size=value.shape).astype(np.float32))
        else:
            info = np.iinfo(value.dtype.value)
            inputs.append(rng.integers(info.min, info.max + 1, value.shape).astype(value.dtype.numpy))
    before = [run_reference(graph, inputs)[v] for v in graph.outputs]
    optimise(graph)
    after = [run_reference(graph, inputs)[v] for v in graph.outputs]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new, old)
