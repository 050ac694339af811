"""A linked image: its symbols, what each kind of content takes, and how full each memory of the board is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from edgekit.boards import Board
from edgekit.errors import ToolchainError

_ALLOCATED = 2  # SHF_ALLOC


class Symbol(NamedTuple):
    """Address (Thumb bit cleared) and size in bytes."""

    address: int
    size: int


class Segment(NamedTuple):
    """Bytes of the image at their load address."""

    address: int
    data: bytes


class RegionUse(NamedTuple):
    """One memory of the board and how many of its bytes the image takes; addresses and sizes in bytes."""

    name: str
    address: int
    size: int
    used: int


@dataclass(frozen=True)
class Image:
    """A linked ELF file and what is known of it.

    Attributes:
        elf: its path.
        symbols: name -> (address, size); functions and objects, local ones too.
        functions: those symbols that are functions.
        sections: bytes of every section that takes memory on the device.
        regions: use of every memory of the board.
        segments: loadable bytes by load address, ascending.
        su_files: the compilers' stack usage files.
    """

    elf: Path
    symbols: dict[str, Symbol]
    functions: dict[str, Symbol]
    sections: dict[str, int]
    regions: list[RegionUse]
    segments: list[Segment]
    su_files: list[Path]

    @staticmethod
    def load(elf: Path, board: Board, su_files: list[Path]) -> Image:
        """Read a linked ELF file.

        Raises:
            ToolchainError: the file is no ELF file.
        """
        try:
            with elf.open("rb") as stream:
                file = ELFFile(stream)
                symbols, functions = _symbols(file)
                sections = [
                    (s.name, s["sh_addr"], s["sh_size"]) for s in file.iter_sections() if s["sh_flags"] & _ALLOCATED
                ]
                segments = [
                    Segment(s["p_paddr"], s.data())
                    for s in file.iter_segments()
                    if s["p_type"] == "PT_LOAD" and s["p_filesz"]
                ]
        except (OSError, ELFError) as error:
            raise ToolchainError(f"{elf.name}: not a readable ELF file: {error}") from error
        regions = _region_use(board, sections, segments)
        sizes = {name: size for name, _, size in sections}
        return Image(elf, symbols, functions, sizes, regions, sorted(segments), su_files)

    @property
    def code_bytes(self) -> int:
        """Vectors, instructions and constants outside the weights section."""
        return sum(self.sections.get(name, 0) for name in (".vectors", ".text", ".rodata"))

    @property
    def weights_bytes(self) -> int:
        """The weights sections, in all flashes."""
        return self.sections.get(".edgekit_weights", 0) + self.weights_outside_bytes

    @property
    def weights_outside_bytes(self) -> int:
        """The weights in flash off the chip that is not the program flash."""
        return self.sections.get(".edgekit_weights_ext", 0)

    @property
    def data_bytes(self) -> int:
        """Initialised variables: RAM, and as much flash to copy them from."""
        return self.sections.get(".data", 0)

    @property
    def flash_bytes(self) -> int:
        """Code, constants and weights, in all flashes."""
        return self.code_bytes + self.data_bytes + self.weights_bytes

    @property
    def bss_bytes(self) -> int:
        """Zeroed variables."""
        return self.sections.get(".bss", 0)

    @property
    def stack_bytes(self) -> int:
        """What the linker script reserves for the stack."""
        return self.sections.get(".ek_stack", 0)

    @property
    def arena_bytes(self) -> int:
        """All arenas in memories of the chip; the one outside is in `sections`."""
        return sum(
            size
            for name, size in self.sections.items()
            if name.startswith(".edgekit_arena") and name != ".edgekit_arena_ext"
        )

    def region_used(self, name: str) -> int:
        """Bytes of one memory of the board that the image takes.

        Raises:
            KeyError: the board has no such region.
        """
        return {region.name: region.used for region in self.regions}[name]

    def function(self, name: str) -> Symbol:
        """A function by its C name, also where the compiler made a clone of it (`name.constprop.0`).

        Raises:
            ToolchainError: the image has no such function.
        """
        if name in self.functions:
            return self.functions[name]
        clones = sorted(other for other in self.functions if other.startswith(f"{name}."))
        if len(clones) != 1:
            raise ToolchainError(f"{self.elf.name}: no function {name}; was it inlined or dropped by the linker?")
        return self.functions[clones[0]]

    def content(self, address: int, size: int) -> bytes:
        """Bytes of the image at their load address.

        Raises:
            ToolchainError: the image has none there.
        """
        for segment in self.segments:
            offset = address - segment.address
            if offset >= 0 and offset + size <= len(segment.data):
                return segment.data[offset : offset + size]
        raise ToolchainError(f"{self.elf.name}: nothing at {address:#010x} ({size} B)")

    def symbol_at(self, address: int) -> str:
        """`name+0x12` of the function or object that holds an address, or the bare address."""
        best = max(
            ((s.address, n) for n, s in self.symbols.items() if s.address <= address < s.address + max(s.size, 1)),
            default=None,
        )
        if best is None:
            return f"{address:#010x}"
        offset = address - best[0]
        return f"{best[1]}+{offset:#x}" if offset else best[1]


def _symbols(file: ELFFile) -> tuple[dict[str, Symbol], dict[str, Symbol]]:
    table = file.get_section_by_name(".symtab")
    symbols: dict[str, Symbol] = {}
    functions: dict[str, Symbol] = {}
    for entry in table.iter_symbols() if table is not None else ():
        kind, name = entry["st_info"]["type"], entry.name
        if not name or name.startswith("$") or kind in ("STT_FILE", "STT_SECTION") or entry["st_shndx"] == "SHN_UNDEF":
            continue
        is_function = kind == "STT_FUNC"
        symbol = Symbol(entry["st_value"] & ~1 if is_function else entry["st_value"], entry["st_size"])
        symbols[name] = symbol
        if is_function:
            functions[name] = symbol
    return symbols, functions


def _region_use(board: Board, sections: list[tuple[str, int, int]], segments: list[Segment]) -> list[RegionUse]:
    """Used bytes run from a memory's start to the last byte taken in it, so that padding counts."""
    spans = [(address, address + size) for _, address, size in sections if size]
    spans += [(segment.address, segment.address + len(segment.data)) for segment in segments]
    uses = []
    for region in board.regions:
        ends = [min(end, region.end) for start, end in spans if start < region.end and end > region.address]
        used = max(ends) - region.address if ends else 0
        uses.append(RegionUse(region.name, region.address, region.size, used))
    return uses
