"""Compile and link: what goes where, what overflows, what is refused, and that builds repeat byte for byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.boards import load_board
from edgekit.errors import BadUsage, DoesNotFit, ToolchainError
from edgekit.toolchains import GccToolchain, get_toolchain, linker_script
from tests.toolchains.programs import MAIN, TOOLCHAINS, build, snippet

# Every core and FPU.
BOARDS = ["rp2040", "stm32f411", "stm32f746", "stm32h743", "stm32l152", "stm32n657", "stm32u585"]


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("name", BOARDS)
def test_demo_is_placed_in_the_boards_memories(name: str, toolchain: str, tmp_path: Path) -> None:
    board = load_board(name)
    image = build(board, toolchain, tmp_path)
    ram, flash = board.ram_stack, board.flash_internal
    assert image.symbols["__ek_stack_limit"].address == ram.address
    assert image.symbols["__ek_stack_top"].address == ram.address + 1024
    assert image.symbols["ek_vectors"].address == flash.address + board.vector_offset
    assert image.symbols["arena"].size == image.arena_bytes == 128
    assert image.symbols["demo_weights"].size == image.weights_bytes == 64
    assert image.data_bytes == 4 and image.bss_bytes >= 8 and image.stack_bytes == 1024
    assert image.segments[0].address == flash.address + board.vector_offset
    program = next(region.name for region in board.regions if region.address == flash.address)
    padding = image.region_used(program) - board.vector_offset - sum(len(s.data) for s in image.segments)
    assert 0 <= padding < 32
    assert 300 < image.code_bytes < 4000
    assert image.symbol_at(image.function("demo_run").address + 2) == "demo_run+0x2"


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_same_input_gives_the_same_bytes_anywhere(
    toolchain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = load_board("stm32f746")
    first = build(board, toolchain, tmp_path / "here").elf.read_bytes()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    second = build(board, toolchain, tmp_path / "some" / "where" / "else").elf.read_bytes()
    assert first == second
    assert str(tmp_path).encode() not in first


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("name", BOARDS)
def test_compiler_knows_the_boards_features(name: str, toolchain: str, tmp_path: Path) -> None:
    board = load_board(name)
    double = board.fpu == "fpv5-d16"
    before = "\n".join(
        [
            f"#if {'!' if board.dsp else ''}defined(__ARM_FEATURE_DSP)\n#error DSP\n#endif",
            f"#if {'!' if board.fpu else ''}defined(__ARM_FP)\n#error FPU\n#endif",
            f"#if defined(__ARM_FP) && (__ARM_FP & 8) {'== 0' if double else '!= 0'}\n#error double\n#endif",
            f"#if {'!' if board.mve else ''}defined(__ARM_FEATURE_MVE)\n#error MVE\n#endif",
            # Vector floats flush subnormals to zero, which no reference does.
            "#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 2)\n#error vector floats\n#endif",
            "volatile float demo_x = 2.0f;",
        ]
    )
    image = build(board, toolchain, tmp_path, snippet("demo_x = demo_x * 3.0f + 1.0f; ctx->arena[0] = 1;", before))
    assert ("__aeabi_fmul" in image.functions) == (board.fpu is None)
    if board.core == "cortex-m33":
        opposite = before.replace("!defined(__ARM_FEATURE_DSP)", "defined(__ARM_FEATURE_DSP)")
        build(replace(board, dsp=False), toolchain, tmp_path, snippet("ctx->arena[0] = 1;", opposite))
    if board.mve:
        opposite = before.replace("!defined(__ARM_FEATURE_MVE)", "defined(__ARM_FEATURE_MVE)")
        build(replace(board, mve=False), toolchain, tmp_path, snippet("ctx->arena[0] = 1;", opposite))


def test_warm_build_compiles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    board = load_board("stm32f411")
    build(board, "zig", tmp_path / "a")
    objects = sorted((tmp_path / "cache" / "edgekit").rglob("*.o"))
    assert len(objects) == 4
    build(board, "zig", tmp_path / "b")
    assert sorted((tmp_path / "cache" / "edgekit").rglob("*.o")) == objects
    build(board, "zig", tmp_path / "b", {**snippet("(void)ctx;"), "other.h": "/* one more header */"})
    assert len(list((tmp_path / "cache" / "edgekit").rglob("*.o"))) > len(objects)


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_other_memories_have_arena_sections(toolchain: str, tmp_path: Path) -> None:
    text = """
    static volatile int8_t near[64] __attribute__((section(".edgekit_arena_{}")));
    """
    use = "near[0] = 1; (void)ctx;"
    image = build(load_board("stm32h743"), toolchain, tmp_path / "h", snippet(use, text.format("sram4")))
    assert image.symbols["near"].address == 0x38000000
    assert image.region_used("sram4") == 64
    image = build(load_board("stm32f746"), toolchain, tmp_path / "f", snippet(use, text.format("ext")))
    assert image.symbols["near"].address == 0xC0000000
    assert image.region_used("sdram") == 64


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_weights_may_lie_in_external_flash(toolchain: str, tmp_path: Path) -> None:
    far = 'const volatile int8_t demo_far[64] __attribute__((aligned(4), section(".edgekit_weights_ext"))) = {1};'
    image = build(load_board("stm32f746"), toolchain, tmp_path, snippet("ctx->arena[0] = demo_far[1];", far))
    assert image.symbols["demo_far"].address == 0x90000000
    assert image.region_used("qspi") == image.weights_outside_bytes == 64


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize(
    ("region", "declaration"),
    [
        ("sram", 'static int8_t big[200000] __attribute__((section(".edgekit_arena")));'),
        ("sram", "static int8_t big[200000];"),
        ("flash", 'static const int8_t big[600000] __attribute__((section(".edgekit_weights"))) = {1};'),
    ],
)
def test_overflow_names_region_and_bytes(toolchain: str, region: str, declaration: str, tmp_path: Path) -> None:
    board = load_board("stm32f411")
    with pytest.raises(DoesNotFit) as caught:
        body = "ctx->arena = (int8_t *)(uintptr_t)big;"
        build(board, toolchain, tmp_path, snippet(body, declaration))
    size = {"sram": 200000, "flash": 600000}[region]
    have = {"sram": board.ram_internal.size, "flash": board.flash_internal.size}[region]
    assert caught.value.region == region
    assert caught.value.have == have
    assert size < caught.value.need < size + 5000


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("ctx->arena[0] = ctx->arena[1] + 300;", "demo.c does not compile"),
        ("int unused; (void)ctx;", "demo.c does not compile"),
        ("extern void nowhere(void); (void)ctx; nowhere();", "nowhere"),
    ],
)
def test_errors_show_the_compilers_words(toolchain: str, body: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match=message):
        build(load_board("stm32f746"), toolchain, tmp_path, snippet(body))


def test_defines_and_optimisation_levels(tmp_path: Path) -> None:
    board = load_board("stm32f746")
    (tmp_path / "main.c").write_text(MAIN)
    text = '#include "demo.h"\nvoid demo_run(demo_ctx *c)\n{\n    c->arena[0] = DEMO_VALUE;\n}\n'
    (tmp_path / "demo.c").write_text(text)
    (tmp_path / "demo.h").write_text(
        "#include <stdint.h>\ntypedef struct { int8_t *arena; } demo_ctx;\n"
        "extern demo_ctx ek_ctx;\nvoid demo_run(demo_ctx *c);\n"
    )
    from edgekit.toolchains import HARNESS, ZigToolchain

    sources = [HARNESS / "startup.c", tmp_path / "main.c", tmp_path / "demo.c"]
    script = linker_script(board, 512)
    sizes = []
    for level in ("2", "0"):
        toolchain = ZigToolchain(optimise_source={"demo.c": level})
        image = toolchain.compile(sources, [tmp_path], board, tmp_path / level, script, {"DEMO_VALUE": "5"})
        sizes.append(image.functions["demo_run"].size)
    assert sizes[0] < sizes[1]


def test_toolchains_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_toolchain("zig").version()[0].isdigit()
    with pytest.raises(BadUsage, match="zig, gcc"):
        get_toolchain("icc")
    from edgekit.toolchains import gcc

    gcc.gcc_binary.cache_clear()
    gcc._ask.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolchainError, match="apt install gcc-arm-none-eabi"):
        GccToolchain().version()
    gcc.gcc_binary.cache_clear()


def test_linker_script_refuses_nonsense() -> None:
    with pytest.raises(BadUsage, match="stack_bytes"):
        linker_script(load_board("rp2040"), 0)
