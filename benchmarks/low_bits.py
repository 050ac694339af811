"""Accuracy at 8 to 2 bits for every way to choose codes: `python -m benchmarks.low_bits [--minutes M]`.

Each finished cell goes to benchmarks/low_bits.json; a later run goes on with those that are missing, in the order of
their weight, until the minutes are over. Then the table of docs/nupes.md is written anew. Cells are measured on the
integer graph, by the generated C compiled for this computer (`edgekit.host`), whose first inferences are compared bit
for bit with the numpy reference. The first and the last product of each network have 8 bits.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.low_bits_models import SUBJECTS, Subject, float_answers, load
from benchmarks.low_bits_table import write_page
from edgekit.errors import InternalError
from edgekit.host import build_host_model
from edgekit.ir import Array, Graph
from edgekit.ops.conv2d import is_product
from edgekit.ops.reference import run_reference
from edgekit.quant.activations import activation_quants
from edgekit.quant.affine import quantize_graph
from edgekit.quant.calibrate import calibrate
from edgekit.quant.learning.generate import generated_inputs
from edgekit.quant.learning.learn import LearningSettings, learned_weights
from edgekit.quant.power import CodedRows
from edgekit.quant.weight_quantizers import DATA_FREE, GLOBAL, coded_weights
from edgekit.quant.weights import channel_rows

RESULTS = Path(__file__).with_name("low_bits.json")
RANGE_SAMPLES = 64
COMPARED = 3
WIDTHS = (4, 3, 2)
SEEDS = (0, 1, 2)
WITHOUT_DATA = ("uniform", "mse", GLOBAL, "powerquant")
LEARNED = ("nupes", "adaround", "nupes-free")
GENERATED = 2048
# AdaRound learns blocks only: with as many steps in all as NUPES has for the blocks and the whole network, or more.
ADAROUND_STEPS = 1000


@dataclass(frozen=True)
class Cell:
    """One figure of the table."""

    subject: str
    bits: int
    method: str
    seed: int

    @property
    def key(self) -> str:
        """Its name in the file of results."""
        return f"{self.subject}/w{self.bits}a8/{self.method}/{self.seed}"


def cells() -> Iterator[Cell]:
    """All of them, what matters most first."""
    for subject in SUBJECTS:
        yield Cell(subject, 8, "uniform", 0)
        yield Cell(subject, 8, "mse", 0)
        yield from (Cell(subject, bits, method, 0) for bits in WIDTHS for method in WITHOUT_DATA)
    for seed, method, subject in itertools.product(SEEDS, LEARNED, SUBJECTS):
        yield from (Cell(subject, bits, method, seed) for bits in WIDTHS)


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


def coded(cell: Cell, subject: Subject, samples: list[list[Array]]) -> dict[str, CodedRows]:
    """The codes that the cell's method chooses."""
    graph, bits = subject.graph, plan(subject.graph, cell.bits)
    if cell.bits == 8:
        layers = [node for node in graph.nodes if node.name in bits]
        return {node.name: DATA_FREE[cell.method](channel_rows(node), 8) for node in layers}
    if cell.method in WITHOUT_DATA:
        return coded_weights(graph, bits, cell.method)
    quants = activation_quants(graph, calibrate(graph, samples[:RANGE_SAMPLES]))
    method = "adaround" if cell.method == "adaround" else "nupes"
    settings = LearningSettings(seed=cell.seed)
    if method == "adaround":
        settings = LearningSettings(ADAROUND_STEPS, 0, cell.seed)
    return learned_weights(graph, samples, quants, bits, method, settings)


def measure(cell: Cell, subject: Subject) -> dict[str, Any]:
    """The cell's figures: percent right, or in agreement with the float model, and CPU seconds of the quantizer."""
    started = time.process_time()
    if cell.method == "nupes-free":
        samples = generated_inputs(subject.graph, GENERATED, cell.seed, subject.span)
    else:
        samples = [[sample] for sample in subject.calibration]
    codes = coded(cell, subject, samples)
    seconds = time.process_time() - started
    graph = quantize_graph(subject.graph, samples[:RANGE_SAMPLES], coded=codes)
    right = answers(graph, subject.test) == subject.truth
    return {"percent": _percent(right), "cpu_seconds": round(seconds, 1)}


def _percent(right: Array) -> float:
    return round(100.0 * float(right.mean()), 2)


def _results() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def _keep(key: str, figures: dict[str, Any]) -> None:
    """Into the file as it is now: other processes may work on other models."""
    RESULTS.write_text(json.dumps(_results() | {key: figures}, indent=1, sort_keys=True) + "\n")


def main() -> int:
    """Measure what is missing, then write the page."""
    parser = argparse.ArgumentParser(description="Accuracy at low bits of every quantizer.")
    parser.add_argument("--minutes", type=float, default=0.0, help="begin no cell after so many minutes")
    parser.add_argument("--subjects", nargs="+", default=list(SUBJECTS), choices=SUBJECTS, help="only these models")
    parser.add_argument(
        "--widths", nargs="+", type=int, default=list(WIDTHS), help="and, of weights below 8 bits, these"
    )
    parser.add_argument("--methods", nargs="+", default=list(LEARNED), choices=LEARNED, help="and, of those that learn")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), help="and these seeds")
    options = parser.parse_args()
    loaded: dict[str, Subject] = {}
    started = time.monotonic()
    for cell in cells():
        if time.monotonic() - started > 60 * options.minutes:
            break
        chosen = cell.subject in options.subjects and cell.bits in (8, *options.widths)
        learned = cell.method in options.methods and cell.seed in options.seeds
        if not chosen or not (learned or cell.method in WITHOUT_DATA) or cell.key in _results():
            continue
        if cell.subject not in loaded:
            subject = loaded[cell.subject] = load(cell.subject)
            right = float_answers(subject.graph, subject.test) == subject.truth
            _keep(cell.subject, {"title": subject.title, "percent": _percent(right)})
        found = measure(cell, loaded[cell.subject])
        print(cell.key, found, flush=True)
        _keep(cell.key, found)
    write_page(_results())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
