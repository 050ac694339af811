"""Exports on disk: written whole or not at all, and never over something that a person made."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import BadUsage
from edgekit.exports.project import Project

RECORD = "edgekit-export.json"


def write_export(
    project: Project, target: str, files: Mapping[str, str], build: Path, output: Path, force: bool = False
) -> dict[str, Any]:
    """Put an export's files into `output`, in place of an earlier export; returns the record written beside them.

    Args:
        build: the folder that was exported; `output` may not lie in it.
        force: replace an earlier export even where a person changed it.

    Raises:
        BadUsage: `output` is something else, was changed since it was exported, or cannot be written.
    """
    home = output.resolve()
    if build.resolve() in (home, *home.parents):
        raise BadUsage(f"{output} lies in the built folder, which the next build replaces: choose another with -o")
    if home in build.resolve().parents:
        raise BadUsage(f"{output} holds the built folder: choose another with -o")
    _check_replaceable(output, force)
    record: dict[str, Any] = {
        "schema": 1,
        "target": target,
        "model": project.name,
        "board": project.board.name,
        "signature": project.signature,
        "files": {path: hashlib.sha256(text.encode()).hexdigest() for path, text in sorted(files.items())},
    }
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".edgekit-", dir=home.parent) as scratch:
            made = Path(scratch) / "export"
            for path, text in {**files, RECORD: json.dumps(record, indent=1) + "\n"}.items():
                place = made / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, encoding="utf-8", newline="\n")
            if home.exists():
                shutil.rmtree(home)
            shutil.move(made, home)
    except OSError as error:
        raise BadUsage(f"cannot write to {output}: {error.strerror}") from error
    return record


def _check_replaceable(output: Path, force: bool) -> None:
    """Raise BadUsage where `output` holds anything but an earlier export as it was written."""
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise BadUsage(f"{output} exists and is no folder: choose another with -o")
    if not output.exists() or not any(output.iterdir()):
        return
    try:
        hashes = dict(json.loads((output / RECORD).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadUsage(f"{output} exists and is no earlier export: choose another with -o") from error
    if force:
        return
    for path in sorted(p for p in output.rglob("*") if not p.is_dir() or p.is_symlink()):
        name = path.relative_to(output).as_posix()
        if name != RECORD and (path.is_symlink() or hashes.get(name) != hashlib.sha256(path.read_bytes()).hexdigest()):
            raise BadUsage(
                f"{output}/{name} was changed or added since the export: choose another folder with -o, or give "
                "--force to replace all of it"
            )
