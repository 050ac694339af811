"""Placement problems as CSV files of the kind that MiniMalloc reads and writes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.codegen.memory.block import Block
from edgekit.codegen.memory.problem_text import MAX_NUMBER, read_text
from edgekit.errors import BadData

# Other names of columns, as MiniMalloc takes them.
ALIASES = {"buffer": "id", "buffer_id": "id", "start": "lower", "begin": "lower"}
COLUMNS = ("id", "lower", "upper", "end", "size", "alignment", "offset")
MAX_BLOCKS = 10_000


@dataclass(frozen=True)
class Problem:
    """A problem and the text it came from.

    Attributes:
        header, rows: the file's fields as they are.
        blocks: one per row; a value in the column `offset` fixes it.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    blocks: tuple[Block, ...]

    def with_offsets(self, offsets: Sequence[int]) -> str:
        """The file's columns and `offset`, as CSV text."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        kept = [i for i, name in enumerate(self.header) if name != "offset"]
        writer.writerow([*(self.header[i] for i in kept), "offset"])
        for row, offset in zip(self.rows, offsets, strict=True):
            writer.writerow([*(row[i] for i in kept), offset])
        return out.getvalue()


def read_problem(path: Path) -> Problem:
    """Read columns id, lower, upper (not included) or end (included), size, and optionally alignment and offset.

    Raises BadData naming the line where the file is not of this kind.
    """
    text = read_text(path, "utf-8-sig")
    try:
        reader = csv.reader(io.StringIO(text))
        lines = [(reader.line_num, tuple(field.strip() for field in row)) for row in reader if row]
    except csv.Error as error:
        raise BadData(f"{path}: {error}") from error
    if not lines:
        raise BadData(f"{path}: empty; write a header id,lower,upper,size and a line per block")
    header, rows = lines[0][1], tuple(row for _, row in lines[1:])
    numbers = [number for number, _ in lines[1:]]
    columns = _columns(path, header)
    if not 1 <= len(rows) <= MAX_BLOCKS:
        raise BadData(f"{path}: {len(rows)} blocks; from 1 to {MAX_BLOCKS} can be planned")
    blocks = tuple(_block(path, line, row, len(header), columns) for line, row in zip(numbers, rows, strict=True))
    _check_fixed(path, blocks, numbers)
    return Problem(header, rows, blocks)


def _columns(path: Path, header: Sequence[str]) -> dict[str, int]:
    names = [ALIASES.get(name, name) for name in header]
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or len(set(names)) < len(names):
        what = f"unknown column {unknown[0]!r}" if unknown else "a column twice"
        raise BadData(f"{path}: {what}; columns are {', '.join(COLUMNS)}")
    missing = [name for name in ("id", "lower", "size") if name not in names]
    if missing or ("upper" in names) == ("end" in names):
        raise BadData(f"{path}: needs columns id, lower, upper (or end, included) and size")
    return {name: index for index, name in enumerate(names)}


def _block(path: Path, line: int, row: Sequence[str], width: int, columns: dict[str, int]) -> Block:
    if len(row) != width:
        raise BadData(f"{path}:{line}: {len(row)} fields, the header has {width}")

    def number(name: str, least: int) -> int:
        text = row[columns[name]]
        try:
            # Checked before conversion: Python refuses, or takes long for, thousands of digits.
            value = int(text) if len(text) <= 20 else MAX_NUMBER + 1
            if "_" in text:
                raise ValueError
        except ValueError:
            raise BadData(f"{path}:{line}: {name} is {text[:20]!r}, not a whole number") from None
        if not least <= value <= MAX_NUMBER:
            raise BadData(f"{path}:{line}: {name} must be from {least} to {MAX_NUMBER}")
        return value

    first, size = number("lower", -MAX_NUMBER), number("size", 1)
    last = number("end", -MAX_NUMBER) if "end" in columns else number("upper", -MAX_NUMBER) - 1
    if last < first:
        raise BadData(f"{path}:{line}: it ends before it begins")
    alignment = number("alignment", 1) if "alignment" in columns and row[columns["alignment"]] else 1
    fixed = number("offset", 0) if "offset" in columns and row[columns["offset"]] else None
    if fixed is not None and fixed % alignment:
        raise BadData(f"{path}:{line}: offset {fixed} is not a multiple of alignment {alignment}")
    return Block(size, alignment, first, last, fixed)


def _check_fixed(path: Path, blocks: Sequence[Block], lines: Sequence[int]) -> None:
    """Fixed blocks that are live together may not overlap."""
    fixed = [(block.fixed, block, line) for line, block in zip(lines, blocks, strict=True) if block.fixed is not None]
    fixed.sort(key=lambda entry: entry[0])
    for at, (offset, block, line) in enumerate(fixed):
        for other_offset, other, other_line in fixed[at + 1 :]:
            if other_offset >= offset + block.size:
                break
            if block.overlaps(other):
                raise BadData(f"{path}:{other_line}: overlaps line {line}: both offsets are given")
