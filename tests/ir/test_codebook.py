"""Codes and levels of weights: of all channels, and of groups of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.ir import Codebook, Graph, Node, QuantType, Value, load_graph, save_graph
from edgekit.ops.coded_cases import BY_GROUP

ROWS = Codebook(3, BY_GROUP[3], 4)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("channels", [12, 9])
def test_every_channel_has_the_levels_of_its_group(channels: int, axis: int) -> None:
    codes = np.random.default_rng(channels).integers(-3, 4, (channels, 5))
    moved = codes if axis == 0 else codes.T
    weights = ROWS.weights(moved, axis)
    rows = weights if axis == 0 else weights.T
    for channel in range(channels):
        levels = np.array(BY_GROUP[3][channel // 4])
        assert (rows[channel] == np.sign(codes[channel]) * levels[np.abs(codes[channel])]).all()
    assert (ROWS.codes(weights, axis) == moved).all()
    assert ROWS.fits(channels) and not ROWS.fits(13) and not ROWS.fits(8)
    assert (ROWS.peaks(channels) == [BY_GROUP[3][channel // 4][-1] for channel in range(channels)]).all()


def test_another_groups_level_has_no_code() -> None:
    weights = ROWS.weights(np.full((12, 1), 1))
    with pytest.raises(ValueError, match="not all of"):
        ROWS.codes(weights[::-1])


def test_equal_levels_have_the_least_code() -> None:
    assert Codebook.shared(3, (0, 0, 1, 9)).codes(np.array([0, 1, -9])).tolist() == [0, 2, -3]


@pytest.mark.parametrize(("kept", "group", "levels"), [
    (range(12), 8, [0, 1]), (range(8, 12), 0, [1]), ([0, 1, 2, 3, 8, 9, 10, 11], 4, [0, 1]),
    ([4, 5, 6, 7, 0, 1, 2, 3, 9, 10], 8, [0, 1]), (range(4, 12), 4, [0, 1]),
    (range(6, 12), None, None), ([0, 8, 1, 9], None, None),
])  # fmt: skip
def test_some_channels_keep_levels_by_fours(kept: range, group: int | None, levels: list[int] | None) -> None:
    book = Codebook(4, BY_GROUP[4][:2], 8)
    found = book.of_channels(np.array(kept))
    if levels is None:
        assert found is None
        return
    assert found is not None and found.group == group and found.levels == tuple(BY_GROUP[4][n] for n in levels)
    codes = np.tile(np.arange(-7, 8), (12, 1))
    assert (found.weights(codes[list(kept)]) == book.weights(codes)[list(kept)]).all()


@pytest.mark.parametrize("group", [1, 2, 6, 12])
def test_groups_that_kernels_do_not_decode_are_refused(group: int) -> None:
    with pytest.raises(ValueError, match="a power of two, 4 or more"):
        Codebook(4, BY_GROUP[4][:2], group)


def test_levels_of_all_channels_are_those_of_some() -> None:
    quant = QuantType((1.0, 2.0, 3.0), (0, 0, 0), 0, Codebook.shared(2, (0, 1)))
    assert quant.of_channels(np.array([2, 0])) == QuantType((3.0, 1.0), (0, 0), 0, quant.codebook)


def test_a_graph_keeps_its_levels_in_files(tmp_path: Path) -> None:
    quant = QuantType((0.5,) * 12, (0,) * 12, 0, ROWS)
    weights = Value.constant("w", ROWS.weights(np.ones((12, 2), np.int64)), quant)
    x, y = (
        Value(name, shape, weights.dtype, QuantType((1.0,), (0,))) for name, shape in (("x", (1, 2)), ("y", (1, 12)))
    )
    save_graph(
        Graph("g", [x], [y], [Node("fully_connected", "n", [x, weights], [y], {"activation": "none"})]), tmp_path
    )
    assert load_graph(tmp_path).nodes[0].input(1).quant == quant
