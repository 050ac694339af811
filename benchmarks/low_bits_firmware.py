"""What weights of 4, 3 and 2 bits cost and save in firmware: `python -m benchmarks.low_bits_firmware [--board B]`.

MLPerf Tiny's ResNet8 and the packaged transformer, built by `edgekit build --json` at int8 and at fewer bits (first and
last product 8 bits), emulated and compared with the reference: bytes of weights and instructions against int8, and RAM
beside it. Codes are PowerQuant's, which take no learning; what firmware costs does not depend on how they were chosen.

With --largest-small, instead: MCUFormer's Small at its largest (embed 448, 7 heads, 14 blocks, patch 16, MLP ratio 4,
240x240) with random weights at 4 bits, weights in flash off the chip; it takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from benchmarks.low_bits_models import data_folder
from benchmarks.transformer_memory import random_vit

LARGEST_SMALL = {"image": 240, "depth": 14, "mlp_ratio": 4.0, "patch": 16, "embed": 448, "heads": 7}
CALIBRATED = 64
# Weights of 2 bits have one exponent for a layer.
GROUPED = ("w4", "w3")


def build(arguments: list[str], board: str, precision: str, group: int | None = None) -> dict[str, Any]:
    """The report of a build, with an exponent for `group` channels; raises RuntimeError with the tool's own message
    where it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "edgekit", "build", *arguments, "--board", board, "--json"]
        command += ["-o", str(Path(folder) / "firmware"), "--precision", precision, "--samples", "2"]
        command += [] if precision == "int8" else ["--quantizer", "powerquant"]
        command += [] if precision not in GROUPED or group is None else ["--exponent-groups", str(group)]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        raise RuntimeError(built.stderr.strip() or f"exit code {built.returncode}")
    report: dict[str, Any] = json.loads(built.stdout)
    return report


def resnet8(folder: Path) -> list[str]:
    """The arguments of a build of MLPerf Tiny's float ResNet8, with images that calibrate it."""
    with np.load(data_folder() / "cifar10" / "cifar10_train4000_test500.npz", allow_pickle=False) as arrays:
        images = arrays["x_train"][:CALIBRATED].transpose(0, 3, 1, 2).astype(np.float32)
    np.savez(folder / "images.npz", x=images)
    model = data_folder() / "models" / "mlperf_tiny" / "onnx_twins" / "pretrainedResnet.onnx"
    return [str(model), "--data", str(folder / "images.npz")]


def largest_small(folder: Path, channels: int) -> list[str]:
    """The arguments of a build of a transformer with random weights, calibrated on random numbers."""
    model = random_vit(LARGEST_SMALL | {"channels": channels})
    onnx.save(model, folder / "small.onnx")
    images = np.random.default_rng(0).uniform(0, 1, (2, channels, 240, 240)).astype(np.float32)
    np.savez(folder / "images.npz", x=images)
    return [str(folder / "small.onnx"), "--data", str(folder / "images.npz")]


def compare(title: str, arguments: list[str], board: str, widths: list[str], group: int | None) -> None:
    """Print a line for each width."""
    whole = build(arguments, board, "int8")
    for width in widths:
        made = build(arguments, board, width, group)
        weights = made["flash"]["weights"] / whole["flash"]["weights"]
        instructions = made["instructions"]["total"] / whole["instructions"]["total"]
        more = made["ram"]["total"] - whole["ram"]["total"]
        equal = "equal" if made["validation"]["bit_exact"] else "DIFFER"
        print(
            f"{title:12} {width:4} {made['flash']['weights']:8} {weights:8.3f} {instructions:12.3f} {more:+8} {equal}",
            flush=True,
        )


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Firmware with weights of few bits against int8.")
    parser.add_argument("--board", default="stm32f746")
    parser.add_argument("--widths", nargs="+", default=["w4", "w3", "w2"], choices=["w4", "w3", "w2"])
    parser.add_argument("--exponent-groups", type=int, help="channels that have an exponent of their own, at w4 and w3")
    parser.add_argument("--largest-small", action="store_true", help="the largest transformer instead")
    parser.add_argument("--channels", type=int, default=3, help="of its image")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.largest_small:
            made = build(largest_small(folder, options.channels), options.board, "w4")
            flash, equal = made["flash"], made["validation"]["bit_exact"]
            print(f"RAM {made['ram']['total']} B, code {flash['code']} B")
            print(f"weights {flash['weights']} B, of which {flash['external']} off the chip")
            print(f"{made['instructions']['total']} instructions, {'equal' if equal else 'DIFFERS'}")
            return 0
        print(f"{'model':12} bits  weights  to int8 instructions      RAM")
        compare("ResNet8", resnet8(folder), options.board, options.widths, options.exponent_groups)
        compare("transformer", [], options.board, options.widths, options.exponent_groups)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
