"""An independent check of a placement: it replays the steps and uses nothing of the planner."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

from edgekit.codegen.memory.block import Block
from edgekit.errors import InternalError


def validate_placement(blocks: Sequence[Block], offsets: Sequence[int], capacity: int) -> None:
    """Raise InternalError where two blocks that are live together overlap, or one leaves the memory or its place."""
    if len(blocks) != len(offsets):
        raise InternalError(f"placement: {len(offsets)} offsets for {len(blocks)} blocks")
    for index, (block, offset) in enumerate(zip(blocks, offsets, strict=True)):
        if offset < 0 or offset + block.size > capacity:
            raise InternalError(f"placement: block {index} at {offset} leaves the memory ({capacity} B)")
        if offset % block.alignment or block.fixed not in (None, offset):
            raise InternalError(f"placement: block {index} may not stand at {offset}")
    # Deaths (0) before births (1) of one step: what died a step earlier makes room.
    events = sorted(
        [(block.last + 1, 0, index) for index, block in enumerate(blocks)]
        + [(block.first, 1, index) for index, block in enumerate(blocks)]
    )
    live: list[tuple[int, int]] = []
    for step, birth, index in events:
        entry = (offsets[index], index)
        if not birth:
            live.remove(entry)
            continue
        at = bisect_left(live, entry)
        for below, above in ((live[at - 1 : at], [entry]), ([entry], live[at : at + 1])):
            if below and above and below[0][0] + blocks[below[0][1]].size > above[0][0]:
                raise InternalError(f"placement: blocks {below[0][1]} and {above[0][1]} overlap at step {step}")
        insort(live, entry)
