"""Compiled objects, kept by a hash of everything that went into them, so that a warm build compiles nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

HEADER_SUFFIXES = (".h", ".inc")


def cache_dir() -> Path:
    """Where edgekit keeps what it can rebuild: $XDG_CACHE_HOME/edgekit or ~/.cache/edgekit."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "edgekit"


def headers_digest(folders: Iterable[Path]) -> str:
    """A hash of the names and bytes of all headers below some folders; where the folders lie does not matter."""
    digest = hashlib.sha256()
    for folder in folders:
        headers = [path for path in folder.rglob("*") if path.suffix in HEADER_SUFFIXES and path.is_file()]
        for path in sorted(headers):
            _add(digest, path.relative_to(folder).as_posix().encode(), path.read_bytes())
        _add(digest, b"end of folder")
    return digest.hexdigest()


def object_key(source: Path, headers: str, command: Sequence[str]) -> str:
    """The key of one object: name and bytes of its source, its headers' digest, compiler version and flags."""
    digest = hashlib.sha256()
    _add(digest, source.name.encode(), source.read_bytes(), headers.encode(), *(part.encode() for part in command))
    return digest.hexdigest()


def fetch(key: str, target: Path) -> bool:
    """Copy a kept object and its stack usage file to `target` and `target`.su; False where there is none."""
    kept = _place(key)
    try:
        shutil.copyfile(kept.with_suffix(".su"), target.with_suffix(".su"))
        shutil.copyfile(kept, target)
    except FileNotFoundError:
        return False
    return True


def store(key: str, made: Path) -> None:
    """Keep an object and its stack usage file; a cache that cannot be written is no error."""
    kept = _place(key)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        replace_file(made.with_suffix(".su"), kept.with_suffix(".su"))
        replace_file(made, kept)
    except OSError:
        return


def replace_file(source: Path, target: Path) -> None:
    """Copy a file so that others see either none or all of it."""
    handle, name = tempfile.mkstemp(dir=target.parent)
    os.close(handle)
    try:
        shutil.copyfile(source, name)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)


def _place(key: str) -> Path:
    return cache_dir() / "objects" / key[:2] / f"{key}.o"


def _add(digest: hashlib._Hash, *parts: bytes) -> None:
    # Lengths keep neighbouring parts apart.
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
