"""The size table: what every function of runtime_c takes on every core, measured and committed (kernel_sizes.json).

`python -m edgekit.forecast.measure` writes it. Nothing here compiles.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from edgekit import runtime_c
from edgekit.boards import Board
from edgekit.codegen import emit
from edgekit.errors import InternalError

TABLE = Path(__file__).with_name("kernel_sizes.json")
REFRESH = "python -m edgekit.forecast.measure"


@dataclass(frozen=True)
class FunctionSize:
    """Bytes of code or table, bytes of its own stack frame, and the functions and tables that it pulls in."""

    code: int
    frame: int
    uses: tuple[str, ...]


@dataclass(frozen=True)
class CoreSizes:
    """Sizes for one kind of core.

    Attributes:
        functions: by name, kernels and all that they pull in.
        startup_code, startup_stack: of an image without layers: vectors, reset handler, main and the run function.
        layer_code: bytes of generated code by feature of a layer's calls, see `edgekit.forecast.generated`.
        layer_frame: bytes of a layer function's own frame, by the same module's key.
    """

    key: str
    functions: Mapping[str, FunctionSize]
    startup_code: int
    startup_stack: int
    layer_code: Mapping[str, float]
    layer_frame: Mapping[str, int]
    _depth: dict[str, int] = field(default_factory=dict)

    def require(self, kernels: Iterable[str]) -> None:
        """Raise InternalError for kernels that the table lacks."""
        missing = self.missing(kernels)
        if missing:
            raise InternalError(f"no size of {', '.join(missing)} on {self.key}: run {REFRESH}")

    def missing(self, kernels: Iterable[str]) -> list[str]:
        """Kernels that the table lacks, sorted."""
        return sorted(set(kernels) - set(self.functions))

    def code(self, kernels: Iterable[str]) -> int:
        """Bytes of kernels and all that they pull in, each function once; a median size for a missing kernel."""
        kernels = list(kernels)
        waiting, found = [k for k in kernels if k in self.functions], set[str]()
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.functions[name].uses
        guessed = len(self.missing(kernels)) * self._typical(lambda name: self.functions[name].code)
        return sum(self.functions[name].code for name in found) + guessed

    def stack(self, kernel: str) -> int:
        """The deepest stack of a kernel in bytes; a median one for a missing kernel."""
        return self._stack(kernel) if kernel in self.functions else self._typical(self._stack)

    def _stack(self, name: str) -> int:
        if name not in self._depth:
            function = self.functions[name]
            self._depth[name] = function.frame + max((self._stack(use) for use in function.uses), default=0)
        return self._depth[name]

    def _typical(self, of: Callable[[str], int]) -> int:
        return round(median(of(name) for name in self.functions if name.startswith("ek_")))


def core_key(board: Board) -> str:
    """What of a board decides code size, as the table names it: core, FPU and extensions."""
    return " ".join([board.core, board.fpu or "soft", *["dsp"] * board.dsp, *["mve"] * board.mve])


@cache
def read_table() -> dict[str, Any]:
    """The committed table; raises InternalError where it is missing or unreadable."""
    try:
        table: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InternalError(f"{TABLE.name} cannot be read ({error}): run {REFRESH}") from error
    return table


@cache
def core_sizes(key: str) -> CoreSizes:
    """The sizes of a core by `core_key`; raises InternalError where none were measured."""
    cores = read_table()["cores"]
    if key not in cores:
        raise InternalError(f"no code sizes for {key}, only for {'; '.join(cores)}: run {REFRESH}")
    row = cores[key]
    functions = {name: FunctionSize(f[0], f[1], tuple(f[2:])) for name, f in row["functions"].items()}
    code, stack = row["startup"]
    return CoreSizes(key, functions, code, stack, row["layer_code"], row["layer_frame"])


def struct_bytes(c_type: str) -> int | None:
    """sizeof of a parameter struct on every supported core, or None where the table lacks it."""
    size: int | None = read_table()["structs"].get(c_type)
    return size


def source_digests() -> dict[str, str]:
    """A hash per file that the table was measured from: kernels, headers, start-up code, templates of generated C."""
    files = sorted(
        path
        for folder in ("src", "include", "freestanding", "harness")
        for path in (runtime_c.ROOT / folder).glob("*.[ch]")
    )
    templates = Path(emit.__file__).parent / "templates"
    files += [templates / "main.c.j2", templates / "model.c.j2"]
    return {f"{p.parent.name}/{p.name}": hashlib.sha256(p.read_bytes()).hexdigest()[:12] for p in files}
