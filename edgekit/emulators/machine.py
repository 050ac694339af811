"""What every emulated board can do, whichever emulator runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, TypeVar

from edgekit.boards import Board
from edgekit.errors import CheckFailed
from edgekit.toolchains import Image

BOOT_BUDGET = 200_000_000
RUN_BUDGET = 100_000_000_000
FEED_SUFFIX = "_feed_rows"
_PAINT = 0xA5
Self = TypeVar("Self", bound="Machine")


class BlockCount(NamedTuple):
    """How often a basic block ran within one layer.

    Attributes:
        layer: index of the layer function, -1 outside layers.
        address, size: of its code; bytes. Blocks may overlap: one is cut short where a run was.
        instructions: in it.
        runs: how often it ran; fell: how often the instruction at its end went on to the next address.
    """

    layer: int
    address: int
    size: int
    instructions: int
    runs: int
    fell: int


@dataclass(frozen=True)
class RunCounts:
    """Executed instructions of one run, from the run function's entry to ek_done.

    Attributes:
        total: all of them; per_layer: by layer function with all that it calls.
        overhead: those outside layers: total - sum(per_layer).
        blocks: the same by basic block, none where the emulator does not say (QEMU). Emulators cut code into blocks
            as they like, so that they are no part of a comparison.
    """

    total: int
    per_layer: list[int]
    blocks: tuple[BlockCount, ...] = field(default=(), compare=False)

    @property
    def overhead(self) -> int:
        return self.total - sum(self.per_layer)


class Machine(ABC):
    """One emulated board with an image in flash; boot it, run it as often as needed, and close it.

    Attributes:
        board, image: linked with the board's linker script and runtime_c/harness/startup.c.
        source: rows of the input that streams in, from (first row, count).
    """

    board: Board
    image: Image
    source: Callable[[int, int], bytes] | None

    def __init__(self, board: Board, image: Image) -> None:
        self.board, self.image = board, image
        self.source = None
        feeds = [symbol.address for name, symbol in image.symbols.items() if name.endswith(FEED_SUFFIX)]
        self._feed = feeds[0] if feeds else None
        self._painted = False

    def _serve_feed(self, registers: Sequence[int]) -> None:
        """Put the rows where the program asks for them: (where to, first row, count) in r0 to r2."""
        to, first, count = registers
        if self.source is None:
            raise CheckFailed("the program asks for rows of its input, and none was given")
        self.write(to, self.source(first, count))

    @abstractmethod
    def boot(self, budget: int = BOOT_BUDGET) -> int:
        """Reset the board and run to ek_ready; returns the executed instructions.

        Raises:
            CheckFailed: a fault (with address, pc and function), no ek_ready within `budget` instructions, or the
                FPU left off.
        """

    @abstractmethod
    def read(self, address: int, size: int) -> bytes:
        """Bytes of memory.

        Raises:
            CheckFailed: the range is not inside the board's memories.
        """

    @abstractmethod
    def write(self, address: int, data: bytes) -> None:
        """Put bytes into memory, flash included.

        Raises:
            CheckFailed: the range is not inside the board's memories.
        """

    @abstractmethod
    def run_once(self, budget: int = RUN_BUDGET) -> RunCounts:
        """One inference.

        Raises:
            CheckFailed: a fault, or more than `budget` instructions.
        """

    @abstractmethod
    def run_stepwise(self, callback: Callable[[int], None], budget: int = RUN_BUDGET) -> RunCounts:
        """One inference that stops after every layer and calls `callback` with the index of the finished layer.

        The callback comes when the next layer's function is entered, or at ek_done: it may read and write memory.

        Raises:
            CheckFailed: a fault, or more than `budget` instructions.
        """

    def close(self) -> None:  # noqa: B027 - an emulator inside this process has nothing to end
        """End the emulator; the machine cannot be used afterwards."""

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def stack_paint(self) -> None:
        """Fill the reserved stack with a pattern, for `stack_high_water`; before `boot`."""
        limit, top = self._stack()
        self.write(limit, bytes([_PAINT]) * (top - limit))
        self._painted = True

    def stack_high_water(self) -> int:
        """Most stack used since `stack_paint`, in bytes.

        Raises:
            CheckFailed: the stack was not painted.
        """
        if not self._painted:
            raise CheckFailed("the stack was not painted before boot")
        limit, top = self._stack()
        return len(self.read(limit, top - limit).lstrip(bytes([_PAINT])))

    def _stack(self) -> tuple[int, int]:
        symbols = self.image.symbols
        return symbols["__ek_stack_limit"].address, symbols["__ek_stack_top"].address
