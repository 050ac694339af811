"""The C operator library as data: where its sources are, and which files a set of kernels needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent
INCLUDE = ROOT / "include"
HARNESS = ROOT / "harness"


def kernel_sources(kernels: Iterable[str]) -> list[Path]:
    """The source files of kernels, sorted.

    A kernel's file is named after it; where it serves several element types, its name ends in one (ek_cast_f32_i8 is in
    ek_cast.c). Raises KeyError for a kernel that no file can hold.
    """
    files = {path.stem: path for path in (ROOT / "src").glob("*.c")}
    return sorted({files[_stem(kernel, files)] for kernel in kernels})


def _stem(kernel: str, files: Mapping[str, Path]) -> str:
    stem = kernel
    while stem and stem not in files:
        stem = stem.rpartition("_")[0]
    return stem or kernel


def headers() -> list[Path]:
    """All public headers, sorted."""
    return sorted(INCLUDE.glob("*.h"))
