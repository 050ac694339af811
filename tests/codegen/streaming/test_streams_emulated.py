"""Streams of random networks in the emulators: the same bits as the reference, with little scratch and with much."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.boards import load_board
from edgekit.codegen.emit import emit_model
from edgekit.codegen.lowering import Target, lower
from edgekit.codegen.memory import PlanRegion, plan_memory, validate_plan
from edgekit.emulators import emulated_board, open_machine
from edgekit.emulators.qemu_machine import COMMAND
from edgekit.ir import Graph
from edgekit.ops.reference import run_reference
from edgekit.ops.spec import random_codes
from edgekit.project import write_sources
from edgekit.toolchains import get_toolchain, linker_script
from tests.codegen.streaming.networks import coded, random_network, random_streams, striped

# One board per kind of kernels, and bytes of scratch.
BOARDS = [("stm32f746", 0), ("stm32f746", 8192), ("stm32f411", 8192), ("stm32l152", 0), ("stm32n657", 0), ("rp2040", 0)]
NETWORKS = range(100, 108)


@pytest.mark.parametrize(("board_name", "room"), BOARDS)
def test_streams_equal_the_reference(tmp_path: Path, board_name: str, room: int) -> None:
    board = load_board(board_name)
    if board.unicorn_cpu is None and shutil.which(COMMAND) is None:
        pytest.skip(f"no {COMMAND} on this machine, which alone emulates {board.core}")
    board = emulated_board(board)
    main = board.ram_internal.name
    board = replace(
        board, regions=tuple(replace(r, size=max(r.size, 1 << 17)) if r.name == main else r for r in board.regions)
    )
    networks = [coded(random_network(seed), (8, 4, 8, 3, 8, 2)[seed % 6]) for seed in NETWORKS]
    graph = Graph(
        "nets",
        [value for net in networks for value in net.inputs],
        [value for net in networks for value in net.outputs],
        [node for net in networks for node in net.nodes],
    )
    streams = [stream for seed, net in zip(NETWORKS, networks, strict=True) for stream in random_streams(net, seed)]
    # Every other one over stripes.
    streams[::2] = striped(streams[::2], room)
    program = lower(graph, Target.of(board), room=[room] * len(graph.nodes), groups=streams)
    plan = plan_memory(program, [PlanRegion(main, board.ram_internal.size - 8192)])
    validate_plan(program, plan)
    emitted = emit_model("nets", program, plan)
    write_sources(tmp_path, emitted, program)
    sources = sorted((tmp_path / "src").glob("*.c")) + sorted((tmp_path / "harness").glob("*.c"))
    includes, script = [tmp_path / "include", tmp_path / "src"], linker_script(board, 4096)
    image = get_toolchain().compile(sources, includes, board, tmp_path / "build", script, {})
    rng = np.random.default_rng(1)
    inputs = [random_codes(rng, value.shape) for value in graph.inputs]
    want = run_reference(graph, inputs)
    arena = image.symbols["arena_0"].address
    with open_machine(board, image, list(emitted.layer_symbols), emitted.run_symbol) as machine:
        machine.boot()
        for port, array in zip(program.inputs, inputs, strict=True):
            machine.write(arena + plan.places[port.buffer].offset, array.tobytes())
        machine.run_once()
        for port, value in zip(program.outputs, graph.outputs, strict=True):
            got = machine.read(arena + plan.places[port.buffer].offset, value.nbytes)
            assert got == want[value].tobytes(), value.name
