"""Scales and biases that take few bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.ir import Codebook, QuantType
from edgekit.ops import fixed_point as fp
from edgekit.ops.conv2d import is_product
from edgekit.passes import optimise
from edgekit.quant.affine import quantize_ranges
from edgekit.quant.power import codebook_of
from edgekit.quant.prepare import prepared
from edgekit.quant.short_channels import BIAS_BITS, are_short, nearby_outputs, short_biases, short_scales
from edgekit.quant.weight_quantizers import coded_weights
from tests.importers.onnx import helpers

X, Y = QuantType.per_tensor(0.0231, 7), QuantType.per_tensor(0.0817, -3)


def test_multipliers_of_short_scales_have_16_bits() -> None:
    wanted = np.random.default_rng(1).uniform(1e-4, 0.3, 3000)
    scales = short_scales(wanted, X, Y)
    assert scales.dtype == np.float32
    multipliers, _ = fp.quantize_multipliers(X.scale[0] * scales.astype(np.float64) / Y.scale[0])
    assert (multipliers % (1 << 15) == 0).all()
    distance = np.abs(scales / wanted - 1)
    assert distance.max() < 0.02 and distance.mean() < 0.002


@pytest.mark.parametrize(("x", "y"), [(1 / 255, 0.03), (0.1, 0.3), (0.02, 0.05), (6 / 255, 0.07)])
def test_short_scales_are_near(x: float, y: float) -> None:
    """Ratios of few digits leave few multipliers to choose from: then scales stay as they were."""
    wanted = np.random.default_rng(3).uniform(1e-4, 0.3, 500)
    scales = short_scales(wanted, QuantType.per_tensor(x, 0), QuantType.per_tensor(y, 0))
    assert np.abs(scales / wanted - 1).max() < 0.032


@pytest.mark.parametrize(("x", "y"), [(1 / 255, 0.03), (0.1, 0.3), (0.02, 0.05), (6 / 255, 0.07), (0.0231, 0.0231)])
def test_some_output_nearby_has_short_scales(x: float, y: float) -> None:
    wanted = np.random.default_rng(3).uniform(1e-4, 0.3, 500)
    before, after = QuantType.per_tensor(x, 0), QuantType.per_tensor(y, 5)
    found = [
        other
        for other in (after, *nearby_outputs(after))
        if are_short(short_scales(wanted, before, other), before, other)
    ]
    assert found and abs(found[0].scale[0] / y - 1) < 2e-5 and found[0].zero_point == (5,)


@pytest.mark.parametrize("tied", [False, True])
def test_a_product_chooses_such_an_output(tied: bool, tmp_path: Path) -> None:
    """But where something else makes numbers of that quantization too."""
    rng = np.random.default_rng(5)
    constants = {name: (rng.normal(size=(64, 64)) / 8).astype(np.float32) for name in "abcd"}
    layers = [helpers.node("MatMul", "x a", "t"), helpers.node("MatMul", "t b", "u")]
    layers += [helpers.node("MatMul", "t d", "s"), helpers.node("Concat", "u s", "v", axis=0)] if tied else []
    layers.append(helpers.node("MatMul", "v c" if tied else "u c", "y"))
    graph = prepared(optimise(helpers.import_model(helpers.make_model(layers, [4, 64], constants), tmp_path)))
    middle = [n for n in graph.nodes if is_product(n)][1]
    ranges = dict.fromkeys(graph.values(), (-38.4, 38.1)) | {middle.input(0): (-12.8, 12.7)}
    made = quantize_ranges(graph, ranges, coded_weights(graph, {middle.name: 4}, "powerquant"))
    layer = next(n for n in made.nodes if n.name == middle.name)
    x, weights, y = layer.input(0).quant, layer.input(1).quant, layer.output.quant
    assert x is not None and weights is not None and y is not None
    assert are_short(np.array(weights.scale), x, y) != tied
    assert (y.scale[0] == np.float32(0.3)) == tied and abs(y.scale[0] / 0.3 - 1) < 2e-5


def test_short_scales_are_kept() -> None:
    scales = short_scales(np.array([0.01, 0.2]), X, Y)
    assert (short_scales(scales.astype(np.float64), X, Y) == scales).all()


@pytest.mark.parametrize("codebook", [codebook_of((1.0,), 4), codebook_of((0.5,), 4), codebook_of((1.0,), 2)])
@pytest.mark.parametrize("codes", [0.0, 3.0, 100.0, 400.0])
def test_biases_are_13_bits_of_a_part_of_an_output_code(codebook: Codebook, codes: float) -> None:
    rng = np.random.default_rng(2)
    scales = rng.uniform(0.02, 0.2, 64).astype(np.float32) / codebook.peak
    offsets = rng.uniform(-codes, codes, 64) * Y.scale[0]
    biases = short_biases(offsets, scales, codebook, X, Y)
    multipliers = X.scale[0] * scales.astype(np.float64) / Y.scale[0]
    # Down to 2^-2 of a code, rounded; or to whole accumulators where those are coarser.
    assert (np.abs(biases * multipliers - offsets / Y.scale[0]) <= np.maximum(0.126, multipliers / 2)).all()
    for fraction in range(16):
        unit = 2.0 ** (-np.frexp(multipliers)[1] - fraction)
        if (biases % np.maximum(unit, 1.0) == 0).all() and (np.abs(biases) < unit * (1 << BIAS_BITS - 1)).all():
            return
    raise AssertionError("no fraction at which they fit")


def test_biases_that_do_not_fit_are_whole() -> None:
    scales, book = np.array([0.1, 0.1], np.float32), codebook_of((0.5,), 4)
    offsets = np.array([1e5, 1.0]) * Y.scale[0]
    biases = short_biases(offsets, scales, book, X, Y)
    np.testing.assert_array_equal(biases, np.floor(offsets / (X.scale[0] * scales.astype(np.float64)) + 0.5))
