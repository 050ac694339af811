"""The Unicorn machine: exact counts, exact memory map, every board and toolchain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.boards import load_board
from edgekit.emulators import UnicornMachine
from edgekit.errors import CheckFailed, ToolchainError
from edgekit.toolchains import stack_bound
from edgekit.toolchains.thumb import instructions
from tests.toolchains.programs import LAYER_0, LAYER_1, LAYERS, TOOLCHAINS, build, snippet

# Every core that Unicorn has, contiguous banks, banks apart, and a boot loader before the image.
BOARDS = ["rp2040", "stm32f411", "stm32f746", "stm32h743", "stm32l152", "stm32l475", "stm32u585"]
INPUT = bytes((i * 3 - 90) & 0xFF for i in range(64))


def machine_for(name: str, toolchain: str, folder: Path) -> UnicornMachine:
    board = load_board(name)
    machine = UnicornMachine(board, build(board, toolchain, folder), LAYERS, "demo_run")
    machine.stack_paint()
    machine.boot()
    return machine


def outputs(machine: UnicornMachine) -> bytes:
    arena = machine.image.symbols["arena"].address
    machine.write(arena, INPUT)
    machine.run_once()
    return machine.read(arena + 64, 64)


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("name", BOARDS)
def test_counts_are_exact(name: str, toolchain: str, tmp_path: Path) -> None:
    machine = machine_for(name, toolchain, tmp_path)
    counts = machine.run_once()
    assert counts.per_layer[:2] == [LAYER_0, LAYER_1]
    assert counts.per_layer[2] > 64 * 5
    assert 6 <= counts.overhead <= 24
    again = [machine.run_once(), machine.run_stepwise(lambda _: None), machine.run_once()]
    assert again == [counts] * 3
    runs = machine.image.symbols["demo_runs"].address
    assert int.from_bytes(machine.read(runs, 4), "little") == 4


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("name", BOARDS)
def test_blocks_add_up_to_the_counts(name: str, toolchain: str, tmp_path: Path) -> None:
    machine = machine_for(name, toolchain, tmp_path)
    for counts in (machine.run_once(), machine.run_stepwise(lambda _: None)):
        sums = [0] * (len(LAYERS) + 1)
        for block in counts.blocks:
            sums[block.layer] += block.runs * block.instructions
            code = machine.image.content(block.address, block.size)
            assert len(list(instructions(code, block.address))) == block.instructions
            assert 0 <= block.fell <= block.runs
        assert sums == [*counts.per_layer, counts.overhead]
        assert len({block[:3] for block in counts.blocks}) == len(counts.blocks)
        # The loop of layer 0: its first round begins with the function, its last one falls out of it.
        start, loop, end = sorted(block for block in counts.blocks if block.layer == 0)
        assert [(b.instructions, b.runs, b.fell) for b in (start, loop)] == [(3, 1, 0), (2, 99, 1)]
        assert (end.instructions, end.runs) == (1, 1)


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("name", BOARDS)
def test_stack_stays_below_its_bound(name: str, toolchain: str, tmp_path: Path) -> None:
    machine = machine_for(name, toolchain, tmp_path)
    machine.run_once()
    bound = stack_bound(machine.image.elf, machine.image.su_files, "Reset_Handler").bytes
    assert bound - 64 <= machine.stack_high_water() <= bound


def test_all_boards_and_toolchains_give_the_same_outputs(tmp_path: Path) -> None:
    results = set()
    for toolchain in ("zig", "gcc"):
        try:
            machines = [machine_for(name, toolchain, tmp_path / toolchain / name) for name in BOARDS]
        except ToolchainError:
            continue
        results |= {outputs(machine) for machine in machines}
    assert len(results) == 1
    assert len(set(results.pop())) > 8


def test_stepwise_sees_memory_after_each_layer(tmp_path: Path) -> None:
    machine = machine_for("stm32f746", "zig", tmp_path)
    expected = outputs(machine)
    arena = machine.image.symbols["arena"].address
    machine.write(arena + 64, bytes(64))
    seen = []
    machine.run_stepwise(lambda layer: seen.append((layer, machine.read(arena + 64, 64))))
    assert seen == [(0, bytes(64)), (1, bytes(64)), (2, expected)]


def test_callback_may_change_memory(tmp_path: Path) -> None:
    machine = machine_for("stm32f746", "zig", tmp_path)
    expected = outputs(machine)
    arena = machine.image.symbols["arena"].address
    machine.write(arena, bytes(64))
    machine.run_stepwise(lambda layer: machine.write(arena, INPUT) if layer == 1 else None)
    assert machine.read(arena + 64, 64) == expected


FAULTS = {
    "read outside": ("ctx->arena[0] = *(volatile int8_t *)0x40000000;", "read from 0x40000000 .* in demo_run"),
    "read behind ram": ("ctx->arena[0] = *(volatile int8_t *)0x20020000;", "read from 0x20020000"),
    "null pointer": ("ctx->arena[0] = *(volatile int8_t *)zero;", "read from 0x00000000"),
    "write to flash": (
        "(void)ctx; *(volatile int8_t *)0x08000100 = 1;",
        "write to read-only 0x08000100 .* in demo_run",
    ),
    "jump into data": ("((void (*)(void))((uintptr_t)ctx->arena | 1u))();", "execution of non-executable"),
    "undefined": ('(void)ctx; __asm__ volatile("udf #1");', "pc 0x080.* in demo_run"),
}


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_name_address_and_function(fault: str, toolchain: str, tmp_path: Path) -> None:
    board = load_board("stm32f411")
    body, message = FAULTS[fault]
    image = build(board, toolchain, tmp_path, snippet(body, "int8_t *volatile zero;"))
    machine = UnicornMachine(board, image, [], "demo_run")
    machine.boot()
    with pytest.raises(CheckFailed, match=message):
        machine.run_once()


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("name", BOARDS)
def test_stack_overflow_faults(name: str, toolchain: str, tmp_path: Path) -> None:
    board = load_board(name)
    deep = "void deep(volatile int32_t *p);\nvoid deep(volatile int32_t *p) { p[0] = p[1] + p[399]; }"
    body = "volatile int32_t big[400]; for (int32_t i = 0; i < 400; i++) { big[i] = i; }\ndeep(big); (void)ctx;"
    image = build(board, toolchain, tmp_path, snippet(body, deep))
    machine = UnicornMachine(board, image, [], "demo_run")
    machine.boot()
    below = f"{board.ram_stack.address - 1:#010x}"[:5]
    with pytest.raises(CheckFailed, match=f"write to {below}.* in demo_run"):
        machine.run_once()


def test_unaligned_access_faults_on_cortex_m0(tmp_path: Path) -> None:
    body = "*(volatile int32_t *)(void *)(ctx->arena + one) = 1;"
    for name, faults in (("rp2040", True), ("stm32f746", False)):
        board = load_board(name)
        image = build(board, "zig", tmp_path / name, snippet(body, "volatile int32_t one = 1;"))
        machine = UnicornMachine(board, image, [], "demo_run")
        machine.boot()
        if faults:
            with pytest.raises(CheckFailed, match="demo_run"):
                machine.run_once()
        else:
            machine.run_once()


def test_memory_that_ends_inside_a_page(tmp_path: Path) -> None:
    board = load_board("stm32f411")
    regions = tuple(replace(r, size=9 * 1024) if r.kind == "ram" else r for r in board.regions)
    small = replace(board, regions=regions)
    inside, outside = 0x20000000 + 9 * 1024 - 4, 0x20000000 + 9 * 1024
    body = "*(volatile int32_t *)(uintptr_t)where = 1; (void)ctx;"
    machine = UnicornMachine(
        small, build(small, "zig", tmp_path, snippet(body, f"volatile uint32_t where = {inside:#x}u;")), [], "demo_run"
    )
    machine.boot()
    machine.run_once()
    machine.write(machine.image.symbols["where"].address, outside.to_bytes(4, "little"))
    with pytest.raises(CheckFailed, match=f"write to {outside:#010x}"):
        machine.run_once()


def test_endless_programs_are_given_up(tmp_path: Path) -> None:
    machine = machine_for("stm32f746", "zig", tmp_path)
    with pytest.raises(CheckFailed, match=r"not finished after 100 instructions; pc .* in demo_layer_0"):
        machine.run_once(budget=100)


def test_main_that_returns_is_a_failure(tmp_path: Path) -> None:
    board = load_board("stm32f746")
    files = snippet("(void)ctx;")
    refusal = "    if (demo_refuses) {\n        return 1;\n    }\n    ek_ready();\n"
    main = files["main.c"].replace("demo_ctx ek_ctx;", "demo_ctx ek_ctx;\nvolatile int32_t demo_refuses = 1;")
    files["main.c"] = main.replace("    ek_ready();\n", refusal)
    machine = UnicornMachine(board, build(board, "zig", tmp_path, files), [], "demo_run")
    with pytest.raises(CheckFailed, match="ek_fault"):
        machine.boot()


def test_misuse_is_explained(tmp_path: Path) -> None:
    board = load_board("stm32f746")
    image = build(board, "zig", tmp_path)
    with pytest.raises(ToolchainError, match="no function demo_layer_9"):
        UnicornMachine(board, image, ["demo_layer_9"], "demo_run")
    machine = UnicornMachine(board, image, LAYERS, "demo_run")
    with pytest.raises(CheckFailed, match="not booted"):
        machine.run_once()
    with pytest.raises(CheckFailed, match="not painted"):
        machine.stack_high_water()
    with pytest.raises(CheckFailed, match="no memory"):
        machine.read(0x50000000, 4)
    with pytest.raises(CheckFailed, match="no memory"):
        machine.write(0x50000000, b"1234")
