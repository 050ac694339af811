"""Activations of a power and of 4 bits: which, what they stand for, and that learning rounds as the reference does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.codegen.lowering import Target, lower
from edgekit.errors import BadUsage, UnsupportedModel
from edgekit.host import build_host_model
from edgekit.importers import import_model
from edgekit.ir import Array, DType, Graph, Grid, Node, QuantType, Value, dump_graph, load_graph, save_graph
from edgekit.models import packaged_model
from edgekit.ops.conv2d import is_product
from edgekit.ops.reference import run_reference
from edgekit.ops.supported import require_supported_graph
from edgekit.passes import optimise
from edgekit.quant.activation_grids import ActivationOptions, ChosenGrid, chosen_grids, grid_over, narrow_inputs
from edgekit.quant.activations import activation_quants
from edgekit.quant.affine import quantize_ranges
from edgekit.quant.bits import products_of, uniform_bits
from edgekit.quant.calibrate import calibrate
from edgekit.quant.error import layer_errors
from edgekit.quant.observers import Range

GRIDS = [
    Grid(8, 0.5, 0, 20000), Grid(8, 0.62, 40, 32767), Grid(4, 0.7, 7, 127), Grid(4, 1.0, 3, 204), Grid(4, 0.5, 0, 255),
]  # fmt: skip


@pytest.fixture(scope="module")
def model() -> tuple[Graph, list[list[Array]]]:
    """The small packaged transformer, and samples."""
    packaged = packaged_model(small=True)
    return optimise(import_model(packaged.model_path, {})), [list(s) for s in packaged.calibration.samples[:8]]


Model = tuple[Graph, list[list[Array]]]


def _quantized(model: Model, bits: int, quantizer: str) -> tuple[Graph, Graph, dict[Value, ChosenGrid]]:
    """(float graph, integer graph, grids)."""
    graph, samples = model[0].copied(), model[1]
    narrow = narrow_inputs(graph) if bits == 4 else []
    ranges = calibrate(graph, samples, "mse")
    chosen = chosen_grids(graph, samples, ranges, ActivationOptions(bits, quantizer), narrow)
    return graph, quantize_ranges(graph, ranges, None, {v: g.quant for v, g in chosen.items()}), chosen


@pytest.mark.parametrize("grid", GRIDS)
def test_codes_are_spaced_evenly_in_the_power_of_what_they_stand_for(grid: Grid) -> None:
    codes = np.arange(1 << grid.bits) - grid.zero
    most = max(grid.zero, (1 << grid.bits) - 1 - grid.zero)
    wanted = np.sign(codes) * grid.largest * (np.abs(codes) / most) ** (1 / grid.exponent)
    assert np.abs(grid.levels - wanted).max() <= 0.5 and grid.levels[grid.zero] == 0
    assert (np.diff(grid.levels) >= 0).all() and np.abs(grid.levels).max() == grid.largest


@pytest.mark.parametrize("grid", GRIDS)
def test_what_memory_holds_stands_for_the_nearest_codes_number(grid: Grid) -> None:
    quant = QuantType.on_grid(2.0 / grid.largest, grid)
    x = np.random.default_rng(0).normal(0, 1, 4000)
    held = quant.quantize(x, DType.INT8)
    assert held.dtype == np.int8 and quant.zero_point[0] == quant.quantize(np.zeros(1), DType.INT8)[0]
    real = quant.dequantize(held).astype(np.float64)
    assert np.isin(np.round(real / quant.scale[0]), grid.levels).all()
    assert np.abs(quant.steps(held)).max() <= quant.reach == grid.largest
    # No other number of the grid is nearer in the power of x; the outermost codes take all that is farther out.
    powers = np.sign(x) * np.abs(x) ** grid.exponent
    numbers = grid.levels * quant.scale[0]
    all_powers = np.sign(numbers) * np.abs(numbers) ** grid.exponent
    chosen = np.sign(real) * np.abs(real) ** grid.exponent
    spacing = np.diff(all_powers).max()
    assert (np.abs(powers - chosen) <= np.abs(powers[:, None] - all_powers).min(axis=1) + 0.1 * spacing).all()


def test_four_bits_over_any_range_lie_in_int8() -> None:
    for low, high, exponent in ((0, 5, 1.0), (-1, 1, 0.6), (-0.2, 6, 0.66), (-3, 0, 0.3), (0, 0, 0.7)):
        quant = grid_over(low, high, exponent, 4)
        assert quant.grid is not None
        levels = quant.grid.levels + quant.zero_point[0]
        assert levels.min() >= -128 and levels.max() <= 127 and len(set(levels.tolist())) >= 8
    even = grid_over(-3.0, 12.0, 1.0, 4)
    assert even.grid is not None and set(np.diff(even.grid.levels)) == {17}


def test_products_between_the_first_and_the_last_read_four_bits(model: Model) -> None:
    graph, quantized, chosen = _quantized(model, 4, "uniform")
    names = [node.name for node in products_of(graph)]
    for node in quantized.nodes:
        if node.name in names:
            grid = node.input(0).quant.grid
            assert (grid is None) == (node.name in (names[0], names[-1])), node.name
    grids = [g.grid for g in chosen.values()]
    assert all(g.bits == 4 and g.exponent == 1.0 for g in grids) and len(grids) > 8
    # What only tables make is 4 bits at once: no layer between the function and the product.
    gelu = next(node for node in quantized.nodes if node.op == "gelu")
    assert gelu.output.quant.grid is not None and is_product(gelu.output.uses[0][0])


def test_a_power_is_taken_where_it_pays_and_its_sums_fit(model: Model) -> None:
    _, quantized, chosen = _quantized(model, 8, "power")
    makers = {value.producer.op for value in chosen if value.producer is not None}
    assert {"softmax", "gelu"} <= makers <= {"softmax", "gelu", "reshape", "transpose"}
    for grid in chosen.values():
        assert grid.gain_db > 0.5 and grid.grid.exponent < 0.8 and grid.grid.bits == 8
    for node in quantized.nodes:
        if node.op == "int_matmul" and (quant := node.input(0).quant).is_coded:
            assert quant.reach * 255 * node.input(0).shape[-1] < 1 << 30
        if node.op == "fully_connected" and (quant := node.input(0).quant).is_coded:
            assert quant.reach * np.abs(node.input(1).array.astype(np.int64)).sum(axis=1).max() < 1 << 30


def _cancelling_product(depth: int, small: float) -> tuple[Graph, list[Array]]:
    """silu(a) b, and a sample of which one factor of nearly all products is zero."""
    shapes = {"a": (1, 4, depth), "s": (1, 4, depth), "b": (1, depth, 5), "y": (1, 4, 5)}
    a, s, b, y = (Value(name, shape, DType.FLOAT32) for name, shape in shapes.items())
    product = Node("matmul", "product", [s, b], [y], {"transpose_a": False, "transpose_b": False})
    graph = Graph("g", [a, b], [y], [Node("silu", "silu", [a], [s], {"alpha": 1.0}), product])
    rng, left, right = np.random.default_rng(0), np.zeros(a.shape, np.float32), np.zeros(b.shape, np.float32)
    left[..., : depth // 2], right[:, depth // 2 :] = (
        rng.exponential(1, (4, depth // 2)),
        rng.normal(size=(depth // 2, 5)),
    )
    right[:, 0] = small
    return graph, [left, right]


@pytest.mark.parametrize("quantizer", ["uniform", "power"])
@pytest.mark.parametrize(("depth", "small"), [(16, 1e-4), (16, 1e-6), (128, 1e-9), (2000, 1e-3)])
def test_products_whose_sums_cancel_fit_after_the_shift(depth: int, small: float, quantizer: str) -> None:
    graph, sample = _cancelling_product(depth, small)
    ranges = calibrate(graph, [sample])
    chosen = chosen_grids(graph, [sample], ranges, ActivationOptions(8, quantizer))
    quantized = quantize_ranges(graph, ranges, None, {value: grid.quant for value, grid in chosen.items()})
    assert bool(chosen) == (quantizer == "power")
    require_supported_graph(quantized)
    compiled, rng = build_host_model(quantized), np.random.default_rng(1)
    ends = [np.full(v.shape, end, np.int8) for v, end in zip(quantized.inputs, (127, -128), strict=True)]
    for codes in (ends, [rng.integers(-128, 128, v.shape).astype(np.int8) for v in quantized.inputs]):
        assert np.array_equal(compiled(codes)[0], run_reference(quantized, codes)[quantized.outputs[0]])


def test_signal_to_noise_of_the_layers_rises(model: Model) -> None:
    graph, plain, _ = _quantized(model, 8, "uniform")
    same, power, chosen = _quantized(model, 8, "power")
    before = {row.name: row for row in layer_errors(graph, plain, model[1][:4])}
    after = {row.name: row for row in layer_errors(same, power, model[1][:4], None, tuple(chosen.values()))}
    for grid in chosen.values():
        row = after[grid.layer]
        assert row.output_bits == 8 and row.output_exponent == grid.grid.exponent and row.output_gain_db == grid.gain_db
        assert row.codes_sqnr_db > before[grid.layer].codes_sqnr_db + 1.0
        assert before[grid.layer].output_bits is None


@pytest.mark.parametrize(("bits", "quantizer"), [(8, "power"), (4, "uniform"), (4, "power")])
def test_compiled_models_equal_the_reference(model: Model, bits: int, quantizer: str) -> None:
    _, quantized, _ = _quantized(model, bits, quantizer)
    compiled, quant = build_host_model(quantized), quantized.inputs[0].quant
    for sample in model[1][:3]:
        codes = [quant.quantize(sample[0], DType.INT8)]
        assert np.array_equal(compiled(codes)[0], run_reference(quantized, codes)[quantized.outputs[0]])


def test_cores_with_lanes_decode_as_they_gather_and_others_row_by_row(model: Model) -> None:
    _, quantized, _ = _quantized(model, 8, "power")
    lanes, rows = "ek_conv2d_s8_dsp_levels_once", "ek_fully_connected_levels"
    for target, wanted in ((Target(True), lanes), (Target(True, True), lanes), (Target(False), rows)):
        kernels = lower(quantized, target).kernels
        assert any(kernel.startswith(wanted) for kernel in kernels)
        softmax = "ek_softmax_s8_dsp_power" if target.dsp else "ek_softmax_s8_power"
        assert softmax in kernels and softmax.removesuffix("_power") not in kernels[: kernels.index(softmax)]


def test_a_grid_is_kept_in_files_and_shown(model: Model, tmp_path: Path) -> None:
    _, quantized, _ = _quantized(model, 4, "power")
    save_graph(quantized, tmp_path)
    again = load_graph(tmp_path)
    assert [v.quant for v in again.values()] == [v.quant for v in quantized.values()]
    assert dump_graph(again) == dump_graph(quantized) and ",grid(4,0." in dump_graph(again)


def test_layers_that_cannot_compute_with_a_grid_are_refused_by_name() -> None:
    coded, plain = QuantType.on_grid(1e-4, GRIDS[0]), QuantType.per_tensor(0.1, 0)
    x = Value("x", (1, 8), DType.INT8, coded)
    read = Node("add", "sum", [x, x], [Value("y", (1, 8), DType.INT8, plain)], {"activation": "none"})
    made = Node("add", "other", [Value("a", (1, 8), DType.INT8, plain)] * 2, [Value("b", (1, 8), DType.INT8, coded)],
                {"activation": "none"})  # fmt: skip
    for node in (read, made):
        graph = Graph("g", [node.input(0)], [node.output], [node])
        with pytest.raises(UnsupportedModel, match=f"'{node.name}'.*--activation-quantizer uniform"):
            require_supported_graph(graph)


def test_options_that_go_with_nothing_are_refused() -> None:
    for options, precision in ((ActivationOptions(3), "int8"), (ActivationOptions(8, "log"), "int8"),
                               (ActivationOptions(4), "float32")):  # fmt: skip
        with pytest.raises(BadUsage):
            options.check(precision)
    ActivationOptions().check("float32")


@pytest.mark.parametrize("grid", GRIDS)
def test_learning_rounds_to_the_reference_for_every_code(grid: Grid) -> None:
    torch = pytest.importorskip("torch")
    from edgekit.quant.learning.simulate import fake_quantized

    quant, codes = QuantType.on_grid(1.7 / grid.largest, grid), np.arange(1 << grid.bits)
    for part in (-0.49, -0.3, 0.0, 0.3, 0.49):
        x = (grid.between(codes + part) * quant.scale[0]).astype(np.float32)
        assert np.array_equal(grid.codes(x / np.float64(quant.scale[0])), codes)
        made = fake_quantized(torch.from_numpy(x), quant).numpy()
        np.testing.assert_allclose(made, quant.scale[0] * grid.levels, rtol=1e-6, atol=1e-7)


def test_learning_rounds_as_the_reference() -> None:
    torch = pytest.importorskip("torch")
    from edgekit.quant.learning.simulate import fake_quantized, limited, rounded_if_coarse

    x = np.random.default_rng(1).normal(0, 1, 3000).astype(np.float32)
    for grid in GRIDS:
        quant = QuantType.on_grid(1.5 / grid.largest, grid)
        given = torch.from_numpy(x).requires_grad_()
        made = fake_quantized(given, quant)
        made.sum().backward()
        apart = np.abs(made.detach().numpy() - quant.dequantize(quant.quantize(x, DType.INT8)))
        # Floats of 32 bits may fall on the other side of a limit between two codes.
        assert (apart > 1e-6).mean() < 0.005
        assert apart.max() <= 1.01 * quant.scale[0] * np.diff(grid.levels).max()
        assert given.grad is not None
        within = limited(torch.from_numpy(x), quant)
        assert np.array_equal(given.grad.numpy() != 0, within.numpy() == x)
        last = rounded_if_coarse(torch.from_numpy(x), quant)
        assert torch.equal(last, made if grid.bits == 4 else within)


def test_weights_are_learned_before_four_bit_activations(model: Model) -> None:
    pytest.importorskip("torch")
    from edgekit.quant.learning.learn import LearningSettings, learned_weights

    graph, _, chosen = _quantized(model, 4, "power")
    ranges = calibrate(graph, model[1])
    grids = {value: grid.quant for value, grid in chosen.items()}
    quants = activation_quants(graph, ranges, grids)
    assert all(quants[value].grid == grid.grid for value, grid in chosen.items())
    bits = dict([item for item in uniform_bits(graph, 4).items() if item[1] == 4][2:5])
    coded = learned_weights(graph, model[1][:3], quants, bits, "adaround", LearningSettings(2, 0))
    assert set(coded) == set(bits)
    learned = quantize_ranges(graph, ranges, coded, grids)
    narrow = [node for node in learned.nodes if node.name in coded]
    assert all(node.input(0).quant.grid is not None and node.input(1).quant.codebook is not None for node in narrow)


def test_a_graph_without_options_is_as_ever(model: Model) -> None:
    graph, samples = model
    ranges: dict[Value, Range] = calibrate(graph, samples)
    assert chosen_grids(graph, samples, ranges, ActivationOptions()) == {}


def test_inserted_layers_have_names_of_their_own(model: Model) -> None:
    first = narrow_inputs(model[0].copied())[0]
    name = first.producer.name if first.producer is not None else ""
    graph = model[0].copied()
    graph.nodes[0].name = name
    narrow_inputs(graph)
    names = [node.name for node in graph.nodes]
    assert len(set(names)) == len(names) and f"{name} 2" in names
