"""Indexing, ranking and recurrent layers: against onnxruntime, in int8 builds, in QDQ models, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto

from edgekit.codegen.lowering import Target, lower
from edgekit.errors import BadModel, UnsupportedModel
from edgekit.host.library import build_host_model
from edgekit.importers.onnx import import_onnx
from edgekit.importers.onnx.file import record_of
from edgekit.importers.onnx.importer import graph_of
from edgekit.ir import DType, Graph
from edgekit.ops.reference import run_reference, same_numbers
from edgekit.ops.supported import require_supported_graph, unsupported_layers
from edgekit.passes import optimise
from edgekit.quant.affine import quantize_graph
from tests.importers.onnx.helpers import make_model, node, run_onnxruntime, save
from tests.importers.onnx.test_qdq import Builder

Array = npt.NDArray[Any]
INT64 = TensorProto.INT64


def ints(*values: Any) -> npt.NDArray[np.int64]:
    return np.array(values, np.int64)


def normal(*shape: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def one(op: str, shape: list[int], constants: dict[str, Any], order: str = "x {}", **attrs: Any) -> onnx.ModelProto:
    """A model of one operator; `order` places its constants."""
    names = order.format(" ".join(constants))
    kind = INT64 if op in ("ArgMax", "ArgMin") else TensorProto.FLOAT
    return make_model([node(op, names, "y", **attrs)], shape, constants, 18, output_type=kind)


GATHERED = ints([1, -1, 0], [2, 0, -3])
PLACES = ints([[0, 1], [2, -1]])
# Operators that have a form on codes too: (model, the number of its steps in an int8 build that are not reshapes).
MOVING = {
    "arg_max": one("ArgMax", [2, 5, 3], {}, axis=1, keepdims=0),
    "arg_min_last": one("ArgMin", [2, 5, 3], {}, axis=-1, select_last_index=1),
    "gather_elements": one("GatherElements", [3, 3], {"i": GATHERED}, axis=0),
    "gather_nd": one("GatherND", [3, 4, 2], {"i": PLACES}),
    "scatter_elements": one("ScatterElements", [3, 3], {"i": GATHERED, "u": normal(2, 3)}, axis=0),
    "scatter_elements_max": one("ScatterElements", [3, 3], {"i": GATHERED, "u": normal(2, 3)}, reduction="max"),
    "scatter_nd": one("ScatterND", [3, 4, 2], {"i": PLACES, "u": normal(1, 2, 2)}),
    "reverse_sequence": one("ReverseSequence", [4, 3, 2], {"n": ints(1, 4, 3)}),
    "reverse_sequence_batch_first": one("ReverseSequence", [3, 4], {"n": ints(1, 4, 3)}, time_axis=1, batch_axis=0),
    "compress": one("Compress", [3, 4], {"c": np.array([0, 1, 1, 0], bool)}, axis=1),
    "trilu": one("Trilu", [3, 4], {"k": np.array(-1, np.int64)}, upper=0),
}
FLOAT_ONLY = {
    "det": one("Det", [2, 4, 4], {}),
    "scatter_elements_add": one("ScatterElements", [3, 3], {"i": GATHERED, "u": normal(2, 3)}, reduction="add"),
    "lstm": one("LSTM", [4, 2, 3], {"w": normal(1, 20, 3), "r": normal(1, 20, 5)}, hidden_size=5),
    "gru": one(
        "GRU", [4, 2, 3], {"w": normal(2, 15, 3), "r": normal(2, 15, 5), "b": normal(2, 30)}, hidden_size=5,
        direction="bidirectional", linear_before_reset=1,
    ),
    "rnn": one("RNN", [4, 2, 3], {"w": normal(1, 5, 3), "r": normal(1, 5, 5)}, hidden_size=5, direction="reverse"),
}  # fmt: skip


# Operators that compute codes of another scale.
COMPUTED = {
    "cum_sum": one("CumSum", [3, 4], {"a": np.array(1, np.int64)}, exclusive=1, reverse=1),
    "hardmax": one("Hardmax", [3, 4], {}),
    "einsum": one("Einsum", [2, 3, 4], {"w": normal(2, 4, 5)}, equation="bij,bjk->bik"),
    "einsum_trace": one("Einsum", [3, 3], {}, equation="ii->"),
    "einsum_outer": one("Einsum", [3], {"w": normal(4)}, equation="i,j->ij"),
    "einsum_three": one("Einsum", [3, 4], {"v": normal(4, 5), "w": normal(5)}, equation="ij,jk,k->i"),
    "einsum_implicit": one("Einsum", [3, 4], {"w": normal(4, 5)}, equation="ij,jk"),
}


@pytest.mark.parametrize("name", [*MOVING, *FLOAT_ONLY, *COMPUTED])
def test_float_model_equals_onnxruntime(name: str, tmp_path: Path) -> None:
    path = save({**MOVING, **FLOAT_ONLY, **COMPUTED}[name], tmp_path)
    graph = optimise(import_onnx(path, {}))
    x = normal(*graph.inputs[0].shape)
    (expected,) = run_onnxruntime(path, [x])
    (got,) = (run_reference(graph, [x])[v] for v in graph.outputs)
    assert got.dtype == expected.dtype and got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def quantized(model: onnx.ModelProto, folder: Path) -> Graph:
    graph = optimise(import_onnx(save(model, folder), {}))
    samples = [[normal(*v.shape) * scale for v in graph.inputs] for scale in (0.5, 1.0)]
    return quantize_graph(graph, samples)


@pytest.mark.parametrize("name", MOVING)
def test_int8_build_moves_and_compares_codes(name: str, tmp_path: Path) -> None:
    graph = quantized(MOVING[name], tmp_path)
    require_supported_graph(graph)
    assert graph.inputs[0].dtype is DType.INT8
    y = graph.outputs[0]
    assert y.dtype is DType.INT64 or y.quant == graph.inputs[0].quant
    codes = np.random.default_rng(1).integers(-128, 128, graph.inputs[0].shape).astype(np.int8)
    (expected,) = (run_reference(graph, [codes])[v] for v in graph.outputs)
    (got,) = build_host_model(graph)([codes])
    assert same_numbers(got, expected)
    # The same without any float arithmetic.
    lower(graph, Target(dsp=False))


@pytest.mark.parametrize("name", FLOAT_ONLY)
def test_int8_build_refuses_what_has_no_quantized_form(name: str, tmp_path: Path) -> None:
    broken = unsupported_layers(quantized(FLOAT_ONLY[name], tmp_path))
    assert broken and all("layer" in text for text in broken)


@pytest.mark.parametrize("name", COMPUTED)
def test_int8_build_computes_codes(name: str, tmp_path: Path) -> None:
    graph = quantized(COMPUTED[name], tmp_path)
    require_supported_graph(graph)
    lower(graph, Target(dsp=False))


def test_top_k_gives_values_and_indices(tmp_path: Path) -> None:
    top = node("TopK", "x k", "v i", axis=1, largest=0)
    model = make_model([top, node("Identity", "v", "y")], [3, 6], {"k": ints(2)}, 18, outputs=["y", "i"])
    model.graph.output[1].type.tensor_type.elem_type = INT64
    path = save(model, tmp_path)
    graph, x = optimise(import_onnx(path, {})), normal(3, 6)
    for got, expected in zip(run_reference_outputs(graph, x), run_onnxruntime(path, [x]), strict=True):
        assert same_numbers(got, expected)
    codes = quantized(model, tmp_path)
    require_supported_graph(codes)
    assert codes.outputs[0].quant == codes.inputs[0].quant and codes.outputs[1].dtype is DType.INT64


def run_reference_outputs(graph: Graph, x: Array) -> list[Array]:
    values = run_reference(graph, [x])
    return [values[v] for v in graph.outputs]


def test_qdq_model_gathers_codes(tmp_path: Path) -> None:
    b = Builder(np.int8)
    b.constants["i"] = GATHERED
    x = b.qdq("x", 0.1, 3)
    b.add("GatherElements", f"{x} i", "g", axis=0)
    y = b.qdq("g", 0.1, 3)
    graph = import_onnx(save(b.model([3, 3], y), tmp_path), {})
    assert [n.op for n in graph.nodes] == ["gather_elements"]
    assert graph.outputs[0].quant == graph.inputs[0].quant


def test_qdq_model_ends_in_an_index(tmp_path: Path) -> None:
    b = Builder(np.int8)
    b.add("ArgMax", b.qdq("x", 0.1, 3), "y", axis=1)
    path = save(b.model([3, 7], "y", output_type=INT64), tmp_path)
    graph = import_onnx(path, {})
    require_supported_graph(graph)
    assert [n.op for n in graph.nodes] == ["arg_max"] and graph.outputs[0].dtype is DType.INT64
    codes = np.random.default_rng(3).integers(-128, 128, (3, 7)).astype(np.int8)
    (expected,) = run_onnxruntime(path, [(codes.astype(np.float32) - 3) * np.float32(0.1)])
    assert np.array_equal(run_reference_outputs(graph, codes)[0], expected)


def test_qdq_model_refuses_recurrent_layers(tmp_path: Path) -> None:
    b = Builder(np.int8)
    b.constants |= {"w": normal(1, 5, 3), "r": normal(1, 5, 5)}
    x = b.qdq("x", 0.1, 3)
    b.add("RNN", f"{x} w r", "h", hidden_size=5)
    with pytest.raises(UnsupportedModel, match="RNN"):
        import_onnx(save(b.model([4, 2, 3], b.qdq("h", 0.1, 3)), tmp_path), {})


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (one("GatherElements", [3, 3], {"i": ints([5, 0, 0])}), "indices leave axes"),
        (one("GatherND", [3, 4], {"i": ints([0, 4])}), "indices leave axes"),
        (one("ScatterND", [3, 4], {"i": ints([3]), "u": normal(4)}), "indices leave axes"),
        (one("ScatterElements", [3, 3], {"i": GATHERED, "u": normal(1, 3)}), "one update per index"),
        (one("ScatterND", [3, 4], {"i": ints([0]), "u": normal(4)}, reduction="xor"), "reduction"),
        (one("TopK", [3, 4], {"k": ints(5)}), "no 5 best"),
        (one("ArgMax", [3, 4], {}, axis=2), "axis 2 is outside"),
        (one("Compress", [3], {"c": np.ones(4, bool)}, axis=0), "longer than an axis"),
        (one("Einsum", [3, 4], {}, equation="ijk->i"), "does not fit 2 axes"),
        (one("Einsum", [3, 4], {"w": normal(5)}, equation="ij,j->i"), "one label"),
        (one("ReverseSequence", [3, 4], {"n": ints(1, 2, 3, 4)}), "do not fit"),
        (one("Det", [3, 4], {}), "square"),
        (one("LSTM", [4, 2, 3], {"w": normal(1, 20, 3), "r": normal(1, 20, 4)}), "operand 1 must be"),
        (one("GRU", [4, 2, 3], {"w": normal(1, 15, 3), "r": normal(1, 15, 5)}, direction="both"), "direction"),
        (one("RNN", [4, 2, 3], {"w": normal(1, 5, 3), "r": normal(1, 5, 5)}, activations=["Exp"]), "activation"),
        (one("NonZero", [3], {}), "depends on the data"),
        (one("STFT", [1, 8], {"s": np.array(0, np.int64), "n": ints(4)[0]}, "x s - n"), "do not fit"),
    ],
)
def test_what_does_not_fit_is_named(model: onnx.ModelProto, match: str, tmp_path: Path) -> None:
    with pytest.raises((BadModel, UnsupportedModel), match=match):
        import_onnx(save(model, tmp_path), {})


def test_empty_input_makes_constants(tmp_path: Path) -> None:
    """Sums of nothing are known at import; without literal mode an axis of 0 is refused."""
    nodes = [node("ReduceMin", "x", "y", axes=[1]), node("Relu", "x", "z")]
    model = make_model(nodes, [2, 0, 3], outputs=["y", "z"], opset=17)
    record = record_of(model, tmp_path / "model.onnx")
    host = build_host_model(optimise(graph_of(record, tmp_path / "model.onnx", {}, True, {})))
    least, empty = host([np.zeros((2, 0, 3), np.float32)])
    assert np.array_equal(least, np.full((2, 1, 3), np.inf, np.float32)) and empty.shape == (2, 0, 3)
    with pytest.raises(BadModel, match="at least 1"):
        import_onnx(save(model, tmp_path), {})


def test_random_index_values_stay_inside_buffers(tmp_path: Path) -> None:
    """Computed indices are clamped alike by reference and kernel, however wild."""
    model = make_model([node("Cast", "x", "i", to=INT64), node("GatherElements", "d i", "y")], [4, 3],
                       {"d": normal(5, 3)}, 18)  # fmt: skip
    graph = optimise(import_onnx(save(model, tmp_path), {}))
    x = np.array([[1e30, -1e30, 4], [-5, -6, 5], [0, 1, np.nan], [9e18, -9.3e18, 2]], np.float32)
    (got,) = build_host_model(graph)([x])
    assert same_numbers(got, run_reference_outputs(graph, x)[0])
