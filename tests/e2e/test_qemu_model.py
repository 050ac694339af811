"""A whole model on two emulators: equal outputs and equal instruction totals on M4, M7 and M33."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgekit.boards import Board, load_board, load_qemu_machine
from edgekit.codegen.emit import emit_model
from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.memory import PlanRegion, plan_memory
from edgekit.emulators import UnicornMachine, run_qemu
from edgekit.emulators.qemu_machine import COMMAND
from edgekit.importers import import_model
from edgekit.models import packaged_model
from edgekit.ops.reference import run_reference
from edgekit.passes import optimise
from edgekit.project import write_sources
from edgekit.quant.affine import quantize_graph
from edgekit.toolchains import HARNESS, Image, get_toolchain, linker_script

PASSES = 2

SEMIHOSTED_MAIN = """#include "m.h"
#include "semihosting.h"
void ek_done(void);
static uint8_t arena[M_ARENA_0_BYTES] __attribute__((aligned(M_ARENA_ALIGNMENT), section(".edgekit_arena")));
static const int8_t x[M_INPUT_0_BYTES] = {%s};
m_ctx ek_ctx;

int main(void)
{
    ek_ctx.arena[0] = arena;
    if (m_init(&ek_ctx)) {
        ek_semihost_exit(1);
    }
    for (int32_t pass = 0; pass < %d; ++pass) {
        int8_t *to = m_input(&ek_ctx, 0);
        for (int32_t i = 0; i < M_INPUT_0_BYTES; ++i) {
            to[i] = x[i];
        }
        m_run(&ek_ctx);
        ek_done();
    }
    ek_semihost_hex(m_output(&ek_ctx, 0), M_OUTPUT_0_BYTES);
    ek_semihost_exit(0);
}
"""


@pytest.mark.skipif(shutil.which(COMMAND) is None, reason=f"{COMMAND} is not installed")
@pytest.mark.parametrize("name", ["stm32f411", "stm32f746", "stm32u585"])
def test_packaged_model_is_equal_on_qemu_and_unicorn(name: str, tmp_path: Path) -> None:
    board = load_board(name)
    machine = dataclasses.replace(load_qemu_machine(str(board.qemu_machine)), fpu=board.fpu)
    packaged = packaged_model()
    floats = optimise(import_model(packaged.model_path, {}))
    graph = quantize_graph(floats, [list(s) for s in packaged.calibration.samples[:16]])
    quant = graph.inputs[0].quant
    assert quant is not None
    codes = quant.quantize(packaged.test.samples[0][0], graph.inputs[0].dtype)
    want = run_reference(graph, [codes])[graph.outputs[0]]

    program = lower(graph, Target(dsp=board.dsp))
    plan = plan_memory(program, [PlanRegion("ram", board.ram_internal.size)])
    emitted = emit_model("m", program, plan)
    write_sources(tmp_path, emitted, program)
    main = tmp_path / "qemu" / "main.c"
    main.parent.mkdir()
    main.write_text(SEMIHOSTED_MAIN % (", ".join(str(c) for c in codes.reshape(-1).tolist()), PASSES))
    layers = list(emitted.layer_symbols)

    def link(at: Board, mains: list[Path], folder: str) -> Image:
        sources = sorted((tmp_path / "src").glob("*.c")) + mains
        includes = [tmp_path / "include", tmp_path / "src", HARNESS]
        script = linker_script(at, 2048)
        return get_toolchain("zig").compile(sources, includes, at, tmp_path / folder, script, {})

    hosted = [main, HARNESS / "startup.c", HARNESS / "semihosting.c"]
    result = run_qemu(machine, link(machine, hosted, "q"), emitted.run_symbol)
    assert result.status == 0 and result.passes == PASSES
    assert result.output.replace("\n", "") == want.tobytes().hex()

    bare = [tmp_path / "harness" / "main.c", tmp_path / "harness" / "startup.c"]
    unicorn = UnicornMachine(board, link(board, bare, "u"), layers, emitted.run_symbol)
    unicorn.boot()
    arena = unicorn.image.symbols["arena_0"].address
    unicorn.write(arena + plan.places[program.inputs[0].buffer].offset, codes.tobytes())
    counts = unicorn.run_once()
    got = unicorn.read(arena + plan.places[program.outputs[0].buffer].offset, want.nbytes)
    assert np.array_equal(np.frombuffer(got, np.int8).reshape(want.shape), want)
    assert result.instructions == PASSES * counts.total
    assert sum(counts.per_layer) <= counts.total
