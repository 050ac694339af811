"""Small C programs for the toolchain and emulator tests, in the shape of a generated model named `demo`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgekit.boards import Board
from edgekit.toolchains import HARNESS, Image, get_toolchain, linker_script
from edgekit.toolchains.gcc import COMMAND

LAYERS = ["demo_layer_0", "demo_layer_1", "demo_layer_2"]
# Counted by hand from the assembly below: 1 + 100 * 2 + 1, and 2 + 7 * (1 + 2 + 2) + 1.
LAYER_0, LAYER_1 = 202, 38
RESULTS = 64

TOOLCHAINS = [
    "zig",
    pytest.param("gcc", marks=pytest.mark.skipif(shutil.which(COMMAND) is None, reason=f"{COMMAND} is not installed")),
]

DEMO_H = """
#include <stdint.h>
typedef struct { int8_t *arena; } demo_ctx;
extern demo_ctx ek_ctx;
void demo_layer_0(void);
void demo_layer_1(void);
void demo_layer_2(int8_t *arena);
void demo_helper(void);
void demo_run(demo_ctx *ctx);
"""

DEMO = r"""
#include "demo.h"
#include <string.h>

int32_t demo_bias = 1000003; /* initialised: start-up has to copy it */
uint32_t demo_runs;
__attribute__((section(".edgekit_weights"))) const int8_t demo_weights[64] = {5, -7, 11, 127, -128, 3};

__attribute__((naked)) void demo_layer_0(void)
{
    __asm__ volatile(".syntax unified\n\tmovs r3, #100\n1:\n\tsubs r3, #1\n\tbne 1b\n\tbx lr");
}

__attribute__((naked)) void demo_helper(void)
{
    __asm__ volatile(".syntax unified\n\tnop\n\tbx lr");
}

__attribute__((naked)) void demo_layer_1(void)
{
    __asm__ volatile(".syntax unified\n\tpush {r4, lr}\n\tmovs r4, #7\n1:\n\tbl demo_helper\n\t"
                     "subs r4, #1\n\tbne 1b\n\tpop {r4, pc}");
}

__attribute__((noinline)) void demo_layer_2(int8_t *arena)
{
    int32_t sums[16];
    memset(sums, 0, sizeof sums);
    for (int32_t i = 0; i < 64; i++) {
        sums[i & 15] += arena[i] * demo_weights[63 - i] + demo_bias / (i + 1) % 13;
    }
    for (int32_t i = 0; i < 64; i++) {
        const int64_t wide = (int64_t)sums[i & 15] * (demo_bias + i);
        const float scaled = (float)(int32_t)(wide >> 20) * 0.37f;
        arena[64 + i] = (int8_t)((uint32_t)(int32_t)scaled & 127u);
    }
}

__attribute__((noinline)) void demo_run(demo_ctx *ctx)
{
    demo_layer_0();
    demo_layer_1();
    demo_layer_2(ctx->arena);
    demo_runs++;
}
"""

MAIN = r"""
#include "demo.h"
void ek_ready(void);
void ek_done(void);
static int8_t arena[128] __attribute__((aligned(16), section(".edgekit_arena")));
demo_ctx ek_ctx;

int main(void)
{
    ek_ctx.arena = arena;
    ek_ready();
    for (;;) {
        demo_run(&ek_ctx);
        ek_done();
    }
}
"""

SEMIHOSTED_MAIN = r"""
#include "demo.h"
#include "semihosting.h"
void ek_done(void);
static int8_t arena[128] __attribute__((aligned(16), section(".edgekit_arena")));
demo_ctx ek_ctx;

int main(void)
{
    ek_ctx.arena = arena;
    for (int32_t i = 0; i < 64; i++) {
        arena[i] = (int8_t)(i * 3 - 90);
    }
    for (int32_t i = 0; i < 3; i++) {
        demo_run(&ek_ctx);
        ek_done();
    }
    ek_semihost_hex(arena + 64, 64);
    ek_semihost_exit(7);
}
"""


def build(
    board: Board,
    toolchain: str,
    folder: Path,
    files: Mapping[str, str] | None = None,
    stack_bytes: int = 1024,
) -> Image:
    """Build the demo, or other files (name -> text), with start-up code; .c files are compiled."""
    files = {"demo.c": DEMO, "main.c": MAIN} if files is None else files
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"demo.h": DEMO_H, **files}.items():
        (folder / name).write_text(text)
    sources = [HARNESS / "startup.c", *(folder / name for name in sorted(files) if name.endswith(".c"))]
    if any("semihosting.h" in text for text in files.values()):
        sources.append(HARNESS / "semihosting.c")
    script = linker_script(board, stack_bytes)
    return get_toolchain(toolchain).compile(sources, [folder, HARNESS], board, folder / "build", script, {})


def snippet(body: str, before: str = "") -> dict[str, str]:
    """A program whose demo_run is `body`; definitions come before."""
    return {"demo.c": f'#include "demo.h"\n{before}\nvoid demo_run(demo_ctx *ctx)\n{{\n{body}\n}}\n', "main.c": MAIN}
