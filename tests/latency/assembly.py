"""Assembly text to machine code, for the latency tests."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path

from elftools.elf.elffile import ELFFile

from edgekit.latency.decoder import decode
from edgekit.latency.operations import Operation
from edgekit.toolchains.zig import zig_binary


@cache
def assemble(text: str) -> bytes:
    """Machine code of lines that are separated by ';' or newlines; any core's instructions."""
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "code.s", Path(folder) / "code.o"
        source.write_text(".syntax unified\n.thumb\n" + text.replace(";", "\n") + "\n")
        command = [str(zig_binary()), "cc", "-target", "thumb-freestanding-eabihf"]
        command += ["-mcpu=cortex_m7+fp_armv8d16", "-c", str(source), "-o", str(made)]
        subprocess.run(command, check=True, capture_output=True)
        with made.open("rb") as stream:
            section = ELFFile(stream).get_section_by_name(".text")
            return bytes(section.data())


def operations(text: str) -> list[Operation]:
    """What the decoder makes of it."""
    return decode(assemble(text), 0)
