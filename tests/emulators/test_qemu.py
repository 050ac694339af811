"""QEMU and Unicorn agree on the same image: outputs and executed instructions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgekit.boards import load_board, load_qemu_machine
from edgekit.emulators import UnicornMachine, run_qemu
from edgekit.emulators.qemu_machine import COMMAND
from edgekit.errors import CheckFailed, ToolchainError
from tests.toolchains.programs import DEMO, LAYERS, MAIN, SEMIHOSTED_MAIN, TOOLCHAINS, build

INPUT = bytes((i * 3 - 90) & 0xFF for i in range(64))
needs_qemu = pytest.mark.skipif(shutil.which(COMMAND) is None, reason=f"{COMMAND} is not installed")


@needs_qemu
@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("name", ["stm32f411", "stm32f746", "stm32u585"])
def test_qemu_equals_unicorn(name: str, toolchain: str, tmp_path: Path) -> None:
    board = load_board(name)
    qemu_board = load_qemu_machine(str(board.qemu_machine))
    qemu_board = type(qemu_board)(**{**qemu_board.__dict__, "fpu": board.fpu})
    image = build(qemu_board, toolchain, tmp_path / "qemu", {"demo.c": DEMO, "main.c": SEMIHOSTED_MAIN})
    result = run_qemu(qemu_board, image, "demo_run")
    assert (result.status, result.passes) == (7, 3)

    for at in (board, qemu_board):
        machine = UnicornMachine(
            at, build(at, toolchain, tmp_path / at.name, {"demo.c": DEMO, "main.c": MAIN}), LAYERS, "demo_run"
        )
        machine.boot()
        arena = machine.image.symbols["arena"].address
        machine.write(arena, INPUT)
        counts = machine.run_once()
        assert result.instructions == 3 * counts.total
        assert machine.read(arena + 64, 64).hex() == result.output.replace("\n", "")


@needs_qemu
def test_a_program_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    machine = load_qemu_machine("mps2-an386")
    image = build(machine, "zig", tmp_path)
    with pytest.raises(CheckFailed, match="did not end"):
        run_qemu(machine, image, "demo_run", timeout_s=1.0)


def test_missing_qemu_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = load_qemu_machine("mps2-an386")
    image = build(machine, "zig", tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolchainError, match="apt install qemu-system-arm"):
        run_qemu(machine, image, "demo_run")
