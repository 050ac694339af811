"""The Python side of count_hook.c: its state, and its registration with Unicorn through Unicorn's C interface."""

from __future__ import annotations

import ctypes
import struct
import weakref
from collections.abc import Mapping
from pathlib import Path

import unicorn
from unicorn.unicorn_py3.unicorn import uclib

from edgekit.emulators.machine import BlockCount
from edgekit.errors import ToolchainError
from edgekit.toolchains.native import shared_library

SOURCE = Path(__file__).with_name("count_hook.c")
AT_WATCH, OUT_OF_BUDGET, OUT_OF_MEMORY = 1, 2, 3
_NO_BUDGET = (1 << 64) - 1
_NO_SKIP = 0
# ek_block: runs, fell, address, size, instructions, layer, and two for the hook itself.
_BLOCK = struct.Struct("=2Q6I")


class _State(ctypes.Structure):
    _fields_ = (
        ("total", ctypes.c_uint64),
        ("budget", ctypes.c_uint64),
        ("layers", ctypes.c_void_p),
        ("code", ctypes.c_void_p),
        ("tags", ctypes.c_void_p),
        ("stops", ctypes.c_void_p),
        ("first", ctypes.c_void_p),
        ("blocks", ctypes.c_void_p),
        ("stop", ctypes.c_void_p),
        ("base", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("layer_count", ctypes.c_uint32),
        ("layer", ctypes.c_uint32),
        ("last", ctypes.c_uint32),
        ("block_count", ctypes.c_uint32),
        ("block_capacity", ctypes.c_uint32),
        ("stop_mask", ctypes.c_uint32),
        ("skip", ctypes.c_uint32),
        ("stopped", ctypes.c_uint32),
        ("stopped_at", ctypes.c_uint32),
        ("outside", ctypes.c_uint32),
    )


class CountHook:
    """Counts of one machine.

    Args:
        engine: Unicorn's object.
        base, code: address and bytes of all code.
        tags: (start, end, layer value): a block that starts in the range makes that layer current; later ones win.
        layers: how many layer values there are.
        watches: address -> watch class, 1 to 31.
    """

    def __init__(
        self,
        engine: unicorn.Uc,
        base: int,
        code: bytes,
        tags: list[tuple[int, int, int]],
        layers: int,
        watches: Mapping[int, int],
    ) -> None:
        half_words = len(code) // 2 + 1
        self._layers = (ctypes.c_uint64 * layers)()
        self._code = ctypes.create_string_buffer(code, len(code) + 4)
        self._tags = (ctypes.c_uint16 * half_words)()
        self._stops = (ctypes.c_uint8 * half_words)()
        self._first = (ctypes.c_uint32 * half_words)()
        for start, end, layer in tags:
            first, count = (start - base) >> 1, max((end - start) >> 1, 1)
            self._tags[first : first + count] = [layer] * count
        for address, kind in watches.items():
            self._stops[(address - base) >> 1] = kind
        self._state = _State(
            budget=_NO_BUDGET,
            layers=ctypes.addressof(self._layers),
            code=ctypes.addressof(self._code),
            tags=ctypes.addressof(self._tags),
            stops=ctypes.addressof(self._stops),
            first=ctypes.addressof(self._first),
            stop=ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p),
            base=base,
            size=len(code),
            layer_count=layers,
        )
        library = ctypes.CDLL(str(shared_library(SOURCE)))
        self._library = library  # must outlive the engine's hooks
        weakref.finalize(self, library.ek_count_free, ctypes.byref(self._state))
        self.clear(0)
        self._register(engine, unicorn.UC_HOOK_BLOCK, library.ek_count_block, 1, 0)
        for address in watches:
            self._register(engine, unicorn.UC_HOOK_CODE, library.ek_count_watch, address, address)

    def _register(
        self, engine: unicorn.Uc, kind: int, function: ctypes._NamedFuncPointer, begin: int, end: int
    ) -> None:
        handle = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            engine._uch,
            ctypes.byref(handle),
            ctypes.c_int(kind),
            ctypes.cast(function, ctypes.c_void_p),
            ctypes.byref(self._state),
            ctypes.c_uint64(begin),
            ctypes.c_uint64(end),
        )
        if status:
            raise ToolchainError(f"unicorn refuses a hook (error {status})")

    def start(self, classes: set[int], budget: int | None, skip: int = _NO_SKIP) -> None:
        """Prepare a run: where it stops, after how many instructions (of `total`) it is given up, where it resumes."""
        self._state.stop_mask = sum(1 << kind for kind in classes)
        self._state.budget = _NO_BUDGET if budget is None else self._state.total + budget
        self._state.skip, self._state.stopped, self._state.outside = skip, 0, 0

    def clear(self, layer: int) -> None:
        """Set all counts to zero and make a layer value current."""
        if not self._library.ek_count_clear(ctypes.byref(self._state), layer):
            raise ToolchainError("no memory for the emulator's counts")

    @property
    def stopped(self) -> int:
        """0, AT_WATCH, OUT_OF_BUDGET or OUT_OF_MEMORY."""
        return int(self._state.stopped)

    @property
    def stopped_at(self) -> int:
        """The watched address."""
        return int(self._state.stopped_at)

    @property
    def total(self) -> int:
        """Instructions executed since `clear`."""
        return int(self._state.total)

    @property
    def layers(self) -> list[int]:
        """The same by layer value."""
        return list(self._layers)

    def blocks(self, first_layer: int) -> tuple[BlockCount, ...]:
        """The same by layer value and basic block; layers are numbered from `first_layer` on."""
        records = ctypes.string_at(self._state.blocks, self._state.block_count * _BLOCK.size)[_BLOCK.size :]
        return tuple(
            BlockCount(layer - first_layer, address, size, instructions, runs, fell)
            for runs, fell, address, size, instructions, layer, _, _ in _BLOCK.iter_unpack(records)
            if runs
        )
