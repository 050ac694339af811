"""What a model will need on a board, before anything is compiled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.boards import Board
from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.memory import PlanRegion, plan_memory
from edgekit.ir import Graph
from edgekit.ops.supported import require_supported_graph
from edgekit.project import DATA_RESERVE, STACK_RESERVE
from edgekit.source import is_float

# What the start-up code and a typical set of kernels take, measured on the MLPerf Tiny models.
CODE_BYTES = 9_000
UNLIMITED = 1 << 40


@dataclass(frozen=True)
class Forecast:
    """Bytes that a build is expected to need on chip."""

    board: str
    ram: int
    ram_budget: int
    flash: int
    flash_budget: int

    @property
    def fits(self) -> bool:
        return self.ram <= self.ram_budget and self.flash <= self.flash_budget


def forecast(graph: Graph, board: Board) -> Forecast:
    """Plan the model for a board; a float model is forecast as its int8 form.

    Raises UnsupportedModel where it could not be built at all.
    """
    integer = int8_shape_of(graph) if is_float(graph) else graph
    require_supported_graph(integer)
    program = lower(integer, Target(dsp=board.dsp))
    arena = plan_memory(program, [PlanRegion("any", UNLIMITED)]).arena["any"]
    weights = sum(constant.size for constant in program.constants)
    return Forecast(
        board.name,
        arena + STACK_RESERVE + DATA_RESERVE,
        board.ram_internal.size,
        weights + CODE_BYTES,
        board.flash_internal.size,
    )


def int8_shape_of(graph: Graph) -> Graph:
    """The float graph quantized on noise: wrong in its scales, right in every size."""
    from edgekit.quant.affine import quantize_graph

    rng = np.random.default_rng(0)
    sample = [rng.uniform(0.0, 1.0, v.shape).astype(np.float32) for v in graph.inputs]
    return quantize_graph(graph, [sample], "minmax")
