"""QEMU and Unicorn agree on the same image, and QEMU's board has exactly its memories."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.boards import Board, load_board, load_qemu_machine
from edgekit.emulators import (
    Machine,
    QemuMachine,
    UnicornMachine,
    emulated_board,
    open_machine,
    qemu_machine,
    relocated,
)
from edgekit.emulators.qemu_machine import COMMAND
from edgekit.errors import CheckFailed, EdgekitError, ToolchainError
from edgekit.toolchains import stack_bound
from tests.toolchains.programs import DEMO, LAYER_0, LAYER_1, LAYERS, SEMIHOSTED_MAIN, TOOLCHAINS, build, snippet

INPUT = bytes((i * 3 - 90) & 0xFF for i in range(64))
needs_qemu = pytest.mark.skipif(shutil.which(COMMAND) is None, reason=f"{COMMAND} is not installed")


def second_opinion(name: str) -> Board:
    """A board that Unicorn has, its on-chip memories moved into QEMU's machine."""
    board = load_board(name)
    inside = replace(board, regions=tuple(r for r in board.regions if not r.external))
    return relocated(inside, load_qemu_machine(str(board.qemu_machine)))


def m55() -> Board:
    return emulated_board(load_board("stm32n657"))


def outputs(machine: Machine) -> bytes:
    arena = machine.image.symbols["arena"].address
    machine.write(arena, INPUT)
    machine.run_once()
    return machine.read(arena + 64, 64)


@needs_qemu
@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("name", ["stm32l152", "stm32f411", "stm32f746", "stm32u585"])
def test_qemu_equals_unicorn(name: str, toolchain: str, tmp_path: Path) -> None:
    board = second_opinion(name)
    image = build(board, toolchain, tmp_path)
    results = []
    for kind in (QemuMachine, UnicornMachine):
        with kind(board, image, LAYERS, "demo_run") as machine:
            machine.stack_paint()
            boot = machine.boot()
            runs = [machine.run_once(), machine.run_stepwise(lambda _: None), machine.run_once()]
            results.append((boot, runs, machine.stack_high_water(), outputs(machine)))
    assert results[0] == results[1]


@needs_qemu
@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_counts_and_stack_on_cortex_m55(toolchain: str, tmp_path: Path) -> None:
    board = m55()
    image = build(board, toolchain, tmp_path)
    with open_machine(board, image, LAYERS, "demo_run") as machine:
        assert isinstance(machine, QemuMachine)
        machine.stack_paint()
        machine.boot()
        counts = machine.run_once()
        assert counts.per_layer[:2] == [LAYER_0, LAYER_1]
        assert counts.per_layer[2] > 64 * 5 and 6 <= counts.overhead <= 24
        assert [machine.run_once(), machine.run_stepwise(lambda _: None), machine.run_once()] == [counts] * 3
        assert int.from_bytes(machine.read(image.symbols["demo_runs"].address, 4), "little") == 4
        bound = stack_bound(image.elf, image.su_files, "Reset_Handler").bytes
        # Vectorised memset has spill slots that a small buffer does not reach.
        assert bound - 128 <= machine.stack_high_water() <= bound
        got = outputs(machine)
    reference = load_board("stm32f746")
    with UnicornMachine(reference, build(reference, toolchain, tmp_path / "m7"), LAYERS, "demo_run") as machine:
        machine.boot()
        assert outputs(machine) == got


@needs_qemu
def test_stepwise_sees_and_changes_memory(tmp_path: Path) -> None:
    board = m55()
    with open_machine(board, build(board, "zig", tmp_path), LAYERS, "demo_run") as machine:
        machine.boot()
        expected = outputs(machine)
        arena = machine.image.symbols["arena"].address
        machine.write(arena, bytes(128))
        seen = []

        def look(layer: int) -> None:
            seen.append((layer, machine.read(arena + 64, 64)))
            if layer == 1:
                machine.write(arena, INPUT)

        machine.run_stepwise(look)
        assert seen == [(0, bytes(64)), (1, bytes(64)), (2, expected)]


FAULTS = {
    "read outside": ("ctx->arena[0] = *(volatile int8_t *)0xA8000000u;", "read from 0xa8000000 .* in demo_run"),
    "read where the machine has memory": ("ctx->arena[0] = *(volatile int8_t *)0x01000000;", "read from 0x01000000"),
    "read behind ram": ("ctx->arena[0] = *(volatile int8_t *)0x213C0000;", "read from 0x213c0000"),
    "read from no bus": ("ctx->arena[0] = *(volatile int8_t *)0x40000000;", "access to 0x40000000.* in demo_run"),
    "null pointer": ("ctx->arena[0] = *(volatile int8_t *)zero;", "read from 0x00000000"),
    "write to flash": ("(void)ctx; *(volatile int8_t *)0x70000100 = 1;", "write to 0x70000100 .* in demo_run"),
    "jump into data": ("((void (*)(void))((uintptr_t)ctx->arena | 1u))();", "execution of non-executable"),
    "undefined": ('(void)ctx; __asm__ volatile("udf #1");', "exception .*pc 0x700.* in demo_run"),
    "vector half outside": (
        '(void)ctx; __asm__ volatile("ldr r3, =0x213BFFF8\\n\\tvldrw.u32 q0, [r3]" ::: "r3");',
        "read from 0x213c0000",
    ),
    "vector gather outside": (
        '(void)ctx; __asm__ volatile("ldr r3, =0x213C0000\\n\\tvmov.i32 q1, #0\\n\\tvldrw.u32 q0, [r3, q1]" ::: "r3");',
        "read from 0x213c0000",
    ),
    "unaligned vector": (
        '__asm__ volatile("vstrw.32 q0, [%0]" ::"r"(ctx->arena + 1) : "memory");',
        "unaligned vector access to .* in demo_run",
    ),
}


@needs_qemu
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_name_address_and_function(fault: str, tmp_path: Path) -> None:
    body, message = FAULTS[fault]
    board = m55()
    image = build(board, "zig", tmp_path, snippet(body, "int8_t *volatile zero;"))
    with open_machine(board, image, [], "demo_run") as machine:
        machine.boot()
        with pytest.raises(CheckFailed, match=message):
            machine.run_once()


@needs_qemu
def test_unaligned_words_are_allowed(tmp_path: Path) -> None:
    board = m55()
    body = "*(volatile int32_t *)(void *)(ctx->arena + one) = 1;"
    image = build(board, "zig", tmp_path, snippet(body, "volatile int32_t one = 1;"))
    with open_machine(board, image, [], "demo_run") as machine:
        machine.boot()
        machine.run_once()


@needs_qemu
def test_stack_overflow_faults(tmp_path: Path) -> None:
    board = m55()
    body = "volatile int32_t big[400]; for (int32_t i = 0; i < 400; i++) { big[i] = i; } (void)ctx;"
    with open_machine(board, build(board, "zig", tmp_path, snippet(body)), [], "demo_run") as machine:
        machine.boot()
        with pytest.raises(CheckFailed, match="stack pointer left memory"):
            machine.run_once()


@needs_qemu
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('for (;;) { __asm__ volatile(""); }', "not finished after 1000 instructions; pc .* in demo_run"),
        ('__asm__ volatile("cpsid i\\n\\twfi");', "no instruction is executed any more"),
    ],
)
def test_programs_that_do_not_end_are_given_up(
    body: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qemu_machine, "STALL_S", 1.0)
    board = m55()
    image = build(board, "zig", tmp_path, snippet(f"(void)ctx; {body}"))
    with open_machine(board, image, [], "demo_run") as machine:
        machine.boot()
        with pytest.raises(CheckFailed, match=message):
            machine.run_once(budget=1000)


@needs_qemu
def test_main_that_returns_is_a_failure(tmp_path: Path) -> None:
    board = m55()
    files = snippet("(void)ctx;")
    refusal = "    if (demo_refuses) {\n        return 1;\n    }\n    ek_ready();\n"
    main = files["main.c"].replace("demo_ctx ek_ctx;", "demo_ctx ek_ctx;\nvolatile int32_t demo_refuses = 1;")
    files["main.c"] = main.replace("    ek_ready();\n", refusal)
    image = build(board, "zig", tmp_path, files)
    with open_machine(board, image, [], "demo_run") as machine, pytest.raises(CheckFailed, match="main returned"):
        machine.boot()


@needs_qemu
def test_misuse_is_explained(tmp_path: Path) -> None:
    board = m55()
    image = build(board, "zig", tmp_path)
    with pytest.raises(ToolchainError, match="no function demo_layer_9"):
        open_machine(board, image, ["demo_layer_9"], "demo_run")
    with open_machine(board, image, LAYERS, "demo_run") as machine:
        with pytest.raises(CheckFailed, match="not booted"):
            machine.run_once()
        with pytest.raises(CheckFailed, match="not painted"):
            machine.stack_high_water()
        for address in (0x50000000, 0x01000000, 0x213BFFFE):
            with pytest.raises(CheckFailed, match="no memory"):
                machine.read(address, 4)
            with pytest.raises(CheckFailed, match="no memory"):
                machine.write(address, b"1234")
    with pytest.raises(ToolchainError, match="no-such-machine"):
        open_machine(replace(board, qemu_machine="no-such-machine"), image, LAYERS, "demo_run")


@needs_qemu
def test_closing_ends_qemu(tmp_path: Path) -> None:
    board = m55()
    machine = QemuMachine(board, build(board, "zig", tmp_path), LAYERS, "demo_run")
    machine.boot()
    machine.close()
    machine.close()
    with pytest.raises(EdgekitError):
        machine.run_once()


def test_missing_qemu_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = m55()
    image = build(board, "zig", tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolchainError, match="apt install qemu-system-arm"):
        open_machine(board, image, LAYERS, "demo_run")


@needs_qemu
def test_reset_from_the_vector_table_and_semihosting(tmp_path: Path) -> None:
    machine = load_qemu_machine("mps2-an386")
    image = build(machine, "zig", tmp_path, {"demo.c": DEMO, "main.c": SEMIHOSTED_MAIN})
    command = [COMMAND, "-M", "mps2-an386", "-nodefaults", "-display", "none", "-serial", "none", "-kernel", image.elf]
    command += ["-chardev", "stdio,id=console", "-semihosting-config", "enable=on,target=native,chardev=console"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    board = second_opinion("stm32f411")
    with UnicornMachine(board, build(board, "zig", tmp_path / "u"), LAYERS, "demo_run") as unicorn:
        unicorn.boot()
        assert (done.returncode, done.stdout.strip()) == (7, outputs(unicorn).hex())
