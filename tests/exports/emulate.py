"""Export a build, run external tools, and run a linked example on the board's memories until it has finished a run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import unicorn
from unicorn import arm_const

from edgekit.boards import Board, load_board
from edgekit.emulators.memory_map import MemoryMap
from edgekit.exports import files_of, open_project, write_export
from edgekit.toolchains import Image

GCC = "arm-none-eabi-gcc"
BUDGET_US = 60_000_000


def need(*tools: str) -> None:
    """Skip the test where a program is not installed."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")


def export(build: Path, target: str, output: Path) -> Path:
    """Export a build as a target."""
    project = open_project(build)
    write_export(project, target, files_of(project, target), build, output)
    return output


def call(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a program that has to succeed, without a warning; its standard output."""
    result = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    assert "warning" not in result.stderr.lower(), result.stderr
    return result.stdout


@dataclass
class Device:
    """A board with an example in flash."""

    board: Board
    image: Image
    engine: unicorn.Uc
    memory: MemoryMap

    def integer(self, name: str) -> int:
        """A 32-bit variable."""
        at = self.image.symbols[name].address
        return int.from_bytes(self.engine.mem_read(at, 4), "little", signed=True)

    def bytes_of(self, name: str) -> bytes:
        """All bytes of an object."""
        symbol = self.image.symbols[name]
        return bytes(self.engine.mem_read(symbol.address, symbol.size))

    def run(self, finished: str = "example_runs", gave_up: str = "Default_Handler") -> None:
        """Run from reset until the variable `finished` becomes positive, or the program gives up."""
        vectors = self.image.symbols["vectors"].address
        stack, reset = (int.from_bytes(self.engine.mem_read(vectors + at, 4), "little") for at in (0, 4))
        counter = self.image.symbols[finished].address
        end = self.image.symbols[gave_up].address
        done: list[bool] = []

        def wrote(engine: unicorn.Uc, _access: int, _address: int, _size: int, value: int, _data: object) -> None:
            if value > 0:
                done.append(True)
                engine.emu_stop()

        self.engine.hook_add(unicorn.UC_HOOK_MEM_WRITE, wrote, begin=counter, end=counter + 3)
        self.engine.reg_write(arm_const.UC_ARM_REG_SP, stack)
        try:
            self.engine.emu_start(reset | 1, end, timeout=BUDGET_US)
        except unicorn.UcError as error:
            raise AssertionError(f"{error}: {self.memory.fault}") from error
        at = self.engine.reg_read(arm_const.UC_ARM_REG_PC) & ~1
        assert done or at == end, f"not finished; at {self.image.symbol_at(at)}"


def device(build_board: str, elf: Path, patches: Mapping[str, Sequence[int]] | None = None) -> Device:
    """Load an example; `patches` are byte offsets by symbol whose top bit is flipped in flash."""
    board = load_board(build_board)
    image = Image.load(elf, board, [])
    engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    engine.ctl_set_cpu_model(getattr(arm_const, f"UC_CPU_ARM_{board.unicorn_cpu}"))
    memory = MemoryMap(engine, board, image)
    for name, offsets in (patches or {}).items():
        for offset in offsets:
            at = image.symbols[name].address + offset
            engine.mem_write(at, bytes([engine.mem_read(at, 1)[0] ^ 0x80]))
    return Device(board, image, engine, memory)
