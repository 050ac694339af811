"""Where the tables of a project are stored."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.boards import load_board
from edgekit.codegen.program import Constant, Program
from edgekit.project import keep_inside

MIB = 1 << 20


def program_of(*sizes: int) -> Program:
    constants = [Constant(i, "uint8_t", np.zeros(1, np.uint8), "layer", size) for i, size in enumerate(sizes)]
    return Program("p", [], [], constants, [], [], [])


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ((8 * MIB, 8 * MIB), 0),
        ((8 * MIB, 8 * MIB, 100, 52, 12), 164),
        ((8 * MIB, 8 * MIB - 40, 100, 72, 12), 152),
        ((8 * MIB, 8 * MIB - 60, 100, 72, 12), 124),
    ],
)
def test_what_flash_outside_cannot_hold_stays_on_the_chip(sizes: tuple[int, ...], kept: int) -> None:
    board = load_board("stm32f746")
    assert board.external_flash is not None and board.external_flash.size == 16 * MIB
    program = program_of(*sizes)
    keep_inside(program, board, external=True)
    inside = sum(c.size for c in program.constants if c.inside)
    assert (inside, sum(sizes) - inside <= 16 * MIB) == (kept, True)


def test_nothing_is_kept_where_nothing_goes_outside() -> None:
    program = program_of(9 * MIB, 9 * MIB)
    keep_inside(program, load_board("stm32f746"), external=False)
    keep_inside(program, load_board("stm32f411"), external=True)
    assert not any(c.inside for c in program.constants)
