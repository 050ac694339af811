"""Modelled milliseconds of the MLPerf Tiny int8 models beside the best published ones: `python -m benchmarks.latency`.

Builds are those of `--optimize speed`. Published: MLPerf Tiny rounds up to 1.3, closed int8 results on one CPU, the
fastest of any engine per board. The band goes with every figure; a ratio inside it says nothing. A published board
without a board file is modelled on one with the same core at the published clock. Exit codes as
`benchmarks.mlperf_tiny`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import Any

from benchmarks.mlperf_tiny import measure, models_folder, table
from benchmarks.peers import TFLM_CMSIS_NN

_HEAD = ("board", "model", "cycles", "per MAC", "per instr.", "ms", "low", "high", "best published", "ratio")


@dataclass(frozen=True)
class Published:
    """A board's best results.

    Attributes:
        title: the board that was measured; board: the board file that stands for it, at `mhz`.
        milliseconds: by the model's file.
    """

    title: str
    board: str
    mhz: float
    milliseconds: dict[str, float]


BEST = (
    Published(
        "STM32F746 Discovery", "stm32f746", 216,
        {"ad01_int8.tflite": 1.425, "pretrainedResnet_quant.tflite": 61.57, "kws_ref_model.tflite": 17.75,
         "vww_96_int8.tflite": 34.08},
    ),
    Published(
        "NUCLEO-H7A3ZI-Q (as stm32h743)", "stm32h743", 280,
        {"ad01_int8.tflite": 1.083, "pretrainedResnet_quant.tflite": 40.84, "kws_ref_model.tflite": 11.32,
         "vww_96_int8.tflite": 23.80},
    ),
    Published(
        "NUCLEO-L4R5ZI (as stm32f427)", "stm32f427", 120,
        {"ad01_int8.tflite": 4.05, "pretrainedResnet_quant.tflite": 165.1, "kws_ref_model.tflite": 43.19,
         "vww_96_int8.tflite": 88.9},
    ),
    Published(
        "NUCLEO-U575ZI-Q", "stm32u575", 160,
        {"ad01_int8.tflite": 3.09, "pretrainedResnet_quant.tflite": 104.3, "kws_ref_model.tflite": 28.99,
         "vww_96_int8.tflite": 59.27},
    ),
)  # fmt: skip


def row(published: Published, title: str, macs: int, report: dict[str, Any], best: float) -> list[str]:
    """One line of the table; the ratio is ours to the best published."""
    latency = report["latency_ms"]
    ours = latency["cycles"] / (published.mhz * 1000)
    band = [ours * latency[side] / latency["model"] for side in ("low", "high")]
    return [
        published.title,
        title,
        str(latency["cycles"]),
        f"{latency['cycles'] / macs:.2f}",
        f"{latency['cycles_per_instruction']:.2f}",
        f"{ours:.2f}",
        *(f"{side:.2f}" for side in band),
        f"{best:.2f}",
        f"{ours / best:.2f}",
    ]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="MLPerf Tiny int8 models: modelled against best published latency.")
    parser.add_argument("--toolchain", default="zig", choices=["zig", "gcc"])
    parser.add_argument("--board", action="append", help="a board file of the table; may be given several times")
    options = parser.parse_args()
    folder = models_folder()
    if not folder.is_dir():
        print(
            f"no models under {folder}: set EDGEKIT_DATA to the folder that holds models/mlperf_tiny", file=sys.stderr
        )
        return 2
    rows, failed = [], False
    for published in BEST:
        for peer in TFLM_CMSIS_NN if not options.board or published.board in options.board else ():
            model = next(iter(sorted(folder.rglob(peer.file))), None)
            try:
                if model is None:
                    raise RuntimeError(f"{peer.file} is not under {folder}")
                report = measure(model, published.board, options.toolchain, "speed")
                rows.append(row(published, peer.title, peer.macs, report, published.milliseconds[peer.file]))
            except RuntimeError as error:
                failed = True
                print(f"error: {error}", file=sys.stderr)
    print(table([list(_HEAD), *rows]))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
