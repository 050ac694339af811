"""All conformance cases of all operators as one C program: every case is a generated model with its inputs and the
reference's outputs as tables; `conformance_run` fills one result per case with the number of differing elements."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit import runtime_c
from edgekit.codegen.emit import emit_model
from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.memory import PlanRegion, plan_memory, validate_plan
from edgekit.ir import Array
from edgekit.ops import OPS
from edgekit.ops.reference import run_reference


@dataclass(frozen=True)
class Suite:
    """Sources of the program and the names of its cases, in the order of `conformance_results`."""

    sources: list[Path]
    include_dirs: list[Path]
    cases: list[str]


_DIFFER = {"float32": "differ_f32", "float64": "differ_f64"}


def _bytes(symbol: str, array: Array) -> str:
    data = ", ".join(str(b) for b in np.ascontiguousarray(array).tobytes())
    return f"static const unsigned char {symbol}[] = {{{data}}};"


def write_suite(folder: Path, target: Target, part: int = 0, parts: int = 1) -> Suite:
    """Generate the program for one kind of kernels into a new `folder`; of `parts` that share the cases evenly, one."""
    names: list[str] = []
    kernels: set[str] = set()
    folder.mkdir()
    includes, tables, tests = [], [], []
    # reshape has no code: its output is its input's buffer.
    every = [(spec, case) for spec in OPS for case in spec.cases() if case.graph.nodes and spec.name != "reshape"]
    for spec, case in every[part::parts]:
        name = f"{spec.name}_{case.name}"
        program = lower(case.graph, target, floats=True)
        plan = plan_memory(program, [PlanRegion("ram", 1 << 20)])
        validate_plan(program, plan)
        kernels.update(program.kernels)
        emitted = emit_model(name, program, plan)
        for path, text in emitted.files.items():
            if path.endswith((".c", ".h")) and not path.startswith("harness"):
                file = folder / Path(path).name
                file.write_text(text)
        # One translation unit: symbols carry the case's name, and one compile is much quicker than hundreds.
        includes += [f'#include "{name}.c"', f'#include "{name}_weights.c"']
        for index, inputs in enumerate(case.inputs):
            values = run_reference(case.graph, inputs)
            expected = [values[v] for v in case.graph.outputs]
            label = f"{name}_{index}"
            names.append(label)
            tables += [_bytes(f"{label}_x{i}", x) for i, x in enumerate(inputs)]
            tables += [_bytes(f"{label}_y{i}", y) for i, y in enumerate(expected)]
            copies = "".join(
                f"    fill({name}_input(&ctx, {i}), {label}_x{i}, sizeof {label}_x{i});\n" for i in range(len(inputs))
            )
            compare = " + ".join(
                f"{_DIFFER.get(str(y.dtype), 'differ')}({name}_output(&ctx, {i}), {label}_y{i}, sizeof {label}_y{i})"
                for i, y in enumerate(expected)
            )
            tests.append(
                f"static void run_{len(names) - 1}(void)\n{{\n    {name}_ctx ctx;\n    ctx.arena[0] = arena;\n"
                f"    paint({name.upper()}_ARENA_0_BYTES);\n"
                f"    if ({name}_init(&ctx)) {{ return; }}\n{copies}    {name}_run(&ctx);\n"
                f"    conformance_results[{len(names) - 1}] = {compare} + "
                f"overrun({name.upper()}_ARENA_0_BYTES);\n}}"
            )
    driver = folder / "conformance.c"
    driver.write_text(_DRIVER.format(
        includes="\n".join(includes), tables="\n".join(tables), tests="\n".join(tests), count=len(names),
        calls="\n".join(f"    run_{index}();" for index in range(len(names))),
    ))  # fmt: skip
    return Suite([driver, *runtime_c.kernel_sources(kernels)], [folder, runtime_c.INCLUDE], names)


_DRIVER = """#include <stddef.h>
#include <stdint.h>
{includes}
static uint8_t arena[65536] __attribute__((aligned(16)));
int conformance_results[{count}];
const int conformance_count = {count};
{tables}
static void fill(void *to, const unsigned char *from, size_t n)
{{
    for (size_t i = 0; i < n; ++i) {{ ((unsigned char *)to)[i] = from[i]; }}
}}
static void paint(size_t used)
{{
    for (size_t i = 0; i < used + 64u; ++i) {{ arena[i] = 0xA5u; }}
}}
static int overrun(size_t used)
{{
    int count = 0;
    for (size_t i = used; i < used + 64u; ++i) {{ count += arena[i] != 0xA5u; }}
    return count;
}}
static int differ(const void *got, const unsigned char *want, size_t n)
{{
    int count = 0;
    for (size_t i = 0; i < n; ++i) {{ count += ((const unsigned char *)got)[i] != want[i]; }}
    return count;
}}
/* Numbers are equal where their bits are, or both are NaN: its bits differ between processors. */
static int differ_f32(const void *got, const unsigned char *want, size_t n)
{{
    int count = 0;
    for (size_t i = 0; i < n; i += 4) {{
        float a, b;
        fill(&a, (const unsigned char *)got + i, 4);
        fill(&b, want + i, 4);
        count += !(a != a && b != b) && differ(&a, want + i, 4);
    }}
    return count;
}}
static int differ_f64(const void *got, const unsigned char *want, size_t n)
{{
    int count = 0;
    for (size_t i = 0; i < n; i += 8) {{
        double a, b;
        fill(&a, (const unsigned char *)got + i, 8);
        fill(&b, want + i, 8);
        count += !(a != a && b != b) && differ(&a, want + i, 8);
    }}
    return count;
}}
{tests}
void conformance_run(void);
void conformance_run(void)
{{
{calls}
}}
"""
