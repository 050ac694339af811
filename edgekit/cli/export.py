"""edgekit export."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.common import json_option, print_json


@click.command("export", epilog="Example: edgekit export firmware --as cmake -o firmware-cmake")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--as", "target", required=True, type=click.Choice(["arduino", "cmake", "cubeide", "zephyr"]), help="The shape."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where it goes.  [default: FOLDER-TARGET]")
@click.option("--force", is_flag=True, help="Replace an earlier export even where it was changed.")
@json_option
def command(folder: Path, target: str, output: Path | None, force: bool, as_json: bool) -> None:
    """Make a project of the C that edgekit build left in FOLDER."""
    from edgekit.exports import files_of, open_project, write_export

    project = open_project(folder)
    if output is None:
        beside = folder if folder.name not in ("", "..") else folder.resolve()
        output = beside.with_name(f"{beside.name}-{target}")
    record = write_export(project, target, files_of(project, target), folder, output, force)
    if as_json:
        print_json(record | {"output": str(output), "files": list(record["files"])})
        return
    print(f"{project.name} for {project.board.name} as {target}: {len(record['files'])} files in {output}")
    print(f"  signature {project.signature}; the example runs the self-test first")
    print(f"  {output}/README.md says how to build it")
