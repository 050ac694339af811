"""Tables that leave the program flash: the fewest modelled reads, by plain enumeration."""

from __future__ import annotations

from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit import project
from edgekit.boards import load_board
from edgekit.codegen.memory.weights import bytes_read, outside_tables, weights_report
from edgekit.codegen.program import Buffer, BufferArg, Constant, ConstantArg, KernelCall, Program, Step
from edgekit.errors import DoesNotFit
from edgekit.toolchains import get_toolchain

tables = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 9)), min_size=1, max_size=7)


def _program(parts: list[tuple[int, int]]) -> Program:
    """A step per table of so many words, with so many multiplications per element."""
    constants = [
        Constant(i, "int8_t", np.zeros(4 * words, np.int8), f"l{i}", 4 * words) for i, (words, _) in enumerate(parts)
    ]
    buffer = Buffer(0, "x", 8, "activation")
    calls = [KernelCall("k", (BufferArg(buffer, "int8_t"), ConstantArg(table))) for table in constants]
    steps = [Step(i, f"l{i}", "op", 4 * words * times, [calls[i]]) for i, (words, times) in enumerate(parts)]
    return Program("p", steps, [buffer], constants, [], [], [])


@settings(max_examples=80, deadline=None)
@given(tables, st.integers(-4, 600), st.integers(0, 600))
def test_the_cheapest_tables_leave(parts: list[tuple[int, int]], room: int, most: int) -> None:
    program = _program(parts)
    reads, sizes = bytes_read(program), [table.size for table in program.constants]
    assert reads == [4 * words * max(1, times) for words, times in parts]
    outside = outside_tables(program, room, most)
    numbers = range(len(parts))
    subsets = chain.from_iterable(combinations(numbers, count) for count in range(len(parts) + 1))
    moved = [(s, sum(sizes[i] for i in s)) for s in subsets]
    fitting = [s for s, size in moved if sum(sizes) - size <= max(0, room) and size <= most]
    if not fitting:
        assert outside == frozenset(numbers)
        return
    assert tuple(sorted(outside)) in fitting
    assert sum(reads[i] for i in outside) == min(sum(reads[i] for i in s) for s in fitting)


def test_the_report_names_the_flash_of_every_table() -> None:
    program = _program([(10, 1), (10, 5)])
    outside = outside_tables(program, 60, 1 << 30)
    assert outside == {0}
    assert weights_report(program, outside, "flash", "qspi") == [
        {"layer": "l0", "bytes": 40, "read": 40, "region": "qspi"},
        {"layer": "l1", "bytes": 40, "read": 200, "region": "flash"},
    ]


def test_weights_that_no_flash_has_room_for_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is too much beside the flash on the chip, not with all weights."""
    board = load_board("stm32f746")
    inside, outside = board.flash_internal, board.external_flash
    assert outside is not None
    program = _program([((inside.size + outside.size) // 4, 1)])

    def full(*_: object) -> None:
        raise DoesNotFit(inside.name, program.constants[0].size + 50_000, inside.size, [])

    monkeypatch.setattr(project, "_link_once", full)
    with pytest.raises(DoesNotFit, match=r"qspi needs 16827216 B, has 16777216 B.*what flash has no room for") as told:
        project.link(tmp_path, board, get_toolchain("zig"), "m", program, external=True)
    assert told.value.costliest[0][0] == "l0"
