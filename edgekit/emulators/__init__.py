"""Emulated boards: Unicorn with the board's exact memory map, QEMU as a second opinion."""

from edgekit.emulators.qemu_machine import QemuResult, qemu_binary, run_qemu
from edgekit.emulators.unicorn_machine import RunCounts, UnicornMachine

__all__ = ["QemuResult", "RunCounts", "UnicornMachine", "qemu_binary", "run_qemu"]
