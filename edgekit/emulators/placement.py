"""A board's memories inside those of a QEMU machine, for boards that QEMU does not have.

Every memory keeps its size, its neighbours and, where the machine has memory there, its address; the others move. An
image is linked a second time for the moved memories, from the same objects.
"""

from __future__ import annotations

from dataclasses import replace

from edgekit.boards import Board, Region, load_qemu_machine
from edgekit.errors import BadBoard

# Moved memories keep so many bytes apart: they do not join, and what runs over an end faults.
GAP = 4096


def emulated_board(board: Board) -> Board:
    """The board as its emulator sees it: itself in Unicorn, with moved memories in QEMU."""
    if board.unicorn_cpu is not None:
        return board
    return relocated(board, load_qemu_machine(str(board.qemu_machine)))


def relocated(board: Board, machine: Board) -> Board:
    """The board with its memories where the machine has some.

    Raises:
        BadBoard: other cores, or the machine has too little memory.
    """
    if board.core != machine.core:
        raise BadBoard(f"board {board.name}: QEMU's {machine.name} has a {machine.core}, not a {board.core}")
    groups = _groups(board.regions)
    taken: list[tuple[int, int]] = []
    starts: dict[str, int] = {}
    for group in groups:
        if any(_holds(memory, group) for memory in machine.regions):
            starts[group[0].name] = group[0].address
            taken.append((group[0].address, group[-1].end))
    for group in sorted(groups, key=_size, reverse=True):
        if group[0].name not in starts:
            start = _free(board, machine, group, taken)
            starts[group[0].name] = start
            taken.append((start, start + _size(group)))
    moved = [
        replace(region, address=starts[group[0].name] + region.address - group[0].address)
        for group in groups
        for region in group
    ]
    regions = tuple(sorted(moved, key=lambda region: region.address))
    return replace(board, regions=regions, qemu_machine=machine.qemu_machine)


def moves(board: Board, emulated: Board) -> list[str]:
    """What moved, as text: `axi1 to axi6 at 0x21000000`."""
    after = {region.name: region.address for region in emulated.regions}
    moved = [group for group in _groups(board.regions) if after[group[0].name] != group[0].address]
    names = [" to ".join(dict.fromkeys((group[0].name, group[-1].name))) for group in moved]
    return [f"{name} at {after[group[0].name]:#010x}" for name, group in zip(names, moved, strict=True)]


def _groups(regions: tuple[Region, ...]) -> list[list[Region]]:
    """Contiguous memories of one kind: they stay together."""
    groups: list[list[Region]] = []
    for region in regions:
        last = groups[-1][-1] if groups else None
        if last and (last.end, last.kind, last.external) == (region.address, region.kind, region.external):
            groups[-1].append(region)
        else:
            groups.append([region])
    return groups


def _size(group: list[Region]) -> int:
    return group[-1].end - group[0].address


def _holds(memory: Region, group: list[Region]) -> bool:
    return memory.kind == group[0].kind and memory.address <= group[0].address and group[-1].end <= memory.end


def _free(board: Board, machine: Board, group: list[Region], taken: list[tuple[int, int]]) -> int:
    """The lowest free place of a group, away from what is taken."""
    for memory in machine.regions:
        if memory.kind != group[0].kind:
            continue
        start = memory.address
        for low, high in sorted(taken):
            if low < start + _size(group) + GAP and high + GAP > start:
                start = -(-high // GAP) * GAP + GAP
        if start + _size(group) <= memory.end:
            return start
    raise BadBoard(f"board {board.name}: QEMU's {machine.name} has no {_size(group)} B of memory for {group[0].name}")
