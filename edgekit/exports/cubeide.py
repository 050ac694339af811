"""A project for STM32CubeIDE, whose Edgekit folder also drops into a project that is there already."""

from __future__ import annotations

import itertools

from edgekit.errors import BadUsage
from edgekit.exports.project import Project
from edgekit.exports.rendering import board_script, placed, plain, render

# Identifiers in .cproject only have to differ from each other.
_FIRST_ID = 1000


def cubeide_files(project: Project) -> dict[str, str]:
    """Core/ is the example, Edgekit/ the model.

    Raises:
        BadUsage: the board's chip is none of ST's.
    """
    mcu = project.board.mcu
    if mcu is None:
        raise BadUsage(f"STM32CubeIDE knows STM32 chips only, and {project.board.name} has none: export as cmake")
    script = f"{mcu.upper()}_FLASH.ld"
    ids = itertools.count(_FIRST_ID)
    known = {"script": script, "mcu": mcu}
    return {
        ".project": render(project, "cubeide/project.xml.j2"),
        ".cproject": render(project, "cubeide/cproject.xml.j2", next_id=lambda: next(ids), **known),
        "README.md": render(project, "cubeide/README.md.j2", **known),
        script: board_script(project),
        "edgekit_sections.ld": render(project, "cubeide/edgekit_sections.ld.j2"),
        "Core/Src/main.c": render(project, "common/main.c.j2"),
        "Core/Startup/startup.c": plain("common/startup.c"),
        **placed("Edgekit/Inc", {**project.public, **project.headers}),
        **placed("Edgekit/Src", project.sources),
    }
