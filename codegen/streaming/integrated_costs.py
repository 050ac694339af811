"""What an integrated layer costs: lowered with more and more scratch by rules that count instead of calling kernels."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.codegen.attention import Attention
from edgekit.codegen.integration import RowChain
from edgekit.codegen.lowering.attention import lower_attention
from edgekit.codegen.lowering.context import LoweringContext, Target
from edgekit.codegen.lowering.integrated import lower_row_chain
from edgekit.codegen.memory.block import align_up
from edgekit.codegen.streaming.costs import Costs, Options
from edgekit.ir import Node, Value

# Amounts of scratch that are tried, each so much larger than the one before.
_STEPS, _GROWTH = 16, 1.3


class IntegratedCosts:
    """Options of integrated layers; those that differ in numbers alone are looked for once."""

    def __init__(self, target: Target, costs: Costs) -> None:
        self._target, self._costs = target, costs
        self._known: dict[object, Options] = {}

    def of(self, group: RowChain | Attention) -> Options:
        """Scratch against cycles, from the least scratch on."""
        key = tuple(
            (n.op, _forms(n.inputs), _forms(n.outputs), repr(n.attrs), self._costs.wait(n)) for n in group.nodes
        )
        if key not in self._known:
            self._known[key] = _options(group, self._target, self._costs)
        return self._known[key]


def _forms(values: Sequence[Value | None]) -> tuple[object, ...]:
    """All of values that costs depend on."""
    return tuple(v and (v.shape, v.is_constant, None if v.quant is None else v.quant.codebook) for v in values)


def _options(group: RowChain | Attention, target: Target, costs: Costs) -> Options:
    least, cycles = _lowered(group, target, costs, 0)
    pairs, room = [(least, cycles)], float(least)
    for _ in range(_STEPS):
        room *= _GROWTH
        scratch, cycles = _lowered(group, target, costs, int(room))
        pairs.append((max(int(room), scratch), cycles))
    return Options.of(pairs)


def _lowered(group: RowChain | Attention, target: Target, costs: Costs, room: int) -> tuple[int, float]:
    """(bytes of scratch, cycles) of a layer that is offered `room` bytes."""
    ctx = LoweringContext(target, [room])
    ctx.begin(group.last.name, group.name, 0, 0)
    cycles = 0.0

    def count(node: Node, ctx: LoweringContext) -> None:
        nonlocal cycles
        options = costs.whole(node)
        at = max(0, options.at(ctx.room()))
        if options.scratch[at]:
            ctx.scratch(options.scratch[at])
        cycles += ctx.times * options.cycles[at]

    rules = dict.fromkeys((node.op for node in group.nodes), count)
    if isinstance(group, RowChain):
        lower_row_chain(group, ctx, rules)
    else:
        lower_attention(group, ctx, rules)
    return sum(align_up(buffer.size, 4) for buffer in ctx.buffers if buffer.kind == "scratch"), cycles
