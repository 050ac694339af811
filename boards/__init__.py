"""Boards: one TOML file per board, read into frozen dataclasses.

A board file states the core, its clock and every memory that a program may use, with address, size and relative cost.
Memories at address zero (ITCM) are left out on purpose, so that a null pointer faults in the emulator.
"""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgekit.errors import BadBoard, UnknownBoard

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BOARD_DIR = Path(__file__).resolve().parent
QEMU_DIR = BOARD_DIR / "qemu"
CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
FPUS = ("fpv4-sp-d16", "fpv5-sp-d16", "fpv5-d16")


@dataclass(frozen=True)
class Region:
    """One memory, or several contiguous ones merged.

    Attributes:
        name: lower-case identifier, unique on the board.
        address, size: bytes.
        kind: 'ram' or 'flash'.
        external: whether it is off the chip.
        access_cost: cycles per 32-bit word read in sequence, relative to zero-wait memory (1.0).
        cost_source: 'measured' or 'estimated'.
        note: what the region is good for.
        wait_cycles, line_bytes: core cycles that the first read of a line waits, and the line's bytes; 0 where only
            access_cost is known.
        program: whether it is the program flash, wherever it is; only for parts that start from flash off the chip.
    """

    name: str
    address: int
    size: int
    kind: str
    external: bool
    access_cost: float
    cost_source: str
    note: str = ""
    program: bool = False
    wait_cycles: int = 0
    line_bytes: int = 0

    @property
    def wait_per_byte(self) -> float:
        """Core cycles of waiting per byte that is read once, in sequence."""
        return self.wait_cycles / self.line_bytes if self.line_bytes else (self.access_cost - 1.0) / 4

    @property
    def end(self) -> int:
        """First address after the region."""
        return self.address + self.size


@dataclass(frozen=True)
class Board:
    """A board, or a QEMU machine described like one.

    Attributes:
        name, title: file name and human name.
        core: one of CORES.
        mhz: core clock in MHz.
        fpu: GCC's name of the FPU, or None.
        dsp: whether the core has the DSP instructions (SMLAD and friends).
        regions: memories in address order.
        qemu_machine: name of the QEMU machine with the same core (see `load_qemu_machine`), or None.
        unicorn_cpu: Unicorn's CPU model, e.g. 'CORTEX_M7', or None where Unicorn lacks the core: QEMU emulates it then.
        vector_offset: bytes at the start of flash that a second-stage boot loader owns.
        mcu: the chip as STM32CubeIDE calls it, or None for chips of other vendors.
        mve: whether the core has the vector extension (Helium) with integer instructions.
    """

    name: str
    title: str
    core: str
    mhz: float
    fpu: str | None
    dsp: bool
    regions: tuple[Region, ...]
    qemu_machine: str | None
    unicorn_cpu: str | None
    vector_offset: int = 0
    mcu: str | None = None
    mve: bool = False

    @property
    def ram_internal(self) -> Region:
        """The largest contiguous on-chip RAM, its banks merged."""
        return max(_merged(self.regions, "ram"), key=lambda region: region.size)

    @property
    def ram_stack(self) -> Region:
        """Where stack and data lie: the fastest on-chip RAM, banks merged; of equally fast ones the largest."""
        return min((self.ram_internal, *self.extra_ram), key=lambda region: (region.access_cost, -region.size))

    @property
    def ram_total(self) -> int:
        """Bytes of all on-chip RAM."""
        return sum(region.size for region in (self.ram_internal, *self.extra_ram))

    @property
    def flash_internal(self) -> Region:
        """The program flash: the region marked so, else the largest contiguous on-chip flash, its banks merged.

        It is off the chip only where the part has no flash of its own.
        """
        marked = next((r for r in self.regions if r.program), None)
        return marked or max(_merged(self.regions, "flash"), key=lambda region: region.size)

    @property
    def external_ram(self) -> Region | None:
        """The first RAM off the chip, or None."""
        return next((r for r in self.regions if r.external and r.kind == "ram"), None)

    @property
    def external_flash(self) -> Region | None:
        """The first flash off the chip that is not the program flash, or None."""
        return next((r for r in self.regions if r.external and r.kind == "flash" and not r.program), None)

    @property
    def without_external_flash(self) -> Board:
        """The same board with all weights in the program flash."""
        return replace(self, regions=tuple(region for region in self.regions if region != self.external_flash))

    @property
    def extra_ram(self) -> tuple[Region, ...]:
        """On-chip RAM outside `ram_internal`, banks merged, in address order."""
        main = self.ram_internal
        return tuple(r for r in _merged(self.regions, "ram") if r.address != main.address)


def board_names() -> list[str]:
    """Names that `load_board` accepts, sorted."""
    return sorted(path.stem for path in BOARD_DIR.glob("*.toml"))


def load_board(name: str) -> Board:
    """Read one board.

    Raises:
        UnknownBoard: no such board; the message names close matches.
        BadBoard: the file is inconsistent.
    """
    return _load(BOARD_DIR, name, board_names())


def load_qemu_machine(name: str) -> Board:
    """Read the memory map of a QEMU machine (`Board.qemu_machine`) as a board of its own.

    Raises:
        UnknownBoard, BadBoard: as `load_board`.
    """
    return _load(QEMU_DIR, name, sorted(path.stem for path in QEMU_DIR.glob("*.toml")))


def _load(folder: Path, name: str, known: list[str]) -> Board:
    if name not in known:
        close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5) or known
        raise UnknownBoard(f"unknown board {name!r}; did you mean {', '.join(close)}?")
    return parse_board(name, (folder / f"{name}.toml").read_text(encoding="utf-8"))


def parse_board(name: str, text: str) -> Board:
    """Read a board from the text of a board file and check it.

    Raises:
        BadBoard: bad TOML, a missing or unknown field, or regions that overlap or are not aligned.
    """
    try:
        data: dict[str, Any] = tomllib.loads(text)
        rows = data.pop("regions")
        regions = tuple(sorted((_region(row) for row in rows), key=lambda region: region.address))
        data.setdefault("fpu", None)
        data.setdefault("qemu_machine", None)
        data.setdefault("unicorn_cpu", None)
        board = Board(name=name, regions=regions, **data)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise BadBoard(f"board {name}: {type(error).__name__}: {error}") from error
    _check(board)
    return board


def _region(row: dict[str, Any]) -> Region:
    row.setdefault("external", False)
    row.setdefault("cost_source", "estimated")
    return Region(**row)


def _check(board: Board) -> None:
    where = f"board {board.name}"
    if board.core not in CORES:
        raise BadBoard(f"{where}: core {board.core!r} is not one of {', '.join(CORES)}")
    if board.fpu is not None and board.fpu not in FPUS:
        raise BadBoard(f"{where}: fpu {board.fpu!r} is not one of {', '.join(FPUS)}")
    if board.unicorn_cpu is None and board.qemu_machine is None:
        raise BadBoard(f"{where}: neither unicorn_cpu nor qemu_machine: nothing could emulate it")
    if board.mve and board.core != "cortex-m55":
        raise BadBoard(f"{where}: mve: {board.core} has no vector extension")
    if board.vector_offset % 256:
        raise BadBoard(f"{where}: vector_offset {board.vector_offset} is not a multiple of 256")
    for region in board.regions:
        _check_region(where, region)
    for low, high in zip(board.regions, board.regions[1:], strict=False):
        if low.end > high.address:
            raise BadBoard(f"{where}: regions {low.name} and {high.name} overlap at {high.address:#x}")
    if len({region.name for region in board.regions}) != len(board.regions):
        raise BadBoard(f"{where}: two regions have the same name")
    marked = [region.name for region in board.regions if region.program]
    if len(marked) > 1:
        raise BadBoard(f"{where}: regions {' and '.join(marked)} are both marked as program flash")
    for kind in ("ram", "flash"):
        if not _merged(board.regions, kind) and not (kind == "flash" and marked):
            raise BadBoard(
                f"{where}: no internal {kind} region" + (", and none has program = true" * (kind == "flash"))
            )


def _check_region(where: str, region: Region) -> None:
    name = region.name
    if not (name.isascii() and name.isidentifier() and name == name.lower()):
        raise BadBoard(f"{where}: region name {name!r} is not a lower-case identifier")
    if region.kind not in ("ram", "flash"):
        raise BadBoard(f"{where}: region {name}: kind {region.kind!r} is neither 'ram' nor 'flash'")
    if region.program and (region.kind != "flash" or not region.external):
        raise BadBoard(f"{where}: region {name}: program = true is for flash with external = true")
    if region.cost_source not in ("measured", "estimated"):
        raise BadBoard(f"{where}: region {name}: cost_source {region.cost_source!r} is not measured or estimated")
    if region.size <= 0 or region.end > 1 << 32:
        raise BadBoard(f"{where}: region {name}: size {region.size} leaves the 32-bit address space")
    if region.address % 1024 or region.size % 1024:
        raise BadBoard(f"{where}: region {name}: address and size must be multiples of 1024")
    if region.wait_cycles < 0 or region.line_bytes < 0 or (region.wait_cycles > 0) != (region.line_bytes > 0):
        raise BadBoard(f"{where}: region {name}: wait_cycles and line_bytes must both be positive, or both left out")
    if region.access_cost < 1.0:
        raise BadBoard(f"{where}: region {name}: access_cost {region.access_cost} is below 1.0")


def _merged(regions: tuple[Region, ...], kind: str) -> list[Region]:
    """Internal regions of one kind, contiguous ones joined (cost: mean weighted by size)."""
    merged: list[Region] = []
    for region in regions:
        if region.external or region.kind != kind:
            continue
        if merged and merged[-1].end == region.address:
            last = merged.pop()
            size = last.size + region.size
            cost = (last.access_cost * last.size + region.access_cost * region.size) / size
            source = last.cost_source if last.cost_source == region.cost_source else "estimated"
            note = "; ".join(text for text in (last.note, region.note) if text)
            name = f"{last.name}_{region.name}"
            waits = (last.wait_cycles, last.line_bytes)
            if waits != (region.wait_cycles, region.line_bytes):
                waits = (0, 0)
            merged.append(Region(name, last.address, size, kind, False, cost, source, note, False, waits[0], waits[1]))
        else:
            merged.append(region)
    return merged
