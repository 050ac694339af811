"""Mixed precision: how many bits the weights of each layer get, so that a build keeps to budgets of flash and time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from edgekit.bit_search import Taken, within
from edgekit.boards import Board
from edgekit.codegen.integration import Tricks
from edgekit.codegen.lowering import Target, lower
from edgekit.errors import BadUsage, DoesNotFit, InternalError, OverBudget, TooSlow
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
        flash: bytes of code and weights; more than there is where that has no room for them.
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
        board: without memory that builds may not use.
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

    chip, outside = board.flash_internal.size, board.external_flash
    room = chip + (0 if outside is None else outside.size)
    within_room = replace(budgets, flash=min(budgets.flash, room), room=room)
    if measure is None:
        found = within(choices, within_room, lambda b: {FLASH: _Forecast.of(integers(b), board, forecaster).total})
        return replace(found, budgets=budgets)
    builds = _Builds(integers, measure, outside is not None, progress)

    def taken(bits: Mapping[str, int]) -> Mapping[str, int]:
        build = builds.of(bits, "linking a choice of bits, to see what it takes")
        return {FLASH: build.flash} | ({} if budgets.latency is None else {CYCLES: build.emulated})

    if budgets.latency is None:
        return replace(within(choices, within_room, taken), budgets=budgets)
    # Where both are searched, a larger budget changes nothing for weights that are all inside.
    on_chip = replace(within_room, flash=min(budgets.flash, chip), room=chip if within_room.flash > chip else room)
    inside = _timed(choices, builds, True, on_chip)
    if within_room.flash <= chip:
        return replace(inside.choice(taken), budgets=budgets)
    return replace(_better(inside, _timed(choices, builds, False, within_room), taken), budgets=budgets)


@dataclass(frozen=True)
class _Builds:
    """Builds of choices of bits, each made once.

    Attributes:
        outside: whether weights may stand in a flash off the chip: else all builds have them inside.
    """

    integers: Callable[[Mapping[str, int]], Graph]
    measure: Measure
    outside: bool
    progress: Progress
    known: dict[tuple[bool, tuple[tuple[str, int], ...]], Measured] = field(default_factory=dict)

    def of(self, bits: Mapping[str, int], stage: str, inside: bool = False) -> Measured:
        """What a build takes, as of `Measure`; `stage` is what is told while it is made."""
        inside = inside and self.outside
        key = (inside, tuple(bits.items()))
        if key not in self.known:
            self.progress.stage(stage)
            self.known[key] = self.measure(self.integers(bits), inside)
        return self.known[key]


@dataclass(frozen=True)
class _Timed:
    """What is searched: choices by what each layer takes, and those with the same bits in all layers that were
    measured to keep to the budgets.
    """

    choices: Choices
    budgets: Budgets
    uniform: Sequence[Mapping[str, int]]

    def choice(self, taken: Taken) -> MixedChoice:
        """The choice of least error."""
        return within(self.choices, self.budgets, taken, self.uniform)


def _better(inside: _Timed, anywhere: _Timed, taken: Taken) -> MixedChoice:
    """The choice of less error of two: with all weights in the program flash, and with some outside as builds put them.

    Which those are is another thing for every choice, and one that all is inside with may be the faster one by far.
    """
    found, problems = list[MixedChoice](), list[DoesNotFit | OverBudget]()
    for timed in (inside, anywhere):
        try:
            found.append(timed.choice(taken))
        except (DoesNotFit, OverBudget) as error:
            problems.append(error)
    if not found:
        raise _neither(*problems)
    best = min(found, key=lambda mixed: mixed.allocation.error)
    bound = min(mixed.allocation.bound for mixed in found)
    proven = not problems and all(mixed.allocation.proven for mixed in found)
    return replace(best, allocation=replace(best.allocation, bound=bound, proven=proven))


def _neither(inside: DoesNotFit | OverBudget, anywhere: DoesNotFit | OverBudget) -> DoesNotFit | OverBudget:
    """What to say of two searches without a choice: where they lack the same, what lacks less of it."""
    if isinstance(inside, DoesNotFit) and isinstance(anywhere, DoesNotFit) and inside.region == anywhere.region:
        return min(inside, anywhere, key=lambda error: error.need - error.have)
    if isinstance(inside, TooSlow) and isinstance(anywhere, TooSlow):
        return min(inside, anywhere, key=lambda error: error.need)
    return OverBudget(f"with all weights in the program flash: {inside}; with some outside: {anywhere}")


def _flash(names: Sequence[str], forecasts: Mapping[int, _Forecast]) -> Costs:
    """Bytes by layer, of the kernels of each width beyond those of the leanest, and of all else at 8 bits."""
    least = min(forecast.code for forecast in forecasts.values())
    layers = {name: {bits: forecast.layers[name] for bits, forecast in forecasts.items()} for name in names}
    costs = Costs(layers, {bits: max(0, forecast.code - least) for bits, forecast in forecasts.items()})
    return replace(costs, others=forecasts[8].total - costs.of(dict.fromkeys(names, 8)))


def _timed(choices: Choices, made: _Builds, inside: bool, budgets: Budgets) -> _Timed:
    """The same with cycles, as each layer takes them where all have its number of bits.

    A width with which no image comes of that is left out, and said to be.

    Args:
        inside: with all weights in the program flash, where a build with 8 bits might have some elsewhere.
    """
    names = list(choices.errors)
    uniform = {bits: dict.fromkeys(names, bits) for bits in WIDTHS}
    builds, problem = dict[int, Measured](), None
    for bits, choice in uniform.items():
        try:
            stage = f"emulating with {bits} bits in all layers, to see how long each takes"
            builds[bits] = made.of(choice, stage, inside)
        except DoesNotFit as error:
            problem = error
            made.progress.warn(f"no layer gets {bits} bits: how long they take is not known, as with them it {error}")
    if problem is not None and not builds:
        raise problem
    layers = in_units({name: {b: build.layers.get(name, 0.0) for b, build in builds.items()} for name in names})
    cycles, (bits, build) = Costs(layers, dict.fromkeys(builds, 0)), next(iter(builds.items()))
    cycles = replace(cycles, others=build.emulated - cycles.of(dict.fromkeys(names, bits)))
    kept = {name: {b: row[b] for b in builds} for name, row in choices.flash.layers.items()}
    flash = replace(choices.flash, layers=kept, once={b: choices.flash.once[b] for b in builds})
    takes = {bits: {FLASH: build.flash, CYCLES: build.emulated} for bits, build in builds.items()}
    keeps = [uniform[b] for b, take in takes.items() if all(take[k] <= limit for k, limit in budgets.limits.items())]
    return _Timed(replace(choices, costs={FLASH: flash, CYCLES: cycles}), budgets, keeps)


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
