"""Weights of fewer than 8 bits: how they are packed, which kernels read them, and what they take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgekit.boards import load_board
from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.lowering.coded import (
    channel_words,
    codebook_of,
    coded_layer,
    packed_fours,
    packed_in_order,
    packed_pairs,
)
from edgekit.forecast.boards import Forecaster
from edgekit.forecast.model import built_form
from edgekit.host import build_host_model
from edgekit.importers import import_model
from edgekit.ir import Array, Graph
from edgekit.models import packaged_model
from edgekit.ops import spec_of
from edgekit.ops.reference import run_reference
from edgekit.ops.spec import Case
from edgekit.passes import optimise
from edgekit.quant.affine import quantize_graph
from edgekit.quant.bits import uniform_bits
from edgekit.quant.prepare import prepared
from edgekit.quant.weight_quantizers import coded_weights

PORTABLE, DSP, VECTORS = Target(False), Target(True), Target(True, True)
BITS = (4, 3, 2)


def unpacked(data: Array, bits: int, count: int) -> list[int]:
    """Codes from the lowest bit of the first byte up."""
    stream = int.from_bytes(data.tobytes(), "little")
    return [stream >> bits * i & (1 << bits) - 1 for i in range(count)]


def codes_of(rows: int, inputs: int, bits: int) -> Array:
    return np.random.default_rng(bits).integers(0, 1 << bits, (rows, inputs)).astype(np.uint8)


@pytest.mark.parametrize("bits", BITS)
def test_pairs_are_dense_and_in_the_order_of_lanes(bits: int) -> None:
    codes = codes_of(5, 10, bits)
    data = packed_pairs(codes, bits)
    assert data.size == 3 * 3 * bits + (bits == 3)
    padded = np.pad(codes, ((0, 1), (0, 2)))
    expected = [padded[2 * p + c, 4 * q + i] for p in range(3) for q in range(3) for c in (0, 1) for i in (0, 2, 1, 3)]
    assert unpacked(data, bits, 72) == expected


@pytest.mark.parametrize("bits", BITS)
def test_codes_in_order_are_dense(bits: int) -> None:
    codes = codes_of(3, 7, bits)
    data = packed_in_order(codes, bits)
    assert data.size == 3 * bits and unpacked(data, bits, 21) == codes.reshape(-1).tolist()


@pytest.mark.parametrize("bits", BITS)
def test_fours_have_a_lane_for_each_input(bits: int) -> None:
    codes = codes_of(6, 20, bits)
    data = packed_fours(codes, bits).reshape(2, 2, 8 * bits)
    padded = np.pad(codes, ((0, 2), (0, 12)))
    for four, chunk, channel, lane in np.ndindex(2, 2, 4, 16):
        part = data[four, chunk]
        if bits == 4:
            code = part[16 * (channel // 2) + lane] >> 4 * (channel % 2) & 15
        else:
            code = part[lane] >> 2 * channel & 3
        if bits == 3:
            code |= (part[16 + lane // 2] >> 4 * (lane % 2) + channel & 1) << 2
        assert code == padded[4 * four + channel, 16 * chunk + lane]


def channels_of(words: Array, fields: dict[str, int]) -> Array:
    """The records that words stand for, as ek_coding.h says."""
    words = words.astype(np.int64)
    right = fields["right"] + (words >> 15 & 15)
    bias = (words >> 19) - ((words >> 31) << 13)
    multiplier = 1 << 30 | (words & 0x7FFF) << 15
    left = np.full_like(words, fields["left"])
    return np.stack([bias << right - fields["fraction"], multiplier, left, right], axis=1)


def test_words_hold_all_of_a_channel() -> None:
    rng = np.random.default_rng(3)
    right = rng.integers(5, 12, 40)
    bias = rng.integers(-4096, 4096, 40) << right - 4
    records = np.stack([bias, rng.integers(1 << 15, 1 << 16, 40) << 15, np.zeros(40, np.int64), right], axis=1)
    found = channel_words(np.concatenate([records, [[0, 0, 0, 1]]]), 40)
    assert found is not None
    fields, words = found
    np.testing.assert_array_equal(channels_of(words[:40], {k: int(v) for k, v in fields.items()}), records)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("column", "value"), [(0, 4096 << 6), (0, 1), (1, (1 << 30) + 1), (1, 1 << 29), (2, 1), (3, 26)]
)
def test_what_words_cannot_hold(column: int, value: int) -> None:
    records = np.array([[-64, 1 << 30, 0, 10], [128 << 6, 3 << 29, 0, 10], [4095 << 6, 1 << 30, 0, 10]], np.int64)
    assert channel_words(records, 3) is not None
    records[0, column] = value
    assert channel_words(records, 3) is None


def cases(op: str, part: str) -> list[Case]:
    return [case for case in spec_of(op).cases() if part in case.name]


def as_int8(graph: Graph) -> Graph:
    """The same layer with weights of 8 bits."""
    weights = graph.nodes[0].input(1)
    assert weights.quant is not None
    weights.quant = replace(weights.quant, codebook=None)
    return graph


@pytest.mark.parametrize("target", [PORTABLE, DSP, VECTORS])
@pytest.mark.parametrize(
    ("op", "part"), [("conv2d", "coded_2_w"), ("fully_connected", "coded_3_w"), ("depthwise_conv2d", "apart_coded_0_w")]
)
def test_flash_is_less_by_the_bits(op: str, part: str, target: Target) -> None:
    for case in cases(op, part):
        book = codebook_of(case.graph.nodes[0])
        assert book is not None
        node = case.graph.nodes[0]
        codes, channels = node.input(1).elements, node.input(2).elements
        size = lower(case.graph, target).steps[0].weight_bytes
        least = codes * book.bits / 8 + 4 * channels
        # Vectors take sixteen inputs of four channels.
        assert least <= size and (target.mve or size <= 1.35 * least + 4)
        assert size < 0.6 * lower(as_int8(case.graph), target).steps[0].weight_bytes


def test_wide_records_stay_where_words_cannot_hold_them() -> None:
    (case,) = cases("fully_connected", "coded_wide_w4")
    program = lower(case.graph, DSP)
    (coding,) = [p for p in program.params if p.c_type == "ek_coding"]
    assert coding.fields["wide"] == 1
    assert "ek_channel" in [c.c_type for c in program.constants]


def test_coarse_levels_are_made_larger_where_one_rounding_follows() -> None:
    (case,) = cases("conv2d", "pixels_coded_0_w4")
    node = case.graph.nodes[0]
    book = codebook_of(node)
    assert book is not None
    layer = coded_layer(node, replace(book, levels=(tuple(range(8)),)), 2)
    assert layer.tables.max() == 7 << layer.scale


def test_forecasts_count_packed_weights() -> None:
    graph = prepared(optimise(import_model(packaged_model(small=True).model_path, {})))
    forms = [Forecaster(built_form(graph, "vit", precision)) for precision in ("int8", "w4", "w2")]
    board = load_board("stm32f746")
    eight, four, two = (sum(step.weight_bytes for step in form.program(board).steps) for form in forms)
    assert four < 0.62 * eight
    assert two < 0.75 * four


@pytest.mark.parametrize("target", [PORTABLE, DSP, VECTORS])
@pytest.mark.parametrize("op", ["conv2d", "fully_connected", "depthwise_conv2d"])
def test_groups_have_tables_before_their_codes(op: str, target: Target) -> None:
    for case in cases(op, "coded_groups_0_w"):
        node = case.graph.nodes[0]
        book = codebook_of(node)
        assert book is not None and book.group == 4
        program = lower(case.graph, target)
        (coding,) = [p for p in program.params if p.c_type == "ek_coding"]
        size = len(book.levels) << book.bits
        assert coding.fields["tables"] == size and coding.fields["group"] == 2
        (packed,) = [c for c in program.constants if c.c_type == "uint8_t"]
        tables = packed.rows.view(np.int8)[:size].reshape(len(book.levels), -1)
        scale = tables[0, 1] // book.levels[0][1]
        for table, levels in zip(tables, book.levels, strict=True):
            assert (table[: len(levels)] == scale * np.array(levels)).all()
            assert (table[: len(levels) : -1] == -scale * np.array(levels[1:])).all()


def test_heads_of_attention_take_their_groups_of_channels() -> None:
    """Firmware runs attention head by head, each with its own rows of the projections' weights."""
    packaged = packaged_model(small=True)
    graph = prepared(optimise(import_model(packaged.model_path, {})))
    coded = coded_weights(graph, uniform_bits(graph, 4), "powerquant", 8)
    quantized = quantize_graph(graph, packaged.calibration.samples[:2], coded=coded)
    assert any(rows.group == 8 and len(set(rows.exponents)) > 1 for rows in coded.values())
    quant = quantized.inputs[0].quant
    assert quant is not None
    codes = [quant.quantize(array, quantized.inputs[0].dtype) for array in packaged.calibration.samples[0]]
    want = run_reference(quantized, codes)[quantized.outputs[0]]
    assert (build_host_model(quantized)(codes)[0] == want).all()


@pytest.mark.parametrize(("op", "name"), [
    ("transpose_conv2d", "coded_groups_0_w3"), ("fully_connected", "coded_groups_0_w3"),
    ("conv2d", "groups_coded_groups_0_w4"), ("depthwise_conv2d", "same_coded_groups_0_w4"),
])  # fmt: skip
def test_a_model_of_one_layer_in_groups_has_all_that_it_calls(op: str, name: str) -> None:
    """What a program of many layers links another layer may have brought along."""
    (case,) = [case for case in spec_of(op).cases() if case.name == name]
    model = build_host_model(case.graph)
    for inputs in case.inputs:
        assert (model(list(inputs))[0] == run_reference(case.graph, list(inputs))[case.graph.outputs[0]]).all()
