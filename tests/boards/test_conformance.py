"""Every board file against its linker script, a linked image and its emulator's memory map."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from edgekit.boards import Board, Region, board_names, load_board
from edgekit.emulators import Machine, emulated_board, open_machine
from edgekit.emulators.qemu_machine import COMMAND
from edgekit.errors import CheckFailed
from edgekit.toolchains import Image, linker_script
from tests.toolchains.programs import LAYERS, build, snippet

# One byte of memory is read, or written, where the test says: both are set from outside.
PROBE = snippet(
    "volatile int8_t *at = (volatile int8_t *)(uintptr_t)demo_where;\n"
    "if (demo_writes) { *at = 90; } else { ctx->arena[0] = *at; }",
    "volatile uint32_t demo_where;\nvolatile int32_t demo_writes;",
)


def emulated_or_skip(name: str) -> Board:
    board = load_board(name)
    if board.unicorn_cpu is None and shutil.which(COMMAND) is None:
        pytest.skip(f"{COMMAND} is not installed, which alone emulates {board.core}")
    return emulated_board(board)


def spans(regions: tuple[Region, ...]) -> list[tuple[int, int, str]]:
    """(start, end, kind), neighbours of a kind joined."""
    joined: list[tuple[int, int, str]] = []
    for region in regions:
        if joined and joined[-1][1:] == (region.address, region.kind):
            joined[-1] = (joined[-1][0], region.end, region.kind)
        else:
            joined.append((region.address, region.end, region.kind))
    return joined


@pytest.mark.parametrize("name", board_names())
def test_linker_script_has_the_boards_memories(name: str) -> None:
    board = load_board(name)
    pattern = re.compile(r"^ +(\w+) \((r?w?x)\) : ORIGIN = (0x[0-9a-f]{8}), LENGTH = (\d+)$", re.MULTILINE)
    found = []
    for memory, access, origin, length in pattern.findall(linker_script(board, 1024)):
        start, size = int(origin, 16), int(length)
        owned = board.vector_offset if memory == "FLASH" else 0
        found.append((start - owned, start + size, "flash" if access == "rx" else "ram"))
    assert sorted(found) == spans(board.regions)


@pytest.mark.parametrize("name", board_names())
def test_image_lies_in_the_boards_memories(name: str, tmp_path: Path) -> None:
    board = load_board(name)
    image = build(board, "zig", tmp_path)
    flash, ram, stack = board.flash_internal, board.ram_internal, board.ram_stack
    for symbol in ("ek_vectors", "Reset_Handler", "main", "demo_run", "demo_weights", *LAYERS):
        assert flash.address + board.vector_offset <= image.symbols[symbol].address < flash.end, symbol
    assert ram.address <= image.symbols["arena"].address < ram.end
    for symbol in ("ek_ctx", "demo_bias", "demo_runs", "__ek_stack_limit", "__ek_stack_top"):
        assert stack.address <= image.symbols[symbol].address < stack.end, symbol
    for segment in image.segments:
        inside = [
            r for r in board.regions if r.address <= segment.address and segment.address + len(segment.data) <= r.end
        ]
        assert [r.kind for r in inside] == ["flash"]
    assert sum(use.used for use in image.regions if use.used) < 16 * 1024


def probe(board: Board, image: Image, address: int, write: bool) -> Machine:
    machine = open_machine(board, image, [], "demo_run")
    machine.boot()
    machine.write(image.symbols["demo_where"].address, address.to_bytes(4, "little"))
    machine.write(image.symbols["demo_writes"].address, int(write).to_bytes(4, "little"))
    return machine


@pytest.mark.parametrize("name", board_names())
def test_emulator_has_exactly_the_boards_memories(name: str, tmp_path: Path) -> None:
    board = emulated_or_skip(name)
    image = build(board, "zig", tmp_path, PROBE)
    for region in board.regions:
        for address in (region.address, region.end - 1):
            with probe(board, image, address, write=False) as machine:
                machine.run_once()
        with probe(board, image, region.end - 1, write=True) as machine:
            if region.kind == "ram":
                machine.run_once()
                assert machine.read(region.end - 1, 1) == bytes([90])
            else:
                with pytest.raises(CheckFailed, match=f"write to .*{region.end - 1:#010x}"):
                    machine.run_once()
    for start, end, _ in spans(board.regions):
        for address in (start - 1, end):
            if any(region.address <= address < region.end for region in board.regions):
                continue
            for write in (False, True):
                with probe(board, image, address, write) as machine:
                    # QEMU tells of a bus without any device by an exception.
                    with pytest.raises(CheckFailed, match=f"(read from|write to|access to) {address:#010x}"):
                        machine.run_once()
                    with pytest.raises(CheckFailed, match="no memory"):
                        machine.read(address, 1)


@pytest.mark.parametrize("name", board_names())
def test_emulated_board_differs_in_addresses_only(name: str) -> None:
    board = load_board(name)
    emulated = emulated_board(board)
    sizes = {(r.name, r.size, r.kind, r.external, r.program) for r in board.regions}
    assert {(r.name, r.size, r.kind, r.external, r.program) for r in emulated.regions} == sizes
    for part in ("ram_internal", "ram_stack", "flash_internal", "external_ram", "external_flash"):
        here, there = getattr(board, part), getattr(emulated, part)
        assert (here and (here.name, here.size)) == (there and (there.name, there.size))
    assert (emulated == board) == (board.unicorn_cpu is not None)
