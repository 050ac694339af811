"""Builds of a choice of bits, to see what it takes: bytes of flash, and cycles where time is limited."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.boards import Board
from edgekit.data import codes_of
from edgekit.emulators import require_emulator
from edgekit.errors import DoesNotFit
from edgekit.generation import Generated, generate
from edgekit.ir import Array, Graph
from edgekit.latency import estimate_run, product_cycles, require_model
from edgekit.mixed import Measured
from edgekit.passes import remove_dead_channels
from edgekit.progress import Progress
from edgekit.source import BuildOptions
from edgekit.toolchains import Toolchain


@dataclass(frozen=True)
class Trials:
    """Builds of integer graphs as the options say, of which nothing is kept."""

    options: BuildOptions
    board: Board
    toolchain: Toolchain

    def require(self) -> None:
        """Raise BadUsage, or ToolchainError, where time is limited and nothing models or emulates it."""
        if self._timed:
            require_model(self.board)
            require_emulator(self.board)

    @property
    def _timed(self) -> bool:
        return self.options.quantization.budget_latency is not None

    def measure(self, model: str, sample: Sequence[Array], graph: Graph, inside: bool = False) -> Measured:
        """What a build takes; more flash than there is where that has no room for it.

        Cycles are those that it takes all the same: it is emulated with as much more flash as it lacks.

        Args:
            sample: one real-valued input of the model, for the emulator.
            inside: whether all weights are to stand in the program flash, however large it would have to be.

        Raises DoesNotFit where RAM has no room for it.
        """
        alive, board, over = remove_dead_channels(graph), self.board, 0
        if inside:
            board = board.without_external_flash
        outside = board.external_flash if self.options.external else None
        flashes = [region for region in (board.flash_internal, outside) if region is not None]
        most = sum(region.size for region in flashes)
        while True:
            with tempfile.TemporaryDirectory() as scratch:
                try:
                    built = self._built(model, alive, board, Path(scratch) / "project")
                except DoesNotFit as error:
                    if error.region not in [region.name for region in flashes]:
                        raise
                    over += error.need - error.have
                    if not self._timed:
                        return Measured(most + over)
                    board = _larger(board, error)
                    continue
                flash = most + over if over else built.linked.image.flash_bytes
                return self._emulated(built, board, sample, flash) if self._timed else Measured(flash)

    def _built(self, model: str, graph: Graph, board: Board, folder: Path) -> Generated:
        quiet = Progress(quiet=True)
        return generate(replace(self.options, dumps=()), model, graph, board, self.toolchain, folder, quiet)

    def _emulated(self, built: Generated, board: Board, sample: Sequence[Array], flash: int) -> Measured:
        """With the cycles of one inference, as the report of a build counts them."""
        firmware, (codes,) = built.firmware, codes_of([list(sample)], built.graph.inputs)
        with firmware.machine() as machine:
            firmware.write_inputs(machine, codes)
            counts = machine.run_once()
        timing = estimate_run(board, built.program, built.plan, built.linked.emulated, counts, built.linked.far)
        return Measured(flash, timing.latency.cycles, product_cycles(built.graph, built.program, timing.layers))


def _larger(board: Board, error: DoesNotFit) -> Board:
    """The board with so much more flash as the error says that it lacks; raises that where another memory follows."""
    flash = next(r for r in (board.flash_internal, board.external_flash) if r is not None and r.name == error.region)
    end = flash.end + -(-(error.need - error.have) // 1024) * 1024
    if any(flash.end <= region.address < end for region in board.regions):
        raise error
    regions = [r if r.end != flash.end else replace(r, size=end - r.address) for r in board.regions]
    return replace(board, regions=tuple(regions))
