"""Replacement problems as JSON files: steps, the tensors that they touch, and what it costs to move and make those."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from edgekit.codegen.memory.problem_text import MAX_NUMBER, read_text
from edgekit.errors import BadData

MAX_STEPS, MAX_TENSORS = 2_000, 10_000
_FIELDS = {
    "file": {"capacity", "alignment", "tensors", "steps"},
    "tensor": {"name", "size", "store", "fetch", "outside", "result"},
    "step": {"name", "reads", "writes", "again"},
}


@dataclass(frozen=True)
class FileTensor:
    """A tensor of a file: bytes; costs of a copy off the chip, of bringing it back, and of living outside (None: it
    cannot); whether it must be there after the last step."""

    name: str
    size: int
    store: int
    fetch: int
    outside: int | None
    result: bool


@dataclass(frozen=True)
class FileStep:
    """A step of a file: the numbers of the tensors that it reads and writes, and what it costs to run it a second time
    (None: it cannot)."""

    name: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    again: int | None


@dataclass(frozen=True)
class ReplacementFile:
    """What a file says; what no step writes has a copy off the chip and arrives for nothing."""

    capacity: int | None
    alignment: int
    tensors: tuple[FileTensor, ...]
    steps: tuple[FileStep, ...]

    @cached_property
    def read(self) -> frozenset[int]:
        """The tensors that some step reads."""
        return frozenset(tensor for step in self.steps for tensor in step.reads)


def read_replacement(path: Path) -> ReplacementFile:
    """Read `{capacity, alignment, tensors[{name, size, store, fetch, outside, result}], steps[{name, reads, writes,
    again}]}`; all but names, sizes, reads and writes may be left out.

    Raises BadData naming the tensor or step where the file is not of this kind.
    """
    text = read_text(path)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadData(f"{path}: not JSON: {error}") from error
    return _Reader(path).problem(data)


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers: dict[str, int] = {}

    def problem(self, data: object) -> ReplacementFile:
        fields = self._object(data, "file", "the file")
        capacity = None if fields.get("capacity") is None else self._number(fields, "capacity", "the file", 1)
        alignment = self._number(fields, "alignment", "the file", 1, 1)
        tensors = tuple(self._tensor(entry, n) for n, entry in enumerate(self._list(fields, "tensors", MAX_TENSORS)))
        steps = tuple(self._step(entry, n) for n, entry in enumerate(self._list(fields, "steps", MAX_STEPS)))
        used = {tensor for step in steps for tensor in (*step.reads, *step.writes)}
        for number, tensor in enumerate(tensors):
            if number not in used:
                raise self._bad(f"no step reads or writes tensor {tensor.name!r}; leave it out")
        return ReplacementFile(capacity, alignment, tensors, steps)

    def _tensor(self, entry: object, position: int) -> FileTensor:
        fields = self._object(entry, "tensor", f"tensor {position}")
        name = self._name(fields, f"tensor {position}")
        where = f"tensor {name!r}"
        if name in self._numbers:
            raise self._bad(f"{where} is there twice")
        self._numbers[name] = position
        size = self._number(fields, "size", where, 1)
        outside = None if fields.get("outside") is None else self._number(fields, "outside", where, 0)
        if not isinstance(fields.get("result", False), bool):
            raise self._bad(f"{where}: result must be true or false")
        store, fetch = self._number(fields, "store", where, 0, size), self._number(fields, "fetch", where, 0, size)
        return FileTensor(name, size, store, fetch, outside, fields.get("result", False))

    def _step(self, entry: object, position: int) -> FileStep:
        fields = self._object(entry, "step", f"step {position}")
        name = self._name(fields, f"step {position}")
        reads, writes = self._tensors(fields, "reads", name), self._tensors(fields, "writes", name)
        if not reads and not writes:
            raise self._bad(f"step {name!r} reads and writes nothing")
        again = None if fields.get("again") is None else self._number(fields, "again", f"step {name!r}", 0)
        return FileStep(name, reads, writes, again)

    def _tensors(self, fields: Mapping[str, Any], key: str, step: str) -> tuple[int, ...]:
        names = fields.get(key, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._bad(f"step {step!r}: {key} must be a list of names of tensors")
        for name in names:
            if name not in self._numbers:
                raise self._bad(f"step {step!r}: {key} {name[:40]!r}, which is not among the tensors")
        return tuple(dict.fromkeys(self._numbers[name] for name in names))

    def _object(self, value: object, kind: str, where: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._bad(f"{where} must be an object with {', '.join(sorted(_FIELDS[kind]))}")
        unknown = sorted(set(value) - _FIELDS[kind])
        if unknown:
            raise self._bad(f"{where}: unknown field {unknown[0][:40]!r}; there are {', '.join(sorted(_FIELDS[kind]))}")
        return value

    def _list(self, fields: Mapping[str, Any], key: str, most: int) -> list[object]:
        values = fields.get(key)
        if not isinstance(values, list) or not 1 <= len(values) <= most:
            raise self._bad(f"{key} must be a list of 1 to {most}")
        return values

    def _name(self, fields: Mapping[str, Any], where: str) -> str:
        name = fields.get("name")
        if not isinstance(name, str) or not 1 <= len(name) <= 200 or not name.isprintable():
            raise self._bad(f"{where}: name must be a text of 1 to 200 printable characters")
        return name

    def _number(self, fields: Mapping[str, Any], key: str, where: str, least: int, default: int | None = None) -> int:
        value = fields.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MAX_NUMBER:
            raise self._bad(f"{where}: {key} must be a whole number from {least} to {MAX_NUMBER}")
        return value

    def _bad(self, message: str) -> BadData:
        return BadData(f"{self._path}: {message}")
