"""edgekit plan."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edgekit.cli.common import json_option, print_json

# Work of the search for one unit of --effort, for two processors: five seconds or so (codegen/memory/search.py).
EFFORT = 500_000_000


@click.command("plan", epilog="Example: edgekit plan problem.csv --capacity 1048576 -o placed.csv")
@click.argument("problem", type=click.Path(path_type=Path))
@click.option("--capacity", type=click.IntRange(1), help="Bytes to stay within.  [default: as few as can be found]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where it goes.  [default: standard output]")
@click.option(
    "--effort",
    type=click.IntRange(1, 1000),
    default=1,
    help="How long to search, times 5 s or so; of a JSON problem, times 10 s.  [1]",
)
@click.option("--order", type=click.Choice(["given", "free"]), default="given", help="Of a JSON problem.  [given]")
@json_option
def command(problem: Path, capacity: int | None, output: Path | None, effort: int, order: str, as_json: bool) -> None:
    """Place the blocks of a memory-planning problem: MiniMalloc's CSV in, the same with a column offset out.

    Columns: id, lower, upper (not included), size; optionally alignment, and offset for blocks that may not move.

    A .json file has steps and the tensors that they read and write: what does not fit the capacity is moved off the
    chip and fetched again, or made again, at least cost; --order free looks for the order of steps, too.
    """
    if problem.suffix.lower() == ".json":
        from edgekit.cli.plan_replacement import plan

        plan(problem, capacity, output, effort, order == "free", as_json)
        return
    from edgekit.codegen.memory.problem_file import read_problem
    from edgekit.codegen.memory.search import MAX_BLOCKS
    from edgekit.codegen.memory.solver import place
    from edgekit.codegen.memory.validate_placement import validate_placement
    from edgekit.errors import BadUsage

    if order == "free":
        raise BadUsage("--order free is for .json problems, whose steps may change places: leave it out")
    task = read_problem(problem)
    found = place(task.blocks, capacity, effort * EFFORT)
    fits = capacity is None or found.peak <= capacity
    validate_placement(task.blocks, found.offsets, found.peak)
    solved = task.with_offsets(found.offsets) if fits else ""
    if output is not None and fits:
        try:
            output.write_text(solved, encoding="utf-8")
        except OSError as error:
            raise BadUsage(f"cannot write {output}: {error.strerror}") from error
    if as_json:
        print_json({
            "blocks": len(task.blocks), "capacity": capacity, "fits": fits, "peak": found.peak,
            "lower_bound": found.lower_bound, "proven": found.proven, "offsets": list(found.offsets) if fits else None,
        })  # fmt: skip
    elif output is None and fits:
        print(solved, end="")
    # Where the placement goes to standard output, nothing else may.
    say = sys.stdout if output is not None and fits and not as_json else sys.stderr
    if fits and not as_json:
        bound = "no smaller placement exists" if found.proven else f"lower bound {found.lower_bound} B"
        print(f"{len(task.blocks)} blocks in {found.peak} B: {bound}", file=say)
    if not fits:
        known = "none found; try --effort"
        if len(task.blocks) > MAX_BLOCKS:
            known = f"first fit found none, and more than {MAX_BLOCKS} blocks are not searched"
        if capacity and found.lower_bound > capacity:
            known = f"{capacity} B are too few"
        print(f"error: does not fit: {known} (lower bound {found.lower_bound} B, found {found.peak} B)", file=say)
        raise SystemExit(1)
