"""A folder that `edgekit build` made, opened again for `run` and `validate`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.boards import load_board
from edgekit.emulators import emulated_board
from edgekit.errors import BadUsage
from edgekit.firmware import Firmware, port_places, step_results
from edgekit.ir import Graph, load_graph
from edgekit.toolchains import Image


@dataclass(frozen=True)
class Built:
    """The image with what its folder says of it."""

    firmware: Firmware
    graph: Graph
    report: dict[str, Any]


def open_build(folder: Path) -> Built:
    """Read report.json, plan.json, the graph and the ELF; raises BadUsage where they are not those of a build."""
    try:
        report = json.loads((folder / "report.json").read_text())
        plan = json.loads((folder / "plan.json").read_text())
        name = str(plan["name"])
        if not name.isidentifier():
            raise BadUsage(f"{folder}/plan.json names no model")
        board = load_board(report["board"])
        emulated = emulated_board(board)
        elf = folder / f"{name}.elf" if emulated == board else folder / "emulator" / f"{name}.elf"
        firmware = Firmware(
            emulated,
            Image.load(elf, emulated, []),
            tuple(f"{name}_layer_{i:03d}" for i in range(len(plan["steps"]))),
            f"{name}_run",
            port_places(plan["inputs"]),
            port_places(plan["outputs"]),
            step_results(plan["results"]),
        )
    except OSError as error:
        reason = f"{error.filename or folder}: {error.strerror or error}"
        raise BadUsage(f"{folder} is no finished build ({reason}); run edgekit build") from error
    except (ValueError, KeyError, TypeError) as error:
        reason = "report.json or plan.json is not what edgekit build writes"
        raise BadUsage(f"{folder} is no finished build ({reason}); run edgekit build") from error
    return Built(firmware, load_graph(folder / "reference"), report)
