"""The forecast per board: the build's own plan for RAM, the size table for code and stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from edgekit.boards import Board
from edgekit.codegen.fitting import Planner, ceiling_of, lower_and_plan
from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.memory import MemoryPlan, PlanRegion, live_bytes, plan_memory
from edgekit.codegen.memory.order import QUICK_EFFORT, order_steps
from edgekit.codegen.memory.region import RESERVE, plan_regions
from edgekit.codegen.memory.weights import outside_tables
from edgekit.codegen.program import FEED_ROWS, BufferArg, Program, Step
from edgekit.codegen.streaming.choosers import Choosers
from edgekit.codegen.streaming.far_weights import WeightMemory, weight_memory
from edgekit.errors import DoesNotFit
from edgekit.forecast.generated import layer_bytes, layer_frame
from edgekit.forecast.sizes import CoreSizes, core_key, core_sizes, struct_bytes
from edgekit.ir import Graph
from edgekit.ops.supported import require_supported_graph

UNLIMITED = PlanRegion("any", 1 << 40)
# All that a plan depends on.
_Kind: TypeAlias = "tuple[Target, tuple[PlanRegion, ...], WeightMemory | None]"
_DOUBLE_WORDS = ("int64_t", "uint64_t", "double")


@dataclass(frozen=True)
class RamForecast:
    """Bytes of on-chip RAM, as report.json counts them, and what a build would leave over (negative: too little).

    Attributes:
        headroom: less what a build sets aside for stack and data while it plans.
        external: bytes of activations in RAM off the chip.
    """

    total: int
    arena: int
    data_bss: int
    stack: int
    budget: int
    headroom: int
    external: int


@dataclass(frozen=True)
class FlashForecast:
    """Bytes of program flash, as report.json counts them; `external` are weights in flash off the chip."""

    total: int
    code: int
    weights: int
    budget: int
    headroom: int
    external: int


@dataclass(frozen=True)
class Forecast:
    """What a build for one board is expected to take.

    Attributes:
        unmeasured: kernels that the size table lacks; they count with a median size.
        ram_costs, flash_costs: the three layers with most live activations and with most weights, and their bytes.
    """

    board: str
    core: str
    ram: RamForecast
    flash: FlashForecast
    unmeasured: tuple[str, ...]
    ram_costs: tuple[tuple[str, int], ...]
    flash_costs: tuple[tuple[str, int], ...]

    @property
    def fits(self) -> bool:
        """Whether both memories have room."""
        return self.ram.headroom >= 0 and self.flash.headroom >= 0


class Forecaster:
    """Forecasts of one graph, for as many boards as are asked for; programs and plans are made once per kind."""

    def __init__(
        self, graph: Graph, floats: bool = False, external: bool = True, planner: Planner = lower_and_plan
    ) -> None:  # fmt: skip
        """Take a graph as a build would lower it: of codes, or with `floats` of plain numbers; `planner` plans it.

        Raises UnsupportedModel naming every layer that could not be built.
        """
        require_supported_graph(graph)
        self._graph, self._floats, self._external, self._planner = graph, floats, external, planner
        self._choosers = Choosers(graph)
        self._built: dict[_Kind, tuple[Program, MemoryPlan] | None] = {}
        self._least: dict[Target, tuple[Program, MemoryPlan]] = {}

    def program(self, board: Board) -> Program:
        """The lowered program for a board, with the least scratch."""
        return self._smallest(board)[0]

    def board(self, board: Board) -> Forecast:
        """The forecast for one board."""
        sizes = core_sizes(core_key(board))
        (program, plan), planned = self._plan(board)
        stack = _stack(program, sizes)
        ram = _ram(board, plan, stack, planned)
        flash = _flash(board, _code(program, plan, sizes), program, self._external)
        live = {step.name: size for step, size in zip(program.steps, live_bytes(plan.lives), strict=False)}
        stored = {step.name: step.weight_bytes for step in program.steps}
        missing = tuple(sizes.missing(program.kernels))
        return Forecast(board.name, board.core, ram, flash, missing, _largest(live), _largest(stored))

    def _smallest(self, board: Board) -> tuple[Program, MemoryPlan]:
        """Program and plan with the least scratch, whatever memory that takes."""
        target = Target.of(board)
        if target not in self._least:
            program = order_steps(lower(self._graph, target, self._floats), QUICK_EFFORT)
            self._least[target] = program, plan_memory(program, [UNLIMITED])
        return self._least[target]

    def _plan(self, board: Board) -> tuple[tuple[Program, MemoryPlan], bool]:
        """What a build would make, True; or the smallest, False, where the board has no room."""
        inside, *outside = plan_regions(board, self._external)
        smallest_plan, weights = self._smallest(board), weight_memory(board, self._external)
        fits = ceiling_of(smallest_plan[1].arena[UNLIMITED.name]) <= inside.capacity
        if fits and self._planner is lower_and_plan:
            # A default build finds the same plan whatever the capacity above its ceiling is.
            inside, outside, weights = UNLIMITED, [], None
        built = self._planned((Target.of(board), (inside, *outside), weights))
        return (smallest_plan, False) if built is None else (built, True)

    def _planned(self, kind: _Kind) -> tuple[Program, MemoryPlan] | None:
        if kind not in self._built:
            target, regions, weights = kind
            try:
                self._built[kind] = self._planner(
                    self._graph, target, regions, self._floats, weights=weights, choosers=self._choosers
                )
            except DoesNotFit:
                self._built[kind] = None
        return self._built[kind]


def smallest(forecasts: Sequence[Forecast]) -> Forecast | None:
    """The forecast that fits with the least RAM on its board, then the least flash."""
    return min((f for f in forecasts if f.fits), key=lambda f: (f.ram.budget, f.flash.budget, f.board), default=None)


def _largest(sizes: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(sizes.items(), key=lambda item: -item[1])[:3])


def _ram(board: Board, plan: MemoryPlan, stack: int, planned: bool) -> RamForecast:
    inside = sum(plan.arena[name] for name, region in plan.regions.items() if not region.external)
    arena, data, size = max(1, inside), 4 * len(plan.arenas), board.ram_total
    headroom = size - arena - max(RESERVE, stack + data)
    # A plan with memory outside can fail there although the chip's own RAM has room.
    headroom = headroom if planned else min(headroom, -1)
    return RamForecast(arena + data + stack, arena, data, stack, size, headroom, plan.external)


def _flash(board: Board, code: int, program: Program, external: bool) -> FlashForecast:
    """The tables that cost least there move out where not all fit inside, if there is room outside."""
    budget, weights = board.flash_internal.size - board.vector_offset, _weights(program)
    outside = board.external_flash if external else None
    moved = 0
    if code + weights > budget and outside is not None:
        far = outside_tables(program, budget - code, outside.size)
        moved = min(weights, sum(table.size for table in program.constants if table.index in far))
        moved = moved if moved <= outside.size else 0
    total = code + weights - moved
    return FlashForecast(total, code, weights, budget, budget - total, moved)


def _stack(program: Program, sizes: CoreSizes) -> int:
    layers = (layer_frame(step, sizes.layer_frame) + _deepest(step, sizes) for step in program.steps)
    return sizes.startup_stack + max(layers, default=0)


def _deepest(step: Step, sizes: CoreSizes) -> int:
    return max((sizes.stack(call.kernel) for call in step.calls if call.kernel != FEED_ROWS), default=0)


def _code(program: Program, plan: MemoryPlan, sizes: CoreSizes) -> int:
    """Vectors, start-up, kernels, generated layers and parameter structs."""

    def offset(arg: BufferArg) -> int:
        return plan.places[arg.buffer].offset + arg.offset

    layers = sum(layer_bytes(step, offset, sizes.layer_code) for step in program.steps)
    return sizes.startup_code + sizes.code(program.kernels) + round(layers) + _params(program)


def _params(program: Program) -> int:
    return sum(struct_bytes(params.c_type) or _words(params.fields) for params in program.params)


def _words(fields: object) -> int:
    """Bytes of a struct that the table lacks, as if every number in it were a word."""
    if isinstance(fields, dict):
        return sum(_words(value) for value in fields.values())
    return 4 * len(fields) if isinstance(fields, (list, tuple)) else 4


def _weights(program: Program) -> int:
    """The weights section: tables one behind the other, each aligned to words."""
    end = 0
    for constant in program.constants:
        alignment = 8 if constant.c_type in _DOUBLE_WORDS else 4
        end = -(-end // alignment) * alignment + constant.size
    return end
