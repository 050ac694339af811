"""What a layer costs for some rows of its output: scratch memory against cycles, as far as plans need to compare.

Of layers with products on DSP cores, cycles come from the cuts that the lowering itself chooses among; of all else they
are instructions, counted in the emulator (docs/kernels.md).
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from edgekit.codegen.lowering.coded import codebook_of
from edgekit.codegen.lowering.coded_products import (
    decoded_bytes,
    decoded_strips_bytes,
    field_bytes,
    pair_bytes,
)
from edgekit.codegen.lowering.context import Target
from edgekit.codegen.lowering.convolution import POINTER_BYTES
from edgekit.codegen.lowering.dots import INPUTS, four_bytes, fours_of_matmul
from edgekit.codegen.lowering.planes import planes_over
from edgekit.codegen.lowering.products import is_pointwise, products_of, products_of_rows
from edgekit.codegen.lowering.strips import scratch_of, shape_of
from edgekit.codegen.lowering.tiling import Products, loops_of, tilings
from edgekit.codegen.streaming.far_weights import constant_numbers
from edgekit.ir import Node
from edgekit.ops import fixed_point as fp
from edgekit.ops import spec_of
from edgekit.ops.conv2d import groups_of
from edgekit.ops.matmul import matrix_shapes
from edgekit.ops.window import window_of

# Instructions of a call with its arguments, and for each byte that is moved.
CALL = 60
MOVED_BYTE = 0.35
# For a multiply-accumulate: by windows with one and with two at a time, by taps, of vectors, and of what is left.
_WINDOW, _TWO_WINDOWS, _TAPS = 3.6, 2.9, 4.5
_VECTOR_DOTS, _VECTOR_TAPS = 0.2, 0.7
_PLAIN_TAPS = 7.0
# Of weights that are decoded: each of them, and, for a multiply-accumulate by rows, to gather windows for each tile.
_DECODE, _AGAIN = 6.0, 1.0
# Of a byte of the table of ek_coded_lanes.h, which every call makes for each group of channels.
_FIELD_BYTE = 0.45
# Of elements: for each input that a pool reads, and for each output of all else.
_POOLED, _ELEMENT = 2.5, 6.0
# Of each output and, beside, of each row of them along the last axis; of each input of a mean.
_BY_ROWS = {"softmax": (12.0, 85.0), "layer_norm": (25.0, 670.0), "transpose": (2.0, 44.0)}
_AVERAGED = 1.3


@dataclass(frozen=True)
class Options:
    """Ways to run a layer once: more scratch, fewer cycles.

    Attributes:
        scratch: bytes, ascending; cycles: of each.
    """

    scratch: tuple[int, ...]
    cycles: tuple[float, ...]

    @staticmethod
    def of(pairs: Iterable[tuple[int, float]]) -> Options:
        """Of (scratch, cycles) those that are worth their scratch."""
        best: list[tuple[int, float]] = []
        for scratch, cycles in sorted(pairs):
            if not best or cycles < best[-1][1]:
                best.append((scratch, cycles))
        return Options(tuple(s for s, _ in best), tuple(i for _, i in best))

    def later(self, cycles: float) -> Options:
        """All of them, with more cycles."""
        return Options(self.scratch, tuple(c + cycles for c in self.cycles))

    def within(self, room: int) -> float | None:
        """The fewest cycles with at most `room` bytes of scratch; None where that is too little."""
        at = self.at(room)
        return None if at < 0 else self.cycles[at]

    def at(self, room: int) -> int:
        """The number of that option; -1 where there is none."""
        return bisect_right(self.scratch, room) - 1


class Costs:
    """Options of the layers of a graph, each looked for once.

    Args:
        target: the core.
        waits: by name of a layer, cycles that a call waits for each number of its weights.
    """

    def __init__(self, target: Target, waits: Mapping[str, float]) -> None:
        self._target, self._waits = target, waits
        self._known: dict[tuple[Node, int, int], Options] = {}

    def of(self, node: Node, rows: int, columns: int) -> Options:
        """Options of a layer for that many rows and columns of its one image of output."""
        key = node, rows, columns
        if key not in self._known:
            self._known[key] = self._waiting(node, self._options(node, rows, columns))
        return self._known[key]

    def whole(self, node: Node) -> Options:
        """Options of a layer for all of its output."""
        if node.op in ("fully_connected", "int_matmul"):
            return self._waiting(node, self._matrix(node))
        shape = node.outputs[0].shape
        return self._waiting(node, self._options(node, *(shape[1:3] if len(shape) == 4 else (1, 1))))

    def _waiting(self, node: Node, options: Options) -> Options:
        """Each call reads the weights once more."""
        wait = self.wait(node)
        return options.later(wait * constant_numbers(node)) if wait else options

    def wait(self, node: Node) -> float:
        """Cycles that a call waits for each number of the layer's weights."""
        return self._waits.get(node.name, 0.0)

    def _options(self, node: Node, rows: int, columns: int) -> Options:
        shape = node.outputs[0].shape
        share = rows * columns / max(1, shape[1] * shape[2]) if len(shape) == 4 else 1.0
        macs = round(spec_of(node.op).macs(node) * share)
        if node.op == "conv2d":
            return self._convolution(node, rows, columns, macs)
        if node.op == "depthwise_conv2d":
            return self._depthwise(node, rows, columns, macs)
        if node.op in ("avg_pool2d", "max_pool2d"):
            taps = math.prod(fp.as_pair(node.attrs["kernel"]))
            return Options.of([(0, CALL + _POOLED * share * node.output.elements * taps)])
        if node.op == "mean":
            return Options.of([(0, CALL + _AVERAGED * node.input(0).elements)])
        elements = sum(value.elements for value in node.outputs)
        each, row = _BY_ROWS.get(node.op, (_ELEMENT, 0.0))
        return Options.of([(0, CALL + (each + row / max(1, (shape or (1,))[-1])) * elements * share + macs)])

    def _matrix(self, node: Node) -> Options:
        """Rows of a matrix by constant or computed weights."""
        macs = spec_of(node.op).macs(node)
        if node.op == "fully_connected":
            inputs = node.input(1).shape[1]
            rows = node.input(0).elements // inputs
            if self._target.dsp and not self._target.mve and rows == 1:
                codebook = codebook_of(node)
                scratch = 8 * -(-inputs // 4) + (0 if codebook is None else field_bytes(codebook))
                return Options.of([(scratch, CALL + macs + self._decoding(node))])
            return self._products(node, products_of_rows(node, rows), True, macs)
        rows, depth = matrix_shapes(node)[0][-2:]
        columns = node.output.shape[-1]
        if self._target.mve:
            return Options.of([(fours_of_matmul(depth, columns, 0)[1], CALL + _VECTOR_DOTS * macs)])
        if not self._target.dsp:
            return Options.of([(4 * rows + 4 * depth, CALL + _WINDOW * macs)])
        products = Products(rows, columns, 1, depth, depth, True, not node.attrs["transpose_b"])
        count = max(1, node.output.elements // max(1, rows * columns))
        return Options.of((t.scratch, CALL + count * t.cycles) for t in tilings(products, loops_of(self._target)[:1]))

    def _convolution(self, node: Node, rows: int, columns: int, macs: int) -> Options:
        if groups_of(node) == 1:
            return self._products(node, products_of(node, rows, columns), is_pointwise(node), macs)
        filter_bytes = math.prod(node.input(1).shape[1:])
        return self._windows(decoded_bytes(node), 0 if is_pointwise(node) else filter_bytes, macs, self._decoding(node))

    def _products(self, node: Node, products: Products, pointwise: bool, macs: int) -> Options:
        """A product of one group, `pointwise` where its rows lie in the input as they are."""
        codebook, decoding, inputs = codebook_of(node), self._decoding(node), products.rows * products.row
        if self._target.mve:
            column = -(-inputs // INPUTS) * INPUTS
            gathered = not pointwise or inputs % INPUTS > 0
            decoded = 0 if codebook is None else four_bytes(inputs)
            return Options.of([(2 * column * gathered + decoded, CALL + _VECTOR_DOTS * macs + decoding)])
        if self._target.dsp:
            table, times = (0, 0) if codebook is None else (field_bytes(codebook), len(codebook.levels))
            return _of_products(products, self._target, table, times)
        again = 0.0 if codebook is None or pointwise else _AGAIN * macs
        decoded = 0 if codebook is None else pair_bytes(inputs)
        return self._windows(decoded, 0 if pointwise else inputs, macs, decoding + again)

    def _windows(self, decoded: int, gathered: int, macs: int, beside: float) -> Options:
        """The form by rows, one window at a time or two."""
        if not gathered:
            return Options.of([(decoded, CALL + _TWO_WINDOWS * macs + beside)])
        return Options.of([
            (decoded + gathered, CALL + _WINDOW * macs + beside),
            (decoded + 2 * gathered, CALL + _TWO_WINDOWS * macs + beside),
        ])  # fmt: skip

    def _decoding(self, node: Node) -> float:
        """Cycles that decode a layer's weights, in every call."""
        return 0.0 if codebook_of(node) is None else _DECODE * node.input(1).elements

    def _depthwise(self, node: Node, rows: int, columns: int, macs: int) -> Options:
        kernel_h, kernel_w, outputs = node.input(1).shape
        decoded, decoding = decoded_bytes(node), self._decoding(node)
        if outputs != node.input(0).shape[3]:
            return Options.of([(decoded, CALL + _PLAIN_TAPS * macs + decoding)])
        window = window_of(node, (kernel_h, kernel_w))
        part = replace(window, output=(rows, columns))
        if self._target.mve and (shape := shape_of(part, outputs)) is not None:
            table = 0 if codebook_of(node) is None else decoded_strips_bytes(node, shape)
            return Options.of([(scratch_of(part, shape) + table, CALL + _VECTOR_TAPS * macs + decoding)])
        if not self._target.dsp:
            taps_bytes = 2 * POINTER_BYTES * (kernel_h * kernel_w + 1) + outputs
            return Options.of([(decoded + taps_bytes, CALL + _TAPS * macs + decoding)])
        planes = planes_over(part, outputs)
        if planes is None:
            return Options.of([(decoded, CALL + _PLAIN_TAPS * macs + decoding)])
        fours = -(-outputs // 4)
        return Options.of(
            (decoded + planes.scratch(band), CALL + decoding + fours * planes.instructions(band))
            for band in range(1, planes.lines + 1)
        )


@functools.lru_cache(maxsize=4096)
def _of_products(products: Products, target: Target, table: int, times: int) -> Options:
    """Behind a table of so many bytes of scratch, which is made so many times."""
    made = _FIELD_BYTE * table * times
    return Options.of((table + t.scratch, CALL + made + t.cycles) for t in tilings(products, loops_of(target)))
