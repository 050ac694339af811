"""The Python side of qemu_count_plugin.c: its configuration, and the counts and faults that it shares."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.boards import Board

_HEAD = struct.Struct("=5Q")  # total, fault, its address, size and pc
_WRITE, _EXECUTE = 1, 2
_FAULTS = {1: "read from", 2: "write to", 3: "execution of non-executable", 4: "unaligned vector access to"}


@dataclass(frozen=True)
class Counts:
    """Instructions since the start; `layers` by layer value, 0 outside layers."""

    total: int
    layers: list[int]


@dataclass(frozen=True)
class Fault:
    """An access that the board does not have: `what` it was, and where; addresses and sizes in bytes."""

    what: str
    address: int
    size: int
    pc: int


class PluginState:
    """The memory that emulator and plugin share.

    Args:
        folder: takes the plugin's two files; has to outlive the emulator.
        overheads: (start, end) of the functions outside layers; layers: their entries, in order.
    """

    def __init__(self, folder: Path, board: Board, overheads: Sequence[tuple[int, int]], layers: Sequence[int]) -> None:
        self.config = folder / "config"
        state = folder / "state"
        self._values = len(layers) + 1
        state.write_bytes(bytes(_HEAD.size + 8 * self._values))
        lines = [f"state {state}"]
        lines += [f"overhead {start:x} {end:x}" for start, end in overheads]
        lines += [f"layer {address:x} {index + 1:x}" for index, address in enumerate(layers)]
        lines += [f"memory {start:x} {end:x} {flags:x}" for start, end, flags in _memories(board)]
        self.config.write_text("\n".join(lines) + "\n")
        with state.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    @property
    def total(self) -> int:
        """Instructions since the start."""
        return int(_HEAD.unpack_from(self._map)[0])

    def counts(self) -> Counts:
        """All counts; of a program that stands still."""
        return Counts(self.total, list(struct.unpack_from(f"={self._values}Q", self._map, _HEAD.size)))

    def fault(self) -> Fault | None:
        """The first bad access, or None."""
        _, kind, address, size, pc = _HEAD.unpack_from(self._map)
        return Fault(_FAULTS[kind], address, size, pc) if kind else None

    def close(self) -> None:
        """Let go of the shared memory."""
        self._map.close()


def _memories(board: Board) -> list[tuple[int, int, int]]:
    """(start, end, flags), contiguous memories of a kind joined so that an access may straddle them."""
    joined: list[tuple[int, int, int]] = []
    for region in board.regions:
        flags = _EXECUTE if region.kind == "flash" else _WRITE
        if joined and joined[-1][1:] == (region.address, flags):
            joined[-1] = (joined[-1][0], region.end, flags)
        else:
            joined.append((region.address, region.end, flags))
    return joined
