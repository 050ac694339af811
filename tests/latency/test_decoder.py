"""Every class of instruction, its registers, and whole kernels against objdump."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgekit.boards import load_board
from edgekit.latency.decoder import decode
from edgekit.latency.operations import FLAGS, LR, PC, SP, Kind, single
from edgekit.runtime_c import INCLUDE, ROOT
from edgekit.toolchains.gcc import COMMAND, core_flags
from tests.latency.assembly import operations

OBJDUMP = "arm-none-eabi-objdump"


def r(*numbers: int) -> int:
    return sum(1 << number for number in numbers)


def s(*numbers: int) -> int:
    return sum(single(number) for number in numbers)


@pytest.mark.parametrize(
    ("text", "kind", "reads", "writes"),
    [
        ("movs r3, #100", Kind.ADD, 0, r(3) | FLAGS),
        ("mov r8, r1", Kind.ADD, r(1), r(8)),
        ("mov.w r8, r1", Kind.ADD, r(1), r(8)),
        ("adds r1, r2, r3", Kind.ADD, r(2, 3), r(1) | FLAGS),
        ("adds r1, #3", Kind.ADD, r(1), r(1) | FLAGS),
        ("add r1, sp, #8", Kind.ADD, SP, r(1)),
        ("sub sp, #8", Kind.ADD, SP, SP),
        ("cmp r1, #3", Kind.ADD, r(1), FLAGS),
        ("cmp r9, r1", Kind.ADD, r(1, 9), FLAGS),
        ("cmp.w r9, r1", Kind.ADD, r(1, 9), FLAGS),
        ("addw r1, r2, #0xff9", Kind.ADD, r(2), r(1)),
        ("movw r1, #0x1234", Kind.ADD, 0, r(1)),
        ("movt r1, #0x1234", Kind.ADD, r(1), r(1)),
        ("mov.w r1, #0x00010001", Kind.ADD, 0, r(1)),
        ("rsbs r1, r2, #0", Kind.ADD, r(2), r(1) | FLAGS),
        ("lsls r1, r2, #3", Kind.SHIFT, r(2), r(1) | FLAGS),
        ("asr.w r8, r2, r3", Kind.SHIFT, r(2, 3), r(8)),
        ("lsr.w r8, r2, #3", Kind.SHIFT, r(2), r(8)),
        ("ands r1, r2", Kind.LOGIC, r(1, 2), r(1) | FLAGS),
        ("adc.w r1, r2, r3", Kind.LOGIC, r(2, 3) | FLAGS, r(1)),
        ("tst.w r1, r9", Kind.LOGIC, r(1, 9), FLAGS),
        ("mvn.w r8, r1", Kind.LOGIC, r(1), r(8)),
        ("add.w r1, r2, r3, lsl #2", Kind.SHIFTED, r(2, 3), r(1)),
        ("and.w r1, r2, #0x1fc0", Kind.SHIFTED, r(2), r(1)),
        ("sxtb r1, r2", Kind.FIELD, r(2), r(1)),
        ("sxtab16 r5, r2, r4, ror #8", Kind.FIELD, r(2, 4), r(5)),
        ("sxtb16 r5, r4", Kind.FIELD, r(4), r(5)),
        ("pkhbt r8, r10, r12, lsl #16", Kind.FIELD, r(10, 12), r(8)),
        ("ubfx r1, r2, #3, #4", Kind.FIELD, r(2), r(1)),
        ("bfi r1, r2, #3, #4", Kind.FIELD, r(1, 2), r(1)),
        ("ssat r1, #8, r2", Kind.FIELD, r(2), r(1)),
        ("rev r1, r2", Kind.FIELD, r(2), r(1)),
        ("clz r1, r2", Kind.FIELD, r(2), r(1)),
        ("qadd r1, r2, r3", Kind.FIELD, r(2, 3), r(1)),
        ("muls r1, r2, r1", Kind.MULTIPLY, r(1, 2), r(1) | FLAGS),
        ("mul r8, r1, r2", Kind.MULTIPLY, r(1, 2), r(8)),
        ("smmulr r8, r1, r2", Kind.MULTIPLY, r(1, 2), r(8)),
        ("smlad r10, r6, r2, r10", Kind.MAC, r(2, 6, 10), r(10)),
        ("smlatb r10, r6, r2, r10", Kind.MAC, r(2, 6, 10), r(10)),
        ("mls r10, r6, r2, r1", Kind.MAC, r(1, 2, 6), r(10)),
        ("smull r1, r2, r3, r4", Kind.LONG_MULTIPLY, r(3, 4), r(1, 2)),
        ("smlal r1, r2, r3, r4", Kind.LONG_MAC, r(1, 2, 3, 4), r(1, 2)),
        ("udiv r1, r2, r3", Kind.DIVIDE, r(2, 3), r(1)),
        ("ldr r1, [r2, #4]", Kind.LOAD, r(2), r(1)),
        ("ldr r1, [pc, #4]", Kind.LOAD, PC, r(1)),
        ("ldr.w r1, [r2], #4", Kind.LOAD, r(2), r(1, 2)),
        ("ldr.w r1, [r2, r3, lsl #2]", Kind.LOAD, r(2, 3), r(1)),
        ("ldrsb r1, [r2, r3]", Kind.NARROW_LOAD, r(2, 3), r(1)),
        ("ldrh.w r9, [r2, #2]", Kind.NARROW_LOAD, r(2), r(9)),
        ("ldm r2!, {r3-r5}", Kind.LOAD_MULTIPLE, r(2), r(2, 3, 4, 5)),
        ("ldmia.w r0, {r2-r9}", Kind.LOAD_MULTIPLE, r(0), r(*range(2, 10))),
        ("ldrd r4, r5, [r0], #8", Kind.LOAD_MULTIPLE, r(0), r(0, 4, 5)),
        ("pop {r4, pc}", Kind.LOAD_MULTIPLE, SP, r(4) | SP | PC),
        ("str r1, [r2, #4]", Kind.STORE, r(1, 2), 0),
        ("strb.w r1, [r2], #1", Kind.STORE, r(1, 2), r(2)),
        ("strh r1, [r2, r3]", Kind.STORE, r(1, 2, 3), 0),
        ("strd r4, r5, [r3, #8]", Kind.STORE_MULTIPLE, r(3, 4, 5), 0),
        ("push {r4-r7, lr}", Kind.STORE_MULTIPLE, SP | r(4, 5, 6, 7) | LR, SP),
        ("stmia.w r3!, {r4-r11}", Kind.STORE_MULTIPLE, r(*range(3, 12)), r(3)),
        ("1: bne 1b", Kind.BRANCH, FLAGS, PC),
        ("1: b 1b", Kind.BRANCH, 0, PC),
        ("cbz r1, 1f; nop; nop; 1:", Kind.BRANCH, r(1), PC),
        ("bl 1f; 1:", Kind.CALL, 0, PC | LR),
        ("bx lr", Kind.INDIRECT, LR, PC),
        ("blx r3", Kind.INDIRECT, r(3), PC | LR),
        ("tbb [pc, r2]", Kind.TABLE_BRANCH, PC | r(2), PC),
        ("it eq; moveq r1, r2", Kind.IT, FLAGS, 0),
        ("nop", Kind.NOP, 0, 0),
        ("nop.w", Kind.NOP, 0, 0),
        ("dmb sy", Kind.SYSTEM, 0, 0),
        ("vadd.f32 s0, s3, s4", Kind.FP, s(3, 4), s(0)),
        ("vmul.f64 d1, d2, d3", Kind.FP, s(4, 5, 6, 7), s(2, 3)),
        ("vcmp.f32 s1, s2", Kind.FP, s(1, 2), FLAGS),
        ("vcvt.s32.f32 s1, s2", Kind.FP, s(2), s(1)),
        ("vfma.f32 s1, s2, s3", Kind.FP_MAC, s(1, 2, 3), s(1)),
        ("vdiv.f32 s1, s2, s3", Kind.FP_DIVIDE, s(2, 3), s(1)),
        ("vsqrt.f32 s1, s2", Kind.FP_DIVIDE, s(2), s(1)),
        ("vmov s1, r2", Kind.FP_MOVE, r(2), s(1)),
        ("vmov r2, s1", Kind.FP_MOVE, s(1), r(2)),
        ("vmov.f32 s1, s30", Kind.FP_MOVE, s(30), s(1)),
        ("vmrs apsr_nzcv, fpscr", Kind.FP_MOVE, FLAGS, FLAGS),
        ("vldr s5, [r2, #4]", Kind.FP_LOAD, r(2), s(5)),
        ("vldmia r2!, {s4-s7}", Kind.FP_LOAD, r(2), r(2) | s(4, 5, 6, 7)),
        ("vpush {d8-d9}", Kind.FP_STORE, SP | s(16, 17, 18, 19), SP),
        ("vstr d1, [r2]", Kind.FP_STORE, r(2) | s(2, 3), 0),
        ("vselgt.f32 s0, s1, s2", Kind.FP, s(1, 2) | FLAGS, s(0)),
    ],
)
def test_class_and_registers(text: str, kind: Kind, reads: int, writes: int) -> None:
    operation = operations(text)[0]
    assert (operation.kind, operation.reads, operation.writes) == (kind, reads, writes)


def test_roles_of_registers() -> None:
    load, store, mac, extend, shifted, pair = operations(
        "ldr.w r1, [r2], #4; str.w r1, [r2, r3]; smlad r1, r2, r3, r4; sxtab16 r5, r2, r4; add.w r1, r2, r3, lsl #2;"
        "ldrd r1, r2, [r3, #8]!"
    )
    assert (load.address, load.base, load.offset, load.words) == (r(2), r(2), 0, 1)
    assert (store.address, store.data, store.offset) == (r(2, 3), r(1), None)
    assert mac.accumulator == r(4)
    assert (extend.early, extend.accumulator) == (r(4), r(2))
    assert shifted.early == r(3)
    assert (pair.words, pair.base, pair.address) == (2, r(3), r(3))


def test_it_blocks_keep_flags_and_need_them() -> None:
    _, moved, added, compared, after = operations("ittt eq; moveq r1, #1; addeq r1, r2; cmpeq r1, r2; adds r1, r2, r3")
    assert moved.reads & FLAGS and not moved.writes & FLAGS
    assert added.reads & FLAGS and not added.writes & FLAGS
    assert compared.writes & FLAGS
    assert after.writes & FLAGS and not after.reads & FLAGS


def test_vector_extension_is_a_class_of_its_own() -> None:
    # vldrw.u32 q0, [r0]; vmladav.s8 r0, q0, q1; vadd.i32 q0, q1, q2
    code = bytes.fromhex("90ed001f") + bytes.fromhex("f0ee020f") + bytes.fromhex("22ef4408")
    assert {o.kind for o in decode(code, 0)} == {Kind.VECTOR}


# What objdump calls the instructions of each class, without conditions and widths.
NAMES = {
    Kind.LOAD: "ldr",
    Kind.NARROW_LOAD: "ldrb|ldrh|ldrsb|ldrsh",
    Kind.LOAD_MULTIPLE: "ldmia|ldmdb|ldm|ldrd|pop",
    Kind.STORE: "str|strb|strh",
    Kind.STORE_MULTIPLE: "stmia|stmdb|stm|strd|push",
    Kind.MAC: "mla|mls|smla[bt][bt]|smladx?|smlsdx?|smmlar?|smmlsr?|smlaw[bt]",
    Kind.MULTIPLY: "muls?|smmulr?|smul[bt][bt]|smuadx?|smulw[bt]",
    Kind.LONG_MULTIPLY: "smull|umull",
    Kind.LONG_MAC: "smlal|umlal|umaal|smlald",
    Kind.DIVIDE: "sdiv|udiv",
    Kind.CALL: "bl",
    Kind.INDIRECT: "bx|blx",
    Kind.TABLE_BRANCH: "tbb|tbh",
    Kind.IT: "i[te]{1,4}",
    Kind.NOP: "nop",
    Kind.FP_MAC: "vfma|vfms|vfnma|vfnms|vmla|vmls",
    Kind.FP_DIVIDE: "vdiv|vsqrt",
    Kind.FP_LOAD: "vldr|vldmia|vldmdb|vpop",
    Kind.FP_STORE: "vstr|vstmia|vstmdb|vpush",
    Kind.FP: "vadd|vsub|vmul|vnmul|vneg|vabs|vcmpe?|vcvtr?|vsel..|vmaxnm|vminnm|vrint.",
    Kind.FP_MOVE: "vmov|vmrs|vmsr",
    Kind.FIELD: "[su]xta?[bh](16)?|[su]bfx|bfi|bfc|[su]sat|pkh(bt|tb)|rev|clz|rbit|q(d?add|d?sub)|[su](add|sub)(8|16)",
}
CONDITION = "(eq|ne|cs|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)?"
KERNELS = (
    "ek_columns", "ek_planes", "ek_depthwise_3x3_s8_dsp", "ek_fully_connected_s8_dsp", "ek_int_matmul_s8_dsp",
    "ek_softmax_s8", "ek_mean_s8", "ek_layer_norm_f32", "ek_exp", "ek_lstm", "ek_conv2d_s8",
    "ek_rows", "ek_depthwise_taps_s8",
)  # fmt: skip
LINE = re.compile(r"^\s*([0-9a-f]+):\t([0-9a-f]{4})(?: ([0-9a-f]{4}))?\s*\t(\S+)")


@pytest.mark.skipif(shutil.which(OBJDUMP) is None, reason=f"{OBJDUMP} is not installed")
@pytest.mark.skipif(shutil.which(COMMAND) is None, reason=f"{COMMAND} is not installed")
@pytest.mark.parametrize("name", ["stm32f746", "stm32u575", "rp2040"])
def test_kernels_as_objdump_names_them(name: str, tmp_path: Path) -> None:
    board = load_board(name)
    flags = core_flags(board)
    compared = 0
    for kernel in KERNELS:
        made = tmp_path / f"{kernel}.o"
        command = [COMMAND, *flags, "-O2", f"-I{INCLUDE}", "-c", str(ROOT / "src" / f"{kernel}.c")]
        subprocess.run([*command, "-o", str(made)], check=True, capture_output=True)
        listing = subprocess.run([OBJDUMP, "-d", str(made)], check=True, capture_output=True, text=True).stdout
        for line in listing.splitlines():
            match = LINE.match(line)
            if match is None or match[4].startswith("."):
                continue
            code = b"".join(int(half, 16).to_bytes(2, "little") for half in match.groups()[1:3] if half)
            (operation,) = decode(code, int(match[1], 16))
            _agrees(operation.kind, match[4].split(".")[0], line)
            compared += 1
    assert compared > 3000


def _agrees(kind: Kind, name: str, line: str) -> None:
    for expected, names in NAMES.items():
        if re.fullmatch(f"({names}){CONDITION}", name):
            # MOV r8, r8 is NOP on Armv6-M; a load of PC and MOV PC are branches by what they write.
            assert kind is expected or (name == "nop" and kind is Kind.ADD), line
            return
    branch = re.fullmatch(f"b{CONDITION}|cbn?z", name)
    rest = {Kind.ADD, Kind.SHIFT, Kind.LOGIC, Kind.SHIFTED, Kind.SYSTEM, Kind.INDIRECT}
    assert kind is Kind.BRANCH if branch else kind in rest, line
