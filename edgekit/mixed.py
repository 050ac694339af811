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
from edgekit.quant.allocation import Allocation, Choices, MixedChoice, allocate
from edgekit.quant.bits import products_of
from edgekit.quant.observers import Range
from edgekit.quant.power import CodedRows
from edgekit.quant.sensitivity import measured_errors
from edgekit.quant.weight_quantizers import coded_weights

WIDTHS = (8, 4, 3, 2)
# Samples whose answers are compared.
SENSITIVITY_SAMPLES = 16
# Choices that are measured as a whole to make use of the budget: each is a plan, and where it is linked an image.
MOST_SIZES = 6


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
        progress.stage("linking a choice of bits, to see what it takes")
        return measured(quantize_ranges(graph, ranges, chosen, grids))

    return within(choices, budget, size)


def within(choices: Choices, budget: int, size: Callable[[Mapping[str, int]], int]) -> MixedChoice:
    """The choice of least error whose `size` as a whole is at most `budget`, where sizes by layer are nearly right.

    What all layers together take more or less than was counted (kernels of two widths, say) is another one for every
    choice, and counts with what no choice changes. It is looked for between what was too little, as the choice made
    with it did not fit, and what was enough; at most MOST_SIZES choices are measured beyond the first that fits. The
    bound on the error is that of the least that any measured choice took.

    Raises DoesNotFit where nothing fits.
    """
    search = _Search(choices, budget, size)
    others, too_little, enough = choices.others, None, None
    while search.best is None or len(search.sizes) <= search.first + MOST_SIZES:
        fits, believed = search.tried(others)
        enough, too_little = (others, too_little) if fits else (enough, others)
        if enough is None or (too_little is None and believed < others):
            others = believed
        elif too_little is None or enough - too_little <= 1:
            break
        else:
            others = (too_little + enough) // 2
    return search.choice()


class _Search:
    """Choices that were measured, by their bits.

    Attributes:
        best: the one of least error among those that fit.
        sizes: of all; `first`: how many there were when the first one fitted.
    """

    def __init__(self, choices: Choices, budget: int, size: Callable[[Mapping[str, int]], int]) -> None:
        self._choices, self._budget, self._size = choices, budget, size
        self.sizes: dict[tuple[tuple[str, int], ...], int] = {}
        self.best: Allocation | None = None
        self.first = 0

    def tried(self, others: int) -> tuple[bool, int]:
        """Whether the choice fits that such a size of all else leads to, and that size as the choice has it.

        A size that leaves room for no choice is enough: as good as one that fits. Raises DoesNotFit for it as long as
        nothing has fitted.
        """
        try:
            found = allocate(replace(self._choices, others=others), self._budget)
        except DoesNotFit:
            if self.best is None:
                raise
            return True, others
        whole = self._whole(found.bits)
        if whole <= self._budget and (self.best is None or found.error < self.best.error):
            self.first = self.first if self.best is not None else len(self.sizes)
            self.best = found
        return whole <= self._budget, self._choices.others + whole - self._choices.size(found.bits)

    def _whole(self, bits: Mapping[str, int]) -> int:
        """Bytes of all; more than the budget where no image comes of it, once something has fitted."""
        key = tuple(bits.items())
        if key not in self.sizes:
            try:
                self.sizes[key] = self._size(bits)
            except DoesNotFit as error:
                if self.best is None:
                    raise
                self.sizes[key] = self._budget + max(1, error.need - error.have)
        return self.sizes[key]

    def choice(self) -> MixedChoice:
        """The best one, with what no choice is forecast to be better than."""
        assert self.best is not None
        excess = {bits: whole - self._choices.size(dict(bits)) for bits, whole in self.sizes.items()}
        least = allocate(replace(self._choices, others=self._choices.others + min(excess.values())), self._budget)
        key = tuple(self.best.bits.items())
        bound = min(least.bound, self.best.error)
        proven = least.proven and least.error >= self.best.error
        whole = self.sizes[key]
        best = replace(self.best, size=whole, bound=bound, proven=proven)
        choices = replace(self._choices, others=self._choices.others + excess[key])
        return MixedChoice(best, choices, self._budget, whole)


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
