"""A board in QEMU: for cores that Unicorn lacks, and as a second opinion on those that it has.

QEMU has no machine for most boards. The image is linked for a machine with the same core, see `placement.relocated`;
a plugin counts instructions and holds every access against the board's memories. GDB's protocol moves data and stops
the program.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

from edgekit.boards import Board
from edgekit.emulators.gdb_link import GdbLink
from edgekit.emulators.machine import BOOT_BUDGET, RUN_BUDGET, Machine, RunCounts
from edgekit.emulators.qemu_state import Counts, PluginState
from edgekit.errors import CheckFailed, ToolchainError
from edgekit.toolchains import Image
from edgekit.toolchains.native import shared_library
from edgekit.toolchains.programs import installed

COMMAND = "qemu-system-arm"
PLUGIN = Path(__file__).with_name("qemu_count_plugin.c")
# Without one more instruction for so long, the program sleeps or the core is locked up.
STALL_S = 20.0
_POLL_S = 0.2
_SP, _PC, _XPSR = 13, 15, 25
_THUMB = 1 << 24
_CFSR, _BFAR, _CPACR = 0xE000ED28, 0xE000ED38, 0xE000ED88
_BFAR_VALID = 1 << 15
_FPU_ON = 0xF << 20
_STACKED_PC = 24


def qemu_binary() -> str:
    """QEMU's path.

    Raises:
        ToolchainError: it is not on PATH.
    """
    return installed(COMMAND, "apt install qemu-system-arm")


class QemuMachine(Machine):
    """One board in a QEMU process; see `Machine`.

    Args:
        board: from `placement.relocated` or `placement.emulated_board`; the image is linked for it.
        layer_symbols: the functions whose instructions are counted apart, in layer order; none calls another.
        run_symbol: the function of one inference.

    Raises:
        ToolchainError: QEMU is missing, too old for plugins, or refuses to start; a function is not in the image.
    """

    def __init__(self, board: Board, image: Image, layer_symbols: Sequence[str], run_symbol: str) -> None:
        super().__init__(board, image)
        program = qemu_binary()
        layers = [image.function(name).address for name in layer_symbols]
        self._layer_at = {address: index for index, address in enumerate(layers)}
        run, main = image.function(run_symbol), image.function("main")
        self._run = run.address
        self._fault, self._ready, self._done = (image.function(f"ek_{n}").address for n in ("fault", "ready", "done"))
        self._breakpoints: set[int] = set()
        self._pc = 0
        folder = tempfile.TemporaryDirectory(prefix="edgekit-qemu-")
        overheads = [(s.address, s.address + s.size) for s in (main, run)]
        self._state = PluginState(Path(folder.name), board, overheads, layers)
        self._log = Path(folder.name) / "log"
        command = [program, "-M", str(board.qemu_machine), "-nodefaults", "-display", "none", "-serial", "none"]
        command += ["-monitor", "none", "-S", "-gdb", "stdio", "-kernel", str(image.elf)]
        command += ["-plugin", f"{shared_library(PLUGIN)},config={self._state.config}"]
        with self._log.open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self._end = weakref.finalize(self, _end, process, self._state, folder)
        try:
            self._gdb = GdbLink(process)
        except ToolchainError as error:
            raise self._ended(error) from error

    def close(self) -> None:
        """End QEMU."""
        self._end()

    def boot(self, budget: int = BOOT_BUDGET) -> int:
        """See `Machine.boot`."""
        vectors = self.image.symbols["ek_vectors"].address
        stack, reset = (int.from_bytes(self.read(vectors + at, 4), "little") for at in (0, 4))
        self._gdb.set_register(_XPSR, _THUMB)
        self._gdb.set_register(_SP, stack)
        self._gdb.set_register(_PC, reset & ~1)
        self._pc = reset & ~1
        before = self._state.total
        self._go({self._ready}, budget, "boot")
        if self.board.fpu and self._word(_CPACR) & _FPU_ON != _FPU_ON:
            raise CheckFailed("the start-up code did not enable the FPU")
        return self._state.total - before

    def read(self, address: int, size: int) -> bytes:
        """See `Machine.read`."""
        data = self._gdb.read(address, size) if self._inside(address, size) else None
        if data is None:
            raise CheckFailed(f"no memory at {address:#010x} ({size} B) to read")
        return data

    def write(self, address: int, data: bytes) -> None:
        """See `Machine.write`."""
        if not self._inside(address, len(data)) or not self._gdb.write(address, data):
            raise CheckFailed(f"no memory at {address:#010x} ({len(data)} B) to write")

    def run_once(self, budget: int = RUN_BUDGET) -> RunCounts:
        """See `Machine.run_once`."""
        before = self._enter_run(budget)
        self._go({self._done}, budget, "run")
        return self._since(before)

    def run_stepwise(self, callback: Callable[[int], None], budget: int = RUN_BUDGET) -> RunCounts:
        """See `Machine.run_stepwise`."""
        before = self._enter_run(budget)
        current: int | None = None
        while True:
            at = self._go({self._done, *self._layer_at}, budget, "run")
            if current is not None:
                callback(current)
            if at not in self._layer_at:
                return self._since(before)
            current = self._layer_at[at]

    def _inside(self, address: int, size: int) -> bool:
        """Whether all bytes lie in the board's memories; contiguous ones may be straddled."""
        for region in self.board.regions:
            if region.address <= address < region.end:
                here = min(size, region.end - address)
                address, size = address + here, size - here
        return size == 0

    def _enter_run(self, budget: int) -> Counts:
        if not self._pc:
            raise CheckFailed("the board was not booted")
        self._go({self._run}, budget, "run")
        return self._state.counts()

    def _since(self, before: Counts) -> RunCounts:
        after = self._state.counts()
        layers = [a - b for a, b in zip(after.layers[1:], before.layers[1:], strict=True)]
        return RunCounts(after.total - before.total, layers)

    def _go(self, stops: set[int], budget: int, what: str) -> int:
        """Run on to one of the addresses and return it; rows asked for on the way are given."""
        feed = set() if self._feed is None else {self._feed}
        while self._stop(stops | feed, budget, what) == self._feed:
            self._serve_feed([self._gdb.register(r) for r in range(3)])
        return self._pc

    def _stop(self, stops: set[int], budget: int, what: str) -> int:
        wanted = stops | {self._fault}
        try:
            if self._pc in wanted:
                # A breakpoint where the program stands would stop it at once; it may come here again.
                self._set_breakpoints(wanted - {self._pc})
                self._gdb.send("s")
                self._wait(budget)
            self._set_breakpoints(wanted)
            self._gdb.send("c")
            interrupted = self._wait(budget)
            self._pc = self._gdb.register(_PC)
        except ToolchainError as error:
            raise self._ended(error) from error
        where = f"pc {self._pc:#010x} in {self.image.symbol_at(self._pc)}"
        bad = self._state.fault()
        if bad is not None:
            at = f"{bad.pc:#010x} in {self.image.symbol_at(bad.pc)}"
            raise CheckFailed(f"{what}: fault: {bad.what} {bad.address:#010x} ({bad.size} B) at pc {at}")
        if interrupted:
            raise CheckFailed(f"{what}: {interrupted}; {where}")
        if self._pc == self._fault:
            raise CheckFailed(f"{what}: {self._fault_text()}")
        if self._pc not in stops:
            raise CheckFailed(f"{what}: the emulator stopped at {where}")
        return self._pc

    def _set_breakpoints(self, wanted: set[int]) -> None:
        for address in self._breakpoints ^ wanted:
            self._gdb.breakpoint(address, address in wanted)
        self._breakpoints = wanted

    def _wait(self, budget: int) -> str | None:
        """Wait until the program stops; why where it had to be stopped."""
        start = seen = self._state.total
        moved = time.monotonic()
        while True:
            if self._gdb.receive(_POLL_S) is not None:
                return f"not finished after {budget} instructions" if self._state.total - start >= budget else None
            total, now = self._state.total, time.monotonic()
            if total != seen:
                seen, moved = total, now
            if total - start >= budget or now - moved > STALL_S or self._state.fault():
                self._gdb.interrupt()
                if self._gdb.receive(STALL_S) is None:
                    raise ToolchainError("the emulator cannot be stopped")
                spent = total - start >= budget
                return f"not finished after {budget} instructions" if spent else "no instruction is executed any more"

    def _fault_text(self) -> str:
        if not self._gdb.register(_XPSR) & 0x1FF:
            return "the program gave up (ek_fault): main returned"
        cfsr, stack = self._word(_CFSR), self._gdb.register(_SP)
        text = f"fault: exception (CFSR {cfsr:#010x}"
        if cfsr & _BFAR_VALID:
            text += f", access to {self._word(_BFAR):#010x}"
        if not self._inside(stack, _STACKED_PC + 4):
            return f"{text}); the stack pointer left memory: {stack:#010x}"
        at = self._word(stack + _STACKED_PC)
        return f"{text}) at pc {at:#010x} in {self.image.symbol_at(at)}"

    def _word(self, address: int) -> int:
        return int.from_bytes(self._gdb.read(address, 4) or bytes(4), "little")

    def _ended(self, error: ToolchainError) -> CheckFailed | ToolchainError:
        """The error with what QEMU said, if it said anything: its log goes with its folder."""
        said = self._log.read_text(errors="replace").strip() if self._log.exists() else ""
        self.close()
        if "Lockup" in said:
            return CheckFailed(f"fault: the core locked up, a fault within a fault: {said[:200]}")
        return ToolchainError(f"{COMMAND} -M {self.board.qemu_machine}: {error}" + (f": {said[:500]}" if said else ""))


def _end(process: subprocess.Popen[bytes], state: PluginState, folder: tempfile.TemporaryDirectory[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    state.close()
    folder.cleanup()
