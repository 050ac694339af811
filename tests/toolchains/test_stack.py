"""The static stack bound: decoded instructions, frames, and what has no bound."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgekit.boards import load_board
from edgekit.errors import ToolchainError
from edgekit.toolchains import function_uses, stack_bound, thumb
from tests.toolchains.programs import TOOLCHAINS, build, snippet


def one(*half_words: int) -> thumb.Instruction:
    code = b"".join(word.to_bytes(2, "little") for word in half_words)
    (instruction,) = thumb.instructions(code, 0x08000100)
    return instruction


@pytest.mark.parametrize(
    ("half_words", "kind", "target"),
    [
        ((0xF000, 0xF802), thumb.CALL, 0x08000108),  # bl .+8
        ((0xF7FF, 0xFFFE), thumb.CALL, 0x08000100),  # bl .
        ((0xF000, 0xB802), thumb.JUMP, 0x08000108),  # b.w .+8
        ((0xF43F, 0xAFFE), thumb.JUMP, 0x08000100),  # beq.w .
        ((0xE7FE,), thumb.JUMP, 0x08000100),  # b .
        ((0xD0FE,), thumb.JUMP, 0x08000100),  # beq .
        ((0xB110,), thumb.JUMP, 0x08000108),  # cbz r0, .+8
        ((0x4780,), thumb.INDIRECT, -1),  # blx r0
        ((0x4718,), thumb.INDIRECT, -1),  # bx r3
        ((0xF8D0, 0xF004), thumb.INDIRECT, -1),  # ldr.w pc, [r0, #4]
    ],
)
def test_branches(half_words: tuple[int, ...], kind: str, target: int) -> None:
    assert thumb.flow(one(*half_words)) == (kind, target)


@pytest.mark.parametrize(
    "half_words",
    [
        (0x4770,),  # bx lr
        (0xBD10,),  # pop {r4, pc}
        (0xDF00,),  # svc 0
        (0xDE00,),  # udf 0
        (0xF3BF, 0x8F4F),  # dsb
        (0xF85D, 0xFB04),  # ldr pc, [sp], #4
        (0xE8D0, 0xF001),  # tbb [r0, r1]
        # Armv8.1-M: loops stay inside their function.
        (0xF040, 0xC817),  # wls lr, r0, .+50
        (0xF002, 0xE001),  # dlstp.8 lr, r2
        (0xF01F, 0xC009),  # letp lr, .-12
        (0xF02F, 0xC005),  # le .-4
        (0xEA51, 0x9002),  # csinc r0, r1, r2, eq
        (0xED9D, 0x1F04),  # vldrw.u32 q0, [sp, #16]
    ],
)
def test_no_branches(half_words: tuple[int, ...]) -> None:
    assert thumb.flow(one(*half_words)) is None


@pytest.mark.parametrize(
    ("half_words", "growth"),
    [
        ((0xB510,), 8),  # push {r4, lr}
        ((0xB0A0,), 128),  # sub sp, #128
        ((0xE92D, 0x4FF0), 36),  # push.w {r4-r11, lr}
        ((0xF84D, 0x4D04), 4),  # str.w r4, [sp, #-4]!
        ((0xE96D, 0x4502), 8),  # strd r4, r5, [sp, #-8]!
        ((0xED2D, 0x8B10), 64),  # vpush {d8-d15}
        ((0xED2D, 0x8A01), 4),  # vpush {s16}
        ((0xF5AD, 0x7D00), 512),  # sub.w sp, sp, #512
        ((0xF2AD, 0x2D04), 516),  # subw sp, sp, #516
        ((0x4485,), None),  # add sp, r0
        ((0xEBAD, 0x0D03), None),  # sub.w sp, sp, r3
        ((0xB020,), 0),  # add sp, #128
        ((0x2001,), 0),  # movs r0, #1
        ((0xED8D, 0x1F04), 0),  # vstrw.32 q0, [sp, #16]
        ((0xEA50, 0x11CF), 0),  # lsll r0, r1, #7
    ],
)
def test_stack_growth(half_words: tuple[int, ...], growth: int | None) -> None:
    assert thumb.stack_growth(one(*half_words)) == growth


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_bound_sums_the_deepest_chain(toolchain: str, tmp_path: Path) -> None:
    image = build(load_board("stm32f746"), toolchain, tmp_path)
    bound = stack_bound(image.elf, image.su_files, "Reset_Handler")
    assert bound.path[:3] == ["Reset_Handler", "main", "demo_run"]
    assert bound.path[3] == "demo_layer_2"
    assert 64 < bound.bytes < 256
    assert stack_bound(image.elf, image.su_files, "demo_layer_2").bytes < bound.bytes
    assert stack_bound(image.elf, image.su_files, "demo_layer_1").bytes == 8
    # Without the compilers' word, frames come from the machine code.
    assert stack_bound(image.elf, [], "demo_layer_1").bytes == 8
    assert stack_bound(image.elf, [], "Reset_Handler").bytes >= bound.bytes


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_recursion_has_no_bound(toolchain: str, tmp_path: Path) -> None:
    down = """
    int32_t down(int32_t n);
    __attribute__((noinline)) int32_t down(int32_t n) { volatile int32_t x = n; return n ? down(n - 1) + x : 0; }
    """
    image = build(load_board("stm32f746"), toolchain, tmp_path, snippet("ctx->arena[0] = (int8_t)down(3);", down))
    with pytest.raises(ToolchainError, match=r"recursion .*down -> down"):
        stack_bound(image.elf, image.su_files, "main")


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_indirect_call_has_no_bound_unless_allowed(toolchain: str, tmp_path: Path) -> None:
    image = build(
        load_board("stm32f411"),
        toolchain,
        tmp_path,
        snippet("hook(); ctx->arena[0] = 1;", "void (*volatile hook)(void);"),
    )
    with pytest.raises(ToolchainError, match="demo_run: indirect"):
        stack_bound(image.elf, image.su_files, "main")
    assert stack_bound(image.elf, image.su_files, "main", allow_indirect=["demo_run"]).bytes > 0


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_switch_tables_are_no_calls(toolchain: str, tmp_path: Path) -> None:
    cases = "\n".join(f"case {i}: f{i}(x); x = x * {i + 3} + x / {i + 7}; break;" for i in range(9))
    functions = "".join(
        f"void f{i}(int32_t x);\n__attribute__((noinline)) void f{i}(int32_t x) {{ demo_sink = x + {i}; }}\n"
        for i in range(9)
    )
    before = f"volatile int32_t demo_sink;\n{functions}"
    body = f"int32_t x = ctx->arena[0];\nswitch (x) {{\n{cases}\ndefault: break;\n}}\nctx->arena[1] = (int8_t)(x & 1);"
    for name in ("stm32f746", "rp2040"):
        image = build(load_board(name), toolchain, tmp_path / name, snippet(body, before))
        assert stack_bound(image.elf, image.su_files, "main").bytes < 200


def test_unknown_entry(tmp_path: Path) -> None:
    image = build(load_board("stm32f411"), "zig", tmp_path)
    with pytest.raises(ToolchainError, match="no function nothing"):
        stack_bound(image.elf, image.su_files, "nothing")


OBJDUMP = "arm-none-eabi-objdump"


@pytest.mark.skipif(shutil.which(OBJDUMP) is None, reason=f"{OBJDUMP} is not installed")
@pytest.mark.parametrize("name", ["stm32f746", "stm32l152", "stm32u585", "stm32n657", "rp2040"])
@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_branches_equal_objdump(toolchain: str, name: str, tmp_path: Path) -> None:
    image = build(load_board(name), toolchain, tmp_path)
    start, end = (image.symbols[f"__ek_text_{mark}"].address for mark in ("start", "end"))
    code = next(s.data[start - s.address :] for s in image.segments if s.address <= start < s.address + len(s.data))
    listing = subprocess.run([OBJDUMP, "-d", str(image.elf)], capture_output=True, text=True, check=True).stdout
    line = re.compile(r"^ *([0-9a-f]{7,8}):\t([0-9a-f ]+?) *\t([a-z][\w.]*)(?:\t(.*))?$", re.M)
    branch = re.compile(r"(bl|b(eq|ne|cs|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)?(\.[nw])?|cbn?z)")
    found = others = 0
    for address, words, mnemonic, operands in line.findall(listing):
        at = int(address, 16)
        (instruction,) = thumb.instructions(code[at - start : at - start + 2 * len(words.split())], at)
        if branch.fullmatch(mnemonic):
            (target,) = re.findall(r"([0-9a-f]{7,8}) <", operands)
            kind = thumb.CALL if mnemonic == "bl" else thumb.JUMP
            assert thumb.flow(instruction) == (kind, int(target, 16)), (address, mnemonic)
            found += 1
        elif not mnemonic.startswith(("bx", "blx")):
            assert thumb.flow(instruction) is None, (address, mnemonic, operands)
            others += 1
    assert found > 10 and others > 100 and end > start


def test_uses_of_functions_add_up_to_the_bound(tmp_path: Path) -> None:
    image = build(load_board("stm32f746"), "zig", tmp_path)
    uses = function_uses(image.elf, image.su_files, ["demo_run"])
    assert set(uses["demo_run"].callees) == {"demo_layer_0", "demo_layer_1", "demo_layer_2"}
    assert uses["demo_layer_1"] == (image.functions["demo_layer_1"].size, 8, ("demo_helper",))
    assert uses["demo_helper"].frame == 0 and uses["demo_helper"].callees == ()
    assert "main" not in uses
    deepest = stack_bound(image.elf, image.su_files, "demo_run")
    assert sum(uses[name].frame for name in deepest.path) == deepest.bytes


def test_functions_of_one_name_stay_apart(tmp_path: Path) -> None:
    other = """
    #include "demo.h"
    static __attribute__((noinline)) int32_t twice(int32_t x) { return x * demo_sum(x); }
    int32_t demo_other(int32_t x) { return twice(x) + 1; }
    """
    before = """
    int32_t demo_other(int32_t x);
    static __attribute__((noinline)) int32_t twice(int32_t x) { volatile int32_t y = x; return y * 2; }
    int32_t demo_sum(int32_t x);
    __attribute__((noinline)) int32_t demo_sum(int32_t x) { volatile int32_t y = x; return y + 5; }
    """
    files = snippet("ctx->arena[0] = (int8_t)(twice(ctx->arena[1]) + demo_other(ctx->arena[2]));", before)
    declared = other.replace("static", "int32_t demo_sum(int32_t x);\nint32_t demo_other(int32_t x);\n    static", 1)
    image = build(load_board("stm32f746"), "zig", tmp_path, {**files, "other.c": declared})
    uses = function_uses(image.elf, image.su_files, ["demo_run", "demo_other"])
    twins = [uses["twice"], uses["twice#2"]]
    assert sorted(use.callees for use in twins) == [(), ("demo_sum",)]
