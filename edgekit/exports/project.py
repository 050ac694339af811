"""A folder that `edgekit build` made, read for an export: its C files, and what its reports say of memory."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.boards import Board, load_board
from edgekit.codegen.emit import c_name
from edgekit.codegen.memory.region import STACK_RESERVE
from edgekit.errors import BadUsage
from edgekit.toolchains import arena_section

_FILE_NAME = re.compile(r"[A-Za-z0-9_]+\.[ch]")
_SIGNATURE = re.compile(r'_SIGNATURE "([0-9a-f]{16})"')
_STACK_STEP = 256


@dataclass(frozen=True)
class Arena:
    """One arena of the model's context, in the context's order.

    Attributes:
        section: the linker section of edgekit's scripts that it belongs in.
        region: the memory that it was planned for.
        external: whether that memory is off the chip.
    """

    section: str
    region: str
    bytes: int
    external: bool


@dataclass(frozen=True)
class Port:
    """An input or output: NumPy's name of its type, and its shape."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Project:
    """What an export needs of a build.

    Attributes:
        name: the model's C identifier.
        public, headers, sources: file name to text: the model's own header, the other headers, all C files.
        weights_bytes, weights_outside: of all tables, and of those in flash off the chip.
        stack_bytes: what a linker script should reserve.
    """

    name: str
    board: Board
    signature: str
    public: Mapping[str, str]
    headers: Mapping[str, str]
    sources: Mapping[str, str]
    arenas: tuple[Arena, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    weights_bytes: int
    weights_outside: int
    stack_bytes: int

    @property
    def macro(self) -> str:
        """Prefix of the header's macros."""
        return self.name.upper()

    @property
    def uses_math(self) -> bool:
        """Whether a kernel calls the C library's mathematics."""
        return any("#include <math.h>" in text for text in self.sources.values())

    @property
    def external(self) -> list[str]:
        """What stands off the chip, in words."""
        found = [f"{a.bytes} B of activations in {a.region}" for a in self.arenas if a.external]
        if self.weights_outside and self.board.external_flash is not None:
            found.append(f"{self.weights_outside} B of weights in {self.board.external_flash.name}")
        return found


def open_project(folder: Path) -> Project:
    """Read a build.

    Raises:
        BadUsage: the folder is no finished build, or holds files that no build writes.
        UnknownBoard: it was built for a board that this edgekit does not know.
    """
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        name, board = str(plan["name"]), load_board(str(report["board"]))
        # As the model's context lists them: those that are used, at least one.
        used = [record for record in plan["regions"] if record["arena"]] or plan["regions"][:1]
        arenas = tuple(_arena(record, board) for record in used)
        inputs, outputs = (tuple(_port(p) for p in plan[key]) for key in ("inputs", "outputs"))
        flash, stack = report["flash"], int(report["ram"]["stack_bound"])
        weights, outside = int(flash["weights"]), int(flash["external"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _no_build(folder, f"{type(error).__name__}: {error}") from error
    if c_name(name) != name:
        raise _no_build(folder, "plan.json names no model")
    headers = _texts(folder / "include", ".h") | _texts(folder / "src", ".h")
    sources = _texts(folder / "src", ".c")
    for wanted, found in ((f"{name}.h", headers), (f"{name}.c", sources), (f"{name}_weights.c", sources)):
        if wanted not in found:
            raise _no_build(folder, f"{wanted} is missing")
    if f"{name}_selftest.c" not in sources:
        raise BadUsage(f"{folder} has no src/{name}_selftest.c: an earlier edgekit made it; run edgekit build again")
    public = {f"{name}.h": headers.pop(f"{name}.h")}
    signature = _SIGNATURE.search(public[f"{name}.h"])
    if signature is None:
        raise _no_build(folder, f"include/{name}.h has no signature")
    return Project(
        name, board, signature[1], public, headers, sources, arenas, inputs, outputs,
        weights, outside,
        max(STACK_RESERVE, -(-stack // _STACK_STEP) * _STACK_STEP),
    )  # fmt: skip


def _no_build(folder: Path, why: str) -> BadUsage:
    return BadUsage(f"{folder} is no finished build ({why}); run edgekit build")


def _arena(record: Mapping[str, Any], board: Board) -> Arena:
    name, size = str(record["name"]), max(1, int(record["arena"]))
    memories = (board.ram_internal, *board.extra_ram, board.external_ram)
    region = next((memory for memory in memories if memory is not None and memory.name == name), None)
    if region is None:
        raise ValueError(f"plan.json places an arena in {name!r}, which board {board.name} does not have")
    return Arena(arena_section(board, region), name, size, region.external)


def _port(record: Mapping[str, Any]) -> Port:
    return Port(str(record["dtype"]), tuple(int(d) for d in record["shape"]))


def _texts(folder: Path, suffix: str) -> dict[str, str]:
    """The files of a folder with one suffix; only names that C files of a build can have."""
    texts = {}
    try:
        for path in sorted(folder.iterdir()):
            if path.suffix != suffix:
                continue
            if not _FILE_NAME.fullmatch(path.name) or path.is_symlink() or not path.is_file():
                raise BadUsage(f"{folder} holds {path.name!r}, which no build writes: remove it, or build again")
            texts[path.name] = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadUsage(f"cannot read {folder}: {error}") from error
    return texts
