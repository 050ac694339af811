"""All conformance cases of all operators as one C program: every case is a generated model with its inputs and the
reference's outputs as tables; `conformance_run` fills one result per case with the number of differing elements (-1: it
did not run)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgekit import runtime_c
from edgekit.codegen.emit import emit_model
from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.memory import PlanRegion, plan_memory, validate_plan
from edgekit.ir import Array
from edgekit.ops import OPS
from edgekit.ops.reference import run_reference
from edgekit.ops.spec import Case

CASES_A_FILE = 80
_DIFFER = {"float32": "differ_f32", "float64": "differ_f64"}


@dataclass(frozen=True)
class Suite:
    """Sources of the program and the names of its cases, in the order of `conformance_results`; `drivers` are the
    names of the sources that only hold and call cases.
    """

    sources: list[Path]
    include_dirs: list[Path]
    cases: list[str]
    drivers: list[str]


@dataclass
class _Part:
    """One file of cases. A file per case would take much longer to compile, and so would a single one."""

    includes: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)
    first: int = 0


def _bytes(symbol: str, array: Array) -> str:
    data = ", ".join(str(b) for b in np.ascontiguousarray(array).tobytes())
    return f"static const unsigned char {symbol}[] = {{{data}}};"


def write_suite(folder: Path, target: Target, room: int) -> Suite:
    """Generate the program for one kind of kernels into a new `folder`; with `room` bytes of scratch, or the least."""
    names: list[str] = []
    kernels: set[str] = set()
    folder.mkdir()
    parts = [_Part()]
    for spec in OPS:
        for case in spec.cases():
            if not case.graph.nodes or spec.name == "reshape":
                continue  # reshape has no code: its output is its input's buffer
            if len(parts[-1].tests) >= CASES_A_FILE:
                parts.append(_Part(first=len(names)))
            name = f"{spec.name}_{case.name}"
            kernels.update(_write_model(folder, name, case, target, room))
            parts[-1].includes += [f'#include "{name}.c"', f'#include "{name}_weights.c"']
            for index, inputs in enumerate(case.inputs):
                _add_test(parts[-1], name, index, len(names), case, inputs)
                names.append(f"{name}_{index}")
    (folder / "conformance.h").write_text(_HEADER)
    drivers = [_write_part(folder, number, part) for number, part in enumerate(parts)]
    main = folder / "conformance.c"
    main.write_text(_MAIN.format(
        count=len(names), calls="\n".join(f"    conformance_part_{n}();" for n in range(len(parts))),
        declarations="\n".join(f"void conformance_part_{n}(void);" for n in range(len(parts))),
    ))  # fmt: skip
    sources = [main, *drivers, *runtime_c.kernel_sources(kernels)]
    return Suite(sources, [folder, runtime_c.INCLUDE], names, [main.name, *(d.name for d in drivers)])


def _write_model(folder: Path, name: str, case: Case, target: Target, room: int) -> list[str]:
    """Write the C of a case; the kernels that it calls."""
    program = lower(case.graph, target, floats=True, room=[room])
    plan = plan_memory(program, [PlanRegion("ram", 1 << 20)])
    validate_plan(program, plan)
    for path, text in emit_model(name, program, plan).files.items():
        if path.endswith((".c", ".h")) and not path.startswith("harness"):
            (folder / Path(path).name).write_text(text)
    return program.kernels


def _add_test(part: _Part, name: str, index: int, number: int, case: Case, inputs: tuple[Array, ...]) -> None:
    values = run_reference(case.graph, inputs)
    expected = [values[v] for v in case.graph.outputs]
    label = f"{name}_{index}"
    part.tables += [_bytes(f"{label}_x{i}", x) for i, x in enumerate(inputs)]
    part.tables += [_bytes(f"{label}_y{i}", y) for i, y in enumerate(expected)]
    copies = "".join(
        f"    fill({name}_input(&ctx, {i}), {label}_x{i}, sizeof {label}_x{i});\n" for i in range(len(inputs))
    )
    compare = " + ".join(
        f"{_DIFFER.get(str(y.dtype), 'differ')}({name}_output(&ctx, {i}), {label}_y{i}, sizeof {label}_y{i})"
        for i, y in enumerate(expected)
    )
    part.tests.append(
        f"static int run_{number}(void)\n{{\n    {name}_ctx ctx;\n    ctx.arena[0] = conformance_arena;\n"
        f"    paint({name.upper()}_ARENA_0_BYTES);\n    if ({name}_init(&ctx)) {{ return -1; }}\n{copies}"
        f"    {name}_run(&ctx);\n    return {compare} + overrun({name.upper()}_ARENA_0_BYTES);\n}}"
    )


def _write_part(folder: Path, number: int, part: _Part) -> Path:
    path = folder / f"conformance_{number}.c"
    path.write_text(_PART.format(
        includes="\n".join(part.includes), tables="\n".join(part.tables), tests="\n".join(part.tests), number=number,
        calls="\n".join(
            f"    conformance_results[{part.first + i}] = run_{part.first + i}();" for i in range(len(part.tests))
        ),
    ))  # fmt: skip
    return path


_MAIN = """#include "conformance.h"
uint8_t conformance_arena[65536] __attribute__((aligned(16)));
int conformance_results[{count}];
const int conformance_count = {count};
{declarations}
void conformance_run(void);
void conformance_run(void)
{{
    for (int i = 0; i < {count}; ++i) {{ conformance_results[i] = -1; }}
{calls}
}}
"""

_PART = """#include "conformance.h"
{includes}
{tables}
{tests}
void conformance_part_{number}(void);
void conformance_part_{number}(void)
{{
{calls}
}}
"""

_HEADER = """#include <stddef.h>
#include <stdint.h>
#define SOMETIMES __attribute__((unused)) static
extern uint8_t conformance_arena[];
extern int conformance_results[];
extern const int conformance_count;
SOMETIMES void fill(void *to, const unsigned char *from, size_t n)
{
    for (size_t i = 0; i < n; ++i) { ((unsigned char *)to)[i] = from[i]; }
}
SOMETIMES void paint(size_t used)
{
    for (size_t i = 0; i < used + 64u; ++i) { conformance_arena[i] = 0xA5u; }
}
SOMETIMES int overrun(size_t used)
{
    int count = 0;
    for (size_t i = used; i < used + 64u; ++i) { count += conformance_arena[i] != 0xA5u; }
    return count;
}
SOMETIMES int differ(const void *got, const unsigned char *want, size_t n)
{
    int count = 0;
    for (size_t i = 0; i < n; ++i) { count += ((const unsigned char *)got)[i] != want[i]; }
    return count;
}
/* Numbers are equal where their bits are, or both are NaN: its bits differ between processors. */
SOMETIMES int differ_f32(const void *got, const unsigned char *want, size_t n)
{
    int count = 0;
    for (size_t i = 0; i < n; i += 4) {
        float a, b;
        fill(&a, (const unsigned char *)got + i, 4);
        fill(&b, want + i, 4);
        count += !(a != a && b != b) && differ(&a, want + i, 4);
    }
    return count;
}
SOMETIMES int differ_f64(const void *got, const unsigned char *want, size_t n)
{
    int count = 0;
    for (size_t i = 0; i < n; i += 8) {
        double a, b;
        fill(&a, (const unsigned char *)got + i, 8);
        fill(&b, want + i, 8);
        count += !(a != a && b != b) && differ(&a, want + i, 8);
    }
    return count;
}
"""
