"""Which activations are codes of a power, or of 4 bits: grids with the least squared error on samples.

As of weights (`edgekit.quant.power`), codes are spaced evenly in |x| ** exponent (PowerQuant, arXiv 2301.09858). 8-bit
codes of a power are for what a function or a softmax makes and products alone read: those decode them to 16 bits.
4-bit codes are for what products read, but for the outermost ones, which have 8-bit weights too (`uniform_bits`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.errors import BadUsage
from edgekit.ir import Array, DType, Graph, Grid, Node, QuantType, Value
from edgekit.ops import spec_of
from edgekit.ops.matmul import matrix_shapes
from edgekit.ops.reference import run_reference
from edgekit.ops.unary import Unary
from edgekit.quant.bits import uniform_bits
from edgekit.quant.observers import Range
from edgekit.quant.power import MOST_EXPONENT, least_exponent

ACTIVATION_QUANTIZERS = ("uniform", "power")
ACTIVATION_BITS = (8, 4)
# Samples that are looked at, and numbers of one value in each of them.
_SAMPLES, _NUMBERS = 32, 4096
# What a power has to be better by than even codes of as many bits.
_GAIN_DB = 0.5
# Shares of a range that clipping to 4 bits tries.
_CLIPS = np.linspace(1.0, 0.3, 29)
# Levels of 8-bit codes are 16-bit numbers; with fewer than this for one side, a power gains nothing.
_LARGEST_LEVEL, _LEAST_LEVELS = 32767, 1024
_MAX_ACCUMULATOR = (1 << 30) - 1
# Of the signal, the error that sums of this length cannot tell from none.
_ROUNDING = 1e-12
# What moves codes from one place to another.
_MOVES = ("reshape", "transpose")


@dataclass(frozen=True)
class ActivationOptions:
    """How activations become codes.

    Attributes:
        bits: of what products read, but the outermost ones: 8 or 4.
        quantizer: "uniform", or "power": exponents where they pay.
    """

    bits: int = 8
    quantizer: str = "uniform"

    @property
    def plain(self) -> bool:
        """Whether all activations are even int8 codes."""
        return self.bits == 8 and self.quantizer == "uniform"

    def check(self, precision: str) -> None:
        """Raise BadUsage for options that go with nothing here."""
        if self.bits not in ACTIVATION_BITS or self.quantizer not in ACTIVATION_QUANTIZERS:
            raise BadUsage(f"activations have 8 or 4 bits, by {' or '.join(ACTIVATION_QUANTIZERS)}")
        if precision == "float32" and not self.plain:
            raise BadUsage("--activation-bits and --activation-quantizer quantize: leave them out with float32")


@dataclass(frozen=True)
class ChosenGrid:
    """The quantization of an activation that is not even int8 codes.

    Attributes:
        layer: the name of the layer that makes it.
        grid: that of `quant`.
        gain_db: of its signal to quantization noise on the samples, over even codes of as many bits.
    """

    layer: str
    quant: QuantType
    grid: Grid
    gain_db: float


def narrow_inputs(graph: Graph) -> list[Value]:
    """What products but the outermost ones read, each a value of its own that nothing else reads; in place.

    A float graph gets a `requantize` before those products where other layers read their input too, or where what
    makes it is no table.
    """
    narrow = {name for name, bits in uniform_bits(graph, 4).items() if bits == 4}
    readers = [node for node in graph.nodes if node.name in narrow and not node.input(0).is_constant]
    made: dict[Value, Value] = {}
    for node in readers:
        x = node.input(0)
        if x not in made:
            made[x] = x if _is_table(x) and _read_only_by(graph, x, readers) else _inserted(graph, node, x)
        if made[x] is not x:
            node.set_input(0, made[x])
    return list(made.values())


def _inserted(graph: Graph, reader: Node, x: Value) -> Value:
    narrow = Value(f"{x.name} narrow", x.shape, DType.FLOAT32)
    taken = {node.name for node in graph.nodes}
    name = next(name for name in _names(f"{reader.name} input") if name not in taken)
    graph.insert_before(reader, Node("requantize", name, [x], [narrow]))
    return narrow


def _names(name: str) -> Iterator[str]:
    """The name, and others like it."""
    yield name
    yield from (f"{name} {number}" for number in itertools.count(2))


def _is_table(value: Value) -> bool:
    return value.producer is not None and isinstance(spec_of(value.producer.op), Unary)


def _read_only_by(graph: Graph, value: Value, readers: Sequence[Node]) -> bool:
    return not graph.is_output(value) and all(node in readers and index == 0 for node, index in value.uses)


def chosen_grids(
    graph: Graph,
    samples: Sequence[Sequence[Array]],
    ranges: Mapping[Value, Range],
    options: ActivationOptions,
    narrow: Sequence[Value] = (),
) -> dict[Value, ChosenGrid]:
    """Quantizations of the activations that `options` say something of; others stay even int8 codes.

    Args:
        graph: float32; samples: of its inputs; ranges: of its values, as `calibrate` finds them.
        narrow: those of `narrow_inputs`, which get 4 bits.
    """
    wide = {} if options.quantizer == "uniform" else _decodable(graph, set(narrow))
    seen = _numbers(graph, samples, [*narrow, *wide])
    power = options.quantizer == "power"
    found = {value: _chosen(value, *_narrow_choice(seen[value], power)) for value in narrow}
    for value, largest in wide.items():
        quant, gain = _wide_choice(value, seen[value], ranges[value], largest)
        if gain > _GAIN_DB:
            found |= dict.fromkeys(_moved(value), _chosen(value, quant, gain))
    return found


def _chosen(value: Value, quant: QuantType, gain: float) -> ChosenGrid:
    assert quant.grid is not None
    return ChosenGrid(value.name if value.producer is None else value.producer.name, quant, quant.grid, gain)


def _decodable(graph: Graph, narrow: set[Value]) -> dict[Value, int]:
    """What a softmax or a function makes and products alone read, with the largest level that their sums hold."""
    found = {}
    for node in graph.nodes:
        value = node.outputs[0]
        if (node.op == "softmax" or _is_table(value)) and value.dtype is DType.FLOAT32 and value not in narrow:
            members = _moved(value)
            reads = [(n, i) for member in members for n, i in member.uses if n.op not in _MOVES]
            most = [_largest_level(reader, index) for reader, index in reads]
            if most and min(most) >= _LEAST_LEVELS and not any(graph.is_output(member) for member in members):
                found[value] = min(most)
    return found


def _moved(value: Value) -> list[Value]:
    """A value and what it becomes where it is only moved."""
    members = [value]
    for member in members:
        members += [node.output for node, _ in member.uses if node.op in _MOVES]
    return members


def _largest_level(reader: Node, index: int) -> int:
    """What levels may be so that any sum of products fits; 0 where a layer does not decode that operand.

    After the shift to the output's scale the sums of any levels are alike, since larger levels have a smaller scale:
    that they fit then is up to the output's scale (`edgekit.quant.activations`).
    """
    if index != 0:
        return 0
    if reader.op == "fully_connected" and reader.input(1).is_constant:
        return min(_LARGEST_LEVEL, _MAX_ACCUMULATOR // (127 * reader.input(1).shape[1]))
    if reader.op == "matmul":
        return min(_LARGEST_LEVEL, _MAX_ACCUMULATOR // (255 * matrix_shapes(reader)[0][-1]))
    return 0


def _numbers(graph: Graph, samples: Sequence[Sequence[Array]], wanted: Sequence[Value]) -> dict[Value, _Numbers]:
    """What values are on some samples, some of it."""
    rng, parts = np.random.default_rng(0), {value: list[Array]() for value in wanted}
    for sample in samples[:_SAMPLES] if wanted else ():
        values = run_reference(graph, list(sample), exact=False)
        for value, found in parts.items():
            flat = values[value].reshape(-1).astype(np.float64)
            found.append(flat if flat.size <= _NUMBERS else rng.choice(flat, _NUMBERS, replace=False))
    return {value: _Numbers(np.sort(np.concatenate(found))) for value, found in parts.items()}


class _Numbers:
    """Sorted numbers, with sums by which errors of codes take no time."""

    def __init__(self, numbers: Array) -> None:
        self.numbers = numbers
        self._sums = [np.concatenate([[0.0], np.cumsum(numbers**power)]) for power in (0, 1, 2)]
        self.signal = float(self._sums[2][-1])

    def error(self, quant: QuantType) -> float:
        """The sum of squared differences to the numbers that codes stand for, at least what rounding makes of it."""
        codes = np.arange(-128, 128) if quant.grid is None else np.arange(len(quant.grid.levels))
        steps = codes - quant.zero_point[0] if quant.grid is None else quant.grid.levels
        limits = _limits(quant, codes)
        ends = np.concatenate([[0], np.searchsorted(self.numbers, limits), [len(self.numbers)]])
        count, total, squares = (np.diff(sums[ends]) for sums in self._sums)
        levels = steps * quant.scale[0]
        error = float((squares - 2 * levels * total + levels**2 * count).sum())
        return max(error, _ROUNDING * self.signal)

    def decibels(self, quant: QuantType) -> float:
        """Signal to quantization noise."""
        tiny = np.finfo(np.float64).tiny
        return 10.0 * math.log10(max(self.signal, tiny) / max(self.error(quant), tiny))


def _limits(quant: QuantType, codes: Array) -> Array:
    """Real numbers between each code and the next one."""
    grid, middles = quant.grid, codes[:-1] + 0.5
    if grid is None:
        return np.asarray((middles - quant.zero_point[0]) * quant.scale[0])
    return grid.between(middles) * quant.scale[0]


def grid_over(low: float, high: float, exponent: float, bits: int, largest: int = 0) -> QuantType:
    """Codes of `bits` bits over [low, high] and 0, which gets a code of its own, spaced evenly in |x| ** exponent.

    largest: the largest level of 8-bit codes.
    """
    steps = (1 << bits) - 1
    exponent = float(np.float32(exponent))  # as files hold it
    first, last = (math.copysign(abs(end) ** exponent, end) for end in (min(low, 0.0), max(high, 0.0)))
    step = (last - first) / steps if last > first else 1.0 / steps
    zero = min(max(math.floor(-first / step + 0.5), 0), steps)
    most = max(zero, steps - zero)
    if bits == 4:
        largest = int(255 / (1 + ((steps - most) / most) ** (1.0 / exponent)))
    return QuantType.on_grid((most * step) ** (1.0 / exponent) / largest, Grid(bits, exponent, zero, largest))


def _narrow_choice(seen: _Numbers, power: bool) -> tuple[QuantType, float]:
    """4 bits, and what a power gains, 0 where codes are even: the range, and with it the exponent, of least error."""
    low, high = float(seen.numbers[0]), float(seen.numbers[-1])

    def made(clip: float, exponent: float) -> QuantType:
        return grid_over(low * clip, high * clip, exponent, 4)

    even = min((made(clip, MOST_EXPONENT) for clip in _CLIPS.tolist()), key=seen.error)
    if not power:
        return even, 0.0

    def searched(clip: float) -> QuantType:
        return made(clip, least_exponent(lambda exponent: seen.error(made(clip, exponent))))

    best = min((searched(clip) for clip in _CLIPS.tolist()), key=seen.error)
    gain = seen.decibels(best) - seen.decibels(even)
    return (best, gain) if gain > _GAIN_DB else (even, 0.0)


def _wide_choice(value: Value, seen: _Numbers, limits: Range, largest: int) -> tuple[QuantType, float]:
    """8 bits over the value's range with the exponent of least error, and what that gains."""
    producer = value.producer
    assert producer is not None
    fixed = spec_of(producer.op).fixed_output_quant
    low, high = (0.0, 1.0) if producer.op == "softmax" else limits
    even = QuantType.covering(low, high) if fixed is None else QuantType.per_tensor(*fixed)

    def made(exponent: float) -> QuantType:
        return grid_over(low, high, exponent, 8, largest)

    best = made(least_exponent(lambda exponent: seen.error(made(exponent))))
    return best, seen.decibels(best) - seen.decibels(even)
