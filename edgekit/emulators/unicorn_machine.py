"""A board in Unicorn: runs an image on exactly the board's memories, with exact instruction counts per layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import unicorn
from unicorn import arm_const

from edgekit.boards import Board
from edgekit.emulators.count_hook import AT_WATCH, OUT_OF_BUDGET, OUT_OF_MEMORY, CountHook
from edgekit.emulators.machine import BOOT_BUDGET, RUN_BUDGET, Machine, RunCounts
from edgekit.emulators.memory_map import SYSTEM_SPACE, MemoryMap
from edgekit.errors import CheckFailed, ToolchainError
from edgekit.toolchains import Image

_CPACR = SYSTEM_SPACE + 0xD88
_FPU_ON = 0xF << 20
# Watch classes of CountHook.
_FAULT, _READY, _RUN, _DONE, _LAYER, _FEED = 1, 2, 3, 4, 5, 6
# Layer value of everything outside layers.
_OVERHEAD = 1


class UnicornMachine(Machine):
    """One board in Unicorn; see `Machine`.

    Args:
        board, image: linked with the board's linker script and runtime_c/harness/startup.c.
        layer_symbols: the functions whose instructions are counted apart, in layer order; none calls another.
        run_symbol: the function of one inference.

    Raises:
        ToolchainError: a function is not in the image.
    """

    def __init__(self, board: Board, image: Image, layer_symbols: Sequence[str], run_symbol: str) -> None:
        super().__init__(board, image)
        # No UC_MODE_MCLASS: with it Unicorn takes the Cortex-M33 whatever model is asked for, and a Cortex-M0 then
        # runs Thumb-2 and unaligned accesses that the real core faults on.
        self._engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        self._engine.ctl_set_cpu_model(getattr(arm_const, f"UC_CPU_ARM_{board.unicorn_cpu}"))
        self._map = MemoryMap(self._engine, board, image)
        self._layer_at = {image.function(name).address: index for index, name in enumerate(layer_symbols)}
        self._layer_count = len(layer_symbols)
        run, main = image.function(run_symbol), image.function("main")
        self._run_entry = run.address
        watches = dict.fromkeys(self._layer_at, _LAYER)
        marks = (("ek_fault", _FAULT), ("ek_ready", _READY), ("ek_done", _DONE))
        watches |= {image.function(name).address: kind for name, kind in marks}
        watches[run.address] = _RUN
        if self._feed is not None:
            watches[self._feed] = _FEED
        tags = [(s.address, s.address + s.size, _OVERHEAD) for s in (main, run)]
        tags += [(address, address + 2, _OVERHEAD + 1 + index) for address, index in self._layer_at.items()]
        base, code = _code(image)
        self._counts = CountHook(self._engine, base, code, tags, self._layer_count + _OVERHEAD + 1, watches)
        self._pc = 0

    def boot(self, budget: int = BOOT_BUDGET) -> int:
        """See `Machine.boot`."""
        vectors = self.image.symbols["ek_vectors"].address
        stack, reset = (int.from_bytes(self.read(vectors + at, 4), "little") for at in (0, 4))
        self._engine.reg_write(arm_const.UC_ARM_REG_SP, stack)
        self._pc = reset & ~1
        self._counts.clear(_OVERHEAD)
        self._go({_READY}, budget, "boot")
        if self.board.fpu and int.from_bytes(self.read(_CPACR, 4), "little") & _FPU_ON != _FPU_ON:
            raise CheckFailed("the start-up code did not enable the FPU")
        return self._counts.total

    def read(self, address: int, size: int) -> bytes:
        """See `Machine.read`."""
        try:
            return bytes(self._engine.mem_read(address, size))
        except unicorn.UcError as error:
            raise CheckFailed(f"no memory at {address:#010x} ({size} B) to read") from error

    def write(self, address: int, data: bytes) -> None:
        """See `Machine.write`."""
        try:
            self._engine.mem_write(address, data)
        except unicorn.UcError as error:
            raise CheckFailed(f"no memory at {address:#010x} ({len(data)} B) to write") from error

    def run_once(self, budget: int = RUN_BUDGET) -> RunCounts:
        """See `Machine.run_once`."""
        self._enter_run(budget)
        self._go({_DONE}, budget, "run")
        return self._result()

    def run_stepwise(self, callback: Callable[[int], None], budget: int = RUN_BUDGET) -> RunCounts:
        """See `Machine.run_stepwise`."""
        self._enter_run(budget)
        current: int | None = None
        while True:
            at = self._go({_DONE, _LAYER}, budget, "run")
            if current is not None:
                callback(current)
            if at not in self._layer_at:
                return self._result()
            current = self._layer_at[at]

    def _enter_run(self, budget: int) -> None:
        if not self._pc:
            raise CheckFailed("the board was not booted")
        self._go({_RUN}, budget, "run")
        self._counts.clear(_OVERHEAD)

    def _result(self) -> RunCounts:
        first = _OVERHEAD + 1
        layers = self._counts.layers[first : first + self._layer_count]
        return RunCounts(self._counts.total, layers, self._counts.blocks(first))

    def _go(self, classes: set[int], budget: int, what: str) -> int:
        """Run on to an address of one of the watch classes and return it; rows asked for on the way are given."""
        while self._stop(classes | {_FEED}, budget, what) == self._feed:
            registers = (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1, arm_const.UC_ARM_REG_R2)
            self._serve_feed([self._engine.reg_read(r) for r in registers])
        return self._pc

    def _stop(self, classes: set[int], budget: int, what: str) -> int:
        self._counts.start({_FAULT, *classes}, budget, skip=self._pc)
        error: unicorn.UcError | None = None
        try:
            self._engine.emu_start(self._pc | 1, 0xFFFFFFFE)
        except unicorn.UcError as caught:
            error = caught
        self._pc = self._engine.reg_read(arm_const.UC_ARM_REG_PC) & ~1
        if self._map.fault is not None:
            raise CheckFailed(f"{what}: fault: {self._map.fault}")
        where = f"pc {self._pc:#010x} in {self.image.symbol_at(self._pc)}"
        if error is not None:
            raise CheckFailed(f"{what}: fault: {error} at {where}")
        if self._counts.stopped == OUT_OF_MEMORY:
            raise ToolchainError("no memory for the emulator's counts")
        if self._counts.stopped == OUT_OF_BUDGET:
            raise CheckFailed(f"{what}: not finished after {budget} instructions; {where}")
        if self._counts.stopped != AT_WATCH:
            raise CheckFailed(f"{what}: the emulator stopped at {where}")
        if self._counts.stopped_at == self.image.function("ek_fault").address:
            raise CheckFailed(f"{what}: the program gave up (ek_fault): main returned or an exception was taken")
        self._pc = self._counts.stopped_at
        return self._pc


def _code(image: Image) -> tuple[int, bytes]:
    """Address and bytes of the image's code, from the linker script's marks."""
    start, end = (image.symbols[f"__ek_text_{mark}"].address for mark in ("start", "end"))
    return start, image.content(start, end - start)
