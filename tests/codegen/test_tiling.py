"""How products are cut: by fours of pixels where a core gains, within the scratch and the instructions allowed."""

from __future__ import annotations

import pytest

from edgekit.codegen.lowering import Target
from edgekit.codegen.lowering.tiling import TWOS, Products, fastest_tiling, loops_of

IN_ORDER, DUAL_ISSUE = Target(dsp=True), Target(dsp=True, dual_issue=True)
WINDOWS = Products(32 * 32, 16, 3, 3 * 16, 16, pointwise=False)
MATRIX = Products(196, 192, 1, 192, 192, pointwise=True)


@pytest.mark.parametrize("room", [0, 2000, 5000, 20000])
@pytest.mark.parametrize("target", [IN_ORDER, DUAL_ISSUE])
@pytest.mark.parametrize("products", [WINDOWS, MATRIX])
def test_scratch_stays_in_its_room(products: Products, target: Target, room: int) -> None:
    tiling = fastest_tiling(products, room, loops_of(target))
    least = fastest_tiling(products, 0, loops_of(target))
    assert tiling.scratch <= max(room, least.scratch)
    assert tiling.cycles <= least.cycles
    assert 2 * tiling.fours <= tiling.group_pairs


def test_cores_that_issue_one_instruction_take_all_pixels_by_fours() -> None:
    for products in (WINDOWS, MATRIX):
        tiling = fastest_tiling(products, 20000, loops_of(IN_ORDER))
        assert (tiling.loop.suffix, tiling.fours) == ("_grouped", tiling.group_pairs // 2)


def test_instructions_bound_the_fours_of_cores_that_issue_two() -> None:
    windows, matrix = (fastest_tiling(products, 5400, loops_of(DUAL_ISSUE)) for products in (WINDOWS, MATRIX))
    assert windows.loop.suffix == "_beside"
    assert 0 < 2 * windows.fours < windows.group_pairs
    assert windows.instructions <= WINDOWS.most_for_speed
    assert (matrix.loop.suffix, matrix.fours) == ("", 0)


def test_one_loop_means_pairs_of_pixels() -> None:
    tiling = fastest_tiling(WINDOWS, 20000)
    assert (tiling.loop, tiling.fours, tiling.fields["fours"]) == (TWOS, 0, 0)


def test_fours_save_cycles() -> None:
    for target in (IN_ORDER, DUAL_ISSUE):
        twos, _ = loops_of(target)
        assert fastest_tiling(WINDOWS, 5400, loops_of(target)).cycles < fastest_tiling(WINDOWS, 5400, (twos,)).cycles
