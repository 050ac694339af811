"""A CMake project: an installable static library, a toolchain file for the core, and an example firmware."""

from __future__ import annotations

from edgekit.exports.project import Project
from edgekit.exports.rendering import board_script, placed, plain, render


def cmake_files(project: Project) -> dict[str, str]:
    """Only the model's own header is public; the kernels' headers stay beside the sources."""
    return {
        "CMakeLists.txt": render(project, "cmake/CMakeLists.txt.j2"),
        "README.md": render(project, "cmake/README.md.j2"),
        "cmake/arm-none-eabi.cmake": render(project, "cmake/arm-none-eabi.cmake.j2"),
        **placed("include", project.public),
        **placed("src", {**project.headers, **project.sources}),
        "example/CMakeLists.txt": render(project, "cmake/example.txt.j2"),
        "example/main.c": render(project, "common/main.c.j2"),
        "example/startup.c": plain("common/startup.c"),
        f"example/{project.board.name}.ld": board_script(project),
    }
