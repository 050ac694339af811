"""edgekit boards."""

from __future__ import annotations

from dataclasses import asdict

import click

from edgekit.boards import board_names, load_board
from edgekit.cli.common import json_option, print_json, size
from edgekit.emulators import emulator_name


@click.command("boards", epilog="Example: edgekit boards --json")
@json_option
def command(as_json: bool) -> None:
    """List boards with their memories."""
    boards = [load_board(name) for name in board_names()]
    if as_json:
        print_json([asdict(b) | {"emulator": emulator_name(b)} for b in boards])
        return
    for board in boards:
        extensions = [name for name, has in (("DSP", board.dsp), ("MVE", board.mve)) if has]
        features = ", ".join([f"FPU {board.fpu or 'none'}", *extensions, f"emulated by {emulator_name(board)}"])
        print(f"{board.name}: {board.title}, {board.core} at {board.mhz} MHz, {features}")
        for region in board.regions:
            place = "external" if region.external else "on chip"
            if region.program:
                place += ", program flash"
            print(f"    {region.name:10} {region.kind:6} {region.address:#010x} {size(region.size):>10}  {place}")
