"""Every kernel on every core in the emulator: the same bits as the reference, from both toolchains."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgekit import runtime_c
from edgekit.boards import load_board
from edgekit.codegen.lowering import Target
from edgekit.emulators import UnicornMachine
from edgekit.toolchains import get_toolchain, linker_script
from tests.conformance.suite import write_suite

BOARDS = ["stm32f746", "stm32f411", "stm32u585", "rp2040"]
PARTS = 4
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


@pytest.mark.parametrize("toolchain", ["zig", "gcc"])
@pytest.mark.parametrize("board_name", BOARDS)
def test_kernels_equal_reference(tmp_path: Path, board_name: str, toolchain: str) -> None:
    if toolchain == "gcc" and shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("no arm-none-eabi-gcc on this machine")
    for part in range(PARTS):
        check_part(tmp_path / str(part), board_name, toolchain, part)


def check_part(folder: Path, board_name: str, toolchain: str, part: int) -> None:
    """One image with its share of the cases; all of them at once fit no flash."""
    board = load_board(board_name)
    folder.mkdir()
    suite = write_suite(folder / "suite", Target(dsp=board.dsp), part, PARTS)
    main = folder / "suite" / "main.c"
    main.write_text(MAIN)
    sources = [main, runtime_c.HARNESS / "startup.c", *suite.sources]
    script = linker_script(board, stack_bytes=4096)
    image = get_toolchain(toolchain).compile(sources, suite.include_dirs, board, folder / "build", script, {})
    machine = UnicornMachine(board, image, [], "conformance_run")
    machine.boot()
    assert machine.run_once().total > 0
    results = np.frombuffer(machine.read(image.symbols["conformance_results"][0], 4 * len(suite.cases)), np.int32)
    assert [name for name, count in zip(suite.cases, results, strict=True) if count] == []
