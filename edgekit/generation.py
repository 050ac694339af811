"""A graph's program, plan, C and linked image for a board: what a build ships, and what a trial of one measures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgekit.boards import Board
from edgekit.codegen.emit import EmittedModel, c_name, emit_model
from edgekit.codegen.integration import Tricks
from edgekit.codegen.lowering import Target
from edgekit.codegen.memory import MemoryPlan, PlanRegion, plan_report, validate_plan
from edgekit.codegen.memory.region import RESERVE, plan_regions
from edgekit.codegen.program import Port, Program
from edgekit.codegen.savings import Build
from edgekit.codegen.streaming.far_weights import weight_memory
from edgekit.errors import DoesNotFit
from edgekit.firmware import Firmware, PortPlace, StepResult
from edgekit.ir import Graph
from edgekit.progress import Progress
from edgekit.project import LinkedProject, link, write_sources
from edgekit.source import BuildOptions, dump
from edgekit.toolchains import Toolchain


@dataclass(frozen=True)
class Generated:
    """The stages from a graph to its image."""

    graph: Graph
    program: Program
    plan: MemoryPlan
    emitted: EmittedModel
    linked: LinkedProject

    @property
    def firmware(self) -> Firmware:
        """The image as the emulator runs it."""
        return Firmware(
            self.linked.emulated_board, self.linked.emulated, self.emitted.layer_symbols, self.emitted.run_symbol,
            tuple(self._place(p) for p in self.program.inputs), tuple(self._place(p) for p in self.program.outputs),
            tuple(self._results()),
        )  # fmt: skip

    def _place(self, port: Port) -> PortPlace:
        place = self.plan.places[port.buffer]
        return PortPlace(self.plan.arenas.index(place.region), place.offset, port.dtype, port.shape, port.row_axis)

    def _results(self) -> Sequence[StepResult]:
        """Per layer, what it leaves and where."""
        arenas = self.plan.arenas
        return [
            StepResult(
                step.node,
                tuple(
                    PortPlace(arenas.index(place.region), place.offset, value.dtype.value, value.shape)
                    for value, place in zip(
                        self.graph.nodes[step.node].outputs, (self.plan.places[b] for b in step.results), strict=True
                    )
                ),
            )
            for step in self.program.steps
        ]


def generate(
    options: BuildOptions, model: str, graph: Graph, board: Board, toolchain: Toolchain, folder: Path,
    progress: Progress,
) -> Generated:  # fmt: skip
    """Program, plan, C and image; planned again with more set aside where stack and data need more than was.

    Raises DoesNotFit where that leaves too little, or another region overflows.
    """
    name, reserve = c_name(model), RESERVE
    while True:
        progress.stage("planning memory")
        regions = plan_regions(board, options.external, reserve)
        program, plan = planner(options, graph, board, regions)(options.feeding, options.tricks)
        validate_plan(program, plan)
        calls = [[step.op, step.name, [call.kernel for call in step.calls]] for step in program.steps]
        dump(options, "program", partial(json.dumps, calls))
        dump(options, "plan", partial(json.dumps, plan_report(program, plan), indent=1))
        progress.stage(f"generating and compiling C with {toolchain.name}")
        emitted = emit_model(name, program, plan)
        write_sources(folder, emitted, program)
        try:
            linked = link(folder, board, toolchain, name, program, options.external)
            return Generated(graph, program, plan, emitted, linked)
        except DoesNotFit as error:
            if error.region != board.ram_stack.name:
                raise
            reserve += -(-(error.need - error.have) // 256) * 256
            shutil.rmtree(folder)


def planner(options: BuildOptions, graph: Graph, board: Board, regions: list[PlanRegion]) -> Build:
    """Program and plan by how images are fed and which savings are used."""

    def planned(feed: str, tricks: Tricks) -> tuple[Program, MemoryPlan]:
        floats, weights = options.precision == "float32", weight_memory(board, options.external)
        return options.planner(graph, Target.of(board), regions, floats, weights=weights, feed=feed, tricks=tricks)

    return planned
