"""Every public model on the smallest board that it fits: `python -m benchmarks.model_zoo [--build] [--write]`.

Analyzes each .tflite and .onnx file below the models folder (EDGEKIT_DATA, or ../shared/data); with --build, really
builds it for that board, where the image is emulated and compared bit for bit. Float models are built as int8,
calibrated on random numbers, and as float32. Exit code 1 where a forecast that fits does not build.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.boards import board_names, load_board
from edgekit.errors import BadUsage, EdgekitError
from edgekit.forecast.analysis import analyze
from edgekit.importers import import_model
from edgekit.reports import text

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "models.md"
TIMEOUT_S = 1800
CALIBRATION_SAMPLES = 4

_HEAD = """# Public models

Every model of the public collections that edgekit is tried on, with the smallest board that it fits (least on-chip RAM,
then least flash). `python -m benchmarks.model_zoo --build --write` makes this page: the forecast is that of
`edgekit analyze`, the figures behind it are of the image that `edgekit build` linked for that board, ran in the
emulator and compared with the reference, bit for bit. Float models as int8 were calibrated on random numbers: their
sizes are right, their accuracy means nothing here.
"""


@dataclass(frozen=True)
class Row:
    """One model in one precision.

    Attributes:
        analysis: of `edgekit analyze`, or None where the file cannot be read or has no such precision.
        refused: why there is no forecast.
        report: report.json of the build, where one was made; failed: what the build said instead.
    """

    model: str
    precision: str
    analysis: dict[str, Any] | None
    refused: str = ""
    report: dict[str, Any] | None = None
    failed: str = ""

    @property
    def board(self) -> dict[str, Any] | None:
        """The smallest board's part of the analysis."""
        analysis = self.analysis or {"smallest_board": None, "boards": []}
        return next((row for row in analysis["boards"] if row["board"] == analysis["smallest_board"]), None)


def models_folder() -> Path:
    """Where the public models are."""
    return Path(os.environ.get("EDGEKIT_DATA", ROOT.parent / "shared" / "data")) / "models"


def analyzed(path: Path, name: str, precision: str) -> Row | None:
    """The model without a build; None where it has no form in this precision."""
    try:
        report = analyze(path, {}, precision, [load_board(board) for board in board_names()])
    except BadUsage as error:
        return None if "quantized already" in str(error) else Row(name, precision, None, str(error))
    except EdgekitError as error:
        return Row(name, precision, None, str(error))
    problems = [
        ": ".join(filter(None, (p["layer"] and f"layer {p['layer']!r}", p["op"], p["why"])))
        for p in report["unsupported"]
    ]
    return Row(
        name, precision, report, "; ".join(problems) or ("" if report["smallest_board"] else "no board has room")
    )


def built(row: Row, path: Path, samples: int) -> Row:
    """The row with the report of a real build for its smallest board."""
    if row.board is None:
        return row
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "edgekit", "build", str(path), "--board", row.board["board"], "--json"]
        command += ["--precision", row.precision, "--samples", str(samples), "-o", str(Path(folder) / "firmware")]
        inputs = import_model(path, {}).inputs
        if row.precision == "int8" and all(value.quant is None for value in inputs):
            command += ["--data", str(_random_data(Path(folder), [value.shape for value in inputs]))]
        try:
            result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return Row(row.model, row.precision, row.analysis, failed=f"not done after {TIMEOUT_S} s")
    if result.returncode:
        said = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        return Row(row.model, row.precision, row.analysis, failed=said[-1])
    return Row(row.model, row.precision, row.analysis, report=json.loads(result.stdout))


def _random_data(folder: Path, shapes: Sequence[tuple[int, ...]]) -> Path:
    """An .npz as `edgekit build --data` takes it: first axis samples."""
    rng = np.random.default_rng(0)
    arrays = {
        "x" if len(shapes) == 1 else f"x{index}": rng.uniform(0.0, 1.0, (CALIBRATION_SAMPLES, *shape[1:]))
        for index, shape in enumerate(shapes)
    }
    path = folder / "samples.npz"
    np.savez(path, allow_pickle=False, **{name: array.astype(np.float32) for name, array in arrays.items()})
    return path


def page(rows: Sequence[Row]) -> str:
    """docs/models.md."""
    lines = [_HEAD, *_fitting([row for row in rows if row.board is not None])]
    refused = [row for row in rows if row.board is None]
    if refused:
        lines += ["", "## Not built", "", "| model | precision | why |", "|---|---|---|"]
        lines += [f"| {row.model} | {row.precision} | {_cell(row.refused)} |" for row in refused]
    return "\n".join([*lines, ""])


def _fitting(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| model | precision | layers | MACs | weights | smallest board | RAM forecast | built | flash forecast "
        "| built | instructions | bit-exact |",
        "|---|---|--:|--:|--:|---|--:|--:|--:|--:|--:|---|",
    ]
    for row in rows:
        analysis, board, report = row.analysis, row.board, row.report
        assert analysis is not None and board is not None
        figures = ["–", "–", "–", _cell(row.failed) or "–"]
        if report is not None:
            check = report["validation"]
            exact = f"yes, {check['inputs']} inputs" if check["bit_exact"] else "NO"
            figures = [
                text.size(report["ram"]["total"]), text.size(report["flash"]["total"]),
                text.short_count(report["instructions"]["total"]), exact,
            ]  # fmt: skip
        where = board["board"] + "".join(
            f", {text.size(board[part]['external'])} of {what} outside"
            for part, what in (("ram", "activations"), ("flash", "weights"))
            if board[part]["external"]
        )
        ram, flash, instructions, exact = figures
        lines.append(
            f"| {row.model} | {row.precision} | {len(analysis['layers'])} | {text.short_count(analysis['macs'])} | "
            f"{text.size(analysis['weight_bytes'])} | {where} | {text.size(board['ram']['total'])} | {ram} | "
            f"{text.size(board['flash']['total'])} | {flash} | {instructions} | {exact} |"
        )
    return lines


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")


def main() -> int:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description="Every public model on the smallest board that it fits.")
    parser.add_argument("--build", action="store_true", help="build, emulate and compare each")
    parser.add_argument("--write", action="store_true", help="write docs/models.md")
    parser.add_argument("--precision", action="append", choices=["int8", "float32"], help="these only; may be repeated")
    parser.add_argument("--samples", type=int, default=2, help="inputs to emulate per build (2)")
    parser.add_argument("names", nargs="*", help="models whose path contains one of these; default: all")
    options = parser.parse_args()
    folder = models_folder()
    files = sorted(p for suffix in ("*.tflite", "*.onnx") for p in folder.rglob(suffix))
    if not files:
        print(f"no models under {folder}: set EDGEKIT_DATA to the folder that holds models", file=sys.stderr)
        return 2
    rows = []
    for path in files:
        name = path.relative_to(folder).as_posix()
        for precision in options.precision or ("int8", "float32"):
            if options.names and not any(part in name for part in options.names):
                continue
            row = analyzed(path, name, precision)
            if row is None:
                continue
            where = row.refused if row.board is None else row.board["board"]
            print(f"{name} {precision}: {where}", file=sys.stderr, flush=True)
            rows.append(built(row, path, options.samples) if options.build else row)
    if options.write:
        PAGE.write_text(page(rows), encoding="utf-8")
    else:
        print(page(rows), end="")
    bad = [r for r in rows if r.failed or (r.report is not None and not r.report["validation"]["bit_exact"])]
    for row in bad:
        print(f"failed: {row.model} {row.precision}: {row.failed or 'differs'}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
