"""Stripes of a stream: some columns of its result at a time, and what each layer makes and reads for them.

What two stripes both read, the halo, is computed for each. Source: patch-based inference of MCUNetV2 (arXiv
2110.15352), here of columns alone, since line buffers keep rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from edgekit.codegen.memory.block import align_up
from edgekit.codegen.streaming.reach import across_of, streamed_inputs, turns
from edgekit.codegen.streaming.stream import Rows, Stream
from edgekit.ir import Node, Value
from edgekit.ops import spec_of

# Of scratch, line buffers and rows beside them: what kernels may ask for.
ALIGNMENT = 16


@dataclass(frozen=True)
class Stripe:
    """Columns, all or some.

    Attributes:
        made: per value inside and the result, its columns.
        read: per layer, those that it reads of all its inputs; padding: columns left and right of these.
    """

    made: dict[Value, Rows]
    read: dict[Node, Rows]
    padding: dict[Node, tuple[int, int]]

    def row_bytes(self, value: Value) -> int:
        """Of a row of a value inside, or of the part of the result."""
        return self.made[value].count * value.shape[3]

    def standing(self, value: Value) -> Rows:
        """The columns of a value that stand side by side in memory."""
        return self.made.get(value, Rows(0, value.shape[2]))

    def gathered(self, node: Node, value: Value, rows: int) -> int:
        """Bytes of the copy of an input that a layer needs to read so many rows: 0 where they lie side by side."""
        if rows <= 1 or turns(node) or self.standing(value) == self.read[node]:
            return 0
        return align_up(rows * self.read[node].count * value.shape[3], ALIGNMENT)

    def scattered(self, result: Value, rows: int) -> int:
        """Bytes of so many rows of the result on their way to the whole one: 0 where they lie there side by side."""
        if rows <= 1 or self.made[result].count == result.shape[2]:
            return 0
        return align_up(rows * self.row_bytes(result), ALIGNMENT)

    def beside(self, stream: Stream, node: Node, made: int, read: int) -> int:
        """Bytes of all copies that a layer works on while it makes and reads so many rows."""
        gathered = sum(self.gathered(node, value, read) for value in dict.fromkeys(streamed_inputs(node)))
        return gathered + (self.scattered(node.output, made) if node is stream.last else 0)


def can_be_cut(nodes: Sequence[Node]) -> bool:
    """Whether every window of the layers has a column of the input, as it has a row."""
    for node in nodes:
        across, width = across_of(node), node.output.shape[2]
        if across.before >= across.rows or (width - 1) * across.stride - across.before >= across.height:
            return False
    return True


def stripes_of(stream: Stream) -> list[Stripe]:
    """The stripes, from left to right, each of a part of the result that is as wide as the others but for a column."""
    width, count = stream.last.output.shape[2], stream.stripes
    starts = [width * index // count for index in range(count + 1)]
    return [_stripe(stream, Rows(a, b - a)) for a, b in pairwise(starts)]


def _stripe(stream: Stream, columns: Rows) -> Stripe:
    made, read, padding = {stream.last.output: columns}, {}, {}
    inside = set(stream.inside)
    for node in reversed(stream.layers):
        across, wanted = across_of(node), made[node.output]
        first, end = across.first(wanted.first), across.end(wanted.end)
        read[node], padding[node] = Rows(first, end - first), across.padding(wanted.first, wanted.end)
        for value in inside.intersection(streamed_inputs(node)):
            known = made.get(value, read[node])
            low, high = min(first, known.first), max(end, known.end)
            made[value] = Rows(low, high - low)
    return Stripe(made, read, padding)


def recomputed_macs(stream: Stream) -> int:
    """Multiplications that stripes do again, beyond one for each of a layer by itself."""
    stripes = stripes_of(stream) if stream.stripes > 1 else []
    total = 0
    for node in stream.layers if stripes else ():
        columns = sum(stripe.made[node.output].count for stripe in stripes)
        # Columns that nothing reads are not made at all.
        again = max(0, columns - node.output.shape[2])
        total += spec_of(node.op).macs(node) * again // node.output.shape[2]
    return total
