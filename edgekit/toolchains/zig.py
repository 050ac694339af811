"""Clang and LLD from the `ziglang` wheel: nothing but pip is needed."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from edgekit.boards import Board
from edgekit.errors import ToolchainError
from edgekit.toolchains.base import Toolchain

# Zig's plain `cortex_m7` emits soft float under eabihf: the FPU has to be named as a feature.
_FPU_FEATURES = {"fpv4-sp-d16": "+vfp4d16sp", "fpv5-sp-d16": "+fp_armv8d16sp", "fpv5-d16": "+fp_armv8d16"}


@cache
def zig_binary() -> Path:
    """Zig's executable inside the installed wheel.

    Raises:
        ToolchainError: the wheel is not installed.
    """
    spec = find_spec("ziglang")
    for folder in spec.submodule_search_locations or () if spec else ():
        for name in ("zig", "zig.exe"):
            if (Path(folder) / name).is_file():
                return Path(folder) / name
    raise ToolchainError("zig is not installed: pip install ziglang")


@cache
def zig_version() -> str:
    """Zig's version, e.g. '0.15.1'."""
    result = subprocess.run([str(zig_binary()), "version"], capture_output=True, text=True, check=False, timeout=60)
    if result.returncode:
        raise ToolchainError("zig does not start: pip install --force-reinstall ziglang")
    return result.stdout.strip()


@dataclass(frozen=True)
class ZigToolchain(Toolchain):
    """`zig cc`, called without Python in between."""

    @property
    def name(self) -> str:
        return "zig"

    def version(self) -> str:
        return zig_version()

    def _driver(self) -> list[str]:
        return [str(zig_binary()), "cc"]

    def _core_flags(self, board: Board) -> list[str]:
        abi = "eabihf" if board.fpu else "eabi"
        cpu = board.core.replace("-", "_") + (_FPU_FEATURES[board.fpu] if board.fpu else "")
        if board.core == "cortex-m33":
            # Optional on this core, and off in Zig's model of it.
            cpu += "+dsp" if board.dsp else "-dsp"
        elif board.mve:
            # Integer vectors only: vector floats flush subnormals to zero, which is not what the reference computes.
            cpu += "+mve"
        return ["-target", f"thumb-freestanding-{abi}", f"-mcpu={cpu}"]

    def _stack_usage_flags(self, su_file: Path) -> list[str]:
        return ["-fno-sanitize=all", "-Xclang", "-stack-usage-file", "-Xclang", str(su_file)]

    def _environment(self, scratch: Path) -> dict[str, str]:
        # Zig's own object cache would skip the compiler, and with it the stack usage file.
        return {**os.environ, "ZIG_LOCAL_CACHE_DIR": str(scratch)}

    def _link_flags(self) -> list[str]:
        return ["-Wl,-z,max-page-size=16"]
