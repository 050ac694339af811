"""Emulated boards: Unicorn with the board's exact memory map, QEMU as a second opinion."""

from edgekit.emulators.unicorn_machine import RunCounts, UnicornMachine

__all__ = ["RunCounts", "UnicornMachine"]
