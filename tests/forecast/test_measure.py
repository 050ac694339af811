"""The table is measured again for one core, with one more kernel that brings a table and a helper along."""

from __future__ import annotations

from pathlib import Path

from edgekit import runtime_c
from edgekit.forecast.measure import boards_by_core, measure_core, measure_structs
from edgekit.forecast.sizes import read_table
from edgekit.toolchains import get_toolchain

CORE = "cortex-m0plus soft"
PROBE = """
#include <stdint.h>
static const int16_t steps[50] = {1, 2, 3, 5, 8, 13, 21, 34, 55, 89};
static __attribute__((noinline)) int32_t probe_step(int32_t at)
{
    volatile int32_t room[10] = {at};
    return steps[at] + room[9];
}
int32_t ek_probe(int32_t a, int32_t b);
int32_t ek_probe(int32_t a, int32_t b)
{
    return probe_step(a % 50) / b;
}
"""


def test_measuring_again_gives_the_committed_sizes(tmp_path: Path) -> None:
    probe = tmp_path / "ek_probe.c"
    probe.write_text(PROBE)
    sources = [*sorted((runtime_c.ROOT / "src").glob("*.c")), probe]
    row = measure_core(boards_by_core()[CORE], get_toolchain(), sources)
    functions = row["functions"]
    code, frame, *uses = functions.pop("ek_probe")
    assert 8 < code < 80 and frame >= 8 and "probe_step" in uses
    assert any("divmod" in name for name in uses), "a core without division calls the library's"
    _, helper_frame, *tables = functions.pop("probe_step")
    assert helper_frame >= 40 and len(tables) == 1
    assert functions.pop(tables[0]) == [100, 0]
    assert row == read_table()["cores"][CORE], "run `make sizes`"
    assert measure_structs(get_toolchain()) == read_table()["structs"], "run `make sizes`"
