"""Exported ONNX files: read back to the same integer graph, run by onnxruntime, refused where there is no form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgekit.errors import UnsupportedModel
from edgekit.exporters.onnx import export_onnx, onnx_model
from edgekit.importers import import_model
from edgekit.ir import Array, DType, Graph, Node, Value
from edgekit.models import packaged_model
from edgekit.ops.reference import run_reference
from edgekit.passes import optimise
from edgekit.quant.affine import quantize_graph
from edgekit.quant.bits import products_of, uniform_bits
from edgekit.quant.prepare import prepared
from edgekit.quant.weight_quantizers import coded_weights
from edgekit.runtimes import compare_with_onnxruntime
from tests.fuzz.choices import Choices
from tests.fuzz.random_graphs import random_graph

Sample = list[Array]
_SUMS = ("add", "sub", "mul", "div")


def _facts(graph: Graph) -> list[Any]:
    """All of a graph but names."""
    number = {value: index for index, value in enumerate(graph.values())}
    return [
        (node.op, node.attrs, [None if v is None else (number[v], _value(v)) for v in node.inputs],
         [(number[v], _value(v)) for v in node.outputs])
        for node in graph.nodes
    ]  # fmt: skip


def _value(value: Value) -> Any:
    return value.shape, value.dtype, value.quant, value.array.tobytes() if value.is_constant else None


def _codes(graph: Graph, samples: list[Sample]) -> list[Sample]:
    return [[v.quant.quantize(a, v.dtype) for v, a in zip(graph.inputs, s, strict=True) if v.quant] for s in samples]


def _outputs(graph: Graph, samples: list[Sample]) -> list[Sample]:
    results = [run_reference(graph, sample) for sample in samples]
    return [[values[v] for v in graph.outputs] for values in results]


def _quantized(graph: Graph, samples: list[Sample], bits: int, quantizer: str) -> Graph:
    coded = coded_weights(graph, uniform_bits(graph, bits), quantizer) if bits < 8 else None
    return quantize_graph(graph, samples, "minmax", coded)


def _round_trip(quantized: Graph, path: Path) -> Graph:
    export_onnx(quantized, path)
    onnx.checker.check_model(str(path), full_check=True)
    return optimise(import_model(path, {}))


@pytest.mark.parametrize(("bits", "quantizer"), [
    (8, ""), (4, "uniform"), (4, "powerquant"), (3, "mse"), (3, "powerquant"), (2, "mse"),
])  # fmt: skip
def test_the_packaged_model_comes_back_as_it_was(bits: int, quantizer: str, tmp_path: Path) -> None:
    packaged = packaged_model(small=True)
    samples = packaged.calibration.samples[:4]
    graph = optimise(import_model(packaged.model_path, {}))
    quantized = _quantized(graph, samples, bits, quantizer)
    back = _round_trip(quantized, tmp_path / "m.onnx")
    assert _facts(back) == _facts(optimise(quantized))
    codes = _codes(quantized, samples)
    compared = compare_with_onnxruntime(tmp_path / "m.onnx", back, codes, _outputs(back, codes))
    # Other roundings of sums and functions move some of the ten scores by a few codes.
    assert compared["max_abs_difference"] <= 4.5 * quantized.outputs[0].quant.scale[0]


@pytest.mark.parametrize("name", [
    "onnx_twins/pretrainedResnet.onnx", "vww/vww_96_float.tflite", "kws/kws_ref_model_float32.tflite",
    "ad/ad01_fp32.tflite",
])  # fmt: skip
def test_published_models_come_back_as_they_were(name: str, data_dir: Path, tmp_path: Path) -> None:
    graph = prepared(optimise(import_model(data_dir / "models" / "mlperf_tiny" / name, {})))
    rng = np.random.default_rng(0)
    samples = [[rng.uniform(0, 1, v.shape).astype(np.float32) for v in graph.inputs] for _ in range(3)]
    for bits, quantizer in ((8, ""), (3, "powerquant")):
        quantized = _quantized(graph, samples, bits, quantizer)
        back = _round_trip(quantized, tmp_path / "m.onnx")
        codes = _codes(quantized, samples)
        outputs = _outputs(quantized, codes)
        same = _outputs(back, codes)
        assert all((a == b).all() for x, y in zip(outputs, same, strict=True) for a, b in zip(x, y, strict=True))
        assert _facts(back) == _facts(optimise(quantized))
        compared = compare_with_onnxruntime(tmp_path / "m.onnx", back, codes, outputs)
        assert compared["differing"] <= 0.1 * compared["outputs"]


def test_random_graphs_give_the_same_codes(tmp_path: Path) -> None:
    built = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        graph = optimise(random_graph(Choices(rng.bytes(150)), False))
        samples = [[rng.normal(0, 1, v.shape).astype(np.float32) for v in graph.inputs] for _ in range(2)]
        bits = {node.name: int(rng.integers(2, 5)) for node in products_of(graph)}
        quantized = quantize_graph(graph, samples, "minmax", coded_weights(graph, bits, "powerquant"))
        try:
            back = _round_trip(quantized, tmp_path / "m.onnx")
        except UnsupportedModel as error:
            assert "without a form in ONNX" in str(error)
            continue
        built += 1
        codes = _codes(quantized, samples)
        outputs = _outputs(quantized, codes)
        # A sum with constants may come back as a change of scale, which rounds in another way.
        constants = [n for n in quantized.nodes if n.op in _SUMS and any(v.is_constant for v in n.inputs if v)]
        for want, got in zip(outputs, _outputs(back, codes), strict=True):
            for a, b in zip(want, got, strict=True):
                assert a.shape == b.shape and np.abs(a.astype(int) - b.astype(int)).max(initial=0) <= bool(constants), (
                    seed
                )
        compared = compare_with_onnxruntime(tmp_path / "m.onnx", back, codes, outputs)
        assert "refused" not in compared, (seed, compared)
    assert built >= 15


def test_what_has_no_form_is_named() -> None:
    quant = packaged_graph().inputs[0].quant
    x = Value("x", (1, 4), DType.INT8, quant)
    middle, y = (Value(name, (1, 4), DType.INT8, quant) for name in ("m", "y"))
    attrs = {"axis": 1, "exclusive": False, "reverse": False}
    nodes = [Node("cum_sum", "first", [x], [middle], attrs), Node("cum_sum", "second", [middle], [y], attrs)]
    with pytest.raises(UnsupportedModel, match=r"(?s)'first' \(cum_sum\).*'second' \(cum_sum\)"):
        onnx_model(Graph("g", [x], [y], nodes))


def packaged_graph() -> Graph:
    packaged = packaged_model(small=True)
    graph = optimise(import_model(packaged.model_path, {}))
    return quantize_graph(graph, packaged.calibration.samples[:1])


def test_names_of_the_model_are_printable_and_unique() -> None:
    graph = packaged_graph()
    for node in graph.nodes:
        node.name = "a\n\x00" + "b" * 500
    for value in graph.values():
        value.name = "same"
    model = onnx_model(graph)
    names = [n.name for n in model.graph.node]
    tensors = [t.name for t in model.graph.initializer] + [o for n in model.graph.node for o in n.output]
    assert len(set(names)) == len(names) and len(set(tensors)) == len(tensors)
    assert all(name.isprintable() and len(name) < 300 for name in names + tensors)


def test_the_same_graph_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        export_onnx(packaged_graph(), tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
