"""Accuracy at 8 to 2 bits for every way to choose codes: `python -m benchmarks.low_bits [--minutes M] [--jobs N]`.

Each finished cell goes to benchmarks/low_bits.json; a later run goes on with those that are missing or were learned in
an older way, in the order of their weight, until the minutes are over. Then the table of docs/nupes.md is written anew.
Cells are measured on the integer graph, by the generated C compiled for this computer (`edgekit.host`), whose first
inferences are compared bit for bit with the numpy reference. The first and the last product of each network have 8
bits, and so do the activations that they read; rows of 4-bit activations are even codes of those, or codes of a power
(`edgekit.quant.activation_grids`).
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.low_bits_models import SUBJECTS, Subject, float_answers, load
from benchmarks.low_bits_table import is_outdated, write_page
from edgekit.errors import InternalError
from edgekit.host import build_host_model
from edgekit.ir import Array, Graph, QuantType, Value
from edgekit.ops.conv2d import is_product
from edgekit.ops.reference import run_reference
from edgekit.quant.activation_grids import ActivationOptions, chosen_grids, narrow_inputs
from edgekit.quant.activations import activation_quants
from edgekit.quant.affine import quantize_ranges
from edgekit.quant.calibrate import calibrate
from edgekit.quant.learning.arithmetic import DEVICES
from edgekit.quant.learning.generate import generated_inputs
from edgekit.quant.learning.learn import LEARNING_VERSION, LearningSettings, learned_weights
from edgekit.quant.learning.sharpen import sharpened
from edgekit.quant.observers import Range
from edgekit.quant.power import CodedRows
from edgekit.quant.weight_quantizers import DATA_FREE, GLOBAL, coded_weights
from edgekit.quant.weights import channel_rows
from edgekit.quantization import LEARNED_GENERATED

RESULTS = Path(__file__).with_name("low_bits.json")
RANGE_SAMPLES = 64
COMPARED = 3
# Weights and activations; "p" are activations of a power, where that pays.
WIDTHS = ("w4a8", "w3a8", "w2a8", "w4a4", "w4a4p", "w8a8p", "w8a4", "w8a4p")
SEEDS = (0, 1, 2)
# PowerQuant with an exponent for every GROUP channels.
GROUPED, GROUP = "powerquant-grouped", 8
WITHOUT_DATA = ("uniform", "mse", GLOBAL, "powerquant", GROUPED)
LEARNED = ("nupes", "adaround", "nupes-free")
# AdaRound learns blocks only: with as many steps as NUPES has for a block and the whole network, activations of 8 bits.
ADAROUND_STEPS = 1500


@dataclass(frozen=True)
class Cell:
    """One figure of the table; `width` is "w8a8" or one of WIDTHS."""

    subject: str
    width: str
    method: str
    seed: int

    @property
    def key(self) -> str:
        """Its name in the file of results."""
        return f"{self.subject}/{self.width}/{self.method}/{self.seed}"

    @property
    def bits(self) -> int:
        """Of weights."""
        return int(self.width[1])

    @property
    def generated(self) -> bool:
        """Whether it sees generated inputs alone."""
        return self.method == "nupes-free"

    @property
    def activations(self) -> ActivationOptions:
        """Of activations."""
        return ActivationOptions(int(self.width[3]), "power" if self.width.endswith("p") else "uniform")


@dataclass(frozen=True)
class Activations:
    """Ranges and grids of a float graph's values."""

    ranges: Mapping[Value, Range]
    grids: Mapping[Value, QuantType]

    @staticmethod
    def of(graph: Graph, samples: list[list[Array]], options: ActivationOptions) -> Activations:
        """By samples; the graph gets the values that 4-bit activations are."""
        narrow = narrow_inputs(graph) if options.bits == 4 else []
        ranges = calibrate(graph, samples)
        chosen = chosen_grids(graph, samples, ranges, options, narrow)
        return Activations(ranges, {value: grid.quant for value, grid in chosen.items()})


def cells() -> Iterator[Cell]:
    """All of them, what matters most first."""
    narrow = [width for width in WIDTHS if width[1] != "8"]
    for subject in SUBJECTS:
        for width in ("w8a8", *(width for width in WIDTHS if width[1] == "8")):
            yield Cell(subject, width, "uniform", 0)
            yield Cell(subject, width, "mse", 0)
        # Weights of 2 bits have one exponent for a layer.
        for width, method in itertools.product(narrow, WITHOUT_DATA):
            if method != GROUPED or width[1] != "2":
                yield Cell(subject, width, method, 0)
    for seed, method, subject in itertools.product(SEEDS, LEARNED, SUBJECTS):
        yield from (Cell(subject, width, method, seed) for width in narrow)


def answers(graph: Graph, x: Array) -> Array:
    """int [N]: the class that an integer graph gives each input."""
    model, quant = build_host_model(graph), graph.inputs[0].quant
    assert quant is not None
    codes = [quant.quantize(sample, graph.inputs[0].dtype) for sample in x]
    made = [model([sample])[0] for sample in codes]
    for sample, output in zip(codes[:COMPARED], made, strict=False):
        if not np.array_equal(run_reference(graph, [sample])[graph.outputs[0]], output):
            raise InternalError("the compiled graph differs from the numpy reference")
    return np.array([output.reshape(-1).argmax() for output in made])


def plan(graph: Graph, bits: int) -> dict[str, int]:
    """Widths by the name of a product: 8 for the first and the last."""
    names = [node.name for node in graph.nodes if is_product(node)]
    return dict.fromkeys(names[1:-1], bits)


def coded(
    cell: Cell, graph: Graph, samples: list[list[Array]], activations: Activations, device: str
) -> dict[str, CodedRows]:
    """The codes of weights that the cell's method chooses."""
    bits = plan(graph, cell.bits)
    if cell.bits == 8 and cell.method == "uniform":
        # As int8 is built: codes of a quantizer come with short scales.
        return {}
    if cell.bits == 8:
        layers = [node for node in graph.nodes if node.name in bits]
        return {node.name: DATA_FREE[cell.method](channel_rows(node), 8) for node in layers}
    if cell.method == GROUPED:
        return coded_weights(graph, bits, "powerquant", GROUP)
    if cell.method in WITHOUT_DATA:
        return coded_weights(graph, bits, cell.method)
    quants = activation_quants(graph, activations.ranges, activations.grids)
    method = "adaround" if cell.method == "adaround" else "nupes"
    settings = LearningSettings(final=0 if cell.generated else None, seed=cell.seed, device=device)
    if method == "adaround":
        settings = LearningSettings(ADAROUND_STEPS, 0, cell.seed, device)
    return learned_weights(graph, samples, quants, bits, method, settings)


def measure(cell: Cell, subject: Subject, device: str) -> dict[str, Any]:
    """The cell's figures: percent right, or in agreement with the float model, and seconds of the quantizer: of one
    core, or by the clock with a GPU.
    """
    # A copy: 4-bit activations are values of their own.
    clock = time.process_time if device == "cpu" else time.monotonic
    float_graph, started = subject.graph.copied(), clock()
    if cell.generated:
        samples = generated_inputs(subject.graph, LEARNED_GENERATED, cell.seed, subject.span)
    else:
        samples = [[sample] for sample in subject.calibration]
    activations = Activations.of(float_graph, samples[:RANGE_SAMPLES], cell.activations)
    if cell.generated:
        samples = sharpened(float_graph, samples, subject.span, cell.seed)
    codes = coded(cell, float_graph, samples, activations, device)
    seconds = clock() - started
    graph = quantize_ranges(float_graph, activations.ranges, codes, activations.grids)
    right = answers(graph, subject.test) == subject.truth
    way = {"learning": LEARNING_VERSION} if cell.method in LEARNED else {}
    return {"percent": _percent(right), f"{device}_seconds": round(seconds, 1)} | way


@cache
def _subject(name: str) -> Subject:
    """Loaded once in each process."""
    return load(name)


def _float_figures(name: str) -> dict[str, Any]:
    subject = _subject(name)
    right = float_answers(subject.graph, subject.test) == subject.truth
    return {"title": subject.title, "percent": _percent(right)}


def _figures(cell: Cell, device: str) -> dict[str, Any]:
    return measure(cell, _subject(cell.subject), device)


def _percent(right: Array) -> float:
    return round(100.0 * float(right.mean()), 2)


def _results() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def _keep(key: str, figures: dict[str, Any]) -> None:
    """Into the file as it is now: other processes may work on other models."""
    RESULTS.write_text(json.dumps(_results() | {key: figures}, indent=1, sort_keys=True) + "\n")


def _measure_all(wanted: Sequence[Cell], end: float, pool: Executor, jobs: int, device: str) -> None:
    """In their order, begun before `end`; each is kept as soon as it is there."""
    left, running = iter(wanted), dict[Future[dict[str, Any]], Cell]()
    while True:
        for cell in itertools.islice(left, jobs - len(running) if time.monotonic() < end else 0):
            running[pool.submit(_figures, cell, device)] = cell
        if not running:
            return
        for done in wait(running, return_when=FIRST_COMPLETED).done:
            key = running.pop(done).key
            print(key, done.result(), flush=True)
            _keep(key, done.result())


def main() -> int:
    """Measure what is missing or outdated, then write the page."""
    parser = argparse.ArgumentParser(description="Accuracy at low bits of every quantizer.")
    parser.add_argument("--minutes", type=float, default=0.0, help="begin no cell after so many minutes")
    parser.add_argument("--subjects", nargs="+", default=list(SUBJECTS), choices=SUBJECTS, help="only these models")
    parser.add_argument("--widths", nargs="+", default=list(WIDTHS), choices=WIDTHS, help="and, beside w8a8, these")
    parser.add_argument("--methods", nargs="+", default=list(LEARNED), choices=LEARNED, help="and, of those that learn")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), help="and these seeds")
    parser.add_argument("--learn-on", default="cpu", choices=DEVICES, help="what learning computes on")
    parser.add_argument("--jobs", type=int, default=1, help="cells measured at once, each in a process of its own")
    options = parser.parse_args()
    known = _results()
    wanted = [
        cell
        for cell in cells()
        if cell.subject in options.subjects
        and cell.width in ("w8a8", *options.widths)
        and (cell.method in WITHOUT_DATA or (cell.method in options.methods and cell.seed in options.seeds))
        and (cell.key not in known or is_outdated(known[cell.key]))
    ]
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        missing = dict.fromkeys(cell.subject for cell in wanted if cell.subject not in known)
        for name, found in zip(missing, pool.map(_float_figures, missing), strict=True):
            _keep(name, found)
        _measure_all(wanted, time.monotonic() + 60 * options.minutes, pool, options.jobs, options.learn_on)
    write_page(_results())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
