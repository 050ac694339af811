"""The C operator library as data: where its sources are, and which files a set of kernels needs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
INCLUDE = ROOT / "include"
HARNESS = ROOT / "harness"


def kernel_sources(kernels: Iterable[str]) -> list[Path]:
    """The source file of each kernel, sorted; a kernel's file is named after it."""
    return [ROOT / "src" / f"{kernel}.c" for kernel in sorted(set(kernels))]


def all_kernels() -> list[str]:
    """Every kernel there is, sorted."""
    return sorted(path.stem for path in (ROOT / "src").glob("*.c"))


def headers() -> list[Path]:
    """All public headers, sorted."""
    return sorted(INCLUDE.glob("*.h"))
