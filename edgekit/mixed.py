"""Mixed precision: how many bits the weights of each layer get, so that a build stays within a budget of flash."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from edgekit.boards import Board
from edgekit.codegen.integration import Tricks
from edgekit.codegen.lowering import Target, lower
from edgekit.errors import BadUsage, DoesNotFit
from edgekit.forecast import Forecaster
from edgekit.ir import Array, Graph, QuantType, Value
from edgekit.progress import Progress
from edgekit.quant.affine import quantize_ranges
from edgekit.quant.allocation import Choices, MixedChoice, allocate
from edgekit.quant.bits import products_of
from edgekit.quant.observers import Range
from edgekit.quant.power import CodedRows
from edgekit.quant.sensitivity import measured_errors
from edgekit.quant.weight_quantizers import coded_weights

WIDTHS = (8, 4, 3, 2)
# Samples whose answers are compared.
SENSITIVITY_SAMPLES = 16


def choose_bits(
    graph: Graph,
    ranges: Mapping[Value, Range],
    samples: Sequence[Sequence[Array]],
    quantizer: str,
    board: Board,
    budget: int,
    progress: Progress,
    forecaster: Callable[[Graph], Forecaster],
    grids: Mapping[Value, QuantType] | None = None,
    measured: Callable[[Graph], int] | None = None,
) -> MixedChoice:
    """Bits for the weights of every product of a float graph.

    Sizes of layers are those of the forecast for `board`, errors are measured on `samples` (SENSITIVITY_SAMPLES of
    them).

    Args:
        quantizer: of DATA_FREE, chooses the codes whose errors are measured.
        budget: bytes of code and weights, in whatever flash they stand.
        forecaster: of the builds.
        grids: of activations, as of `quantize_ranges`.
        measured: bytes of code and weights that an integer graph takes, where something better than the forecast knows;
            it may raise DoesNotFit.

    Raises DoesNotFit where no choice fits, with the least that any takes, BadUsage for a model without weights.
    """
    names = [node.name for node in products_of(graph)]
    if not names:
        raise BadUsage("the model has no weights whose bits could be chosen: use --precision int8")
    coded = {bits: coded_weights(graph, dict.fromkeys(names, bits), quantizer) for bits in WIDTHS}
    errors = measured_errors(graph, ranges, coded, samples[:SENSITIVITY_SAMPLES], progress, grids)
    progress.stage("forecasting sizes with every number of bits")
    forecasts = {bits: _Forecast.of(graph, ranges, coded[bits], grids, board, forecaster) for bits in WIDTHS}
    code = {bits: forecast.code for bits, forecast in forecasts.items()}
    choices = Choices(
        errors,
        {name: {bits: forecasts[bits].layers[name] for bits in WIDTHS} for name in names},
        {bits: max(0, code[bits] - min(code.values())) for bits in WIDTHS},
    )
    choices = replace(choices, others=forecasts[8].total - choices.size(dict.fromkeys(names, 8)))

    def size(bits: Mapping[str, int]) -> int:
        chosen = {name: coded[width][name] for name, width in bits.items() if width < 8}
        if measured is None:
            return _Forecast.of(graph, ranges, chosen, grids, board, forecaster).total
        return measured(quantize_ranges(graph, ranges, chosen, grids))

    return within(choices, budget, size)


def within(choices: Choices, budget: int, size: Callable[[Mapping[str, int]], int]) -> MixedChoice:
    """The choice of least error whose `size` as a whole is at most `budget`, where sizes by layer are nearly right.

    What all layers together take more or less than was counted (kernels of two widths, say) counts with what no choice
    changes: when it is more, until a choice fits; when it is less, as that may make room for fewer errors.

    Raises DoesNotFit where nothing fits.
    """
    best: MixedChoice | None = None
    while True:
        try:
            found = allocate(choices, budget)
        except DoesNotFit:
            if best is None:
                raise
            return best
        if best is not None and found.error >= best.allocation.error:
            return best
        whole = size(found.bits)
        fits, excess = whole <= budget, whole - choices.size(found.bits)
        if fits:
            best = MixedChoice(found, choices, budget, whole)
        if best is not None and (excess >= 0 or not fits):
            return best
        choices = replace(choices, others=choices.others + (excess if fits else whole - budget))


@dataclass(frozen=True)
class _Forecast:
    """Bytes of code and weights of a build, and of the weights of each product by its name."""

    code: int
    total: int
    layers: Mapping[str, int]

    @staticmethod
    def of(
        graph: Graph, ranges: Mapping[Value, Range], coded: Mapping[str, CodedRows],
        grids: Mapping[Value, QuantType] | None, board: Board, forecaster: Callable[[Graph], Forecaster],
    ) -> _Forecast:  # fmt: skip
        quantized = quantize_ranges(graph, ranges, coded, grids)
        flash = forecaster(quantized).board(board).flash
        # Every product as a layer of its own.
        steps = lower(quantized, Target.of(board), tricks=Tricks(integration=False)).steps
        layers = {quantized.nodes[step.node].name: step.weight_bytes for step in steps}
        return _Forecast(flash.code, flash.code + flash.weights, layers)
