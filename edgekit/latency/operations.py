"""What an instruction is to a pipeline: its class, and the registers that it needs and makes.

Registers are bits of an integer: R0 to R15, the flags, and S0 to S31.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import NamedTuple

FLAGS = 1 << 16
SP, LR, PC = 1 << 13, 1 << 14, 1 << 15
CORE = (1 << 16) - 1


def single(number: int) -> int:
    """The bit of S0 to S31; vector and double registers are runs of these."""
    return 1 << (17 + number)


@unique
class Kind(Enum):
    """Classes of instructions; those of one class take the same time on every modelled core."""

    ADD = "add, subtract, move"
    SHIFT = "shift by a constant or a register"
    LOGIC = "other arithmetic and logic"
    SHIFTED = "arithmetic with a shifted operand or a shifted constant"
    FIELD = "bit fields, extension, reversal, saturation, packing, parallel arithmetic"
    MULTIPLY = "multiply, 32-bit result"
    MAC = "multiply and accumulate, pairs of products"
    LONG_MULTIPLY = "multiply, 64-bit result"
    LONG_MAC = "multiply and accumulate, 64-bit result"
    DIVIDE = "divide"
    LOAD = "load"
    NARROW_LOAD = "load of a byte or half word"
    LOAD_MULTIPLE = "load of several registers, pop"
    STORE = "store"
    STORE_MULTIPLE = "store of several registers, push"
    BRANCH = "branch to a known place"
    CALL = "call"
    INDIRECT = "branch to a register, return"
    TABLE_BRANCH = "table branch"
    IT = "if-then"
    NOP = "no operation"
    FP = "floating point: add, multiply, compare, convert"
    FP_MAC = "floating point: multiply and accumulate"
    FP_DIVIDE = "floating point: divide, square root"
    FP_MOVE = "floating point: move"
    FP_LOAD = "floating point: load"
    FP_STORE = "floating point: store"
    VECTOR = "vector extension"
    SYSTEM = "system instructions, barriers, exclusive access"


LOADS = frozenset({Kind.LOAD, Kind.NARROW_LOAD, Kind.LOAD_MULTIPLE, Kind.FP_LOAD})
STORES = frozenset({Kind.STORE, Kind.STORE_MULTIPLE, Kind.FP_STORE})
MACS = frozenset({Kind.MULTIPLY, Kind.MAC, Kind.LONG_MULTIPLY, Kind.LONG_MAC})
ARITHMETIC = frozenset({Kind.ADD, Kind.SHIFT, Kind.LOGIC, Kind.SHIFTED, Kind.FIELD}) | MACS
BRANCHES = frozenset({Kind.BRANCH, Kind.CALL, Kind.INDIRECT, Kind.TABLE_BRANCH})
FLOATS = frozenset({Kind.FP, Kind.FP_MAC, Kind.FP_DIVIDE, Kind.FP_MOVE})


class Operation(NamedTuple):
    """One instruction.

    Attributes:
        kind: its class; size: bytes, 2 or 4.
        reads, writes: all registers that it needs and makes, as bits.
        address: those read for an address; early: read by a shifter before the arithmetic unit; data: read to be
            stored; accumulator: read for a sum.
        base: written back with a new address.
        words: 32-bit words moved to or from memory.
        offset: bytes from the base register where a constant says so, else None.
        conditional: whether a branch may fall through.
        double: floating point of 64 bits.
    """

    kind: Kind
    size: int
    reads: int = 0
    writes: int = 0
    address: int = 0
    early: int = 0
    data: int = 0
    accumulator: int = 0
    base: int = 0
    words: int = 0
    offset: int | None = None
    conditional: bool = False
    double: bool = False

    @property
    def jumps(self) -> bool:
        """Whether it may change the flow: a branch, or a load of the program counter."""
        return self.kind in BRANCHES or bool(self.writes & PC)
