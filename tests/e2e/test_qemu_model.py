"""A whole model on two emulators: equal layers, outputs, stacks and instruction counts on M3, M4, M7 and M33."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.boards import load_board, load_qemu_machine
from edgekit.codegen.emit import emit_model
from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.memory import PlanRegion, plan_memory
from edgekit.emulators import QemuMachine, UnicornMachine, relocated
from edgekit.emulators.qemu_machine import COMMAND
from edgekit.importers import import_model
from edgekit.models import packaged_model
from edgekit.ops.reference import run_reference
from edgekit.passes import optimise
from edgekit.project import write_sources
from edgekit.quant.affine import quantize_graph
from edgekit.toolchains import get_toolchain, linker_script


@pytest.mark.skipif(shutil.which(COMMAND) is None, reason=f"{COMMAND} is not installed")
@pytest.mark.parametrize("name", ["stm32l152", "stm32f411", "stm32f746", "stm32u585"])
def test_packaged_model_is_equal_on_qemu_and_unicorn(name: str, tmp_path: Path) -> None:
    board = load_board(name)
    inside = replace(board, regions=tuple(r for r in board.regions if not r.external))
    moved = relocated(inside, load_qemu_machine(str(board.qemu_machine)))
    packaged = packaged_model()
    floats = optimise(import_model(packaged.model_path, {}))
    graph = quantize_graph(floats, [list(s) for s in packaged.calibration.samples[:16]])
    quant = graph.inputs[0].quant
    assert quant is not None
    codes = quant.quantize(packaged.test.samples[0][0], graph.inputs[0].dtype)
    want = run_reference(graph, [codes])[graph.outputs[0]]

    program = lower(graph, Target.of(board))
    plan = plan_memory(program, [PlanRegion("ram", board.ram_internal.size)])
    emitted = emit_model("m", program, plan)
    write_sources(tmp_path, emitted, program)
    sources = sorted((tmp_path / "src").glob("*.c")) + sorted((tmp_path / "harness").glob("*.c"))
    includes = [tmp_path / "include", tmp_path / "src"]
    compiler = get_toolchain("zig")
    place = {port: plan.places[port.buffer].offset for port in (program.inputs[0], program.outputs[0])}
    results = []
    for kind, at in ((UnicornMachine, inside), (QemuMachine, moved)):
        image = compiler.compile(sources, includes, at, tmp_path / at.regions[0].name, linker_script(at, 2048), {})
        arena = image.symbols["arena_0"].address
        with kind(at, image, list(emitted.layer_symbols), emitted.run_symbol) as machine:
            machine.stack_paint()
            machine.boot()
            machine.write(arena + place[program.inputs[0]], codes.tobytes())
            counts = machine.run_once()
            got = machine.read(arena + place[program.outputs[0]], want.nbytes)
            results.append((counts, got, machine.stack_high_water()))
    assert results[0] == results[1]
    assert results[0][1] == want.tobytes()
    assert all(results[0][0].per_layer) and results[0][0].overhead > 0
