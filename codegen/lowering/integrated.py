"""Chains to loops of kernel calls over blocks of rows; see codegen/integration.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edgekit.codegen.integration import RowChain
from edgekit.codegen.lowering.context import LoweringContext, View
from edgekit.codegen.program import Buffer
from edgekit.codegen.rows import rows_of
from edgekit.ir import Node, Value

Rules = Mapping[str, Callable[[Node, LoweringContext], None]]
# Rows of a block: the most that still fit are taken. More rows share one widening of the weights.
BLOCKS = (64, 48, 32, 24, 16, 12, 8)


def lower_row_chain(chain: RowChain, ctx: LoweringContext, rules: Rules) -> None:
    """Blocks of rows through all operators; only the last one's rows are kept."""
    last, inside = chain.last, [node.output for node in chain.nodes[:-1]]
    rows, room = rows_of(last.output), ctx.room() - Temporaries.SLACK
    width = sum(value.shape[-1] for value in inside)
    block = block_rows(rows, width, max(_depth(node) for node in chain.nodes), room)
    temporary = Temporaries(ctx, block * width)
    places = {value: temporary.take(block * value.shape[-1]) for value in inside}
    # Token overwriting: all that a block reads of its rows is read before they are written.
    for value in dict.fromkeys(v for node in chain.nodes for v in node.inputs if v is not None):
        if value not in places and not value.is_constant:
            ctx.allow_in_place(value, last.output)
    with ctx.sharing_scratch(max(0, room - block * width)):
        for start, count, times in blocks_of(rows, block):
            with ctx.loop(times):
                made = dict[Value, Value]()
                for node in chain.nodes:
                    _lower_rows(node, ctx, rules, made, places, start, count)


def _lower_rows(
    node: Node,
    ctx: LoweringContext,
    rules: Rules,
    made: dict[Value, Value],
    places: Mapping[Value, View],
    start: int,
    count: int,
) -> None:
    """One operator on `count` rows from row `start`; values that are in no place stand whole in their buffers."""

    def rows(value: Value) -> Value:
        if value.is_constant:
            return value
        if value not in made:
            made[value] = part = Value(value.name, (count, value.shape[-1]), value.dtype, value.quant)
            place = places.get(value)
            ctx.place(part, place or part_of(View(ctx.buffer(value)), start, count, value.shape[-1]))
        return made[value]

    inputs = [None if v is None else rows(v) for v in node.inputs]
    rules[node.op](clone(node, inputs, [rows(node.output)], on_rows(node)), ctx)


def clone(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[Value], attrs: dict[str, object] | None = None
) -> Node:
    """A node of the same kind on other values; constants are shared, but the graph does not learn of it."""
    own = [v if v is None or not v.is_constant else Value(v.name, v.shape, v.dtype, v.quant, v.data) for v in inputs]
    return Node(node.op, node.name, own, outputs, node.attrs if attrs is None else attrs)


def on_rows(node: Node) -> dict[str, object]:
    """Attributes of a node whose values become matrices of rows."""
    return {**node.attrs, "axis": 1} if node.op == "layer_norm" else node.attrs


class Temporaries:
    """The bytes between the operators of one layer, one value behind the other."""

    # For whole words of each value.
    SLACK = 4 * 8

    def __init__(self, ctx: LoweringContext, size: int) -> None:
        self._buffer: Buffer = ctx.scratch(max(1, size + self.SLACK)).buffer
        self._end = 0

    def take(self, size: int) -> View:
        """A place of `size` bytes, on a word's boundary."""
        view = View(self._buffer, self._end)
        self._end += -(-size // 4) * 4
        return view


def part_of(whole: View, start: int, count: int, width: int) -> View:
    """`count` rows at a time of int8 codes, from row `start`."""
    return View(whole.buffer, whole.offset + start * width, count * width, whole.pitch)


def _depth(node: Node) -> int:
    """Inputs of each sum of a linear layer, which its kernel widens."""
    return node.input(1).shape[1] if node.op == "fully_connected" else 0


def block_rows(rows: int, width: int, depth: int, room: int) -> int:
    """Rows of a block: as many as leave room for their `width` bytes each, and for kernels to widen `depth` inputs."""
    fitting = [block for block in BLOCKS if block_bytes(block, width, depth) <= room]
    return min(rows, fitting[0] if fitting else BLOCKS[-1])


def block_bytes(block: int, width: int, depth: int) -> int:
    """The room that a block of that many rows wants."""
    return block * (width + 2 * depth) + 4 * depth + 512


def blocks_of(rows: int, block: int) -> list[tuple[int, int, int]]:
    """(first row, rows at a time, times): whole blocks, and what is left."""
    whole, rest = divmod(rows, block)
    return [(0, block, whole), *([(whole * block, rest, 1)] if rest else [])]
