"""Vision transformers quantized by onnxruntime in QDQ form: edgekit's integers against its floats."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from edgekit.cli import group
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


# What becomes of the normalizations: one operator; a variance with a scale of its own, and rows divided by its root;
# the root mean square with scales around the root; squares with a scale too, where the mean stays a mean.
WHOLE = {"layer_norm": 2}
VARIANCE = {"int_variance": 2, "int_row_scale": 2}
SQUARES = {"int_row_scale": 4, "int_mean": 2}
FORMS: dict[str, dict[str, int]] = {
    "vit_class_token_dynamo18": {"layer_norm": 3},
    "vit_class_token_dynamo20": {"layer_norm": 3},
    "vit_class_token_legacy13": {"int_variance": 3, "int_row_scale": 3},
    "vit_mean_dynamo18": {"layer_norm": 3},
    "vit_mean_legacy13": {"int_variance": 3, "int_row_scale": 3},
    "fused_qkv_dynamo18": WHOLE,
    "fused_qkv_legacy13": VARIANCE,
    "multi_head_legacy14": VARIANCE,
    "multi_head_legacy17": WHOLE,
    "sdpa_legacy14": VARIANCE,
    "plain_norm_legacy13": SQUARES,
    "plain_norm_dynamo18": SQUARES,
    "chunked_qkv_dynamo18": {"int_variance": 2, "rsqrt": 2},
}


@pytest.mark.parametrize("name", FORMS)
def test_transformer(name: str, tmp_path: Path) -> None:
    path = quantized(name, tmp_path)
    graph = optimise(import_model(path, {}))
    require_supported_graph(graph)
    ops = Counter(node.op for node in graph.nodes)
    parts = ("layer_norm", "int_variance", "int_row_scale", "rsqrt", "sqrt", "reciprocal", "square")
    wanted = Counter({"int_matmul": 2, "softmax": 1, **FORMS[name]})
    assert {op: ops[op] for op in {*parts, *wanted} if ops[op]} == wanted
    lower(graph, Target(dsp=True))
    session = onnxruntime.InferenceSession(str(path))
    x, y = graph.inputs[0], graph.outputs[0]
    assert x.quant is not None and y.quant is not None
    for seed in range(20, 24):
        sample = np.random.default_rng(seed).normal(size=x.shape).astype(np.float32)
        (real,) = session.run(None, {x.name: sample})
        codes = run_reference(graph, [x.quant.quantize(sample, x.dtype)])[y]
        assert np.abs(y.quant.dequantize(codes) - real).max() <= 3 * y.quant.scale[0] + 1e-6


def test_transformer_runs_on_a_board(tmp_path: Path) -> None:
    path = quantized("vit_class_token_legacy13", tmp_path)
    shape = onnxruntime.InferenceSession(str(path)).get_inputs()[0].shape
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(3).normal(size=(2, *shape[1:])).astype(np.float32))
    command = ["build", str(path), "--board", "stm32f746", "--data", str(tmp_path / "x.npz"), "--json"]
    result = CliRunner().invoke(group, [*command, "-o", str(tmp_path / "out")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["validation"]["bit_exact"]
    assert {"int_variance", "int_row_scale"} <= {layer["op"] for layer in report["instructions"]["per_layer"]}


def test_what_is_no_normalization_is_refused_by_name(tmp_path: Path) -> None:
    path = quantized("plain_norm_legacy13", tmp_path)
    model = onnx.load(path)
    for node in model.graph.node:
        if node.op_type == "ReduceMean":
            node.attribute[0].CopyFrom(onnx.helper.make_attribute("axes", [1]))
    onnx.save(model, path)
    with pytest.raises(UnsupportedModel, match=r"ReduceMean.*not quantized; .* quantize the model here from float"):
        import_model(path, {})
