"""Cycles of a run of code on a core that issues one instruction after the other: Cortex-M0+, M3, M4, M33.

Figures of M0+, M3 and M4 are those of Arm's technical reference manuals (DDI 0484, DDI 0337, 100166) for memory
without wait states. The manual of M33 (100230) has none; they are public measurements on an RP2350. What only data
decide (divides, the refill of the pipeline) has a value from the middle of its range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from edgekit.latency.operations import (
    ARITHMETIC,
    FLAGS,
    FLOATS,
    LOADS,
    MACS,
    Kind,
    Operation,
)

_SINGLE_LOADS = frozenset({Kind.LOAD, Kind.NARROW_LOAD})
_SEVERAL = frozenset({Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE, Kind.FP_LOAD, Kind.FP_STORE})


@dataclass(frozen=True)
class BlockCycles:
    """Cycles of a basic block that goes on to the next address, and how many more where it jumps."""

    straight: int
    jump: int


@dataclass(frozen=True)
class InOrder:
    """One core.

    Attributes:
        cycles: by class, 1 for those that are not named; of loads and stores of several words without their words,
            and of a store with a register offset where loads overlap: it takes one cycle with a constant one.
        refill: more cycles of a branch that is taken; loaded: of one to a place from memory.
        overlaps: a load hides one cycle of a load, or of a store with a register offset, that follows it.
        early_addresses: a cycle is lost where the next instruction takes a result for its address.
        late_loads, late_products, late_floats: a cycle is lost where the next instruction takes the result of a
            load, of a multiplication or a shifted operand, of floating-point arithmetic; sums take both in time.
        folds: a 16-bit IT, NOP or branch is issued together with a 16-bit instruction before it.
        mac_blocks: cycles that floating-point arithmetic waits after a floating-point multiply-accumulate.
    """

    cycles: Mapping[Kind, int]
    refill: int
    loaded: int
    overlaps: bool = False
    early_addresses: bool = False
    late_loads: bool = False
    late_products: bool = False
    late_floats: bool = False
    folds: bool = False
    mac_blocks: int = 0

    def block(self, operations: Sequence[Operation], loops: bool) -> BlockCycles:
        """Cycles of a basic block; that it `loops` to itself changes nothing: a branch hides what came before it."""
        straight = 0
        for before, operation in zip(chain([None], operations), operations, strict=False):
            straight += self._cycles(before, operation)
        last = operations[-1]
        jump = 0
        if last.jumps:
            jump = self.refill if last.kind in (Kind.BRANCH, Kind.CALL, Kind.INDIRECT) else self.loaded
            if self.folds and len(operations) > 1:
                jump -= self._folded_jump(operations[-2], last)
        return BlockCycles(straight, jump)

    def _cycles(self, before: Operation | None, operation: Operation) -> int:
        cycles = self.cycles.get(operation.kind, 1)
        if operation.kind in _SEVERAL:
            cycles += operation.words
        if operation.kind is Kind.STORE and operation.offset is not None and self.overlaps:
            cycles = 1
        if operation.double and operation.kind in FLOATS:
            cycles *= 2
        if before is None:
            return cycles
        if self.folds and self._folds(before, operation):
            return 0
        return cycles - self._hidden(before, operation) + self._stall(before, operation)

    def _hidden(self, before: Operation, operation: Operation) -> int:
        if not self.overlaps or before.kind not in _SINGLE_LOADS or before.writes & operation.address:
            return 0
        if operation.kind in _SINGLE_LOADS:
            return 1
        return int(operation.kind is Kind.STORE and operation.offset is None)

    def _stall(self, before: Operation, operation: Operation) -> int:
        made = before.writes & ~before.base & ~FLAGS
        if self.early_addresses and before.kind in ARITHMETIC and made & operation.address:
            return 1
        if self.mac_blocks and before.kind is Kind.FP_MAC and operation.kind in FLOATS:
            return self.mac_blocks
        if self.late_floats and before.kind in FLOATS and made & operation.reads and operation.kind in FLOATS:
            return 1
        in_time = operation.data | (operation.accumulator if operation.kind in MACS else 0)
        if self.late_loads and before.kind in LOADS:
            # Of several words the last one comes last.
            last = 1 << (made.bit_length() - 1) if before.words > 1 and made else made
            return int(bool(last & operation.reads & ~in_time))
        if self.late_products and self._is_late(before):
            if operation.kind is Kind.FIELD and before.kind is Kind.FIELD:
                in_time |= operation.accumulator
            return int(bool(made & operation.reads & ~in_time))
        return 0

    @staticmethod
    def _is_late(operation: Operation) -> bool:
        if operation.kind is Kind.FIELD:
            return bool(operation.accumulator)
        return operation.kind in MACS or operation.kind is Kind.SHIFTED

    @staticmethod
    def _folds(before: Operation, operation: Operation) -> bool:
        foldable = operation.kind in (Kind.IT, Kind.NOP) or (operation.kind is Kind.BRANCH and operation.conditional)
        return foldable and before.size == 2 and operation.size == 2

    @staticmethod
    def _folded_jump(before: Operation, branch: Operation) -> int:
        """Cycles that a taken branch saves: one where nothing that it waits for comes right before it.

        A conditional one counts nothing while it falls through, and all of its cycles here.
        """
        if before.size != 2 or branch.size != 2 or branch.kind is not Kind.BRANCH:
            return 0
        waits = branch.conditional and bool(before.writes & branch.reads)
        return (0 if waits else 1) - (1 if branch.conditional else 0)


_FLOATS = {Kind.FP_MAC: 3, Kind.FP_DIVIDE: 14}
_ARMV7 = {
    Kind.DIVIDE: 6,
    Kind.LOAD: 2,
    Kind.NARROW_LOAD: 2,
    Kind.STORE: 2,
    Kind.LOAD_MULTIPLE: 1,
    Kind.STORE_MULTIPLE: 1,
    Kind.FP_LOAD: 1,
    Kind.FP_STORE: 1,
    Kind.TABLE_BRANCH: 3,
}

CORTEX_M0PLUS = InOrder(
    {
        Kind.LOAD: 2,
        Kind.NARROW_LOAD: 2,
        Kind.STORE: 2,
        Kind.LOAD_MULTIPLE: 1,
        Kind.STORE_MULTIPLE: 1,
        Kind.CALL: 2,
        Kind.SYSTEM: 3,
    },
    refill=1,
    loaded=2,
)
CORTEX_M3 = InOrder(
    _ARMV7 | {Kind.MAC: 2, Kind.LONG_MULTIPLY: 4, Kind.LONG_MAC: 6},
    refill=2,
    loaded=2,
    overlaps=True,
    early_addresses=True,
)
CORTEX_M4 = InOrder(_ARMV7 | _FLOATS, refill=2, loaded=2, overlaps=True, early_addresses=True, late_floats=True)
CORTEX_M33 = InOrder(
    {
        Kind.DIVIDE: 6,
        Kind.LOAD_MULTIPLE: 0,
        Kind.STORE_MULTIPLE: 0,
        Kind.FP_LOAD: 0,
        Kind.FP_STORE: 0,
        Kind.FP_DIVIDE: 14,
        Kind.TABLE_BRANCH: 2,
    },
    refill=1,
    loaded=2,
    late_loads=True,
    late_products=True,
    late_floats=True,
    folds=True,
    mac_blocks=2,
)
