"""Vision transformers quantized by onnxruntime in QDQ form: edgekit's integers against its floats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgekit.codegen.lowering import Target, lower
from edgekit.errors import UnsupportedModel
from edgekit.importers import import_model
from edgekit.ops.reference import run_reference
from edgekit.ops.supported import require_supported_graph
from edgekit.passes import optimise

onnxruntime = pytest.importorskip("onnxruntime")
quantization = pytest.importorskip("onnxruntime.quantization")

FOLDER = Path(__file__).parents[2] / "data" / "vision_transformers"


class Samples(quantization.CalibrationDataReader):
    """Eight random inputs."""

    def __init__(self, name: str, shape: list[int]) -> None:
        self.rest: Iterator[dict[str, np.ndarray]] = iter(
            {name: np.random.default_rng(seed).normal(size=shape).astype(np.float32)} for seed in range(8)
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.rest, None)


def quantized(name: str, folder: Path) -> Path:
    """The QDQ file of a float model of tests/data, weights per channel."""
    source, target = FOLDER / f"{name}.onnx", folder / f"{name}.onnx"
    info = onnxruntime.InferenceSession(str(source)).get_inputs()[0]
    quantization.quantize_static(
        str(source), str(target), Samples(info.name, info.shape), per_channel=True,
        quant_format=quantization.QuantFormat.QDQ, weight_type=quantization.QuantType.QInt8,
        activation_type=quantization.QuantType.QInt8,
    )  # fmt: skip
    return target


# Erf between two scales, Gelu as one operator, a GELU by tanh, torch's own attention.
@pytest.mark.parametrize(
    "name", ["vit_class_token_dynamo18", "vit_class_token_dynamo20", "fused_qkv_dynamo18", "multi_head_legacy17"]
)
def test_transformer(name: str, tmp_path: Path) -> None:
    path = quantized(name, tmp_path)
    graph = optimise(import_model(path, {}))
    require_supported_graph(graph)
    ops = Counter(node.op for node in graph.nodes)
    assert ops["layer_norm"] >= 2 and ops["int_matmul"] == 2 and ops["softmax"] == 1
    lower(graph, Target(dsp=True))
    session = onnxruntime.InferenceSession(str(path))
    x, y = graph.inputs[0], graph.outputs[0]
    assert x.quant is not None and y.quant is not None
    for seed in range(20, 24):
        sample = np.random.default_rng(seed).normal(size=x.shape).astype(np.float32)
        (wanted,) = session.run(None, {x.name: sample})
        codes = run_reference(graph, [x.quant.quantize(sample, x.dtype)])[y]
        assert np.abs(y.quant.dequantize(codes) - wanted).max() <= 3 * y.quant.scale[0] + 1e-6


def test_decomposed_normalization_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match=r"ReduceMean.*not quantized; .* quantize the model here from float"):
        import_model(quantized("plain_norm_legacy13", tmp_path), {})
