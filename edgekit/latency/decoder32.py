"""The 32-bit instructions of Thumb-2 to operations of a pipeline; see decoder.py."""

from __future__ import annotations

from edgekit.latency.operations import FLAGS, LR, PC, Kind, Operation, single

# Operations of data processing: PKHBT and PKHTB; ADD, SUB and RSB; ADC and SBC.
_PACK = 6
_SUMS = (8, 13, 14)
_WITH_CARRY = (10, 11)


def decode32(high: int, low: int) -> Operation:
    """One instruction of two half words."""
    if high & 0xEC00 == 0xEC00:
        return _coprocessor(high, low)
    if high & 0xFE40 == 0xE800:
        return _multiple(high, low)
    if high & 0xFE40 == 0xE840:
        return _dual_or_table(high, low)
    if high & 0xFE00 == 0xEA00:
        return _shifted_register(high, low)
    if high & 0xF800 == 0xF000:
        if low & 0x8000:
            return _branch(high, low)
        return _plain_immediate(high, low) if high & 0x200 else _modified_immediate(high, low)
    if high & 0xFE00 == 0xF800:
        return _transfer(high, low)
    if high & 0xFF00 == 0xFA00:
        return _register(high, low)
    if high & 0xFF80 == 0xFB00:
        return _multiply(high, low)
    return _long_multiply(high, low)


def _bit(number: int) -> int:
    return 1 << (number & 15)


def _multiple(high: int, low: int) -> Operation:
    base, written = _bit(high), _bit(high) if high & 0x20 else 0
    words = low.bit_count()
    if high >> 7 & 3 not in (1, 2):
        return Operation(Kind.SYSTEM, 4)
    if high & 0x10:
        return Operation(
            Kind.LOAD_MULTIPLE, 4, reads=base, writes=low | written, address=base, base=written, words=words
        )
    return Operation(
        Kind.STORE_MULTIPLE, 4, reads=base | low, writes=written, address=base, data=low, base=written, words=words
    )


def _dual_or_table(high: int, low: int) -> Operation:
    base, is_load = _bit(high), bool(high & 0x10)
    indexed, written = high >> 8 & 1, high >> 5 & 1
    if not indexed and not written:
        if high & 0xFFF0 == 0xE8D0 and low & 0x00E0 == 0:
            address = base | _bit(low)
            return Operation(Kind.TABLE_BRANCH, 4, reads=address, writes=PC, address=address, words=1)
        return Operation(Kind.SYSTEM, 4)
    data, update = _bit(low >> 12) | _bit(low >> 8), base if written else 0
    if is_load:
        return Operation(Kind.LOAD_MULTIPLE, 4, reads=base, writes=data | update, address=base, base=update, words=2)
    return Operation(
        Kind.STORE_MULTIPLE, 4, reads=base | data, writes=update, address=base, data=data, base=update, words=2
    )


def _results(operation: int, sets_flags: bool, target: int) -> int:
    """What data processing writes: with PC for a target the comparing forms write flags only."""
    if target == PC:
        return FLAGS
    return target | (FLAGS if sets_flags else 0)


def _shifted_register(high: int, low: int) -> Operation:
    operation, first, second = high >> 5 & 15, _bit(high), _bit(low)
    writes = _results(operation, bool(high & 0x10), _bit(low >> 8))
    shift = (low >> 12 & 7) << 2 | low >> 6 & 3
    if operation == _PACK:
        return Operation(Kind.FIELD, 4, reads=first | second, writes=writes, early=second)
    if operation in (2, 3) and first == PC:  # MOV, shifts by a constant; MVN
        if operation == 2:
            is_move = shift == 0 and not low >> 4 & 3
            return Operation(Kind.ADD if is_move else Kind.SHIFT, 4, reads=second, writes=writes)
        first = 0
    reads = first | second | (FLAGS if operation in _WITH_CARRY else 0)
    if shift or low >> 4 & 3:
        return Operation(Kind.SHIFTED, 4, reads=reads, writes=writes, early=second)
    return Operation(Kind.ADD if operation in _SUMS else Kind.LOGIC, 4, reads=reads, writes=writes)


def _modified_immediate(high: int, low: int) -> Operation:
    operation, first = high >> 5 & 15, _bit(high)
    writes = _results(operation, bool(high & 0x10), _bit(low >> 8))
    rotated = (high >> 10 & 1) << 3 | low >> 12 & 7 > 3
    if operation in (2, 3) and first == PC:
        first = 0
    reads = first | (FLAGS if operation in _WITH_CARRY else 0)
    if rotated:
        return Operation(Kind.SHIFTED, 4, reads=reads, writes=writes)
    is_sum = operation in _SUMS or (operation == 2 and not first)
    return Operation(Kind.ADD if is_sum else Kind.LOGIC, 4, reads=reads, writes=writes)


def _plain_immediate(high: int, low: int) -> Operation:
    operation, first, target = high >> 4 & 31, _bit(high), _bit(low >> 8)
    if operation in (0, 10):
        return Operation(Kind.ADD, 4, reads=first, writes=target)
    if operation in (4, 12):  # MOVW, MOVT
        return Operation(Kind.ADD, 4, reads=target if operation == 12 else 0, writes=target)
    reads = (0 if first == PC else first) | (target if operation == 22 else 0)
    return Operation(Kind.FIELD, 4, reads=reads, writes=target, early=0 if first == PC else first)


def _branch(high: int, low: int) -> Operation:
    form = low >> 12 & 5
    if form == 5:
        return Operation(Kind.CALL, 4, writes=PC | LR)
    if form == 1:
        return Operation(Kind.BRANCH, 4, writes=PC)
    if form == 0 and high >> 6 & 15 < 14:
        return Operation(Kind.BRANCH, 4, reads=FLAGS, writes=PC, conditional=True)
    if high & 0xFFF0 == 0xF3A0 and low & 0x00FF == 0:
        return Operation(Kind.NOP, 4)
    if low & 0xF001 == 0xC001:  # Armv8.1-M: the ends and the conditional starts of low-overhead loops
        return Operation(Kind.BRANCH, 4, reads=LR, writes=PC | LR, conditional=True)
    return Operation(Kind.SYSTEM, 4)


def _transfer(high: int, low: int) -> Operation:
    base, register = _bit(high), _bit(low >> 12)
    address, update, offset = base, 0, None
    if high & 15 == 15 or high & 0x80:
        offset = low & 0xFFF
    elif low & 0x0800:
        update = base if low & 0x0100 else 0
        offset = 0 if not low & 0x0400 else (low & 255) * (1 if low & 0x0200 else -1)
    else:
        address = base | _bit(low)
    wide = high >> 5 & 3 == 2
    if high & 0x10:
        if register == PC and not wide:
            return Operation(Kind.NOP, 4)  # preload hints
        kind = Kind.LOAD if wide else Kind.NARROW_LOAD
        return Operation(
            kind, 4, reads=address, writes=register | update, address=address, base=update, words=1, offset=offset
        )
    return Operation(
        Kind.STORE, 4, reads=address | register, writes=update, address=address, data=register, base=update, words=1,
        offset=offset,
    )  # fmt: skip


def _register(high: int, low: int) -> Operation:
    first, second, target = _bit(high), _bit(low), _bit(low >> 8)
    if high & 0x80 == 0 and low & 0x00F0 == 0:
        writes = target | (FLAGS if high & 0x10 else 0)
        return Operation(Kind.SHIFT, 4, reads=first | second, writes=writes)
    addend = 0 if first == PC else first
    if high & 0x80 == 0 and low & 0x80:  # extension, with a sum where Rn is not PC
        return Operation(
            Kind.FIELD, 4, reads=second | addend, writes=target, early=second if addend else 0, accumulator=addend
        )
    early = second if high & 0xF0 == 0x90 and low & 0x00C0 == 0x0080 else 0  # REV and its kin
    return Operation(Kind.FIELD, 4, reads=first | second, writes=target, early=early)


def _multiply(high: int, low: int) -> Operation:
    reads, target, accumulator = _bit(high) | _bit(low), _bit(low >> 8), _bit(low >> 12)
    if high & 0x70 == 0x70:  # USAD8, USADA8
        return Operation(Kind.FIELD, 4, reads=reads | (0 if accumulator == PC else accumulator), writes=target)
    if accumulator == PC:
        return Operation(Kind.MULTIPLY, 4, reads=reads, writes=target)
    return Operation(Kind.MAC, 4, reads=reads | accumulator, writes=target, accumulator=accumulator)


def _long_multiply(high: int, low: int) -> Operation:
    operation, reads = high >> 4 & 7, _bit(high) | _bit(low)
    if operation in (1, 3):
        return Operation(Kind.DIVIDE, 4, reads=reads, writes=_bit(low >> 8))
    pair = _bit(low >> 12) | _bit(low >> 8)
    if operation in (0, 2):
        return Operation(Kind.LONG_MULTIPLY, 4, reads=reads, writes=pair)
    return Operation(Kind.LONG_MAC, 4, reads=reads | pair, writes=pair, accumulator=pair)


def _coprocessor(high: int, low: int) -> Operation:
    number, group = low >> 8 & 15, high >> 8
    if number in (14, 15) or group in (0xEF, 0xFF):
        return Operation(Kind.VECTOR, 4)
    if number not in (9, 10, 11):
        return Operation(Kind.SYSTEM, 4)
    double = number == 11
    if group == 0xFE:  # Armv8-M: selection, minimum and maximum, rounding
        reads = _fp(high, low >> 7, double, 1) | _fp(low, low >> 5, double, 1) | (0 if high & 0x80 else FLAGS)
        return Operation(Kind.FP, 4, reads=reads, writes=_fp(low >> 12, high >> 6, double, 1), double=double)
    if group == 0xEE:
        return _fp_move(high, low) if low & 0x10 else _fp_arithmetic(high, low, double)
    if high & 0xFFE0 == 0xEC40:
        pair, moved = _bit(low >> 12) | _bit(high), _fp(low, low >> 5, double, 1 if double else 2)
        reads, writes = (moved, pair) if high & 0x10 else (pair, moved)
        return Operation(Kind.FP_MOVE, 4, reads=reads, writes=writes, double=True)
    return _fp_transfer(high, low, double)


def _fp(field: int, extra: int, double: bool, count: int) -> int:
    """Bits of `count` registers from one on: four bits of its number in `field`, the fifth in `extra`."""
    if double:
        first, words = ((extra & 1) << 4 | field & 15) * 2, 2 * count
    else:
        first, words = (field & 15) << 1 | extra & 1, count
    # D16 to D31 are not there on Cortex-M.
    return sum(single(number) for number in range(first, min(first + words, 32)))


def _fp_arithmetic(high: int, low: int, double: bool) -> Operation:
    target = _fp(low >> 12, high >> 6, double, 1)
    first, second = _fp(high, low >> 7, double, 1), _fp(low, low >> 5, double, 1)
    operation = (high >> 7 & 1) << 2 | high >> 4 & 3
    if operation in (0, 1, 5, 6):
        reads = first | second | target
        return Operation(Kind.FP_MAC, 4, reads=reads, writes=target, accumulator=target, double=double)
    if operation == 4:
        return Operation(Kind.FP_DIVIDE, 4, reads=first | second, writes=target, double=double)
    if operation in (2, 3):
        return Operation(Kind.FP, 4, reads=first | second, writes=target, double=double)
    if not low & 0x40:  # VMOV of a constant
        return Operation(Kind.FP_MOVE, 4, writes=target, double=double)
    form = high & 15
    if form == 0 and not low & 0x80:
        return Operation(Kind.FP_MOVE, 4, reads=second, writes=target, double=double)
    if form == 1 and low & 0x80:
        return Operation(Kind.FP_DIVIDE, 4, reads=second, writes=target, double=double)
    if form in (4, 5):
        return Operation(Kind.FP, 4, reads=target | (second if form == 4 else 0), writes=FLAGS, double=double)
    return Operation(Kind.FP, 4, reads=second, writes=target, double=double)


def _fp_move(high: int, low: int) -> Operation:
    core = _bit(low >> 12)
    if high & 0xE0 == 0xE0:  # VMRS, VMSR
        return Operation(Kind.FP_MOVE, 4, reads=FLAGS, writes=FLAGS if core == PC else core)
    register = _fp(high, low >> 7, bool(low & 0x100), 1)
    if high & 0x10:
        return Operation(Kind.FP_MOVE, 4, reads=register, writes=core)
    return Operation(Kind.FP_MOVE, 4, reads=core, writes=register)


def _fp_transfer(high: int, low: int, double: bool) -> Operation:
    base, is_load = _bit(high), bool(high & 0x10)
    is_single = high & 0x0120 == 0x0100
    words = (2 if double else 1) if is_single else low & 0xFF
    count = 1 if is_single else words // 2 if double else words
    data = _fp(low >> 12, high >> 6, double, count)
    update = base if not is_single and high & 0x20 else 0
    offset = ((low & 0xFF) * (4 if high & 0x80 else -4)) if is_single else 0
    kind = Kind.FP_LOAD if is_load else Kind.FP_STORE
    reads, writes = (base, data | update) if is_load else (base | data, update)
    return Operation(
        kind, 4, reads=reads, writes=writes, address=base, data=0 if is_load else data, base=update, words=words,
        offset=offset, double=double,
    )  # fmt: skip
