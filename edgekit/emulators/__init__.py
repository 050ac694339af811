"""Emulated boards: Unicorn with the board's exact memory map, QEMU for cores that it lacks and as a second opinion."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.boards import Board
from edgekit.emulators.machine import BlockCount, Machine, RunCounts
from edgekit.emulators.placement import emulated_board, moves, relocated
from edgekit.emulators.qemu_machine import QemuMachine, qemu_binary
from edgekit.emulators.unicorn_machine import UnicornMachine
from edgekit.errors import ToolchainError
from edgekit.toolchains import Image


def emulator_name(board: Board) -> str:
    """The emulator that `open_machine` takes, as reports name it."""
    return "unicorn" if board.unicorn_cpu is not None else f"qemu {board.qemu_machine}"


def require_emulator(board: Board) -> None:
    """Raise ToolchainError, with what to install, where the board's emulator is missing."""
    if board.unicorn_cpu is None:
        try:
            qemu_binary()
        except ToolchainError as error:
            raise ToolchainError(f"board {board.name} ({board.core}) is emulated by QEMU only: {error}") from error


def open_machine(board: Board, image: Image, layer_symbols: Sequence[str], run_symbol: str) -> Machine:
    """The emulated board, by core: Unicorn, or QEMU where Unicorn lacks the core.

    Args:
        board: from `emulated_board`; the image is linked for it.
        layer_symbols, run_symbol: see the machines.

    Raises:
        ToolchainError: the emulator is missing, or a function is not in the image.
    """
    kind = QemuMachine if board.unicorn_cpu is None else UnicornMachine
    return kind(board, image, layer_symbols, run_symbol)


__all__ = [
    "BlockCount",
    "Machine",
    "QemuMachine",
    "RunCounts",
    "UnicornMachine",
    "emulated_board",
    "emulator_name",
    "moves",
    "open_machine",
    "qemu_binary",
    "relocated",
    "require_emulator",
]
