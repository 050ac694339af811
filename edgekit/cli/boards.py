"""edgekit boards."""

from __future__ import annotations

from dataclasses import asdict

import click

from edgekit.boards import board_names, load_board
from edgekit.cli.common import json_option, print_json, size


@click.command("boards", epilog="Example: edgekit boards --json")
@json_option
def command(as_json: bool) -> None:
    """List boards with their memories."""
    boards = [load_board(name) for name in board_names()]
    if as_json:
        print_json([asdict(b) for b in boards])
        return
    for board in boards:
        print(f"{board.name}: {board.title}, {board.core} at {board.mhz} MHz, FPU {board.fpu or 'none'}")
        for region in board.regions:
            place = "external" if region.external else "on chip"
            print(f"    {region.name:10} {region.kind:6} {region.address:#010x} {size(region.size):>10}  {place}")
