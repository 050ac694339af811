"""From how often each basic block ran to the cycles of its instructions."""

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
class TimedBlock:
    """A basic block that ran within one layer.

    Attributes:
        count: where it is and how often it ran; operations: its instructions.
        once: cycles of one run; cycles: of all of them, wrong predictions included. Before any scale.
    """

    count: BlockCount
    operations: list[Operation]
    once: BlockCycles
    cycles: int


def timed_blocks(core: Core, image: Image, counts: Sequence[BlockCount]) -> list[TimedBlock]:
    """The blocks of one run, in the order of `counts`; every block of code is decoded once.

    Raises:
        InternalError: a block holds another number of instructions than the emulator counted.
    """
    known: dict[tuple[int, int], tuple[list[Operation], BlockCycles]] = {}
    timed = []
    for count in counts:
        key = (count.address, count.size)
        if key not in known:
            known[key] = _decode(core, image.content(count.address, count.size), count)
        operations, once = known[key]
        timed.append(TimedBlock(count, operations, once, _total(core, operations[-1], once, count)))
    return timed


def core_cycles(core: Core, image: Image, counts: Sequence[BlockCount], layers: int) -> list[int]:
    """Cycles of one run, by layer; the last entry is what ran outside layers. Raises as `timed_blocks`."""
    cycles = [0] * (layers + 1)
    for block in timed_blocks(core, image, counts):
        cycles[block.count.layer] += block.cycles
    return cycles


def _decode(core: Core, code: bytes, count: BlockCount) -> tuple[list[Operation], BlockCycles]:
    operations = decode(code, count.address)
    if len(operations) != count.instructions:
        where = f"the block of {count.size} B at {count.address:#010x}"
        raise InternalError(f"{where} has {len(operations)} instructions, counted were {count.instructions}")
    *_, last = instructions(code, count.address)
    target = flow(last)
    loops = target is not None and target.target == count.address
    return operations, core.pipeline.block(operations, loops)


def _total(core: Core, last: Operation, once: BlockCycles, count: BlockCount) -> int:
    jumps = count.runs - count.fell
    total = count.runs * once.straight + jumps * once.jump
    if last.conditional:
        # A predictor takes the more frequent way; the other one is what it gets wrong.
        total += core.misprediction * min(jumps, count.fell)
    return total
