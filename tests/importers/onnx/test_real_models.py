"""Published models against onnxruntime."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from edgekit.importers.onnx import import_onnx
from edgekit.ir import dump_graph
from edgekit.models import packaged_model
from tests.importers.onnx.helpers import check_equal

MODELS = {
    "mlperf_tiny/onnx_twins/pretrainedResnet.onnx": 1,
    "onnx_small/mnist-8.onnx": 0,
    "onnx_small/onnx2c_mnist_mlp.onnx": 0,
    "onnx_small/version-RFB-320_simplified.onnx": 1,
    "onnx_small/yunet_n_320_320.onnx": 1,
}


@pytest.mark.parametrize("name", MODELS)
def test_real_model(name: str, data_dir: Path) -> None:
    graph = check_equal(data_dir / "models" / name, scale=100.0)
    assert sum(n.op == "transpose" for n in graph.nodes) == MODELS[name]


def test_packaged_model() -> None:
    for small, blocks in ((False, 3), (True, 2)):
        graph = check_equal(packaged_model(small).model_path, scale=100.0)
        counts = Counter(n.op for n in graph.nodes)
        expected = {"conv2d": 3, "layer_norm": 2 * blocks + 1, "gelu": blocks, "softmax": blocks, "mean": 1}
        assert {op: counts[op] for op in expected} == expected


def test_import_is_deterministic() -> None:
    path = packaged_model().model_path
    assert dump_graph(import_onnx(path, {})) == dump_graph(import_onnx(path, {}))
