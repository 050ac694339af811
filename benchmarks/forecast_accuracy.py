"""Forecast against the linked image, models by boards: `python -m benchmarks.forecast_accuracy [--write]`.

What `edgekit analyze` says before anything is compiled, and what `edgekit build` measures on the image that it links;
the images are linked here as there, but not run. Reads the models from EDGEKIT_DATA, or from ../shared/data.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.boards import Board, load_board
from edgekit.codegen.emit import emit_model
from edgekit.codegen.fitting import lower_and_plan
from edgekit.codegen.lowering import Target
from edgekit.codegen.memory.region import plan_regions
from edgekit.errors import DoesNotFit
from edgekit.forecast import Forecast, Forecaster
from edgekit.forecast.model import built_form
from edgekit.importers import import_model
from edgekit.ir import Graph
from edgekit.models import packaged_model
from edgekit.passes import optimise
from edgekit.project import link, write_sources
from edgekit.toolchains import get_toolchain

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "analyze.md"
BEGIN, END = "<!-- forecast against measured: begin -->", "<!-- forecast against measured: end -->"

# One board per core, and one whose weights move to external flash.
BOARDS = ("rp2040", "stm32f103", "stm32f411", "stm32f746", "stm32h743", "stm32u585", "stm32n657")
MODELS = (
    ("packaged", "int8"),
    ("packaged", "float32"),
    ("mlperf_tiny/ad/ad01_int8.tflite", "int8"),
    ("mlperf_tiny/ad/ad01_fp32.tflite", "float32"),
    ("mlperf_tiny/ic/pretrainedResnet_quant.tflite", "int8"),
    ("mlperf_tiny/ic/pretrainedResnet.tflite", "float32"),
    ("mlperf_tiny/kws/kws_ref_model.tflite", "int8"),
    ("mlperf_tiny/kws/kws_ref_model_float32.tflite", "float32"),
    ("mlperf_tiny/vww/vww_96_int8.tflite", "int8"),
    ("onnx_small/mnist-8.onnx", "int8"),
    ("onnx_small/mnist-8.onnx", "float32"),
    ("onnx_small/yunet_n_320_320.onnx", "int8"),
    ("tflm/hello_world_int8.tflite", "int8"),
    ("tflm/hello_world_float.tflite", "float32"),
)


@dataclass(frozen=True)
class Measured:
    """Bytes of the linked image as report.json has them."""

    ram: int
    flash: int


@dataclass(frozen=True)
class Comparison:
    """One model on one board; `measured` is None where the image does not fit."""

    model: str
    precision: str
    forecast: Forecast
    measured: Measured | None

    @property
    def errors(self) -> tuple[float, float]:
        """(RAM, flash): how far the forecast is off, as a fraction of what was measured."""
        assert self.measured is not None
        ram, flash = self.forecast.ram.total, self.forecast.flash.total
        return ram / self.measured.ram - 1.0, flash / self.measured.flash - 1.0


def models_folder() -> Path:
    """Where the public models are."""
    return Path(os.environ.get("EDGEKIT_DATA", ROOT.parent / "shared" / "data")) / "models"


def graph_of(model: str, precision: str, folder: Path) -> Graph:
    """The graph that a build of the model lowers; "packaged" is the packaged model."""
    path = packaged_model().model_path if model == "packaged" else folder / model
    return built_form(optimise(import_model(path, {}, literal=precision == "float32")), path.name, precision)


def measure(graph: Graph, board: Board, precision: str) -> Measured | None:
    """Link the graph for a board as `edgekit build` does; None where it does not fit."""
    try:
        regions = plan_regions(board, True)
        program, plan = lower_and_plan(graph, Target.of(board), regions, precision == "float32")
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            write_sources(folder, emit_model("model", program, plan), program)
            linked = link(folder, board, get_toolchain(), "model", program, True)
    except DoesNotFit:
        return None
    image = linked.image
    weights = image.weights_bytes - image.weights_outside_bytes
    return Measured(
        image.arena_bytes + image.data_bytes + image.bss_bytes + linked.stack.bytes,
        image.code_bytes + image.data_bytes + weights,
    )


def compare(model: str, precision: str, boards: Sequence[str], folder: Path) -> list[Comparison]:
    """One model on several boards."""
    graph = graph_of(model, precision, folder)
    forecaster = Forecaster(graph, precision == "float32")
    return [
        Comparison(model, precision, forecaster.board(board), measure(graph, board, precision))
        for board in map(load_board, boards)
    ]


def table(comparisons: Sequence[Comparison]) -> str:
    """A Markdown table; a model that does not fit a board has no line."""
    lines = [
        "| model | precision | board | RAM forecast | measured | error | flash forecast | measured | error |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for c in comparisons:
        if c.measured is None:
            continue
        forecast, (ram, flash) = c.forecast, c.errors
        lines.append(
            f"| {Path(c.model).stem} | {c.precision} | {forecast.board} | {forecast.ram.total} | {c.measured.ram} | "
            f"{ram:+.1%} | {forecast.flash.total} | {c.measured.flash} | {flash:+.1%} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Print the table, or write it into docs/analyze.md."""
    parser = argparse.ArgumentParser(description="Forecast of RAM and flash against the linked image.")
    parser.add_argument("--write", action="store_true", help=f"replace the table in {PAGE.name}")
    parser.add_argument("--board", action="append", help="this board only; may be repeated")
    options = parser.parse_args()
    comparisons: list[Comparison] = []
    for model, precision in MODELS:
        if model == "packaged" or (models_folder() / model).is_file():
            print(f"{model} {precision}", file=sys.stderr, flush=True)
            comparisons += compare(model, precision, options.board or BOARDS, models_folder())
    if options.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{table(comparisons)}\n{END}{after}", encoding="utf-8")
    else:
        print(table(comparisons))
    wrong = [c for c in comparisons if c.forecast.fits != (c.measured is not None)]
    for c in wrong:
        print(f"wrong verdict: {c.model} {c.precision} on {c.forecast.board}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
