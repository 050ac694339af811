"""What the targets share: templates, the example's linker script, and placing the build's C files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgekit.codegen.emit import comment_text, template_environment
from edgekit.errors import BadUsage
from edgekit.exports.project import Project
from edgekit.toolchains import linker_script
from edgekit.toolchains.gcc import core_flags

_TEMPLATES = Path(__file__).parent / "templates"
# What generated code needs beyond the core's flags: floats are not fused, unused functions go.
LIBRARY_FLAGS = ("-O2", "-ffunction-sections", "-fdata-sections", "-ffp-contract=off")


def render(project: Project, template: str, **extra: object) -> str:
    """A template with what every target needs to know."""
    values = {
        "project": project,
        "name": project.name,
        "macro": project.macro,
        "board": project.board,
        "title": comment_text(project.board.title),
        "core_flags": core_flags(project.board),
        "library_flags": LIBRARY_FLAGS,
        **extra,
    }
    return template_environment(_TEMPLATES).get_template(template).render(values)


def plain(name: str) -> str:
    """A file of the templates folder that has nothing to fill in."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def board_script(project: Project) -> str:
    """The linker script of the example firmware."""
    return linker_script(project.board, project.stack_bytes, keep_debug=True)


def placed(folder: str, texts: Mapping[str, str]) -> dict[str, str]:
    """Texts by path, all in one folder."""
    return {f"{folder}/{name}": text for name, text in texts.items()}


def require_on_chip(project: Project, target: str) -> None:
    """Raise BadUsage where a target cannot place what the build put off the chip."""
    if project.external:
        raise BadUsage(
            f"this build keeps {' and '.join(project.external)}, which {target} does not place: build with "
            "--internal-only, or export as cmake"
        )
