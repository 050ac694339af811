"""From how often each basic block ran to the cycles of its instructions, per layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.emulators import BlockCount
from edgekit.errors import InternalError
from edgekit.latency.cores import Core
from edgekit.latency.decoder import decode
from edgekit.latency.in_order import BlockCycles
from edgekit.latency.operations import Operation
from edgekit.toolchains import Image
from edgekit.toolchains.thumb import flow, instructions


@dataclass(frozen=True)
class _Block:
    operations: list[Operation]
    cycles: BlockCycles


def core_cycles(core: Core, image: Image, counts: Sequence[BlockCount], layers: int) -> list[int]:
    """Cycles of one run, by layer; the last entry is what ran outside layers. Every block is decoded once.

    Raises:
        InternalError: a block holds another number of instructions than the emulator counted.
    """
    known: dict[tuple[int, int], _Block] = {}
    cycles = [0] * (layers + 1)
    for count in counts:
        key = (count.address, count.size)
        if key not in known:
            known[key] = _block(core, image.content(count.address, count.size), count)
        cycles[count.layer] += _total(core, known[key], count)
    return cycles


def _block(core: Core, code: bytes, count: BlockCount) -> _Block:
    operations = decode(code, count.address)
    if len(operations) != count.instructions:
        where = f"the block of {count.size} B at {count.address:#010x}"
        raise InternalError(f"{where} has {len(operations)} instructions, counted were {count.instructions}")
    *_, last = instructions(code, count.address)
    target = flow(last)
    loops = target is not None and target.target == count.address
    return _Block(operations, core.pipeline.block(operations, loops))


def _total(core: Core, block: _Block, count: BlockCount) -> int:
    jumps = count.runs - count.fell
    total = count.runs * block.cycles.straight + jumps * block.cycles.jump
    last = block.operations[-1]
    if last.conditional:
        # A predictor takes the more frequent way; the other one is what it gets wrong.
        total += core.misprediction * min(jumps, count.fell)
    return total
