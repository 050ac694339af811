"""An Arduino library: flat sources, properties, keywords and one sketch."""

from __future__ import annotations

from edgekit import __version__
from edgekit.exports.project import Project
from edgekit.exports.rendering import placed, plain, render, require_on_chip


def arduino_files(project: Project) -> dict[str, str]:
    """Arduino lets no library choose compiler flags, so each source that computes in floats starts with its own.

    Raises:
        BadUsage: the build keeps something off the chip, which Arduino cores do not set up.
    """
    require_on_chip(project, "an Arduino core")
    prefix = plain("arduino/floats.h") + "\n"
    sources = {name: prefix + text if "float" in text else text for name, text in project.sources.items()}
    sketch = f"{project.name}_example"
    return {
        "library.properties": render(project, "arduino/library.properties.j2", version=__version__),
        "keywords.txt": render(project, "arduino/keywords.txt.j2"),
        "README.md": render(project, "arduino/README.md.j2", sketch=sketch),
        **placed("src", {**project.public, **project.headers, **sources}),
        f"examples/{sketch}/{sketch}.ino": render(project, "arduino/sketch.ino.j2"),
    }
