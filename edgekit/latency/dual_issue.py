"""Cycles of a run of code on Cortex-M7, which issues two instructions in order where their pipes and registers allow.

Arm publishes no table. Pipes and rules follow what Arm gave to LLVM as its scheduling model, and public measurements
on STM32H7; caches hit and branches are predicted.

An instruction takes its operands at one of four points: address and shifter early, multipliers and the arithmetic
unit a stage later, sums of multiply-accumulates and data to store another one later. `_Ready` holds, for each point,
the first cycle in which an instruction that issues then finds a register.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edgekit.latency.in_order import BlockCycles
from edgekit.latency.operations import FLAGS, FLOATS, MACS, STORES, Kind, Operation

# A branch to a register is predicted by its last target, with no stack of returns.
_RETURN = 2
# What a wrong prediction costs, from 6 where the flags are known early to 8.
MISPREDICTION = 7
_DIVIDE = 7
_SYSTEM = 3
_FP_DIVIDE, _FP_DIVIDE_64 = 14, 28
_FP_64 = {Kind.FP: 3, Kind.FP_MAC: 7}

_SINGLE_LOADS = frozenset({Kind.LOAD, Kind.NARROW_LOAD})
_FP_ARITHMETIC = frozenset({Kind.FP, Kind.FP_MAC, Kind.FP_DIVIDE})
_FP_OTHERS = frozenset({Kind.FP_LOAD, Kind.FP_STORE, Kind.FP_MOVE})
_ALONE = frozenset({Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE, Kind.DIVIDE, Kind.TABLE_BRANCH, Kind.SYSTEM, Kind.VECTOR})


class _Ready(NamedTuple):
    """Cycles: for the arithmetic unit, for address and shifter, for multipliers, for a sum, to be stored."""

    late: int
    early: int
    product: int
    sum: int
    store: int


class CortexM7:
    """The core; see the module."""

    def block(self, operations: Sequence[Operation], loops: bool) -> BlockCycles:
        """Cycles of a basic block from registers that are all ready; of one that loops to itself, in the long run."""
        schedule = _Schedule()
        cycles = schedule.run(operations)
        if loops:
            cycles = schedule.run(operations) - cycles
        last = operations[-1]
        direct = last.kind in (Kind.BRANCH, Kind.CALL, Kind.TABLE_BRANCH)
        return BlockCycles(cycles, _RETURN if last.jumps and not direct else 0)


def trace(operations: Sequence[Operation]) -> list[int]:
    """The cycle in which each operation issues, from registers that are all ready."""
    schedule = _Schedule()
    schedule.run(operations)
    return schedule.issued


class _Schedule:
    def __init__(self) -> None:
        self.issued: list[int] = []
        self._ready: dict[int, _Ready] = {}
        self._free = 0  # the next cycle without an instruction
        self._older: Operation | None = None  # issued alone in the cycle before `_free`, so far

    def run(self, operations: Sequence[Operation]) -> int:
        """Issue operations after those before; returns the cycles since the start."""
        for operation in operations:
            self._issue(operation)
        # What comes after a block starts in a cycle of its own.
        self._older = None
        return self._free

    def _issue(self, operation: Operation) -> None:
        needed, older = self._needed(operation), self._older
        paired = older is not None and needed < self._free and _pair(older, operation)
        at = self._free - 1 if paired else max(needed, self._free)
        self._older = None if paired or _alone(operation) else operation
        self._free = at + _duration(operation)
        self.issued.append(at)
        self._produce(operation, at, paired)

    def _needed(self, operation: Operation) -> int:
        """The first cycle in which all registers are ready for it."""
        needed = 0
        # Branches are predicted: they do not wait for flags.
        reads = operation.reads & ~FLAGS if operation.jumps else operation.reads
        while reads:
            register = reads & -reads
            reads ^= register
            ready = self._ready.get(register)
            if ready is not None:
                needed = max(needed, _point(operation, register, ready))
        return needed

    def _produce(self, operation: Operation, at: int, paired: bool) -> None:
        kind = operation.kind
        quick = kind is Kind.SHIFT or (kind is Kind.ADD and not paired)
        if quick and all(r.early <= at for r in map(self._ready.get, _bits(operation.reads)) if r is not None):
            # The first of the two arithmetic units did it: the second one has it in the same cycle.
            made = _Ready(at, at + 1, at + 1, at, at)
        else:
            made = _result(operation, at)
        order = 0
        for register in _bits(operation.writes):
            if register & (operation.base | FLAGS):
                self._ready[register] = _Ready(at + 1, at + 1, at + 1, at + 1, at + 1)
            elif kind is Kind.LOAD_MULTIPLE or (kind is Kind.FP_LOAD and operation.words > 1):
                self._ready[register] = _result(operation, at + order // 2)
                order += 1
            else:
                self._ready[register] = made


def _bits(mask: int) -> list[int]:
    found = []
    while mask:
        found.append(mask & -mask)
        mask &= mask - 1
    return found


def _point(operation: Operation, register: int, ready: _Ready) -> int:
    if register & operation.data:
        return ready.store
    if register & (operation.address | operation.early):
        return ready.early
    if register & operation.accumulator and operation.kind in MACS | {Kind.FP_MAC}:
        return ready.sum
    return ready.product if operation.kind in MACS else ready.late


def _result(operation: Operation, at: int) -> _Ready:
    """When the registers that it makes are ready."""
    kind = operation.kind
    if kind in MACS:
        return _Ready(at + 2, at + 3, at + 2, at + 1, at + 1)
    if kind in (Kind.LOAD, Kind.LOAD_MULTIPLE):
        return _Ready(at + 1, at + 2, at + 2, at + 1, at)
    if kind is Kind.NARROW_LOAD:
        return _Ready(at + 2, at + 3, at + 3, at + 1, at)
    if kind is Kind.FP_LOAD:
        return _Ready(at + 1, at + 1, at + 1, at + 3, at)
    if kind is Kind.FP_MAC:
        return _Ready(at + 5, at + 5, at + 5, at + 3, at + 3)
    if kind in FLOATS:
        end = at + _duration(operation) - 1
        return _Ready(end + 3, end + 3, end + 3, end + 2, end + 1)
    end = at + _duration(operation) - 1
    return _Ready(end + 1, end + 2, end + 1, end, end)


def _duration(operation: Operation) -> int:
    kind = operation.kind
    if operation.words > 1:
        return -(-operation.words // 2)
    if kind is Kind.DIVIDE:
        return _DIVIDE
    if kind is Kind.TABLE_BRANCH:
        return 2
    if kind is Kind.FP_DIVIDE:
        return _FP_DIVIDE_64 if operation.double else _FP_DIVIDE
    if kind is Kind.SYSTEM:
        return _SYSTEM
    return _FP_64.get(kind, 1) if operation.double else 1


def _alone(operation: Operation) -> bool:
    """Whether nothing issues beside it."""
    moves_two = operation.double and operation.kind is Kind.FP_MOVE
    return operation.kind in _ALONE or operation.words > 1 or moves_two


def _pair(older: Operation, younger: Operation) -> bool:
    """Whether the pipes let both issue in one cycle; their registers are looked at elsewhere."""
    kinds = {older.kind, younger.kind}
    if _alone(younger):
        return False
    if older.writes & younger.writes & ~FLAGS and older.kind is not Kind.ADD:
        return False
    if younger.kind is Kind.FIELD or (younger.kind is Kind.SHIFTED and older.kind in (Kind.SHIFTED, Kind.FIELD)):
        return False
    if (older.kind in MACS and younger.kind in MACS) or (kinds & MACS and kinds & STORES):
        return False
    if older.kind in STORES and younger.kind in STORES:
        return False
    if older.kind in _SINGLE_LOADS and younger.kind in _SINGLE_LOADS:
        return _banks_differ(older, younger)
    if older.kind in _FP_ARITHMETIC and younger.kind in _FP_ARITHMETIC:
        return False
    return not (Kind.FP_MAC in kinds and kinds & _FP_OTHERS)


def _banks_differ(older: Operation, younger: Operation) -> bool:
    """Two loads go together where one is of an even and one of an odd word; only constants tell."""
    if older.offset is None or younger.offset is None or older.address != younger.address:
        return False
    return bool((older.offset ^ younger.offset) & 4)
