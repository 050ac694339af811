"""C identifiers and file names. Nothing of a model file reaches C or a path except through `c_name`."""

from __future__ import annotations

import re

_KEYWORDS = (
    "auto break case char const continue default do double else enum extern float for goto if inline int long "
    "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while "
    "main model "
    # Headers of the C library: a model's own header must not hide them.
    "assert complex ctype errno fenv inttypes iso646 limits locale math setjmp signal stdarg stdbool stddef stdint "
    "stdio stdlib string tgmath time wchar wctype"
)
MAX_LENGTH = 40


def c_name(text: str) -> str:
    """A lower-case C identifier made of `text`: letters, digits and single underscores, never a keyword."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:MAX_LENGTH].strip("_")
    if not name or not name[0].isalpha() or name in _KEYWORDS.split() or name.startswith("ek_"):
        name = f"model_{name}".strip("_")[:MAX_LENGTH]
    return name


def comment_text(text: str) -> str:
    """`text` made safe for a C comment: printable ASCII without comment marks, at most 80 characters."""
    safe = re.sub(r"[^A-Za-z0-9 _.:;,()\[\]-]", "_", text)
    return safe[:80]
