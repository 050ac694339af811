"""The C operator library as data: where its sources are, and which files a set of kernels needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent
INCLUDE = ROOT / "include"
HARNESS = ROOT / "harness"


def kernel_sources(kernels: Iterable[str]) -> list[Path]:
    """The source files of kernels and of the parts that they share, sorted.

    A kernel's file is named after it; where it serves several element types, its name ends in one (ek_cast_f32_i8 is in
    ek_cast.c). A shared part is a header with a source of its name. Raises KeyError for a kernel that no file can hold.
    """
    files = {path.stem: path for path in (ROOT / "src").glob("*.c")}
    found: set[Path] = set()
    waiting = {files[_stem(kernel, files)] for kernel in kernels}
    while waiting:
        source = waiting.pop()
        found.add(source)
        waiting |= {files[part] for part in _parts(source) if part in files} - found
    return sorted(found)


def _parts(source: Path) -> list[str]:
    """The headers that a source includes, and those that they include, by stem."""
    found, waiting = list[str](), [source]
    while waiting:
        for stem in re.findall(r'#include "(\w+)\.h"', waiting.pop().read_text(encoding="utf-8")):
            if stem not in found and (INCLUDE / f"{stem}.h").exists():
                found.append(stem)
                waiting.append(INCLUDE / f"{stem}.h")
    return found


def _stem(kernel: str, files: Mapping[str, Path]) -> str:
    stem = kernel
    while stem and stem not in files:
        stem = stem.rpartition("_")[0]
    return stem or kernel


def headers() -> list[Path]:
    """All public headers, sorted."""
    return sorted(INCLUDE.glob("*.h"))
