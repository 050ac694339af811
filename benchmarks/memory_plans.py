"""`edgekit plan` on hard placement problems: `python -m benchmarks.memory_plans [FOLDER]`.

MiniMalloc's problems in FOLDER (memory_plans in EDGEKIT_DATA, or in ../shared/data), at their capacity and at looser
ones, beside what MiniMalloc itself takes; then problems that are cut out of a full memory. All placements are checked.
Seconds of processor time over both threads of a search, without Python's start: wall time says more about what else a
computer does. MiniMalloc's are measurements of its own C++ program on two cores.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.placement_problems import planted
from edgekit.cli.plan import EFFORT
from edgekit.codegen.memory.block import Block
from edgekit.codegen.memory.problem_file import read_problem
from edgekit.codegen.memory.solver import place
from edgekit.codegen.memory.validate_placement import validate_placement

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("EDGEKIT_DATA", ROOT.parent / "shared" / "data")) / "memory_plans"
CAPACITY = 1 << 20
LOOSER = (0, 1, 5, 10, 20)
# Seconds, the faster of two runs, at capacity; at 1 % more it solves 4 of its 11 problems in 60 s.
MINIMALLOC = {"A": 5.2, "B": 3.6, "C": 0.7, "E": 3.6, "F": 5.5, "H": 1.8, "J": 1.4, "K": 0.6}
PLANTED = (100, 150, 200, 300, 400)


def solve(blocks: Sequence[Block], capacity: int) -> tuple[float, bool]:
    """Processor seconds, and whether a valid placement was found."""
    start = time.process_time()
    found = place(blocks, capacity, EFFORT)
    seconds = time.process_time() - start
    validate_placement(blocks, found.offsets, found.peak)
    return seconds, found.peak <= capacity


def text(result: tuple[float, bool]) -> str:
    """A result as a cell of the table."""
    seconds, solved = result
    return f"{seconds:.2f}" if solved else "none"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    files = sorted(folder.glob("*.csv"))
    if not files:
        print(f"no problems in {folder}: set EDGEKIT_DATA to the folder that holds memory_plans", file=sys.stderr)
        raise SystemExit(1)
    place([Block(2, 1, 0, 1), Block(1, 1, 1, 2), Block(2, 1, 2, 3), Block(1, 1, 0, 3)], 3)  # compiles the search
    looser = " | ".join(f"+{percent} %" for percent in LOOSER)
    print(f"| problem | blocks | MiniMalloc | {looser} |\n|---|---|---|{'---|' * len(LOOSER)}", flush=True)
    totals = [0.0] * len(LOOSER)
    for file in files:
        blocks, name = read_problem(file).blocks, file.name.partition(".")[0]
        results = [solve(blocks, CAPACITY * (100 + percent) // 100) for percent in LOOSER]
        totals = [total + seconds for total, (seconds, _) in zip(totals, results, strict=True)]
        cells = " | ".join(map(text, results))
        print(f"| {name} | {len(blocks)} | {MINIMALLOC.get(name, '')} | {cells} |", flush=True)
    known = sum(MINIMALLOC.get(file.name.partition(".")[0], 0.0) for file in files)
    print(f"| total | | {known:.1f} | {' | '.join(f'{total:.2f}' for total in totals)} |\n")
    print("| planted blocks | full memory | loose |\n|---|---|---|")
    for count in PLANTED:
        times = [text(solve(*planted(count, seed=count, loose=loose))) for loose in (False, True)]
        print(f"| {count} | {' | '.join(times)} |", flush=True)


if __name__ == "__main__":
    main()
