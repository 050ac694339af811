"""The little of Thumb and Thumb-2 that a static stack bound needs: branches, and what lowers the stack pointer.

Encodings after the Armv7-M Architecture Reference Manual (DDI 0403), chapter A7; Armv8-M keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

# Kinds of `Flow`.
CALL = "call"  # BL, to a known target
JUMP = "jump"  # B and its conditional forms, to a known target
INDIRECT = "indirect"  # BLX Rm, BX Rm other than lr, LDR pc, [Rn, #imm]


class Instruction(NamedTuple):
    """An instruction at an address: `high` is the first half word, `low` the second one of 32-bit forms, else -1."""

    address: int
    high: int
    low: int


class Flow(NamedTuple):
    """Where control may go beside the next instruction; `target` is an address, -1 for INDIRECT."""

    kind: str
    target: int


def instructions(code: bytes, address: int) -> Iterator[Instruction]:
    """Decode a run of Thumb code that starts at an even address; a cut-off last instruction is dropped."""
    at = 0
    while at + 2 <= len(code):
        high = code[at] | code[at + 1] << 8
        if high >> 11 < 0b11101:
            yield Instruction(address + at, high, -1)
            at += 2
        elif at + 4 <= len(code):
            yield Instruction(address + at, high, code[at + 2] | code[at + 3] << 8)
            at += 4
        else:
            return


def flow(instruction: Instruction) -> Flow | None:
    """The branch that an instruction is, or None (also for returns and table jumps inside a function)."""
    if instruction.low < 0:
        return _flow16(instruction.address, instruction.high)
    return _flow32(instruction.address, instruction.high, instruction.low)


def literal_jump(instruction: Instruction) -> int | None:
    """Address of the word that `LDR pc, [pc, #imm]` jumps through (a linker's veneer), or None."""
    if instruction.low < 0 or instruction.high & 0xFF7F != 0xF85F or instruction.low >> 12 != 15:
        return None
    offset = instruction.low & 0xFFF
    base = (instruction.address & ~3) + 4
    return base + offset if instruction.high & 0x80 else base - offset


def stack_growth(instruction: Instruction) -> int | None:
    """Bytes by which an instruction lowers SP: 0 for most, None where a register says how much."""
    if instruction.low < 0:
        return _growth16(instruction.high)
    return _growth32(instruction.high, instruction.low)


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _flow16(address: int, word: int) -> Flow | None:
    if word & 0xFF00 == 0x4700:  # BX, BLX (register); bit 2 is set in the secure-state forms
        register = word >> 3 & 15
        is_return = not word & 0x80 and register == 14
        return None if is_return else Flow(INDIRECT, -1)
    if word & 0xF000 == 0xD000 and word >> 8 & 15 < 14:
        return Flow(JUMP, address + 4 + 2 * _signed(word & 0xFF, 8))
    if word & 0xF800 == 0xE000:
        return Flow(JUMP, address + 4 + 2 * _signed(word & 0x7FF, 11))
    if word & 0xF500 == 0xB100:  # CBZ, CBNZ
        return Flow(JUMP, address + 4 + ((word >> 9 & 1) << 6 | (word >> 3 & 31) << 1))
    return None


def _flow32(address: int, high: int, low: int) -> Flow | None:
    if high & 0xF800 == 0xF000 and low & 0x8000:
        sign = high >> 10 & 1
        if low & 0x5000 == 0x0000:
            if high >> 6 & 15 >= 14:
                return None  # system instructions share this space
            offset = sign << 20 | (low >> 11 & 1) << 19 | (low >> 13 & 1) << 18 | (high & 0x3F) << 12
            return Flow(JUMP, address + 4 + _signed(offset | (low & 0x7FF) << 1, 21))
        if low & 0x1000:
            first, second = (~(low >> 13 ^ sign)) & 1, (~(low >> 11 ^ sign)) & 1
            offset = sign << 24 | first << 23 | second << 22 | (high & 0x3FF) << 12 | (low & 0x7FF) << 1
            return Flow(CALL if low & 0x4000 else JUMP, address + 4 + _signed(offset, 25))
    if high & 0xFFF0 == 0xF8D0 and low >> 12 == 15:  # LDR pc, [Rn, #imm12]
        return Flow(INDIRECT, -1)
    if high & 0xFFF0 == 0xF850 and low & 0xF800 == 0xF800 and high & 15 != 13:  # LDR pc, [Rn, #imm8] forms
        return Flow(INDIRECT, -1)
    return None


def _growth16(word: int) -> int | None:
    if word & 0xFE00 == 0xB400:  # PUSH
        return 4 * (word & 0x1FF).bit_count()
    if word & 0xFF80 == 0xB080:  # SUB sp, #imm
        return 4 * (word & 0x7F)
    if word & 0xFF87 in (0x4485, 0x4685):  # ADD sp, Rm; MOV sp, Rm
        return None
    return 0


def _growth32(high: int, low: int) -> int | None:
    if high == 0xE92D:  # STMDB sp!
        return 4 * low.bit_count()
    if high == 0xE96D:  # STRD [sp, #-imm]!
        return 4 * (low & 0xFF)
    if high == 0xF84D and low & 0x0F00 == 0x0D00:  # STR [sp, #-imm]!
        return low & 0xFF
    if high & 0xFFBF == 0xED2D and low & 0x0E00 == 0x0A00:  # VPUSH
        return 4 * (low & 0xFF)
    if low & 0x8F00 == 0x0D00:  # data processing with an immediate, Rd = sp
        immediate = (high >> 10 & 1) << 11 | (low >> 12 & 7) << 8 | low & 0xFF
        if high & 0xFBFF == 0xF2AD:  # SUBW
            return immediate
        if high & 0xFBEF == 0xF1AD:  # SUB.W
            return _expand(immediate)
    if high & 0xFFE0 in (0xEBA0, 0xEB00) and low & 0x0F00 == 0x0D00:  # SUB or ADD sp, Rn, Rm
        return None
    return 0


def _expand(immediate: int) -> int:
    """ThumbExpandImm."""
    byte = immediate & 0xFF
    if immediate >> 10 == 0:
        return (byte, byte * 0x00010001, byte * 0x01000100, byte * 0x01010101)[immediate >> 8]
    value, turn = 0x80 | immediate & 0x7F, immediate >> 7
    return (value >> turn | value << (32 - turn)) & 0xFFFFFFFF
