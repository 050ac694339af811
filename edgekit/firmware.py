"""A built firmware: its files, its linked image, and how to feed and read it in the emulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from edgekit.boards import Board
from edgekit.emulators import Machine, open_machine
from edgekit.ir import Array, Graph, Value
from edgekit.ops.reference import same_numbers
from edgekit.toolchains import Image


@dataclass(frozen=True)
class PortPlace:
    """Where an input or output stands: arena index, offset and the array it holds.

    An input with a row_axis stands nowhere: it streams in by rows along that axis.
    """

    arena: int
    offset: int
    dtype: str
    shape: tuple[int, ...]
    row_axis: int = 0

    @property
    def nbytes(self) -> int:
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class StepResult:
    """What a layer leaves: the graph's position of the node that it ends with, and where that node's outputs stand."""

    node: int
    places: tuple[PortPlace, ...]


@dataclass(frozen=True)
class Firmware:
    """The image and what is known of its memory.

    Attributes:
        board, image: as the emulator has them, which is not the shipped image where the emulator lacks the board's
            memories (`emulators.emulated_board`).
        inputs, outputs: in the model's order.
        steps: per layer, what it leaves.
    """

    board: Board
    image: Image
    layer_symbols: tuple[str, ...]
    run_symbol: str
    inputs: tuple[PortPlace, ...]
    outputs: tuple[PortPlace, ...]
    steps: tuple[StepResult, ...]

    def machine(self) -> Machine:
        """An emulated board, booted and waiting for input; close it after use."""
        machine = open_machine(self.board, self.image, list(self.layer_symbols), self.run_symbol)
        machine.stack_paint()
        machine.boot()
        return machine

    def address(self, place: PortPlace) -> int:
        """The address of a port or result."""
        return self.image.symbols[f"arena_{place.arena}"][0] + place.offset

    def write_inputs(self, machine: Machine, sample: Sequence[Array]) -> None:
        """Put one sample where the model reads it."""
        for place, array in zip(self.inputs, sample, strict=True):
            if place.row_axis:
                machine.source = partial(_rows, array, place.row_axis)
                continue
            machine.write(self.address(place), np.ascontiguousarray(array).tobytes())

    def read(self, machine: Machine, place: PortPlace) -> Array:
        """The array at a place."""
        data = machine.read(self.address(place), place.nbytes)
        return np.frombuffer(data, place.dtype).reshape(place.shape)

    def read_outputs(self, machine: Machine) -> list[Array]:
        """All outputs of the last run."""
        return [self.read(machine, place) for place in self.outputs]

    def first_difference(self, machine: Machine, graph: Graph, values: dict[Value, Array]) -> str | None:
        """Run once, comparing every layer's result; the first that differs as text, or None."""
        found: list[str] = []

        def compare(index: int) -> None:
            node = graph.nodes[self.steps[index].node]
            for place, value in zip(self.steps[index].places, node.outputs, strict=True):
                got, want = self.read(machine, place), values[value]
                if not found and not same_numbers(got, want):
                    count = int(np.sum(got.reshape(-1) != want.reshape(-1)))
                    found.append(f"{node.name} ({node.op}): {count} of {want.size} elements differ")

        machine.run_stepwise(compare)
        return found[0] if found else None


def _rows(array: Array, axis: int, first: int, count: int) -> bytes:
    """Rows of an array, the other axes whole."""
    return np.take(array, range(first, first + count), axis=axis).tobytes()


def port_records(places: Sequence[PortPlace]) -> list[dict[str, Any]]:
    """Places as plan.json holds them."""
    return [
        {"arena": p.arena, "offset": p.offset, "dtype": p.dtype, "shape": list(p.shape), "row_axis": p.row_axis}
        for p in places
    ]


def port_places(records: Sequence[dict[str, Any]]) -> tuple[PortPlace, ...]:
    """Places from plan.json."""
    return tuple(PortPlace(r["arena"], r["offset"], r["dtype"], tuple(r["shape"]), r["row_axis"]) for r in records)


def result_records(steps: Sequence[StepResult]) -> list[dict[str, Any]]:
    """Results as plan.json holds them."""
    return [{"node": step.node, "places": port_records(step.places)} for step in steps]


def step_results(records: Sequence[dict[str, Any]]) -> tuple[StepResult, ...]:
    """Results from plan.json."""
    return tuple(StepResult(r["node"], port_places(r["places"])) for r in records)
