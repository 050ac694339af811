"""From counts of blocks to cycles and milliseconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.boards import Board, load_board
from edgekit.codegen.memory import PlanRegion, plan_memory
from edgekit.codegen.program import Buffer, BufferArg, Constant, ConstantArg, KernelCall, Program, Step
from edgekit.emulators import RunCounts, UnicornMachine
from edgekit.errors import InternalError
from edgekit.latency import estimate, layer_waits
from edgekit.latency.blocks import core_cycles
from edgekit.latency.cores import ASSUMED, CORES
from edgekit.toolchains import Image
from tests.toolchains.programs import LAYERS, build


def run(board: Board, folder: Path) -> tuple[Image, RunCounts]:
    image = build(board, "zig", folder)
    with UnicornMachine(board, image, LAYERS, "demo_run") as machine:
        machine.boot()
        return image, machine.run_once()


# By hand, from the demo's assembly. Layer 0: MOVS, 100 rounds of SUBS and BNE, BX.
# Layer 1: PUSH and POP of two registers, MOVS, 7 rounds of BL, NOP, BX, SUBS and BNE.
@pytest.mark.parametrize(
    ("name", "layer_0", "layer_1"),
    [
        ("rp2040", 1 + 100 * 2 + 99 * 1 + 1 + 1, (3 + 1 + 3 + 2) + 7 * (2 + 1 + 1 + 1 + 1 + 1 + 1) + 6 * 1),
        ("stm32f103", 1 + 100 * 2 + 99 * 2 + 1 + 2, (3 + 1 + 3 + 2) + 7 * (1 + 2 + 1 + 1 + 2 + 1 + 1) + 6 * 2),
        ("stm32f411", 1 + 100 * 2 + 99 * 2 + 1 + 2, (3 + 1 + 3 + 2) + 7 * (1 + 2 + 1 + 1 + 2 + 1 + 1) + 6 * 2),
        # The branch goes with the subtraction where it is not taken, and takes two cycles where it is.
        ("stm32u575", 1 + 100 * 1 + 99 * 2 + 1 + 1, (2 + 1 + 2 + 2) + 7 * (1 + 1 + 1 + 1 + 1 + 1) + 6 * 2),
    ],
)
def test_cycles_of_layers_by_hand(name: str, layer_0: int, layer_1: int, tmp_path: Path) -> None:
    board = load_board(name)
    image, counts = run(board, tmp_path)
    cycles = core_cycles(CORES[board.core], image, counts.blocks, len(LAYERS))
    assert cycles[:2] == [layer_0, layer_1]


def test_cycles_of_cortex_m7_by_hand(tmp_path: Path) -> None:
    board = load_board("stm32f746")
    image, counts = run(board, tmp_path)
    core = CORES[board.core]
    cycles = core_cycles(core, image, counts.blocks, len(LAYERS))
    # MOVS with SUBS, BNE; 99 rounds of both together, one of which is predicted wrongly; BX.
    first = next(b for b in counts.blocks if b.layer == 0)
    assert (first.instructions, first.runs) == (3, 1)
    assert cycles[0] == 2 + 99 * 1 + core.misprediction + 1 + 2


def test_estimate_adds_memory_and_scales(tmp_path: Path) -> None:
    board = load_board("stm32f411")
    image, counts = run(board, tmp_path)
    core = CORES[board.core]
    raw = core_cycles(core, image, counts.blocks, len(LAYERS))
    found = estimate(board, image, counts, [10.0, 20.0, 30.0])
    latency = found.latency
    assert found.per_layer == [round(core.scale * c + w) for c, w in zip(raw, (10, 20, 30), strict=False)]
    assert latency.cycles == round(core.scale * sum(raw) + 60) and latency.memory_cycles == 60
    assert latency.model == pytest.approx(latency.cycles / 100_000, abs=1e-4)
    assert latency.low == pytest.approx(0.84 * latency.model, abs=2e-4)
    assert latency.high == pytest.approx(1.16 * latency.model, abs=2e-4)
    assert latency.cycles_per_instruction == pytest.approx(latency.cycles / counts.total, abs=1e-3)
    assert latency.calibrated and latency.method == "cycles" and "84% to 116%" in latency.label


def test_cores_without_results_say_so(tmp_path: Path) -> None:
    board = load_board("stm32f103")
    image, counts = run(board, tmp_path)
    latency = estimate(board, image, counts, [0.0] * 3).latency
    assert not latency.calibrated and latency.label.startswith("NOT CALIBRATED for cortex-m3")
    vector = replace(board, core="cortex-m55")
    found = estimate(vector, image, RunCounts(1000, [500, 300]), [7.0, 3.0])
    assumed = ASSUMED["cortex-m55"]
    assert found.per_layer == [None, None]
    assert found.latency.cycles == round(1000 * assumed.model + 10)
    assert not found.latency.calibrated and found.latency.method == "assumed"
    unknown = estimate(replace(board, core="cortex-m85"), image, RunCounts(1000, [500, 300]), [7.0, 3.0]).latency
    assert unknown.model is None and unknown.cycles is None and unknown.method == "none"


def test_blocks_that_do_not_fit_their_code_are_an_error(tmp_path: Path) -> None:
    board = load_board("stm32f411")
    image, counts = run(board, tmp_path)
    wrong = [counts.blocks[0]._replace(instructions=counts.blocks[0].instructions + 1)]
    with pytest.raises(InternalError, match="counted were"):
        core_cycles(CORES[board.core], image, wrong, len(LAYERS))


def test_memory_waits_by_hand() -> None:
    board = load_board("stm32f746")
    inside, outside = board.ram_internal, board.external_ram
    assert outside is not None
    near, far = Buffer(0, "near", 4000, "activation"), Buffer(1, "far", 600_000, "activation")
    weights = Constant(0, "int8_t", np.zeros(3200, np.int8), "layer", 3200)
    first = KernelCall("ek_copy", (BufferArg(near, "int8_t"), ConstantArg(weights)))
    second = KernelCall("ek_copy", (BufferArg(near, "int8_t"), BufferArg(far, "int8_t", writes=True)))
    steps = [
        Step(0, "first", "copy", 0, [first], weight_bytes=3200, results=[near]),
        Step(1, "second", "copy", 0, [second], results=[far]),
    ]
    program = Program("p", steps, [near, far], [weights], [], [], [])
    plan = plan_memory(program, [PlanRegion(inside.name, inside.size), PlanRegion(outside.name, outside.size)])
    # On chip 1.16 cycles a word, the mean of its banks; off chip 6.
    on_chip, off_chip = (inside.access_cost - 1) * 1000, 5 * 150_000
    # 7 cycles per line of 32 bytes of flash; off chip 12 a word.
    assert layer_waits(board, program, plan) == pytest.approx([3200 / 32 * 7 + on_chip, on_chip + off_chip])
    assert layer_waits(board, program, plan, {0})[0] == pytest.approx(3200 / 4 * 11 + on_chip)
    with pytest.raises(InternalError, match="no external flash"):
        layer_waits(load_board("stm32f411"), program, plan, {0})
