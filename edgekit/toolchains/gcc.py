"""arm-none-eabi-gcc, where it is installed."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgekit.boards import Board
from edgekit.errors import ToolchainError
from edgekit.toolchains.base import Toolchain
from edgekit.toolchains.programs import installed

COMMAND = "arm-none-eabi-gcc"


@cache
def gcc_binary() -> str:
    """The compiler's path.

    Raises:
        ToolchainError: it is not on PATH.
    """
    return installed(COMMAND, "apt install gcc-arm-none-eabi, or use the zig toolchain")


@cache
def _ask(*arguments: str) -> str:
    result = subprocess.run([gcc_binary(), *arguments], capture_output=True, text=True, check=False, timeout=60)
    if result.returncode:
        raise ToolchainError(f"{COMMAND} {' '.join(arguments)} failed: {result.stderr.strip()}")
    return result.stdout.strip()


def core_flags(board: Board) -> list[str]:
    """GCC's flags for the board's core, FPU and calling convention."""
    float_flags = ["-mfloat-abi=hard", f"-mfpu={board.fpu}"] if board.fpu else ["-mfloat-abi=soft"]
    extension = ""
    if board.core == "cortex-m33" and not board.dsp:
        extension = "+nodsp"
    elif board.core == "cortex-m55":
        # Integer vectors only: vector floats flush subnormals to zero, which is not what the reference computes.
        extension = "+nomve.fp" if board.mve else "+nomve"
    return ["-mthumb", f"-mcpu={board.core}{extension}", *float_flags]


@dataclass(frozen=True)
class GccToolchain(Toolchain):
    """GCC with GNU ld; newlib's mathematics is linked where it is installed."""

    @property
    def name(self) -> str:
        return "gcc"

    def version(self) -> str:
        return _ask("-dumpfullversion")

    def _driver(self) -> list[str]:
        return [gcc_binary()]

    def _core_flags(self, board: Board) -> list[str]:
        return core_flags(board)

    def _stack_usage_flags(self, su_file: Path) -> list[str]:
        # GCC writes it beside the object by itself.
        return ["-fstack-usage"]

    def _link_flags(self) -> list[str]:
        return ["-nostdlib", "-Wl,-z,max-page-size=16", "-Wl,--no-warn-rwx-segments"]

    def _libraries(self, board: Board) -> list[str]:
        has_newlib = Path(_ask(*self._core_flags(board), "-print-file-name=libm.a")).is_absolute()
        return ["-Wl,--start-group", *(["-lm", "-lc"] if has_newlib else []), "-lgcc", "-Wl,--end-group"]
