"""A built folder in the shape that a firmware developer wants: one file per target, each a table of paths and texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgekit.errors import BadUsage
from edgekit.exports.arduino import arduino_files
from edgekit.exports.cmake import cmake_files
from edgekit.exports.cubeide import cubeide_files
from edgekit.exports.folder import write_export
from edgekit.exports.project import Project, open_project
from edgekit.exports.zephyr import zephyr_files

TARGETS: Mapping[str, Callable[[Project], dict[str, str]]] = {
    "arduino": arduino_files,
    "cmake": cmake_files,
    "cubeide": cubeide_files,
    "zephyr": zephyr_files,
}


def files_of(project: Project, target: str) -> dict[str, str]:
    """Texts by path relative to the export's folder, for one of TARGETS.

    Raises:
        BadUsage: no such target, or one that the project's board or memories rule out.
    """
    if target not in TARGETS:
        raise BadUsage(f"unknown export target {target!r}: choose from {', '.join(TARGETS)}")
    return TARGETS[target](project)


__all__ = ["TARGETS", "Project", "files_of", "open_project", "write_export"]
