"""Boards inside QEMU's machines: memories keep their size and neighbours, and do not overlap."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.boards import board_names, load_board, load_qemu_machine
from edgekit.emulators import emulated_board, moves, relocated
from edgekit.errors import BadBoard


@pytest.mark.parametrize("name", [n for n in board_names() if load_board(n).qemu_machine])
def test_on_chip_memories_fit_the_machine(name: str) -> None:
    board = load_board(name)
    machine = load_qemu_machine(str(board.qemu_machine))
    inside = replace(board, regions=tuple(r for r in board.regions if not r.external))
    if board.flash_internal.external:
        inside = board
    moved = relocated(inside, machine)
    assert sorted((r.name, r.size) for r in moved.regions) == sorted((r.name, r.size) for r in inside.regions)
    for low, high in zip(moved.regions, moved.regions[1:], strict=False):
        assert low.end <= high.address
    for region in moved.regions:
        assert any(
            m.address <= region.address and region.end <= m.end and m.kind == region.kind for m in machine.regions
        )
    assert moved.ram_internal.size == inside.ram_internal.size
    assert moved.flash_internal.size == inside.flash_internal.size


def test_memories_stay_where_the_machine_has_some() -> None:
    board = load_board("stm32n657")
    emulated = emulated_board(board)
    before = {r.name: r.address for r in board.regions}
    after = {r.name: r.address for r in emulated.regions}
    assert {name for name in before if before[name] == after[name]} == {"dtcm", "nor", "psram"}
    assert moves(board, emulated) == ["axi1 to axi6 at 0x21000000"]
    assert moves(board, board) == []


def test_what_unicorn_has_is_not_moved() -> None:
    board = load_board("stm32f746")
    assert emulated_board(board) is board


def test_wrong_machines_are_refused() -> None:
    board = load_board("stm32n657")
    with pytest.raises(BadBoard, match="cortex-m55"):
        relocated(board, load_qemu_machine("mps2-an386"))
    machine = load_qemu_machine("mps3-an547")
    kept = [r for r in machine.regions if not r.name.startswith("sram")]
    small = replace(machine, regions=tuple(replace(r, size=32 << 20) if r.name == "ddr" else r for r in kept))
    with pytest.raises(BadBoard, match="mps3-an547 has no 3932160 B of memory for axi1"):
        relocated(board, small)
