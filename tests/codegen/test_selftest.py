"""The emitted self-test, compiled for this computer around a model whose outputs the test chooses."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgekit.codegen.emit import emit_selftest
from edgekit.codegen.emit.selftest import CHECKSUM_BYTES, fnv1a
from edgekit.ir import Array

STRICT = ["-std=c99", "-pedantic", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
HEADER = """#include <stdint.h>
typedef struct { uint8_t in[2][8192], out[4][8192]; int runs; } m_ctx;
void *m_input(const m_ctx *ctx, int i);
void *m_output(const m_ctx *ctx, int i);
void m_run(m_ctx *ctx);
int m_selftest(m_ctx *ctx);
"""
# The model copies its inputs to files and takes its outputs from files.
MAIN = """#include <stdio.h>
#include "m.h"
void *m_input(const m_ctx *ctx, int i) { return (void *)(uintptr_t)ctx->in[i]; }
void *m_output(const m_ctx *ctx, int i) { return (void *)(uintptr_t)ctx->out[i]; }
void m_run(m_ctx *ctx)
{
    char name[8] = "in0";
    for (int i = 0; i < 2; i++) {
        name[2] = (char)('0' + i);
        FILE *f = fopen(name, "wb");
        fwrite(ctx->in[i], 1, sizeof ctx->in[i], f);
        fclose(f);
    }
    for (int i = 0; i < 4; i++) {
        char file[8] = "out0";
        file[3] = (char)('0' + i);
        FILE *f = fopen(file, "rb");
        if (f) {
            ctx->runs += (int)fread(ctx->out[i], 1, sizeof ctx->out[i], f) > 0;
            fclose(f);
        }
    }
}
int main(void)
{
    static m_ctx ctx;
    printf("%d", m_selftest(&ctx));
    return 0;
}
"""
INPUTS = [np.array([-128, 0, 127], np.int8), np.array([[1.5, -0.0], [np.nan, 3e38]], np.float32)]
OUTPUTS = [
    np.array([[1, 255]], np.uint8),
    np.array([0.25, -0.0, np.inf], np.float32),
    np.arange(CHECKSUM_BYTES + 4).astype(np.int8),
    np.array([-(1 << 31), 7], np.int32),
]


@pytest.fixture(scope="module", params=["gcc", "clang"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which(request.param)
    if compiler is None:
        pytest.skip(f"{request.param} is not installed")
    folder = tmp_path_factory.mktemp("selftest")
    (folder / "m.h").write_text(HEADER)
    (folder / "main.c").write_text(MAIN)
    (folder / "m_selftest.c").write_text(emit_selftest("m", INPUTS, OUTPUTS))
    subprocess.run([compiler, *STRICT, "-c", "m_selftest.c"], cwd=folder, check=True)
    subprocess.run([compiler, "-w", "-o", "program", "main.c", "m_selftest.o"], cwd=folder, check=True)
    return folder


def _run(folder: Path, outputs: list[Array]) -> int:
    for index, array in enumerate(outputs):
        (folder / f"out{index}").write_bytes(array.tobytes())
    done = subprocess.run([folder / "program"], cwd=folder, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_equal_outputs_give_0_and_inputs_arrive_bit_for_bit(program: Path) -> None:
    assert _run(program, OUTPUTS) == 0
    for index, array in enumerate(INPUTS):
        assert (program / f"in{index}").read_bytes()[: array.nbytes] == array.tobytes()


@pytest.mark.parametrize(
    ("output", "element", "result"),
    [
        (0, 0, 1),
        (0, 1, 2),
        (1, 0, 3),
        (1, 2, 5),
        (2, 0, 6),
        (2, 4000, 6),
        (3, 0, CHECKSUM_BYTES + 10),
        (3, 1, CHECKSUM_BYTES + 11),
    ],
)
def test_result_is_1_plus_the_first_element_that_differs(program: Path, output: int, element: int, result: int) -> None:
    outputs = [a.copy() for a in OUTPUTS]
    flat = outputs[output].reshape(-1).view(np.uint8)
    # The highest byte of the element: its position in the element must not count.
    flat[(element + 1) * outputs[output].itemsize - 1] ^= 0x40
    assert _run(program, outputs) == result


def test_zeros_of_either_sign_differ(program: Path) -> None:
    outputs = [a.copy() for a in OUTPUTS]
    outputs[1][1] = 0.0
    assert _run(program, outputs) == 4


def test_checksum_is_fnv1a() -> None:
    assert [hex(fnv1a(s)) for s in (b"", b"a", b"foobar")] == ["0x811c9dc5", "0xe40c292c", "0xbf9cf968"]


def test_no_allocation_and_no_input_output() -> None:
    text = emit_selftest("m", INPUTS, OUTPUTS)
    assert [line for line in text.splitlines() if line.startswith("#include")] == [
        '#include "m.h"',
        "#include <string.h>",
    ]
    assert text == emit_selftest("m", INPUTS, OUTPUTS)
