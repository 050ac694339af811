"""Placement problems with a known placement: a memory's rectangle of time and addresses, cut into blocks."""

from __future__ import annotations

import random

from edgekit.codegen.memory.block import Block

UNIT = 1024
STEPS = 1_000_000


def planted(blocks: int, seed: int, units: int = 1024, loose: bool = False) -> tuple[list[Block], int]:
    """Blocks that fit `units` times 1 KB with nothing left empty, in random order, and that capacity in bytes.

    Args:
        loose: a third of the blocks lose up to a fifth of their size, and a few are taken out.
    """
    generator = random.Random(seed)
    cut = [(0, STEPS, 0, units)]
    while len(cut) < blocks:
        weights = [((b - a) / STEPS * (d - c) / units) ** 0.8 for a, b, c, d in cut]
        (at,) = generator.choices(range(len(cut)), weights)
        a, b, c, d = cut.pop(at)
        in_time, in_memory = (b - a) / STEPS, (d - c) / units
        if d - c < 8 or generator.random() < in_time / (in_time + in_memory):
            middle = generator.randrange(a + 1, b)
            cut += [(a, middle, c, d), (middle, b, c, d)]
        else:
            middle = generator.randrange(c + 2, d - 1)
            cut += [(a, b, c, middle), (a, b, middle, d)]
    made = []
    for a, b, c, d in cut:
        size = d - c
        if loose and generator.random() < 0.03:
            continue
        if loose and generator.random() < 0.3:
            size = max(1, int(size * generator.uniform(0.8, 1)))
        made.append(Block(size * UNIT, 1, a, b - 1))
    generator.shuffle(made)
    return made, units * UNIT
