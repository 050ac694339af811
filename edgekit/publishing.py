"""Output folders: what may be overwritten, and how a finished build takes its place."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from edgekit.errors import BadUsage


def check_writable(output: Path) -> None:
    """Raise BadUsage where the output folder cannot be written, or holds something that no build made."""
    parent = existing_parent(output)
    if output.exists() and not (output.is_dir() and (not any(output.iterdir()) or (output / "report.json").exists())):
        raise BadUsage(f"{output} exists and is no folder of an earlier build: choose another with -o")
    try:
        with tempfile.TemporaryDirectory(prefix=".edgekit-", dir=parent):
            pass
        if output.exists():
            with tempfile.TemporaryDirectory(prefix=".edgekit-", dir=output):
                pass
    except OSError as error:
        raise BadUsage(f"cannot write to {output}: {error.strerror}") from error


def existing_parent(path: Path) -> Path:
    """The nearest folder above a path that exists."""
    parent = path.resolve().parent
    while not parent.exists():
        parent = parent.parent
    return parent


def publish(folder: Path, output: Path) -> None:
    """Put the finished folder in place of an earlier one."""
    try:
        output.resolve().parent.mkdir(parents=True, exist_ok=True)
        if output.exists():
            shutil.rmtree(output)
        shutil.move(folder, output)
    except OSError as error:
        raise BadUsage(f"cannot write to {output}: {error.strerror}") from error
