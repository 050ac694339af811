"""Where a built model spends its modelled cycles, by basic block: `python -m benchmarks.hot_blocks DIR`.

Cycles are the pipeline's, before scale and memory. With --issue and a Cortex-M7 board, every instruction of the listed
blocks comes with the cycle it issues in: two in one cycle go together, a gap is a stall.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from edgekit.built import open_build
from edgekit.errors import EdgekitError
from edgekit.latency.blocks import TimedBlock, timed_blocks
from edgekit.latency.cores import CORES
from edgekit.latency.dual_issue import CortexM7, trace
from edgekit.toolchains import Image


def hottest(folder: Path, count: int) -> tuple[Image, str, list[list[TimedBlock]], int]:
    """The image, its core, blocks of most cycles (one entry per layer that runs them), and all cycles.

    Raises:
        EdgekitError: the folder is no build, or its core has no model.
    """
    firmware = open_build(folder).firmware
    core = CORES.get(firmware.board.core)
    if core is None:
        raise EdgekitError(f"{firmware.board.core} has no cycle model: take a board with {', '.join(CORES)}")
    with firmware.machine() as machine:
        blocks = timed_blocks(core, firmware.image, machine.run_once().blocks)
    by_code: dict[tuple[int, int], list[TimedBlock]] = {}
    for block in blocks:
        by_code.setdefault((block.count.address, block.count.size), []).append(block)
    ranked = sorted(by_code.values(), key=lambda same: -sum(b.cycles for b in same))
    return firmware.image, firmware.board.core, ranked[:count], sum(b.cycles for b in blocks)


def lines(image: Image, same: list[TimedBlock], total: int, issue: bool) -> Iterator[str]:
    """One block as text."""
    cycles, runs = sum(b.cycles for b in same), sum(b.count.runs for b in same)
    block = same[0]
    yield (
        f"{cycles / total:6.1%} {cycles:12d}  {image.symbol_at(block.count.address):44s} {len(block.operations):3d} "
        f"instructions, {block.once.straight:3d} cycles (+{block.once.jump} where it jumps), {runs} runs"
    )
    if issue:
        address = block.count.address
        for operation, cycle in zip(block.operations, trace(block.operations), strict=True):
            yield f"        {cycle:4d}  {address:#010x}  {operation.kind.value}"
            address += operation.size


def main() -> int:
    """Print the list."""
    parser = argparse.ArgumentParser(description="Basic blocks of most modelled cycles.")
    parser.add_argument("folder", type=Path, help="what edgekit build made")
    parser.add_argument("--count", type=int, default=15)
    parser.add_argument("--issue", action="store_true", help="list instructions with their cycles (Cortex-M7)")
    options = parser.parse_args()
    try:
        image, core, ranked, total = hottest(options.folder, options.count)
        if options.issue and not isinstance(CORES[core].pipeline, CortexM7):
            raise EdgekitError(f"--issue is for Cortex-M7, not for {core}")
    except EdgekitError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    for same in ranked:
        print("\n".join(lines(image, same, total, options.issue)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
