"""Where a layer's noise comes from: its weights, the rounding of its output, the layers before."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from edgekit.importers import import_model
from edgekit.models import packaged_model
from edgekit.passes import optimise
from edgekit.quant.affine import quantize_graph
from edgekit.quant.bits import products_of, uniform_bits
from edgekit.quant.error import LayerError, layer_errors
from edgekit.quant.weight_quantizers import coded_weights


@pytest.fixture(scope="module")
def rows() -> dict[int, dict[str, LayerError]]:
    """By bits of the weights, the errors of the small packaged model's layers."""
    packaged = packaged_model(small=True)
    graph, samples = optimise(import_model(packaged.model_path, {})), packaged.calibration.samples[:6]
    found = {}
    for bits in (8, 4, 2):
        coded = {} if bits == 8 else coded_weights(graph, uniform_bits(graph, bits), "powerquant")
        quantized = quantize_graph(graph, samples, "minmax", coded)
        found[bits] = {row.name: row for row in layer_errors(graph, quantized, samples[:2], coded)}
    return found


def test_products_have_bits_exponents_and_the_error_of_their_weights(rows: dict[int, dict[str, LayerError]]) -> None:
    graph = optimise(import_model(packaged_model(small=True).model_path, {}))
    for bits, layers in rows.items():
        expected = uniform_bits(graph, bits)
        for node in products_of(graph):
            row = layers[node.name]
            assert row.bits == expected[node.name]
            assert (row.exponent is None) == (row.bits == 8)
            assert row.exponent is None or 0.3 <= row.exponent <= 1.0
            assert row.weight_sqnr_db is not None and math.isfinite(row.weight_sqnr_db)
    names = [node.name for node in products_of(graph)][1:-1]
    eight, four, two = (np.array([rows[bits][name].weight_sqnr_db for name in names]) for bits in (8, 4, 2))
    # A bit is 6 dB.
    assert (eight - four > 15).all() and (four - two > 6).all()


def test_layers_without_weights_have_none(rows: dict[int, dict[str, LayerError]]) -> None:
    others = [row for row in rows[4].values() if row.bits is None]
    assert {"softmax", "gelu", "layer_norm"} <= {row.op for row in others}
    assert all(row.weight_sqnr_db is None and row.weights_sqnr_db is None and row.exponent is None for row in others)


def test_the_cause_follows_the_noise(rows: dict[int, dict[str, LayerError]]) -> None:
    narrow = [row for row in rows[2].values() if row.bits == 2]
    assert narrow[0].cause == "weights"
    for row in narrow:
        assert row.weights_sqnr_db is not None and row.weights_sqnr_db < row.codes_sqnr_db
    of_weights = {bits: sum(row.cause == "weights" for row in layers.values()) for bits, layers in rows.items()}
    assert of_weights[8] < of_weights[4] and of_weights[8] < of_weights[2]
    # Moved numbers are exact, or have what the layers before lost.
    moved = [row for row in rows[4].values() if row.op in ("reshape", "transpose")]
    assert {row.cause for row in moved} == {"none", "inherited"}


def test_a_layer_without_noise_has_no_ratio_in_reports() -> None:
    error = LayerError("a", "relu", float("inf"), 0.0, 1.0, float("inf"), None, None, None, None, None, "none")
    record = json.loads(json.dumps(error.record(), allow_nan=False))
    assert record["sqnr_db"] is record["codes_sqnr_db"] is None and record["max_abs_error"] == 0.0
