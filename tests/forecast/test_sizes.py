"""The size table is that of these kernels, covers every board, and counts each function once."""

from __future__ import annotations

import pytest

from edgekit.boards import board_names, load_board
from edgekit.codegen.lowering import Target, lower
from edgekit.errors import InternalError
from edgekit.forecast import CoreSizes, core_key, core_sizes
from edgekit.forecast.sizes import FunctionSize, read_table, source_digests, struct_bytes
from edgekit.ops import OPS
from edgekit.toolchains import get_toolchain

SIZES = CoreSizes(
    "made up",
    {
        "ek_a": FunctionSize(100, 8, ("memcpy", "divide")),
        "ek_b": FunctionSize(200, 40, ("divide", ".rodata.table of ek_b")),
        "ek_c": FunctionSize(60, 0, ()),
        "divide": FunctionSize(1000, 16, ("clz",)),
        "clz": FunctionSize(20, 4, ()),
        "memcpy": FunctionSize(50, 0, ()),
        ".rodata.table of ek_b": FunctionSize(64, 0, ()),
    },
    startup_code=200,
    startup_stack=16,
    layer_code={},
    layer_frame={},
)


def test_table_was_measured_from_these_sources() -> None:
    known, now = read_table()["sources"], source_digests()
    changed = sorted(name for name in known.keys() | now.keys() if known.get(name) != now.get(name))
    assert changed == [], "sizes of kernels may have changed: run `make sizes` and commit kernel_sizes.json"
    toolchain = get_toolchain()
    assert read_table()["toolchain"] == f"{toolchain.name} {toolchain.version()}", "run `make sizes`"


@pytest.mark.parametrize("name", board_names())
def test_every_kernel_and_struct_of_every_board_is_in_the_table(name: str) -> None:
    board = load_board(name)
    sizes = core_sizes(core_key(board))
    for spec in OPS:
        for case in spec.cases():
            program = lower(case.graph, Target.of(board), floats=True)
            sizes.require(program.kernels)
            assert all(struct_bytes(params.c_type) for params in program.params), case.name


def test_what_several_kernels_pull_in_counts_once() -> None:
    assert SIZES.code(["ek_c"]) == 60
    assert SIZES.code(["ek_a"]) == 100 + 50 + 1000 + 20
    assert SIZES.code(["ek_a", "ek_b", "ek_a"]) == 100 + 200 + 64 + 50 + 1000 + 20
    assert (SIZES.stack("ek_a"), SIZES.stack("ek_b"), SIZES.stack("ek_c")) == (28, 60, 0)


def test_unknown_kernel_is_named_and_counts_as_a_typical_one() -> None:
    assert SIZES.missing(["ek_c", "ek_new"]) == ["ek_new"]
    assert SIZES.code(["ek_c", "ek_new"]) == 60 + 100
    assert SIZES.stack("ek_new") == 28
    with pytest.raises(InternalError, match=r"ek_new.*made up.*edgekit\.forecast\.measure"):
        SIZES.require(["ek_c", "ek_new"])


def test_unknown_core_says_what_to_do() -> None:
    with pytest.raises(InternalError, match=r"cortex-m9.*edgekit\.forecast\.measure"):
        core_sizes("cortex-m9 soft")
