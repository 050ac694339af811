"""The worst-case stack of a linked image: its call graph, decoded from the machine code, with every function's frame.

Frames come from the compilers' stack usage files; functions of run-time libraries have none, and count all stack
that their instructions could take. Nothing is assumed about a call that cannot be resolved: it is an error.
"""

from __future__ import annotations

import bisect
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from elftools.elf.elffile import ELFFile

from edgekit.errors import ToolchainError
from edgekit.toolchains import thumb


@dataclass(frozen=True)
class StackBound:
    """The deepest stack in bytes, and the chain of calls that reaches it, entry first."""

    bytes: int
    path: list[str]


class FunctionUse(NamedTuple):
    """What one function of an image takes: bytes of code with its literals, bytes of stack for its own frame, and the
    functions that it calls or jumps to, sorted."""

    code: int
    frame: int
    callees: tuple[str, ...]


@dataclass
class _Function:
    names: list[str]
    start: int
    end: int
    frame: int = 0
    callees: set[int] = field(default_factory=set)  # start addresses


def stack_bound(image_elf: Path, su_files: list[Path], entry: str, allow_indirect: Collection[str] = ()) -> StackBound:
    """Bound the stack of everything that `entry` can reach.

    A jump out of a function counts as a call, so a tail call keeps the caller's frame: an upper bound.

    Args:
        image_elf: linked, with symbols.
        su_files: stack usage files of its objects (-fstack-usage).
        entry: a function of the image.
        allow_indirect: functions whose indirect calls are ignored.

    Raises:
        ToolchainError: recursion, an indirect call, a frame of unknown size, or no such entry.
    """
    graph = _Graph(image_elf, _frames(su_files), allow_indirect)
    deepest: dict[int, tuple[int, int]] = {}  # start -> (bytes, callee start or -1)
    start = graph.named(entry)
    _walk(graph, start, deepest, [])
    path, at = [], start
    while at >= 0:
        path.append(graph.at(at).names[0])
        at = deepest[at][1]
    return StackBound(deepest[start][0], path)


def function_uses(image_elf: Path, su_files: list[Path], entries: Collection[str]) -> dict[str, FunctionUse]:
    """Every function that `entries` can reach, by its first name; arguments and errors as of `stack_bound`.

    Where several have one name, those at higher addresses get a number behind it.
    """
    graph = _Graph(image_elf, _frames(su_files), ())
    waiting, found = [graph.named(name) for name in entries], dict[int, _Function]()
    while waiting:
        start = waiting.pop()
        if start not in found:
            found[start] = graph.scan(start)
            waiting += found[start].callees
    names, seen = dict[int, str](), dict[str, int]()
    for start in sorted(found):
        name = found[start].names[0]
        seen[name] = seen.get(name, 0) + 1
        names[start] = name if seen[name] == 1 else f"{name}#{seen[name]}"
    return {
        names[start]: FunctionUse(f.end - start, f.frame, tuple(sorted(names[c] for c in f.callees)))
        for start, f in sorted(found.items())
    }


def _walk(graph: _Graph, start: int, deepest: dict[int, tuple[int, int]], active: list[int]) -> int:
    if start in active:
        cycle = [graph.at(address).names[0] for address in [*active[active.index(start) :], start]]
        raise ToolchainError(f"recursion makes the stack unbounded: {' -> '.join(cycle)}")
    if start not in deepest:
        function = graph.scan(start)
        active.append(start)
        below = max(((_walk(graph, callee, deepest, active), callee) for callee in function.callees), default=(0, -1))
        active.pop()
        deepest[start] = (function.frame + below[0], below[1])
    return deepest[start][0]


def _frames(su_files: list[Path]) -> dict[str, int | None]:
    """Function name -> frame bytes, None where it is dynamic; static functions of one name share the largest."""
    frames: dict[str, int | None] = {}
    for path in su_files:
        for line in path.read_text(encoding="utf-8").splitlines():
            where, size, kind = line.split("\t")
            name = where.rsplit(":", 1)[-1]
            before = frames.get(name, 0)
            unbounded = before is None or kind == "dynamic"
            frames[name] = None if unbounded else max(before or 0, int(size))
    return frames


class _Graph:
    """Functions of an image by start address; each is decoded when it is first asked for."""

    def __init__(self, elf: Path, frames: dict[str, int | None], allow_indirect: Collection[str]) -> None:
        self._frames, self._allow_indirect = frames, allow_indirect
        self._code: list[tuple[int, bytes]] = []
        self._functions: dict[int, _Function] = {}
        self._scanned: set[int] = set()
        with elf.open("rb") as stream:
            self._read(ELFFile(stream))
        self._starts = sorted(self._functions)

    def _read(self, file: ELFFile) -> None:
        executable = 4
        self._code = [(s["sh_addr"], s.data()) for s in file.iter_sections() if s["sh_flags"] & executable]
        marks: list[tuple[int, bool]] = []
        sizes: dict[int, int] = {}
        for symbol in file.get_section_by_name(".symtab").iter_symbols():
            address = symbol["st_value"] & ~1
            if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_shndx"] != "SHN_UNDEF":
                self._functions.setdefault(address, _Function([], address, address)).names.append(symbol.name)
                sizes[address] = max(sizes.get(address, 0), symbol["st_size"])
            elif symbol.name.split(".")[0] in ("$t", "$d"):
                marks.append((address, symbol.name[1] == "d"))
        self._marks = sorted(marks)
        self._mark_starts = [address for address, _ in self._marks]
        starts = sorted(self._functions)
        for start, after in zip(starts, [*starts[1:], None], strict=True):
            # Assembly of run-time libraries often has no size: such a function ends where the next one starts.
            size = sizes[start] or (after if after is not None else self._section_end(start)) - start
            self._functions[start].end = start + size

    def _section_end(self, address: int) -> int:
        return next((at + len(code) for at, code in self._code if at <= address < at + len(code)), address)

    def named(self, name: str) -> int:
        """Start of a function by name."""
        for start, function in self._functions.items():
            if name in function.names:
                return start
        raise ToolchainError(f"no function {name} to bound the stack from")

    def at(self, start: int) -> _Function:
        """A function by its start."""
        return self._functions[start]

    def _containing(self, address: int) -> int | None:
        index = bisect.bisect_right(self._starts, address) - 1
        while index >= 0:
            function = self._functions[self._starts[index]]
            if function.start <= address < function.end:
                return function.start
            index -= 1
            if address - function.start > 1 << 20:
                break
        return None

    def scan(self, start: int) -> _Function:
        """Decode a function: its callees and, without a stack usage file, its frame."""
        function = self._functions[start]
        if start in self._scanned:
            return function
        self._scanned.add(start)
        growth, unknown = 0, False
        for instruction in self._instructions(function):
            taken = thumb.stack_growth(instruction)
            unknown |= taken is None
            growth += taken or 0
            self._follow(function, instruction)
        known = [self._frames[name] for name in function.names if name in self._frames]
        if None in known or (not known and unknown):
            raise ToolchainError(f"{function.names[0]}: its stack frame has no constant size")
        # Compilers state 0 for naked functions, whatever their assembly pushes.
        function.frame = max((size for size in known if size is not None), default=0) or growth
        return function

    def _instructions(self, function: _Function) -> list[thumb.Instruction]:
        found: list[thumb.Instruction] = []
        at = function.start
        index = bisect.bisect_right(self._mark_starts, at)
        is_data = bool(index) and self._marks[index - 1][1]
        while at < function.end:
            stop = min(self._mark_starts[index], function.end) if index < len(self._marks) else function.end
            if not is_data:
                found += thumb.instructions(self._bytes(at, stop), at)
            at = stop
            if index < len(self._marks):
                is_data = self._marks[index][1]
            index += 1
        return found

    def _bytes(self, start: int, end: int) -> bytes:
        for address, code in self._code:
            if address <= start and end <= address + len(code):
                return code[start - address : end - address]
        return b""

    def _follow(self, function: _Function, instruction: thumb.Instruction) -> None:
        target = None
        pointer = thumb.literal_jump(instruction)
        branch = thumb.flow(instruction)
        if pointer is not None:
            target = int.from_bytes(self._bytes(pointer, pointer + 4), "little") & ~1
        elif branch is None:
            return
        elif branch.kind == thumb.INDIRECT:
            if not set(function.names) & set(self._allow_indirect):
                raise ToolchainError(
                    f"{function.names[0]}: indirect call or jump at {instruction.address:#010x}; the stack has no bound"
                )
            return
        else:
            target = branch.target
        inside = function.start <= target < function.end
        # Armv6-M has no long branch: compilers jump far inside a function with bl, to anywhere but its start.
        if inside and (branch is None or branch.kind == thumb.JUMP or target != function.start):
            return
        callee = self._containing(target)
        if callee is None:
            raise ToolchainError(f"{function.names[0]}: branch to {target:#010x}, which is in no function")
        function.callees.add(callee)
