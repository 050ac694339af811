"""The generated header: a macro for every size, shape, scale and zero point, in C and in C++."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgekit import runtime_c
from edgekit.codegen.emit import c_name, emit_model
from edgekit.codegen.emit.literals import float32_decimal
from edgekit.codegen.memory import MemoryPlan, PlanRegion, plan_memory
from edgekit.codegen.program import Buffer, BufferArg, KernelCall, Literal, Port, Program, Step

CHECKS = """#include "net.h"
#include <assert.h>
const int shape[] = NET_INPUT_0_SHAPE;
NET_INPUT_0_TYPE input[NET_INPUT_0_ELEMENTS];
NET_OUTPUT_0_TYPE output[NET_OUTPUT_0_ELEMENTS];
int main(void)
{
    assert(sizeof shape / sizeof shape[0] == NET_INPUT_0_RANK && NET_INPUT_0_RANK == 3);
    assert(NET_INPUT_0_DIM_0 * NET_INPUT_0_DIM_1 * NET_INPUT_0_DIM_2 == NET_INPUT_0_ELEMENTS && NET_INPUT_0_DIM_1 == 2);
    assert(sizeof input == NET_INPUT_0_BYTES && sizeof output == NET_OUTPUT_0_BYTES && NET_OUTPUT_0_BYTES == 24);
    assert(5 -NET_INPUT_0_ZERO_POINT == 12 && NET_INPUT_0_SCALE == 0.1f);
    assert(NET_OUTPUT_0_ZERO_POINT == 0 && NET_OUTPUT_0_SCALE == 1.0f);
    assert(NET_LAYERS == 1 && NET_MACS == 11 && NET_WEIGHTS_BYTES == 0 && NET_ARENAS == 1 && NET_ARENA_0_BYTES >= 30);
    assert(sizeof NET_SIGNATURE == 17 && sizeof NET_NAME == 4);
    return 0;
}
"""


def _emitted() -> dict[str, str]:
    x, y = Buffer(0, "x", 6, "input"), Buffer(1, "y", 24, "output")
    step = Step(0, "deq", "dequantize", 11)
    args = (Literal(6), Literal(0.1), Literal(-7), BufferArg(x, "int8_t"), BufferArg(y, "float", True))
    step.calls.append(KernelCall("ek_dequantize_s8_f32", args))
    program = Program(
        "net", [step], [x, y], [], [],
        [Port("x */ evil", x, "int8_t", "int8", (1, 2, 3), 0.1, -7)],
        [Port("y", y, "float", "float32", (6,), None, None)],
    )  # fmt: skip
    plan: MemoryPlan = plan_memory(program, [PlanRegion("ram", 1024)])
    return dict(emit_model("net", program, plan).files)


@pytest.mark.parametrize(
    "command",
    [["gcc", "-std=c99", "-pedantic"], ["clang", "-std=c99", "-pedantic"], ["g++", "-std=c++11", "-x", "c++"]],
)
def test_macros_agree_with_each_other(command: list[str], tmp_path: Path) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    (tmp_path / "net.h").write_text(_emitted()["include/net.h"])
    (tmp_path / "check.c").write_text(CHECKS)
    strict = ["-Wall", "-Wextra", "-Werror", "-o", "check"]
    subprocess.run([*command, *strict, "check.c"], cwd=tmp_path, check=True)
    subprocess.run([tmp_path / "check"], check=True)


def test_every_header_is_for_cpp_too(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    (tmp_path / "net_weights.h").write_text(_emitted()["src/net_weights.h"])
    headers = [*runtime_c.headers(), runtime_c.HARNESS / "semihosting.h", tmp_path / "net_weights.h"]
    for header in headers:
        probe = f'#include "{header}"\n'
        flags = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-I", str(runtime_c.INCLUDE), "-fsyntax-only"]
        subprocess.run(["g++", *flags, "-x", "c++", "-"], input=probe, text=True, check=True)
        declares = re.search(r"^(extern|void|int)\b.*[;,]$", header.read_text(), re.MULTILINE)
        assert declares is None or 'extern "C"' in header.read_text(), header.name


@pytest.mark.parametrize("value", [1.0, 0.1, 1e-30, 3.4e38, 0.04240386188030243, 2.0**-126, 1 / 3])
def test_decimal_literals_are_exact(value: float) -> None:
    text = float32_decimal(value)
    assert text.endswith("f") and ("." in text or "e" in text)
    assert np.float32(text.rstrip("f")) == np.float32(value)


@pytest.mark.parametrize("name", ["string", "math", "stdint", "Time"])
def test_a_model_does_not_hide_a_header_of_the_c_library(name: str) -> None:
    assert c_name(name) == f"model_{name.lower()}"
