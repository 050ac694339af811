"""Thumb and Thumb-2 code to operations of a pipeline.

Encodings after the Armv7-M Architecture Reference Manual (DDI 0403), chapter A5, which Armv8-M keeps. Only what time
depends on is decoded: an instruction's class and its registers.
"""

from __future__ import annotations

from collections.abc import Callable

from edgekit.latency.decoder32 import decode32
from edgekit.latency.operations import FLAGS, LR, PC, SP, Kind, Operation
from edgekit.toolchains.thumb import Instruction, instructions


def decode(code: bytes, address: int) -> list[Operation]:
    """The operations of a run of code that starts at an even address.

    Instructions under an IT read the flags, and 16-bit ones do not set them.
    """
    operations: list[Operation] = []
    under_it = 0
    for instruction in instructions(code, address):
        operation = _decode(instruction)
        if under_it:
            under_it -= 1
            writes = (
                operation.writes & ~FLAGS if operation.size == 2 and not _compares(instruction) else operation.writes
            )
            operation = operation._replace(reads=operation.reads | FLAGS, writes=writes)
        elif operation.kind is Kind.IT:
            # The lowest set bit of the mask ends the list of conditions.
            mask = instruction.high & 15
            under_it = 4 - ((mask & -mask).bit_length() - 1)
        operations.append(operation)
    return operations


def _decode(instruction: Instruction) -> Operation:
    if instruction.low >= 0:
        return decode32(instruction.high, instruction.low)
    return _FORMS[instruction.high >> 11](instruction.high)


def _compares(instruction: Instruction) -> bool:
    word = instruction.high
    return (
        word >> 11 == 0b00101 or word & 0xFF00 == 0x4500 or (word >> 10 == 0b010000 and word >> 6 & 15 in (8, 10, 11))
    )


def _low(word: int, at: int) -> int:
    return 1 << (word >> at & 7)


def _shift(word: int) -> Operation:
    # LSL #0 is MOV.
    kind = Kind.ADD if word >> 6 == 0 else Kind.SHIFT
    return Operation(kind, 2, reads=_low(word, 3), writes=_low(word, 0) | FLAGS)


def _add_3(word: int) -> Operation:
    second = 0 if word >> 10 & 1 else _low(word, 6)
    return Operation(Kind.ADD, 2, reads=_low(word, 3) | second, writes=_low(word, 0) | FLAGS)


def _immediate(word: int) -> Operation:
    register, operation = _low(word, 8), word >> 11 & 3
    return Operation(
        Kind.ADD,
        2,
        reads=0 if operation == 0 else register,
        writes=(0 if operation == 1 else register) | FLAGS,
    )


def _data(word: int) -> Operation:
    if word >> 10 & 1:
        return _special(word)
    operation, first, second = word >> 6 & 15, _low(word, 0), _low(word, 3)
    if operation == 13:
        return Operation(Kind.MULTIPLY, 2, reads=first | second, writes=first | FLAGS)
    reads = second if operation in (9, 15) else first | second
    if operation in (5, 6):
        reads |= FLAGS
    writes = FLAGS if operation in (8, 10, 11) else first | FLAGS
    kind = Kind.SHIFT if operation in (2, 3, 4, 7) else Kind.ADD if operation in (9, 10, 11) else Kind.LOGIC
    return Operation(kind, 2, reads=reads, writes=writes)


def _special(word: int) -> Operation:
    operation, second = word >> 8 & 3, 1 << (word >> 3 & 15)
    first = 1 << (word & 7 | word >> 4 & 8)
    if operation == 3:
        return Operation(Kind.INDIRECT, 2, reads=second, writes=PC | (LR if word & 0x80 else 0))
    if operation == 1:
        return Operation(Kind.ADD, 2, reads=first | second, writes=FLAGS)
    if first == PC:
        return Operation(Kind.INDIRECT, 2, reads=second, writes=PC)
    return Operation(Kind.ADD, 2, reads=second if operation == 2 else first | second, writes=first)


def _load_literal(word: int) -> Operation:
    return Operation(Kind.LOAD, 2, writes=_low(word, 8), words=1, reads=PC)


def _register_offset(word: int) -> Operation:
    operation, address, register = word >> 9 & 7, _low(word, 3) | _low(word, 6), _low(word, 0)
    return _transfer(operation >= 3, operation == 4, address, register, None)


def _immediate_offset(word: int) -> Operation:
    wide = not word >> 12 & 1
    offset = (word >> 6 & 31) * (4 if wide else 1)
    return _transfer(bool(word >> 11 & 1), wide, _low(word, 3), _low(word, 0), offset)


def _half_offset(word: int) -> Operation:
    return _transfer(bool(word >> 11 & 1), False, _low(word, 3), _low(word, 0), (word >> 6 & 31) * 2)


def _stack_offset(word: int) -> Operation:
    return _transfer(bool(word >> 11 & 1), True, SP, _low(word, 8), (word & 255) * 4)


def _transfer(is_load: bool, wide: bool, address: int, register: int, offset: int | None) -> Operation:
    if is_load:
        kind = Kind.LOAD if wide else Kind.NARROW_LOAD
        return Operation(kind, 2, reads=address, writes=register, address=address, words=1, offset=offset)
    return Operation(Kind.STORE, 2, reads=address | register, address=address, data=register, words=1, offset=offset)


def _address(word: int) -> Operation:
    return Operation(Kind.ADD, 2, reads=SP if word >> 11 & 1 else PC, writes=_low(word, 8))


def _misc(word: int) -> Operation:
    if word & 0xF500 == 0xB100:
        return Operation(Kind.BRANCH, 2, reads=_low(word, 0), writes=PC, conditional=True)
    if word & 0xFF00 == 0xB000:
        return Operation(Kind.ADD, 2, reads=SP, writes=SP)
    if word & 0xF500 == 0xB000 and word & 0x0200:
        # The reversing ones take their operand before the arithmetic unit.
        early = _low(word, 3) if word & 0x0800 else 0
        return Operation(Kind.FIELD, 2, reads=_low(word, 3), writes=_low(word, 0), early=early)
    if word & 0xFE00 == 0xB400:
        data = word & 0xFF | (LR if word & 0x100 else 0)
        return _multiple(False, SP, data, SP)
    if word & 0xFE00 == 0xBC00:
        return _multiple(True, SP, word & 0xFF | (PC if word & 0x100 else 0), SP)
    if word & 0xFF00 == 0xBF00:
        return Operation(Kind.IT, 2, reads=FLAGS) if word & 15 else Operation(Kind.NOP, 2)
    return Operation(Kind.SYSTEM, 2)


def _multiple(is_load: bool, base: int, data: int, written: int) -> Operation:
    words = data.bit_count()
    if is_load:
        return Operation(
            Kind.LOAD_MULTIPLE, 2, reads=base, writes=data | written, address=base, base=written, words=words, offset=0
        )
    return Operation(
        Kind.STORE_MULTIPLE, 2, reads=base | data, writes=written, address=base, data=data, base=written, words=words
    )


def _store_list(word: int) -> Operation:
    base = _low(word, 8)
    return _multiple(False, base, word & 0xFF, base)


def _load_list(word: int) -> Operation:
    base, data = _low(word, 8), word & 0xFF
    return _multiple(True, base, data, 0 if base & data else base)


def _branch(word: int) -> Operation:
    if word >> 12 == 13:
        if word >> 8 & 15 >= 14:
            return Operation(Kind.SYSTEM, 2)
        return Operation(Kind.BRANCH, 2, reads=FLAGS, writes=PC, conditional=True)
    return Operation(Kind.BRANCH, 2, writes=PC)


# By the five top bits.
_FORMS: tuple[Callable[[int], Operation], ...] = (
    *(_shift, _shift, _shift, _add_3),
    *(_immediate, _immediate, _immediate, _immediate),
    *(_data, _load_literal, _register_offset, _register_offset),
    *(_immediate_offset, _immediate_offset, _immediate_offset, _immediate_offset),
    *(_half_offset, _half_offset, _stack_offset, _stack_offset),
    *(_address, _address, _misc, _misc),
    *(_store_list, _load_list, _branch, _branch),
    _branch,
)
