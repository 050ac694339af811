"""A second opinion: the same program on QEMU's model of the core, with QEMU's own count of instructions.

QEMU has no machine for most boards, so the program is linked for a machine with the same core
(`load_qemu_machine(board.qemu_machine)`); inputs are part of the image and outputs come back through semihosting.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edgekit.boards import Board
from edgekit.emulators.native import shared_library
from edgekit.errors import CheckFailed, ToolchainError
from edgekit.toolchains import Image

COMMAND = "qemu-system-arm"
PLUGIN = Path(__file__).with_name("qemu_count_plugin.c")


@dataclass(frozen=True)
class QemuResult:
    """What a program said and did.

    Attributes:
        output: text that it wrote by semihosting; status: its exit status.
        passes: how often the run function was entered.
        instructions: executed from the run function's entry to ek_done, all passes together.
    """

    output: str
    status: int
    passes: int
    instructions: int


def qemu_binary() -> str:
    """QEMU's path.

    Raises:
        ToolchainError: it is not on PATH.
    """
    found = shutil.which(COMMAND)
    if found is None:
        raise ToolchainError(f"{COMMAND} is not installed: apt install qemu-system-arm")
    return found


def run_qemu(machine: Board, image: Image, run_symbol: str, timeout_s: float = 60.0) -> QemuResult:
    """Run an image until it calls ek_semihost_exit.

    Args:
        machine: from `load_qemu_machine`; the image is linked for it.
        run_symbol: where counting starts; it ends at ek_done.

    Raises:
        ToolchainError: QEMU is missing, too old for plugins, or refuses to start.
        CheckFailed: the program does not end in time.
    """
    with tempfile.TemporaryDirectory() as folder:
        console, counts = Path(folder) / "console", Path(folder) / "counts"
        start, stop = image.function(run_symbol).address, image.function("ek_done").address
        plugin = f"{shared_library(PLUGIN)},start={start:#x},stop={stop:#x},out={counts}"
        command = [qemu_binary(), "-M", str(machine.qemu_machine), "-nodefaults", "-display", "none", "-serial", "none"]
        command += ["-chardev", f"file,id=console,path={console}", "-kernel", str(image.elf), "-plugin", plugin]
        command += ["-semihosting-config", "enable=on,target=native,chardev=console"]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise CheckFailed(f"qemu: the program did not end within {timeout_s} s") from error
        if not counts.exists():
            raise ToolchainError(f"{COMMAND} failed with status {done.returncode}: {done.stderr.strip()[:500]}")
        passes, total = (int(text) for text in counts.read_text().split())
        output = console.read_text(errors="replace") if console.exists() else ""
        return QemuResult(output, done.returncode, passes, total)
