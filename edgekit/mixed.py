"""Mixed precision: how many bits the weights of each layer get, so that a build keeps to budgets of flash and time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from edgekit.bit_search import Taken, within
from edgekit.boards import Board
from edgekit.codegen.integration import Tricks
from edgekit.codegen.lowering import Target, lower
from edgekit.errors import BadUsage, DoesNotFit, EdgekitError, InternalError, OverBudget
from edgekit.forecast import Forecaster
from edgekit.ir import Array, Graph, QuantType, Value
from edgekit.progress import Progress
from edgekit.quant.affine import quantize_ranges
from edgekit.quant.allocation import CYCLES, FLASH, Budgets, Choices, Costs, MixedChoice, in_units
from edgekit.quant.bits import products_of
from edgekit.quant.observers import Range
from edgekit.quant.sensitivity import measured_errors
from edgekit.quant.weight_quantizers import coded_weights

WIDTHS = (8, 4, 3, 2)
# Samples whose answers are compared.
SENSITIVITY_SAMPLES = 16


@dataclass(frozen=True)
class Measured:
    """What a build of an integer graph takes.

    Attributes:
        flash: bytes of code and weights; more than is allowed where it has no room for them.
        cycles: of one inference, layers: of its products by name; None and nothing where it was not emulated.
    """

    flash: int
    cycles: int | None = None
    layers: Mapping[str, float] = field(default_factory=dict)

    @property
    def emulated(self) -> int:
        """The cycles of a build that was emulated."""
        if self.cycles is None:
            raise InternalError("a build was not emulated, though time is limited")
        return self.cycles


class Measure(Protocol):
    """Builds an integer graph to measure it; raises DoesNotFit where no image comes of it."""

    def __call__(self, graph: Graph, inside: bool = False) -> Measured:
        """`inside`: with all weights in the program flash, however large it would have to be."""


def choose_bits(
    graph: Graph,
    ranges: Mapping[Value, Range],
    samples: Sequence[Sequence[Array]],
    quantizer: str,
    board: Board,
    budgets: Budgets,
    progress: Progress,
    forecaster: Callable[[Graph], Forecaster],
    grids: Mapping[Value, QuantType] | None = None,
    measure: Measure | None = None,
) -> MixedChoice:
    """Bits for the weights of every product of a float graph.

    Sizes of layers are those of the forecast for `board`, errors are measured on `samples` (SENSITIVITY_SAMPLES of
    them); cycles, where there is a budget of time, on builds with the same number of bits in all layers.

    Args:
        quantizer: of DATA_FREE, chooses the codes whose errors are measured.
        forecaster: of the builds.
        grids: of activations, as of `quantize_ranges`.
        measure: where something better than the forecast knows what a build takes.

    Raises DoesNotFit, TooSlow or OverBudget where no choice keeps to the budgets, with the least that any takes,
    BadUsage for a model without weights, or a budget of time that nothing measures.
    """
    if budgets.latency is not None and measure is None:
        raise BadUsage("--budget-latency is kept by builds that are emulated, and nothing builds here: leave it out")
    names = [node.name for node in products_of(graph)]
    if not names:
        raise BadUsage("the model has no weights whose bits could be chosen: use --precision int8")
    coded = {bits: coded_weights(graph, dict.fromkeys(names, bits), quantizer) for bits in WIDTHS}
    errors = measured_errors(graph, ranges, coded, samples[:SENSITIVITY_SAMPLES], progress, grids)

    def integers(bits: Mapping[str, int]) -> Graph:
        narrow = {name: coded[width][name] for name, width in bits.items() if width < 8}
        return quantize_ranges(graph, ranges, narrow, grids)

    uniform = {bits: integers(dict.fromkeys(names, bits)) for bits in WIDTHS}
    progress.stage("forecasting sizes with every number of bits")
    forecasts = {bits: _Forecast.of(uniform[bits], board, forecaster) for bits in WIDTHS}
    choices = Choices(errors, {FLASH: _flash(names, forecasts)})

    def taken(bits: Mapping[str, int]) -> Mapping[str, int]:
        if measure is None:
            return {FLASH: _Forecast.of(integers(bits), board, forecaster).total}
        progress.stage("linking a choice of bits, to see what it takes")
        found = measure(integers(bits))
        return {FLASH: found.flash} | ({} if budgets.latency is None else {CYCLES: found.emulated})

    if measure is None or budgets.latency is None:
        return within(choices, budgets, taken)
    chip = board.flash_internal.size
    inside = (_timed(choices, uniform, measure, True, progress), replace(budgets, flash=min(budgets.flash, chip)))
    if budgets.flash <= chip:
        return within(*inside, taken)
    return _better(inside, (_timed(choices, uniform, measure, False, progress), budgets), taken)


def _better(inside: tuple[Choices, Budgets], anywhere: tuple[Choices, Budgets], taken: Taken) -> MixedChoice:
    """The choice of less error of two: with all weights in the program flash, and with some outside as builds put them.

    Which those are is another thing for every choice, and one that all is inside with may be the faster one by far.
    """
    found, problems = list[MixedChoice](), list[EdgekitError]()
    for choices, budgets in (inside, anywhere):
        try:
            found.append(within(choices, budgets, taken))
        except (DoesNotFit, OverBudget) as error:
            problems.append(error)
    if not found:
        one, other = problems
        raise OverBudget(f"with all weights in the program flash: {one}; with some outside: {other}")
    best = min(found, key=lambda mixed: mixed.allocation.error)
    bound = min(mixed.allocation.bound for mixed in found)
    proven = not problems and all(mixed.allocation.proven for mixed in found)
    return replace(best, allocation=replace(best.allocation, bound=bound, proven=proven), budgets=anywhere[1])


def _flash(names: Sequence[str], forecasts: Mapping[int, _Forecast]) -> Costs:
    """Bytes by layer, of the kernels of each width beyond those of the leanest, and of all else at 8 bits."""
    least = min(forecast.code for forecast in forecasts.values())
    layers = {name: {bits: forecast.layers[name] for bits, forecast in forecasts.items()} for name in names}
    costs = Costs(layers, {bits: max(0, forecast.code - least) for bits, forecast in forecasts.items()})
    return replace(costs, others=forecasts[8].total - costs.of(dict.fromkeys(names, 8)))


def _timed(
    choices: Choices, uniform: Mapping[int, Graph], measure: Measure, inside: bool, progress: Progress
) -> Choices:
    """The same with cycles, as each layer takes them where all have its number of bits.

    A width with which no image comes of that is left out, and said to be.

    Args:
        inside: with all weights in the program flash, where a build with 8 bits might have some elsewhere.
    """
    builds, problem = dict[int, Measured](), None
    for bits, graph in uniform.items():
        progress.stage(f"emulating with {bits} bits in all layers, to see how long each takes")
        try:
            builds[bits] = measure(graph, inside)
        except DoesNotFit as error:
            problem = error
            progress.warn(f"no layer gets {bits} bits: how long they take is not known, as with them it {error}")
    if problem is not None and not builds:
        raise problem
    names = list(choices.errors)
    layers = in_units({name: {b: build.layers.get(name, 0.0) for b, build in builds.items()} for name in names})
    cycles, (bits, build) = Costs(layers, dict.fromkeys(builds, 0)), next(iter(builds.items()))
    cycles = replace(cycles, others=build.emulated - cycles.of(dict.fromkeys(names, bits)))
    kept = {name: {b: row[b] for b in builds} for name, row in choices.flash.layers.items()}
    flash = replace(choices.flash, layers=kept, once={b: choices.flash.once[b] for b in builds})
    return replace(choices, costs={FLASH: flash, CYCLES: cycles})


@dataclass(frozen=True)
class _Forecast:
    """Bytes of code and weights of a build, and of the weights of each product by its name."""

    code: int
    total: int
    layers: Mapping[str, int]

    @staticmethod
    def of(quantized: Graph, board: Board, forecaster: Callable[[Graph], Forecaster]) -> _Forecast:
        flash = forecaster(quantized).board(board).flash
        # Every product as a layer of its own.
        steps = lower(quantized, Target.of(board), tricks=Tricks(integration=False)).steps
        layers = {quantized.nodes[step.node].name: step.weight_bytes for step in steps}
        return _Forecast(flash.code, flash.code + flash.weights, layers)
