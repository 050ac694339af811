"""edgekit plan for problems in which tensors move off the chip and back."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edgekit.cli.common import print_json
from edgekit.codegen.memory.problem_text import MAX_NUMBER
from edgekit.codegen.memory.replacement_file import ReplacementFile, read_replacement
from edgekit.codegen.memory.replacement_planner import ReplacementPlan, plan_replacement
from edgekit.errors import BadUsage


def plan(
    problem: Path, capacity: int | None, output: Path | None, effort: int, free_order: bool, as_json: bool
) -> None:
    """Print a plan as a table of stays, or as JSON; `output` gets the JSON."""
    file = read_replacement(problem)
    capacity = file.capacity if capacity is None else capacity
    if capacity is None:
        raise BadUsage("how many bytes are there? Give --capacity, or capacity in the file")
    if capacity > MAX_NUMBER:
        raise BadUsage(f"--capacity is at most {MAX_NUMBER} bytes")
    found = plan_replacement(file, capacity, free_order, effort)
    if found is None:
        need, name = max((_least(file, {*step.reads, *step.writes}), step.name) for step in file.steps)
        known = f"step {name!r} alone needs {need} B" if need > capacity else "give more --capacity or --effort"
        print(f"error: does not fit: no plan for {capacity} B was found; {known}", file=sys.stderr)
        raise SystemExit(1)
    record = _record(file, found, capacity)
    if output is not None:
        try:
            output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise BadUsage(f"cannot write {output}: {error.strerror}") from error
    if as_json:
        print_json(record)
        return
    if output is None:
        print(_table(record), end="")
    orders = "order of steps" if free_order else "plan for this order"
    bound = f"no {orders} costs less" if found.proven else f"lower bound {found.lower_bound}"
    say = sys.stderr if output is None else sys.stdout
    print(f"{len(file.steps)} steps in {found.peak} B of {capacity} B cost {found.cost}: {bound}", file=say)


def _least(file: ReplacementFile, used: Iterable[int]) -> int:
    """Bytes that a step takes of the capacity: of its tensors, those that may not live outside."""
    return sum(file.tensors[number].size for number in used if file.tensors[number].outside is None)


def _record(file: ReplacementFile, found: ReplacementPlan, capacity: int) -> dict[str, Any]:
    return {
        "capacity": capacity,
        "peak": found.peak,
        "cost": found.cost,
        "lower_bound": found.lower_bound,
        "proven": found.proven,
        "timeline": [
            {"steps": [file.steps[step].name for step in steps], "again": again}
            for steps, again in zip(found.positions, found.again, strict=True)
        ],
        "outside": [file.tensors[number].name for number in found.outside],
        "stays": [
            {
                "tensor": file.tensors[stay.tensor].name,
                "lower": stay.first,
                "upper": stay.last + 1,
                "size": file.tensors[stay.tensor].size,
                "offset": stay.offset,
                "arrives": stay.arrives,
                "leaves": stay.leaves,
            }
            for stay in found.stays
        ],
        "scratch": [
            {"tensor": file.tensors[s.tensor].name, "position": s.position, "size": s.size, "offset": s.offset}
            for s in found.scratch
        ],
    }


def _table(record: dict[str, Any]) -> str:
    """The stays as CSV, a line each."""
    out = io.StringIO()
    writer = csv.DictWriter(
        out, ["tensor", "lower", "upper", "size", "offset", "arrives", "leaves"], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(record["stays"])
    return out.getvalue()
