"""Templates to text: an undefined name is an error, and nothing is escaped, because nothing unsafe may get in."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2


@cache
def template_environment(folder: Path) -> jinja2.Environment:
    """The templates of a folder, with blocks that leave no empty lines behind."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
