"""Placements: the search against plain enumeration, the solver against the validator, problem files and the verb."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.placement_problems import planted
from edgekit.cli.plan import command
from edgekit.codegen.memory.block import Block, lower_bound
from edgekit.codegen.memory.contraction import contract
from edgekit.codegen.memory.problem_file import read_problem
from edgekit.codegen.memory.search import search
from edgekit.codegen.memory.solver import place
from edgekit.codegen.memory.validate_placement import validate_placement
from edgekit.errors import BadData, InternalError

EFFORT = 100_000_000


def _exists(blocks: Sequence[Block], capacity: int) -> bool:
    """Whether a placement exists, by trying every offset of every block."""
    offsets: list[int] = []

    def free(block: Block, offset: int) -> bool:
        return all(
            not block.overlaps(other) or offset + block.size <= at or at + other.size <= offset
            for other, at in zip(blocks, offsets, strict=False)
        )

    def rest() -> bool:
        if len(offsets) == len(blocks):
            return True
        block = blocks[len(offsets)]
        choices = range(0, capacity - block.size + 1, block.alignment) if block.fixed is None else [block.fixed]
        for offset in choices:
            if offset + block.size <= capacity and free(block, offset):
                offsets.append(offset)
                if rest():
                    return True
                offsets.pop()
        return False

    return rest()


def _block(size: int, alignment: int, first: int, life: int, fixed: int | None) -> Block:
    return Block(size, alignment, first, first + life, None if fixed is None else fixed * alignment)


blocks_strategy = st.builds(
    _block,
    st.integers(1, 5),
    st.sampled_from([1, 1, 2, 3, 4, 8]),
    st.integers(0, 6),
    st.integers(0, 5),
    st.one_of(st.none(), st.none(), st.none(), st.integers(0, 3)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(blocks_strategy, min_size=1, max_size=6), st.integers(-1, 2))
def test_search_finds_what_exists_and_proves_what_does_not(blocks: list[Block], spare: int) -> None:
    capacity = max(1, lower_bound(blocks) + spare)
    outcome = search(blocks, capacity, EFFORT)
    if outcome.offsets is not None:
        validate_placement(blocks, outcome.offsets, capacity)
    else:
        assert outcome.proven
        assert not _exists(blocks, capacity)


# Blocks whose ends were raised while other blocks of their section were looked at.
@pytest.mark.parametrize(("rows", "capacity"), [
    ([(3, 3, 3, 5), (4, 2, 3, 4), (5, 3, 2, 5), (1, 4, 2, 5), (1, 2, 0, 3)], 13),
    ([(2, 4, 2, 5), (4, 4, 0, 4), (4, 4, 6, 10), (1, 1, 1, 2), (5, 1, 1, 4), (3, 8, 2, 3)], 14),
])  # fmt: skip
def test_no_false_proof_among_mixed_alignments(rows: list[tuple[int, int, int, int]], capacity: int) -> None:
    blocks = [Block(size, alignment, lower, upper - 1) for size, alignment, lower, upper in rows]
    assert place(blocks, capacity).peak == capacity
    found = place(blocks)
    assert found.peak == capacity and found.lower_bound <= capacity and not _exists(blocks, capacity - 1)


def test_huge_alignments_are_not_multiplied() -> None:
    size = 1 << 40
    lives = [(size, size - 1, 0, 9), (size, size, 0, 4), (size, size - 3, 5, 9), (77777, size - 5, 3, 8)]
    blocks = [Block(*life) for life in lives]
    found = place(blocks)
    validate_placement(blocks, found.offsets, found.peak)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.builds(_block, st.integers(1, 99), st.sampled_from([1, 4, 16]), st.integers(0, 40),
                          st.integers(0, 20), st.none()), max_size=40), st.integers(0, 400))  # fmt: skip
def test_placements_are_valid_and_keep_fixed_blocks(blocks: list[Block], address: int) -> None:
    pinned = [*blocks, Block(40, 4, 5, 30, address * 4)]
    for given_blocks in (blocks, pinned):
        found = place(given_blocks)
        validate_placement(given_blocks, found.offsets, found.peak)
        assert lower_bound(given_blocks) <= found.lower_bound <= found.peak
        within = place(given_blocks, found.peak)
        validate_placement(given_blocks, within.offsets, found.peak)


@pytest.mark.parametrize("count", [60, 120, 200])
def test_full_memories_are_filled_again(count: int) -> None:
    blocks, capacity = planted(count, seed=count)
    assert lower_bound(blocks) == capacity
    found = place(blocks, capacity, EFFORT)
    validate_placement(blocks, found.offsets, capacity)
    assert found.proven


def test_the_same_problem_gets_the_same_placement() -> None:
    blocks, capacity = planted(180, seed=7, loose=True)
    assert search(blocks, capacity, EFFORT) == search(blocks, capacity, EFFORT)


def test_the_smallest_placement_is_found_without_a_capacity() -> None:
    # First fit leaves a hole whatever its order.
    blocks, capacity = planted(60, seed=3)
    found = place(blocks)
    assert found.peak == capacity and found.proven


def test_impossible_capacities_are_proven() -> None:
    # Six bytes are live at once, but the second block that starts at a multiple of four ends at seven.
    blocks = [Block(3, 4, 0, 1), Block(3, 4, 1, 2), Block(1, 1, 2, 3)]
    found = place(blocks, 6, EFFORT)
    assert found.peak == found.lower_bound == 7 and not _exists(blocks, 6)
    assert place(blocks).proven
    # Nothing is left at either side of a fixed block.
    around = [Block(2, 1, 0, 3, fixed=1), Block(2, 1, 1, 2)]
    assert lower_bound(around) == 4
    found = place(around, 4, EFFORT)
    assert found.lower_bound == found.peak == 5


def test_successions_without_room_become_one_block() -> None:
    blocks = [Block(3, 1, 0, 1), Block(5, 1, 0, 5), Block(3, 4, 2, 4), Block(3, 1, 5, 5), Block(2, 1, 0, 1)]
    merged, stands_for = contract(blocks[:4], 8)
    assert merged == [Block(3, 4, 0, 5), Block(5, 1, 0, 5)] and stands_for == [0, 1, 0, 0]
    # With a byte to spare, or another death at that step, nothing says where the next one goes.
    assert len(contract(blocks[:4], 9)[0]) == 4
    assert len(contract(blocks, 10)[0]) == 5


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ([0, 3], "overlap"),
        ([0, 8], "leaves"),
        ([-4, 4], "leaves"),
        ([0, 6], "may not stand"),
        ([4, 0], "may not stand"),
    ],
)
def test_the_validator_sees_what_is_wrong(offsets: list[int], message: str) -> None:
    blocks = [Block(4, 1, 0, 3, fixed=0), Block(2, 4 if offsets[1] != 3 else 1, 3, 5)]
    with pytest.raises(InternalError, match=message):
        validate_placement(blocks, offsets, 8)
    validate_placement(blocks, [0, 4], 8)


def test_a_problem_file_comes_back_with_offsets(tmp_path: Path) -> None:
    file, out = tmp_path / "p.csv", tmp_path / "o.csv"
    file.write_text("id,lower,upper,size,alignment,offset\nb 1,0,3,4,1,\nb2,3,9,4,4,\nb3,2,4,4,4,8\n")
    result = CliRunner().invoke(command, [str(file), "--capacity", "12", "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert out.read_text() == "id,lower,upper,size,alignment,offset\nb 1,0,3,4,1,0\nb2,3,9,4,4,0\nb3,2,4,4,4,8\n"
    printed = CliRunner().invoke(command, [str(file), "--capacity", "12"])
    assert printed.stdout == out.read_text()
    record = json.loads(CliRunner().invoke(command, [str(file), "--json"]).stdout)
    assert record == {"blocks": 3, "capacity": None, "fits": True, "peak": 12, "lower_bound": 12, "proven": True,
                      "offsets": [0, 0, 8]}  # fmt: skip


def test_the_older_columns_mean_the_same(tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("buffer_id,start,end,size\nx,0,2,4\n")
    new.write_text("id,lower,upper,size\nx,0,3,4\n")
    assert read_problem(old).blocks == read_problem(new).blocks == (Block(4, 1, 0, 2),)


def test_too_little_capacity_is_exit_code_1(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_text("id,lower,upper,size\na,0,3,4\nb,2,9,4\n")
    result = CliRunner().invoke(command, [str(file), "--capacity", "7"])
    assert result.exit_code == 1 and "7 B are too few" in result.output
    result = CliRunner().invoke(command, [str(file), "--capacity", "7", "--json"])
    assert result.exit_code == 1 and json.loads(result.stdout)["fits"] is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("id,lower,upper,size\n", "0 blocks"),
        ("id,lower,size\na,0,1\n", "needs columns"),
        ("id,lower,upper,size,gaps\na,0,1,1,0-1\n", "unknown column 'gaps'"),
        ("id,lower,upper,size,size\na,0,1,1,1\n", "a column twice"),
        ("id,lower,upper,size\na,0,1\n", ":2: 3 fields"),
        ("id,lower,upper,size\na,0,1,x\n", ":2: size is 'x'"),
        ("id,lower,upper,size\na,0,1,0\n", ":2: size must be"),
        ("id,lower,upper,size\na,0,1," + "9" * 5000 + "\n", ":2: size must be"),
        ("id,lower,upper,size\na,3,3,1\n", "ends before it begins"),
        ("id,lower,upper,size,alignment,offset\na,0,1,1,4,2\n", "not a multiple"),
        ("id,lower,upper,size,offset\na,0,2,4,0\nb,1,3,4,3\n", ":3: overlaps line 2"),
    ],
)
def test_malformed_problems_are_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "p.csv"
    file.write_text(text)
    with pytest.raises(BadData, match=message):
        read_problem(file)


def test_the_public_problems_are_solved(data_dir: Path) -> None:
    files = sorted((data_dir / "memory_plans").glob("*.csv"))
    assert files
    for file in files:
        blocks = read_problem(file).blocks
        for capacity in (1 << 20, (1 << 20) * 105 // 100):
            found = place(blocks, capacity, 4 * EFFORT)
            validate_placement(blocks, found.offsets, capacity)
