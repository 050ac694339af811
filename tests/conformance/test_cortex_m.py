"""Every kernel on every core in its emulator: the same bits as the reference, from both toolchains."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit import runtime_c
from edgekit.boards import Board, load_board
from edgekit.codegen.lowering import Target
from edgekit.codegen.lowering.tiling import Products
from edgekit.emulators import emulated_board, open_machine
from edgekit.emulators.qemu_machine import COMMAND
from edgekit.toolchains import get_toolchain, linker_script
from edgekit.toolchains.base import SMALL_SOURCES
from tests.conformance.suite import write_suite

# One board per core.
BOARDS = ["stm32f746", "stm32f411", "stm32l152", "stm32u585", "stm32n657", "rp2040"]
# Scratch: an amount that cuts layers into several tiles, and one that holds any whole.
ROOM = {"zig": 700, "gcc": 1 << 14}
MAIN = """void conformance_run(void);
void ek_ready(void);
void ek_done(void);
int main(void)
{
    ek_ready();
    for (;;) {
        conformance_run();
        ek_done();
    }
}
"""


def _roomy(board: Board) -> Board:
    """The board with 16 MB of program flash: all cases together are larger than any firmware."""
    last = max(
        (r for r in board.regions if r.kind == "flash" and not r.external), key=lambda r: r.address, default=None
    )
    last = last or board.flash_internal
    regions = tuple(replace(r, size=max(r.size, 16 << 20)) if r.name == last.name else r for r in board.regions)
    return replace(board, regions=regions)


@pytest.mark.parametrize("toolchain", ["zig", "gcc"])
@pytest.mark.parametrize("board_name", BOARDS)
def test_kernels_equal_reference(
    tmp_path: Path, board_name: str, toolchain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if toolchain == "gcc":
        # All that can go by fours does, also where a build would hold instructions down.
        monkeypatch.setattr(Products, "most_for_speed", math.inf)
    if toolchain == "gcc" and shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("no arm-none-eabi-gcc on this machine")
    board = load_board(board_name)
    if board.unicorn_cpu is None and shutil.which(COMMAND) is None:
        pytest.skip(f"no {COMMAND} on this machine, which alone emulates {board.core}")
    board = _roomy(emulated_board(board))
    suite = write_suite(tmp_path / "suite", Target.of(board), ROOM[toolchain])
    main = tmp_path / "suite" / "main.c"
    main.write_text(MAIN)
    sources = [main, runtime_c.HARNESS / "startup.c", *suite.sources]
    script = linker_script(board, stack_bytes=4096)
    # Kernels as a build compiles them; what calls them only has to be quick to compile.
    compiler = replace(get_toolchain(toolchain), optimise_source={**SMALL_SOURCES, **dict.fromkeys(suite.drivers, "0")})
    image = compiler.compile(sources, suite.include_dirs, board, tmp_path / "build", script, {})
    with open_machine(board, image, [], "conformance_run") as machine:
        machine.boot()
        assert machine.run_once().total > 0
        data = machine.read(image.symbols["conformance_results"][0], 4 * len(suite.cases))
    results = np.frombuffer(data, np.int32)
    assert [name for name, count in zip(suite.cases, results, strict=True) if count] == []
