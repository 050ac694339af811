"""Runs of code whose cycles were worked out by hand from each core's figures."""

from __future__ import annotations

import pytest

from edgekit.latency.dual_issue import CortexM7, trace
from edgekit.latency.in_order import CORTEX_M0PLUS, CORTEX_M3, CORTEX_M4, CORTEX_M33, InOrder
from tests.latency.assembly import operations

M0, M3, M4, M33 = CORTEX_M0PLUS, CORTEX_M3, CORTEX_M4, CORTEX_M33


@pytest.mark.parametrize(
    ("core", "text", "straight", "jump"),
    [
        # A load, its result, a count and a branch: 2 + 1 + 1 + 1, and the refill.
        (M0, "1: ldr r1, [r2]; adds r3, r1, r3; subs r4, #1; bne 1b", 5, 1),
        (M3, "1: ldr r1, [r2]; adds r3, r1, r3; subs r4, #1; bne 1b", 5, 2),
        (M4, "1: ldr r1, [r2]; adds r3, r1, r3; subs r4, #1; bne 1b", 5, 2),
        # One cycle for the load and one more for its use; the branch is issued with the subtraction where it falls
        # through, and takes two cycles after flags where it does not.
        (M33, "1: ldr r1, [r2]; adds r3, r1, r3; subs r4, #1; bne 1b", 4, 2),
        # Four loads in a row hide a cycle each but the first.
        (M0, "ldr r1, [r0]; ldr r2, [r0, #4]; ldr r3, [r0, #8]; ldr r4, [r0, #12]", 8, 0),
        (M4, "ldr r1, [r0]; ldr r2, [r0, #4]; ldr r3, [r0, #8]; ldr r4, [r0, #12]", 5, 0),
        (M33, "ldr r1, [r0]; ldr r2, [r0, #4]; ldr r3, [r0, #8]; ldr r4, [r0, #12]", 4, 0),
        # Not where an address comes from the load before, or from its own update.
        (M4, "ldr r1, [r0]; ldr r2, [r1]", 4, 0),
        (M4, "ldr.w r1, [r0], #4; ldr.w r2, [r0], #4", 4, 0),
        # A result as an address costs a cycle.
        (M4, "adds r0, r1, r2; ldr r3, [r0]", 4, 0),
        (M4, "adds r0, r1, r2; ldr r3, [r4]", 3, 0),
        # Stores: a constant offset, a register offset, the latter after a load.
        (M4, "str r1, [r0, #4]; str r1, [r0, r2]", 3, 0),
        (M4, "ldr r3, [r4]; str r1, [r0, r2]", 3, 0),
        (M0, "str r1, [r0, #4]; str r1, [r0, r2]", 4, 0),
        # Several words.
        (M4, "ldmia.w r0!, {r2-r5}; ldrd r6, r7, [r1]; stmia.w r8!, {r2-r5}; strd r6, r7, [r9]", 16, 0),
        (M33, "ldmia.w r0!, {r2-r5}; ldrd r6, r7, [r1]; stmia.w r8!, {r2-r5}; strd r6, r7, [r9]", 12, 0),
        (M0, "push {r4-r6, lr}", 5, 0),
        (M0, "pop {r4-r6, pc}", 5, 2),
        (M4, "pop {r4-r6, pc}", 5, 2),
        # Multiplication.
        (M3, "mla r1, r2, r3, r4; smull r5, r6, r7, r8; smlal r5, r6, r7, r8", 12, 0),
        (M4, "mla r1, r2, r3, r4; smull r5, r6, r7, r8; smlal r5, r6, r7, r8", 3, 0),
        (M4, "udiv r1, r2, r3", 6, 0),
        # On M33 a product is late, except for the next sum and for a store.
        (M33, "smlad r1, r2, r3, r1; smlad r1, r4, r5, r1", 2, 0),
        (M33, "smlad r1, r2, r3, r1; adds r6, r1, r7", 3, 0),
        (M33, "smlad r1, r2, r3, r1; str r1, [r7]", 2, 0),
        (M33, "ldr r1, [r2]; smlad r1, r4, r5, r1", 2, 0),
        (M33, "ldr r1, [r2]; smlad r4, r1, r5, r4", 3, 0),
        (M33, "ldmia.w r0!, {r2-r5}; smlad r10, r6, r2, r10", 5, 0),
        (M33, "ldmia.w r0!, {r2-r5}; smlad r10, r6, r5, r10", 6, 0),
        (M33, "sxtab16 r1, r2, r3; sxtab16 r4, r1, r5; sxtab16 r6, r7, r4", 4, 0),
        # Branches that nothing waits for are issued with the 16-bit instruction before them.
        (M33, "1: subs r4, #1; adds r1, r2, r3; mov r5, r6; b 1b", 4, 0),
        (M33, "1: cmp r4, #1; mov r5, r6; bne 1b", 2, 1),
        (M33, "1: subs.w r4, r4, #1; bne 1b", 2, 1),
        (M4, "bl 1f; 1:", 1, 2),
        (M0, "bl 1f; 1:", 2, 1),
        (M4, "bx lr", 1, 2),
        (M0, "bx lr", 1, 1),
        (M4, "tbb [pc, r2]", 3, 2),
        # Floating point.
        (M4, "vmul.f32 s0, s1, s2; vadd.f32 s3, s4, s0; vadd.f32 s5, s6, s7", 4, 0),
        (M4, "vfma.f32 s0, s1, s2; vdiv.f32 s3, s4, s5", 17, 0),
        (M4, "vldr s0, [r1]; vldmia r2!, {s4-s7}", 7, 0),
        (M33, "vfma.f32 s0, s1, s2; vadd.f32 s3, s4, s5", 4, 0),
    ],
)
def test_in_order(core: InOrder, text: str, straight: int, jump: int) -> None:
    cycles = core.block(operations(text), False)
    assert (cycles.straight, cycles.jump) == (straight, jump)


@pytest.mark.parametrize(
    ("text", "issued"),
    [
        # Independent arithmetic goes two by two.
        ("adds r0, r1, r2; adds r3, r4, r5; eor.w r6, r7, r8; adds r0, r1, r2", [0, 0, 1, 1]),
        # A sum of the first unit feeds the second one in the same cycle, logic does not.
        ("add.w r1, r0, r3; add.w r1, r1, r2", [0, 0]),
        ("add.w r1, r0, r3; add.w r4, r1, r2", [0, 0]),
        ("eor.w r1, r0, r3; add.w r4, r1, r2", [0, 1]),
        # One multiplier; sums are passed on every cycle, products a cycle later.
        ("smlad r1, r2, r3, r1; smlad r4, r5, r6, r4; smlad r4, r2, r3, r4", [0, 1, 2]),
        ("smlad r1, r2, r3, r1; add.w r4, r5, r1", [0, 2]),
        ("smlad r1, r2, r3, r1; smlad r4, r1, r3, r4", [0, 2]),
        # A word is there for arithmetic in the next cycle, for multipliers and shifters in the one after; bytes later.
        ("ldr r1, [r2]; eor.w r3, r1, r4", [0, 1]),
        ("ldr r1, [r2]; smlad r3, r1, r4, r3", [0, 2]),
        ("ldr r1, [r2]; sxtab16 r3, r4, r1", [0, 2]),
        ("ldrb r1, [r2]; eor.w r3, r1, r4", [0, 2]),
        ("ldrb r1, [r2]; smlad r3, r4, r5, r1", [0, 1]),
        # Loads beside products; loads of an even and an odd word; loads of unknown banks.
        ("smlad r1, r2, r3, r1; ldr r4, [r5]; smlad r6, r2, r3, r6; ldr r7, [r5, #4]", [0, 0, 1, 1]),
        ("ldr r1, [r2]; ldr r3, [r2, #4]; ldr r4, [r2, #8]; ldr r5, [r2, #16]", [0, 0, 1, 2]),
        ("ldr r1, [r2]; ldr r3, [r4, #4]", [0, 1]),
        # Stores: one in a cycle, with any result of the same cycle, not beside a product.
        ("str r1, [r2]; str r3, [r2, #4]", [0, 1]),
        ("eor.w r1, r3, r4; str r1, [r2]", [0, 0]),
        ("smlad r1, r2, r3, r1; str r4, [r5]", [0, 1]),
        # Several words: alone, two in a cycle; the first ones are there before the last ones.
        ("ldmia.w r0!, {r2-r5}; adds r6, #1", [0, 2]),
        ("adds r6, #1; ldmia.w r0!, {r2-r5}; ldrd r8, r9, [r1]", [0, 1, 3]),
        ("ldmia.w r0!, {r2-r5}; smlad r10, r6, r2, r10", [0, 2]),
        ("ldmia.w r0!, {r2-r5}; smlad r10, r6, r5, r10", [0, 3]),
        # Extension goes first in a pair, and one in a cycle.
        ("sxtab16 r1, r2, r3; adds r4, #1; sxtab16 r5, r2, r3; sxtab16 r6, r2, r3", [0, 0, 1, 2]),
        ("adds r4, #1; sxtab16 r5, r2, r3", [0, 1]),
        # An address from late arithmetic waits.
        ("eor.w r1, r2, r3; ldr r4, [r1]", [0, 2]),
        ("udiv r1, r2, r3; adds r4, #1", [0, 7]),
        ("vadd.f32 s0, s1, s2; vmul.f32 s3, s0, s4", [0, 3]),
        ("vadd.f32 s0, s1, s2; adds r4, #1", [0, 0]),
        ("vfma.f32 s0, s1, s2; vfma.f32 s0, s3, s4", [0, 3]),
    ],
)
def test_cortex_m7_issues(text: str, issued: list[int]) -> None:
    assert trace(operations(text)) == issued


def test_cortex_m7_loops_run_from_round_to_round() -> None:
    code = operations("1: ldr.w r1, [r0], #4; subs r4, #1; smlad r2, r1, r3, r2; bne 1b")
    once, loop = CortexM7().block(code, False), CortexM7().block(code, True)
    assert (once.straight, loop.straight) == (3, 3)
    # A sum that waits for itself: the chain of one round ends in the next one.
    code = operations("1: vadd.f32 s0, s0, s1; subs r4, #1; bne 1b")
    assert CortexM7().block(code, False).straight == 2
    assert CortexM7().block(code, True).straight == 3


def test_cortex_m7_returns_cost_more_than_branches() -> None:
    assert CortexM7().block(operations("bx lr"), False).jump == 2
    assert CortexM7().block(operations("1: adds r1, #1; b 1b"), True).jump == 0
