"""Exported ONNX files: read back to the same integer graph, run by onnxruntime, refused where there is no form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from edgekit.errors import UnsupportedModel
from edgekit.exporters.onnx import export_onnx, onnx_model
from edgekit.importers import import_model
from edgekit.ir import Array, DType, Graph, Grid, Node, QuantType, Value
from edgekit.models import packaged_model
from edgekit.ops.reference import run_reference
from edgekit.passes import optimise
from edgekit.quant.activation_grids import ActivationOptions, chosen_grids, narrow_inputs
from edgekit.quant.affine import quantize_graph, quantize_ranges
from edgekit.quant.bits import products_of, uniform_bits
from edgekit.quant.calibrate import calibrate
from edgekit.quant.prepare import prepared
from edgekit.quant.weight_quantizers import coded_weights
from edgekit.runtimes import compare_with_onnxruntime
from tests.fuzz.choices import Choices
from tests.fuzz.random_graphs import random_graph
from tests.importers.onnx.helpers import ModelBuilder, make_model, node, save

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


def _steps_apart(path: Path, quantized: Graph, samples: list[Sample]) -> float:
    """How many steps an ordinary session, as everybody opens it, is from the reference at most."""
    session = onnxruntime.InferenceSession(str(path))
    apart = 0.0
    for sample, outputs in zip(samples, _outputs(quantized, _codes(quantized, samples)), strict=True):
        feeds = {declared.name: array for declared, array in zip(session.get_inputs(), sample, strict=True)}
        for got, value, want in zip(session.run(None, feeds), quantized.outputs, outputs, strict=True):
            assert value.quant is not None
            steps = np.abs(got - value.quant.dequantize(want)) / value.quant.scale[0]
            apart = max(apart, float(steps.max(initial=0)))
    return apart


@pytest.mark.parametrize(("bits", "quantizer"), [
    (8, ""), (4, "uniform"), (4, "powerquant"), (3, "mse"), (3, "powerquant"), (2, "mse"), (2, "powerquant"),
    (3, "power-clip"),
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
    assert _steps_apart(tmp_path / "m.onnx", quantized, samples) <= 4.5


def _transformer(path: Path) -> tuple[Graph, list[Sample]]:
    packaged = packaged_model(small=True)
    return optimise(import_model(packaged.model_path, {})), [list(s) for s in packaged.calibration.samples[:4]]


def _network(path: Path) -> tuple[Graph, list[Sample]]:
    """Convolutions and linear layers with functions between them."""
    rng, model = np.random.default_rng(5), ModelBuilder()

    def weights(*shape: int) -> Array:
        return np.asarray(rng.normal(0, 1.5 / np.sqrt(np.prod(shape[1:])), shape), np.float32)

    x = model.add("Relu", model.add("Conv", "x", weights(8, 2, 3, 3), weights(8), pads=[1, 1, 1, 1]))
    x = model.add("Sigmoid", model.add("Conv", x, weights(8, 1, 3, 3), weights(8), group=8))
    x = model.add("Relu", model.add("Conv", x, weights(12, 8, 1, 1), weights(12), strides=[2, 2]))
    x = model.add("Gemm", model.add("Flatten", x), weights(24, 48), weights(24), transB=1)
    silu = model.add("Mul", x, model.add("Sigmoid", x))
    y = model.add("Gemm", silu, weights(10, 24), weights(10), transB=1)
    graph = prepared(optimise(import_model(save(model.made(y, [1, 2, 6, 6], [1, 10]), path), {})))
    return graph, [[rng.normal(0, 1, (1, 2, 6, 6)).astype(np.float32)] for _ in range(4)]


@pytest.mark.parametrize(("made", "least"), [(_transformer, {8: 3, 4: 3}), (_network, {8: 1, 4: 3})])
@pytest.mark.parametrize(("bits", "quantizer"), [(8, "uniform"), (8, "power"), (4, "uniform"), (4, "power")])
def test_activations_on_a_grid_come_back_as_they_were(
    made: Callable[[Path], tuple[Graph, list[Sample]]],
    least: dict[int, int],
    bits: int,
    quantizer: str,
    tmp_path: Path,
) -> None:
    graph, samples = made(tmp_path)
    narrow = narrow_inputs(graph) if bits == 4 else []
    ranges = calibrate(graph, samples)
    chosen = chosen_grids(graph, samples, ranges, ActivationOptions(bits, quantizer), narrow)
    quantized = quantize_ranges(graph, ranges, None, {value: grid.quant for value, grid in chosen.items()})
    back = _round_trip(quantized, tmp_path / "m.onnx")
    assert _facts(back) == _facts(optimise(quantized))
    grids = sum(v.quant is not None and v.quant.grid is not None for v in back.values())
    assert grids >= least[bits] if (bits, quantizer) != (8, "uniform") else grids == 0
    codes = _codes(quantized, samples)
    assert all(np.array_equal(a, b) for x, y in zip(_outputs(quantized, codes), _outputs(back, codes), strict=True)
               for a, b in zip(x, y, strict=True))  # fmt: skip
    compared = compare_with_onnxruntime(tmp_path / "m.onnx", back, codes, _outputs(back, codes))
    # Where sums fall on the other side of a limit between two of 16 codes, scores move by more than with 256.
    assert compared["max_abs_difference"] <= (4.5 if bits == 8 else 12.5) * quantized.outputs[0].quant.scale[0]


@pytest.mark.parametrize("grid", [Grid(8, 0.5, 0, 20000), Grid(4, 0.75, 3, 200)])
def test_even_codes_of_what_a_grid_holds_come_back_as_they_were(grid: Grid, tmp_path: Path) -> None:
    even = QuantType.per_tensor(0.05, 3)
    quants = (even, QuantType.on_grid(1.0 / grid.largest, grid), even, even)
    values = [Value(f"v{i}", (1, 16), DType.INT8, quant) for i, quant in enumerate(quants)]
    ops = [("sigmoid", {}), ("requantize", {}), ("relu", {})]
    nodes = [Node(op, op, [values[i]], [values[i + 1]], attrs) for i, (op, attrs) in enumerate(ops)]
    graph = Graph("g", [values[0]], [values[-1]], nodes)
    back = _round_trip(graph, tmp_path / "m.onnx")
    assert _facts(back) == _facts(graph)
    codes = [[np.arange(16 * i - 128, 16 * i - 112, dtype=np.int8).reshape(1, 16)] for i in range(16)]
    assert np.array_equal(_outputs(back, codes), _outputs(graph, codes))


_RNG = np.random.default_rng(7)
_CONVOLUTION = node("Conv", "x w", "c", pads=[1, 1, 1, 1])
_WEIGHTS = {"w": _RNG.normal(0, 1, (4, 2, 3, 3)).astype(np.float32), "b": _RNG.normal(0, 1, 4).astype(np.float32)}
_TRANSPOSED = {"strides": [2, 3], "pads": [1, 0, 0, 2], "output_padding": [1, 0]}
_FORMS = {
    "transposed_convolution": [_CONVOLUTION, node("ConvTranspose", "c w b2", "y", **_TRANSPOSED)],
    "cut_transposed_convolution": [_CONVOLUTION, node("ConvTranspose", "c w", "y", pads=[2, 1, 0, 1])],
    "average_pool": [_CONVOLUTION, node("AveragePool", "c", "y", kernel_shape=[2, 2], strides=[2, 2])],
    "slice": [_CONVOLUTION, node("Slice", "c start end axis step", "y")],
    "flatten": [_CONVOLUTION, node("Flatten", "c", "y")],
    "instance_normalization": [_CONVOLUTION, node("InstanceNormalization", "c b b", "n"), node("Relu", "n", "y")],
    "group_normalization": [_CONVOLUTION, node("GroupNormalization", "c b b", "y", num_groups=2)],
    "prelu": [_CONVOLUTION, node("PRelu", "c slope", "y")],
    "square": [_CONVOLUTION, node("Pow", "c two", "y")],
    "powers": [_CONVOLUTION, node("Sigmoid", "c", "s"), node("Pow", "s s", "y")],
    "power": [_CONVOLUTION, node("Pow", "c three", "y")],
    "sum": [_CONVOLUTION, node("ReduceSum", "c axis", "y", keepdims=0)],
    "product": [_CONVOLUTION, node("ReduceProd", "c axis", "y", keepdims=0)],
}
_CONSTANTS = _WEIGHTS | {
    "b2": np.array([-2, 3], np.float32),
    "slope": np.array([0.1, 0.3, -0.2, 0.5], np.float32).reshape(4, 1, 1),
    "two": np.array(2, np.float32), "three": np.array(3, np.float32),
    "start": np.array([5]), "end": np.array([-100]), "axis": np.array([2]), "step": np.array([-2]),
}  # fmt: skip


@pytest.mark.parametrize("form", _FORMS)
def test_small_models_come_back_and_run_in_an_ordinary_session(form: str, tmp_path: Path) -> None:
    nodes = _FORMS[form]
    used = {name for each in nodes for name in each.input}
    model = make_model(nodes, [1, 2, 6, 6], {k: v for k, v in _CONSTANTS.items() if k in used}, opset=21)
    graph = prepared(optimise(import_model(save(model, tmp_path), {})))
    rng = np.random.default_rng(0)
    samples = [[rng.normal(0, 1, v.shape).astype(np.float32) for v in graph.inputs] for _ in range(4)]
    quantized = quantize_graph(graph, samples)
    back = _round_trip(quantized, tmp_path / "m.onnx")
    assert [n.op for n in back.nodes] == [n.op for n in optimise(quantized).nodes]
    codes = _codes(quantized, samples)
    for want, got in zip(_outputs(quantized, codes), _outputs(back, codes), strict=True):
        assert all((a == b).all() for a, b in zip(want, got, strict=True))
    assert _steps_apart(tmp_path / "m.onnx", quantized, samples) <= 2.5


def test_a_normalization_without_a_form_is_refused() -> None:
    quant = packaged_graph().inputs[0].quant
    x, y = (Value(name, (2, 3, 4), DType.INT8, quant) for name in "xy")
    scale = Value.constant("scale", np.arange(1, 3, dtype=np.float32).reshape(2, 1, 1))
    attrs = {"axis": 2, "epsilon": 1e-5, "centred": True}
    with pytest.raises(UnsupportedModel, match=r"'norm'.*\[2, 1, 1\].*no form in ONNX"):
        onnx_model(Graph("g", [x], [y], [Node("layer_norm", "norm", [x, scale], [y], attrs)]))


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
        # A sum with constants may come back as a change of scale, which rounds in another way: a code for each of them.
        constants = [n for n in quantized.nodes if n.op in _SUMS and any(v.is_constant for v in n.inputs if v)]
        for want, got in zip(outputs, _outputs(back, codes), strict=True):
            for a, b in zip(want, got, strict=True):
                assert a.shape == b.shape, seed
                assert np.abs(a.astype(int) - b.astype(int)).max(initial=0) <= len(constants), seed
        onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    assert built >= 25


@pytest.mark.parametrize("bits", [4, 3, 2])
def test_a_transposed_convolution_of_few_bits_comes_back_as_it_was(bits: int, tmp_path: Path) -> None:
    used = {name: _CONSTANTS[name] for name in ("w", "b", "b2")}
    nodes = [
        node("Conv", "x w b", "c"), node("ConvTranspose", "c w b2", "t", **_TRANSPOSED), node("Conv", "t w b", "y")
    ]  # fmt: skip
    graph = prepared(optimise(import_model(save(make_model(nodes, [1, 2, 6, 6], used, opset=21), tmp_path), {})))
    samples = [[np.random.default_rng(seed).normal(0, 1, (1, 2, 6, 6)).astype(np.float32)] for seed in range(4)]
    quantized = _quantized(graph, samples, bits, "powerquant")
    back = _round_trip(quantized, tmp_path / "m.onnx")
    assert _facts(back) == _facts(optimise(quantized))
    transposed = next(n for n in back.nodes if n.op == "transpose_conv2d")
    quant = transposed.input(1).quant
    assert quant is not None and quant.codebook is not None and quant.codebook.bits == bits


def test_what_onnx_does_not_add_behind_a_transposed_convolution_is_named() -> None:
    quant = packaged_graph().inputs[0].quant
    x, y = Value("x", (1, 3, 3, 2), DType.INT8, quant), Value("y", (1, 9, 6, 2), DType.INT8, quant)
    weights = Value.constant("w", np.ones((2, 2, 2, 2), np.int8), QuantType((0.1, 0.1), (0, 0), 0))
    attrs = {"stride": (2, 2), "before": (0, 0), "size": (9, 6), "activation": "none"}
    graph = Graph("g", [x], [y], [Node("transpose_conv2d", "up", [x, weights, None], [y], attrs)])
    with pytest.raises(UnsupportedModel, match=r"'up' .*pad its output"):
        onnx_model(graph)


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
    for each in graph.nodes:
        each.name = "a\n\x00" + "b" * 500
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


@pytest.mark.parametrize("bits", [4, 3])
@pytest.mark.parametrize("group", [4, 8])
def test_exponents_of_groups_come_back_as_they_were(bits: int, group: int, tmp_path: Path) -> None:
    packaged = packaged_model(small=True)
    graph = prepared(optimise(import_model(packaged.model_path, {})))
    samples = packaged.calibration.samples[:4]
    coded = coded_weights(graph, uniform_bits(graph, bits), "powerquant", group)
    quantized = quantize_graph(graph, samples, "minmax", coded)
    back = _round_trip(quantized, tmp_path / "m.onnx")
    books = [n.input(1).quant.codebook for n in products_of(back)]  # type: ignore[union-attr]
    assert sum(book is not None and book.group == group and len(book.levels) > 1 for book in books) > 5
    assert _facts(back) == _facts(optimise(quantized))
    assert _steps_apart(tmp_path / "m.onnx", quantized, samples) <= 6.5
    # Indices have 4 bits in the file: what groups add are their tables and where these begin.
    one = coded_weights(graph, uniform_bits(graph, bits), "powerquant")
    export_onnx(quantize_graph(graph, samples, "minmax", one), tmp_path / "one.onnx")
    channels = sum(len(rows.codes) for rows in coded.values())
    more = (tmp_path / "m.onnx").stat().st_size - (tmp_path / "one.onnx").stat().st_size
    assert more < channels * (4 + 15 / group) + 300 * len(coded)
