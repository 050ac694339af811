"""An out-of-tree Zephyr module with a sample application."""

from __future__ import annotations

from edgekit.exports.project import Project
from edgekit.exports.rendering import placed, render, require_on_chip

# On top of the model's own stack: Zephyr's main thread and printk.
_THREAD_STACK = 1024


def zephyr_files(project: Project) -> dict[str, str]:
    """The module's root holds zephyr/module.yml; `sample/` is an application of its own.

    Raises:
        BadUsage: the build keeps something off the chip; where that lies is a matter of the board's devicetree.
    """
    require_on_chip(project, "a Zephyr module")
    stack = project.stack_bytes + _THREAD_STACK
    kernels = [name for name in project.sources if name.startswith("ek_")]
    own = [name for name in project.sources if name not in kernels]
    return {
        "zephyr/module.yml": render(project, "zephyr/module.yml.j2"),
        "zephyr/CMakeLists.txt": render(project, "zephyr/CMakeLists.txt.j2", kernels=kernels, own=own),
        "zephyr/Kconfig": render(project, "zephyr/Kconfig.j2"),
        "README.md": render(project, "zephyr/README.md.j2"),
        **placed("include", project.public),
        **placed("src", {**project.headers, **project.sources}),
        "sample/CMakeLists.txt": render(project, "zephyr/sample.txt.j2"),
        "sample/prj.conf": render(project, "zephyr/prj.conf.j2", stack=stack),
        "sample/sample.yaml": render(project, "zephyr/sample.yaml.j2"),
        "sample/src/main.c": render(project, "zephyr/main.c.j2"),
    }
