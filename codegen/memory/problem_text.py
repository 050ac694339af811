"""Limits of the problem files that `edgekit plan` reads."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import BadData

MAX_CHARACTERS = 1 << 24
MAX_NUMBER = 1 << 40


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """A file's text, its line ends as they are; raises BadData where there is none, or too much."""
    try:
        with path.open(encoding=encoding, newline="") as file:
            text = file.read(MAX_CHARACTERS + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(f"{path}: not readable as text ({type(error).__name__})") from error
    if len(text) > MAX_CHARACTERS:
        raise BadData(f"{path}: larger than {MAX_CHARACTERS} characters")
    return text
