"""Board files: the facts that users rely on, and what is refused."""

from __future__ import annotations

import pytest

from edgekit.boards import CORES, board_names, load_board, load_qemu_machine, parse_board
from edgekit.errors import BadBoard, UnknownBoard

GOOD = """
title = "test"
core = "cortex-m4"
mhz = 100
fpu = "fpv4-sp-d16"
dsp = true
unicorn_cpu = "CORTEX_M4"
regions = [
    {name = "flash", address = 0x08000000, size = 0x10000, kind = "flash", access_cost = 1.0},
    {name = "sram", address = 0x20000000, size = 0x8000, kind = "ram", access_cost = 1.0},
    {name = "sram2", address = 0x20008000, size = 0x8000, kind = "ram", access_cost = 2.0},
]
"""


def test_names() -> None:
    assert board_names() == [
        "rp2040", "rp2350", "stm32f103", "stm32f405", "stm32f407", "stm32f411", "stm32f412", "stm32f427", "stm32f746",
        "stm32f767", "stm32f769", "stm32h563", "stm32h573", "stm32h743", "stm32h747", "stm32l152", "stm32l475",
        "stm32n657", "stm32u575", "stm32u585",
    ]  # fmt: skip


def test_every_core_has_a_board() -> None:
    assert {load_board(name).core for name in board_names()} == set(CORES)


@pytest.mark.parametrize(
    ("name", "ram", "ram_kib", "flash", "flash_kib"),
    [
        ("stm32f746", 0x20000000, 320, 0x08000000, 1024),
        ("stm32h743", 0x24000000, 512, 0x08000000, 2048),
        ("stm32f411", 0x20000000, 128, 0x08000000, 512),
        ("stm32u585", 0x20000000, 768, 0x08000000, 2048),
        ("rp2040", 0x20000000, 264, 0x10000000, 2048),
        ("rp2350", 0x20000000, 520, 0x10000000, 4096),
        ("stm32f103", 0x20000000, 20, 0x08000000, 128),
        ("stm32f405", 0x20000000, 128, 0x08000000, 1024),
        ("stm32f407", 0x20000000, 128, 0x08000000, 1024),
        ("stm32f412", 0x20000000, 256, 0x08000000, 1024),
        ("stm32f427", 0x20000000, 192, 0x08000000, 1024),
        ("stm32f767", 0x20000000, 512, 0x08000000, 2048),
        ("stm32f769", 0x20000000, 512, 0x08000000, 2048),
        ("stm32h563", 0x20000000, 640, 0x08000000, 2048),
        ("stm32h573", 0x20000000, 640, 0x08000000, 2048),
        ("stm32h747", 0x24000000, 512, 0x08000000, 2048),
        ("stm32l152", 0x20000000, 80, 0x08000000, 512),
        ("stm32l475", 0x20000000, 96, 0x08000000, 1024),
        ("stm32n657", 0x24000000, 3840, 0x70000000, 131072),
        ("stm32u575", 0x20000000, 768, 0x08000000, 2048),
    ],
)
def test_main_memories(name: str, ram: int, ram_kib: int, flash: int, flash_kib: int) -> None:
    board = load_board(name)
    assert (board.ram_internal.address, board.ram_internal.size) == (ram, ram_kib * 1024)
    assert (board.flash_internal.address, board.flash_internal.size) == (flash, flash_kib * 1024)


def test_external_and_extra_memories() -> None:
    board = load_board("stm32f746")
    assert board.external_ram is not None and board.external_flash is not None
    assert (board.external_ram.address, board.external_ram.size) == (0xC0000000, 8 << 20)
    assert (board.external_flash.address, board.external_flash.size) == (0x90000000, 16 << 20)
    assert load_board("rp2040").external_flash is None
    extra = {region.name: region.size for region in load_board("stm32h743").extra_ram}
    assert extra == {"dtcm": 128 << 10, "sram1_sram2_sram3": 288 << 10, "sram4": 64 << 10}


def test_program_flash_off_the_chip() -> None:
    board = load_board("stm32n657")
    assert board.flash_internal.name == "nor" and board.flash_internal.external
    # Nothing is left to move weights to: the program flash is where they are.
    assert board.external_flash is None
    assert board.external_ram is not None and board.external_ram.size == 32 << 20
    assert not any(load_board(name).flash_internal.external for name in board_names() if name != "stm32n657")


@pytest.mark.parametrize("name", board_names())
def test_qemu_machine_has_the_same_core(name: str) -> None:
    board = load_board(name)
    if board.qemu_machine is not None:
        assert load_qemu_machine(board.qemu_machine).core == board.core


def test_merged_cost_is_the_mean() -> None:
    board = parse_board("test", GOOD)
    assert board.ram_internal.access_cost == 1.5
    assert board.ram_internal.wait_per_byte == 0.5 / 4
    assert board.ram_internal.name == "sram_sram2"


def test_unknown_board_names_close_matches() -> None:
    with pytest.raises(UnknownBoard, match="stm32f746"):
        load_board("stm32f756")
    with pytest.raises(UnknownBoard):
        load_board("../boards/stm32f746")
    with pytest.raises(UnknownBoard):
        load_qemu_machine("stm32f746")


def test_two_program_flashes_are_refused() -> None:
    rest = 'size = 0x8000, kind = "flash", external = true, program = true, access_cost = 2.0'
    places = {"nor": "0x70000000", "nor2": "0x90000000"}
    rows = "".join(f'{{name = "{name}", address = {at}, {rest}}},' for name, at in places.items())
    with pytest.raises(BadBoard, match="nor and nor2"):
        parse_board("test", GOOD.replace("regions = [", f"regions = [{rows}"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0x20008000", "0x20007C00", "overlap"),
        ("0x20008000", "0x20008001", "multiples of 1024"),
        ("cortex-m4", "cortex-m1", "core"),
        ("fpv4-sp-d16", "vfp", "fpu"),
        ('kind = "flash"', 'kind = "rom"', "kind"),
        ('"sram2"', '"sram"', "same name"),
        ('"sram2"', '"SRAM 2"', "identifier"),
        ("mhz = 100\n", "", "mhz"),
        ("dsp = true", "dsp = true\ncolour = 3", "colour"),
        ("dsp = true", "dsp = ", "TOMLDecodeError"),
        ("regions = [", "regions = 3\nrest = [", "TypeError"),
        ('kind = "flash", a', 'kind = "flash", external = true, a', "no internal flash"),
        ("access_cost = 2.0", "access_cost = 0.5", "access_cost"),
        ("access_cost = 2.0", "access_cost = 2.0, wait_cycles = 4", "both be positive"),
        ("access_cost = 1.0},", "access_cost = 1.0, program = true},", "program = true"),
        ('unicorn_cpu = "CORTEX_M4"', "", "nothing could emulate it"),
        ("dsp = true", "dsp = true\nmve = true", "no vector extension"),
        ("0x20008000, size = 0x8000", "0xFFFFF000, size = 0x8000", "address space"),
    ],
)
def test_bad_board_is_refused(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(BadBoard, match=message):
        parse_board("test", GOOD.replace(old, new))


def test_waiting_is_of_lines_where_they_are_known() -> None:
    assert load_board("stm32l475").flash_internal.wait_per_byte == 4 / 8
    assert load_board("stm32f746").flash_internal.wait_per_byte == 7 / 32
    # Flash off the chip is known by its cost alone: 3 cycles a word instead of one.
    assert load_board("rp2040").flash_internal.wait_per_byte == 2 / 4
