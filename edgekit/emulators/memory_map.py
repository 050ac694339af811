"""A board's memories in Unicorn: exactly their ranges, flash read-only, RAM not executable."""

from __future__ import annotations

from typing import Any

import unicorn

from edgekit.boards import Board
from edgekit.errors import CheckFailed
from edgekit.toolchains import Image

PAGE = 4096
SYSTEM_SPACE = 0xE000E000  # the system control space, one page: VTOR, CPACR
_READ_ONLY = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
_READ_WRITE = unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE
_KINDS = {
    unicorn.UC_MEM_READ: "read from",
    unicorn.UC_MEM_WRITE: "write to",
    unicorn.UC_MEM_READ_UNMAPPED: "read from",
    unicorn.UC_MEM_WRITE_UNMAPPED: "write to",
    unicorn.UC_MEM_FETCH_UNMAPPED: "execution of",
    unicorn.UC_MEM_WRITE_PROT: "write to read-only",
    unicorn.UC_MEM_READ_PROT: "read from protected",
    unicorn.UC_MEM_FETCH_PROT: "execution of non-executable",
}


class MemoryMap:
    """Maps a board's memories, loads the image at its load addresses and remembers the first bad access.

    Attributes:
        fault: text of the first bad access, or None.
    """

    def __init__(self, engine: unicorn.Uc, board: Board, image: Image) -> None:
        self.fault: str | None = None
        self._engine, self._image = engine, image
        for start, end, kind in _spans(board):
            rounded = -(-end // PAGE) * PAGE
            engine.mem_map(start, rounded - start, _READ_ONLY if kind == "flash" else _READ_WRITE)
            if rounded > end:
                # Unicorn maps whole pages: what is beyond the memory's end is watched instead.
                kinds = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
                engine.hook_add(kinds, self._beyond_end, begin=end, end=rounded - 1)
        engine.mem_map(SYSTEM_SPACE, PAGE, _READ_WRITE)
        engine.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._invalid)
        for segment in image.segments:
            region = next((r for r in board.regions if r.address <= segment.address < r.end), None)
            if region is None:
                raise CheckFailed(
                    f"the image has bytes at {segment.address:#010x}, outside every memory of {board.name}"
                )
            engine.mem_write(segment.address, segment.data)

    def _invalid(self, _engine: Any, access: int, address: int, size: int, _value: int, _data: Any) -> bool:
        if self.fault is None:
            at = self._engine.reg_read(unicorn.arm_const.UC_ARM_REG_PC)
            what = _KINDS.get(access, f"access {access} to")
            self.fault = f"{what} {address:#010x} ({size} B) at pc {at:#010x} in {self._image.symbol_at(at)}"
        return False

    def _beyond_end(self, engine: Any, access: int, address: int, size: int, value: int, data: Any) -> None:
        self._invalid(engine, access, address, size, value, data)
        engine.emu_stop()


def _spans(board: Board) -> list[tuple[int, int, str]]:
    """(start, end, kind) of the memories, contiguous ones of a kind joined so that pages never overlap."""
    spans: list[tuple[int, int, str]] = []
    for region in board.regions:
        if spans and spans[-1][1] == region.address and spans[-1][2] == region.kind:
            spans[-1] = (spans[-1][0], region.end, region.kind)
        else:
            spans.append((region.address, region.end, region.kind))
    for start, _, _ in spans:
        if start % PAGE:
            raise CheckFailed(f"{board.name}: a memory at {start:#x} does not start on a page of {PAGE} B")
    return spans
