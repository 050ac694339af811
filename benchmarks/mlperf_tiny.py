"""The four MLPerf Tiny int8 models on an STM32F746, against TFLM with CMSIS-NN: `python -m benchmarks.mlperf_tiny`.

Reads the models from EDGEKIT_DATA, or from ../shared/data; builds each with `edgekit build --json`. Exit code 1 where a
build fails, 2 where the models are not there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.peers import TFLM_CMSIS_NN, Peer

ROOT = Path(__file__).resolve().parents[1]
_HEAD = (
    "model",
    "instructions",
    "per MAC",
    "x peer",
    "code B",
    "x",
    "flash B",
    "x",
    "arena B",
    "x",
    "stack B",
    "x",
    "bits",
)


def models_folder() -> Path:
    """Where the public models are."""
    data = Path(os.environ.get("EDGEKIT_DATA", ROOT.parent / "shared" / "data"))
    return data / "models" / "mlperf_tiny"


def measure(model: Path, board: str, toolchain: str, optimize: str) -> dict[str, Any]:
    """Build one model and return its report; raises RuntimeError with the tool's own message where that fails."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "edgekit", "build", str(model), "--board", board, "--json"]
        command += ["--toolchain", toolchain, "--optimize", optimize, "-o", str(Path(folder) / "firmware")]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        raise RuntimeError(f"{model.name}: {built.stderr.strip() or f'exit code {built.returncode}'}")
    report: dict[str, Any] = json.loads(built.stdout)
    return report


def row(peer: Peer, report: dict[str, Any]) -> list[str]:
    """One line of the table; every ratio is ours to the peer's, so that less than 1 is better."""
    instructions, ram, flash = report["instructions"]["total"], report["ram"], report["flash"]
    pairs = (
        (flash["code"], peer.code),
        (flash["total"], peer.code_and_model),
        (ram["arena"] + ram["scratch"] + ram["io"], peer.arena),
        (ram["stack_bound"], peer.stack),
    )
    cells = [
        peer.title,
        str(instructions),
        f"{instructions / peer.macs:.2f}",
        f"{instructions / peer.instructions:.2f}",
    ]
    for ours, theirs in pairs:
        cells += [str(ours), f"{ours / theirs:.2f}"]
    return [*cells, "equal" if report["validation"]["bit_exact"] else "DIFFER"]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description="MLPerf Tiny int8 models against TFLM with CMSIS-NN (ratios: ours to theirs)."
    )
    parser.add_argument("--board", default="stm32f746")
    parser.add_argument("--toolchain", default="zig", choices=["zig", "gcc"])
    parser.add_argument("--optimize", default="balanced", choices=["balanced", "ram", "speed"])
    parser.add_argument("--json", action="store_true", help="print the reports as one JSON object by model")
    options = parser.parse_args()
    folder = models_folder()
    found = {peer: next(iter(sorted(folder.rglob(peer.file))), None) for peer in TFLM_CMSIS_NN}
    if not any(found.values()):
        print(
            f"no models under {folder}: set EDGEKIT_DATA to the folder that holds models/mlperf_tiny", file=sys.stderr
        )
        return 2
    rows, reports, failed = [], {}, False
    for peer, model in found.items():
        try:
            if model is None:
                raise RuntimeError(f"{peer.file} is not under {folder}")
            reports[peer.title] = measure(model, options.board, options.toolchain, options.optimize)
            rows.append(row(peer, reports[peer.title]))
        except RuntimeError as error:
            failed = True
            print(f"error: {error}", file=sys.stderr)
    print(json.dumps(reports, indent=1) if options.json else table([list(_HEAD), *rows]))
    return 1 if failed else 0


def table(rows: list[list[str]]) -> str:
    """Rows of cells as aligned lines, the first column to the left."""
    widths = [max(len(line[column]) for line in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in rows
    )


if __name__ == "__main__":
    sys.exit(main())
