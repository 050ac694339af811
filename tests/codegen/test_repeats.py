"""Calls that repeat become loops, whose rounds are the calls that there were."""

from __future__ import annotations

import time

import numpy as np
import pytest

from edgekit.codegen.program import (
    Arg,
    Buffer,
    BufferArg,
    Constant,
    ConstantArg,
    KernelCall,
    Literal,
    Loop,
    Params,
    ParamsArg,
)
from edgekit.codegen.repeats import Rounds, Unit, folded

X, Y = Buffer(0, "x", 4096, "activation"), Buffer(1, "y", 4096, "activation")
TABLES = [Constant(i, "int8_t", np.zeros(4 + i, np.int8), "layer", 4 + i) for i in range(64)]
PARAMS = [Params(i, "ek_table_params", {"n": i}) for i in range(8)]


def _unfolded(parts: list[Rounds]) -> list[tuple[object, ...]]:
    """What the loops call, with what C computes for each argument."""

    def argument(rounds: Rounds, key: tuple[int, int, int], arg: Arg, h: int) -> tuple[object, ...]:
        change = rounds.changes.get(key)
        step = 0 if change is None else change.step * h
        table = change.tables[h] if change is not None and change.tables else None
        if isinstance(arg, BufferArg):
            return arg.buffer, arg.c_type, arg.writes, arg.offset + step, arg.advance
        if isinstance(arg, ConstantArg):
            return table or arg.constant, arg.c_type, arg.offset + step, arg.advance
        if isinstance(arg, ParamsArg):
            return (table or arg.params,)
        return arg.value + step, arg.advance

    return [
        (call.kernel, None if unit.loop is None else unit.loop.times,
         *(argument(rounds, (u, c, a), arg, h) for a, arg in enumerate(call.args)))
        for rounds in parts
        for h in range(rounds.times)
        for u, unit in enumerate(rounds.units)
        for c, call in enumerate(unit.calls)
    ]  # fmt: skip


def _plain(calls: list[KernelCall]) -> list[tuple[object, ...]]:
    return _unfolded([Rounds(1, (Unit(call.loop, (call,)),), {}) for call in calls])


def _heads(count: int, loop_times: int = 28) -> list[KernelCall]:
    """Two calls in a loop and two after it for each head, with tables of its own."""
    calls: list[KernelCall] = []
    for head in range(count):
        loop = Loop(loop_times)
        table, bias = TABLES[2 * head], TABLES[2 * head + 1]
        row = BufferArg(X, "int8_t", offset=8, advance=64)
        calls += [
            KernelCall("norm", (row, BufferArg(Y, "int8_t", True)), loop),
            KernelCall("project", (ParamsArg(PARAMS[head % 3]), ConstantArg(table), BufferArg(Y, "int8_t")), loop),
            KernelCall("softmax", (Literal(8), ConstantArg(bias, "uint8_t", 4), BufferArg(Y, "int8_t", True))),
            KernelCall("dot", (BufferArg(Y, "int8_t"), BufferArg(X, "int8_t", True, 1024 + 32 * head))),
        ]
    return calls


def test_heads_become_one_loop() -> None:
    calls = _heads(7)
    (rounds,) = folded(calls)
    assert rounds.times == 7 and sum(len(unit.calls) for unit in rounds.units) == 4
    assert _unfolded([rounds]) == _plain(calls)
    # Tables, biases and parameters; buffers of the same place have none.
    assert len(rounds.pointers) == 3


def test_what_differs_otherwise_ends_a_loop() -> None:
    calls = _heads(6)
    last = calls[-1]
    moved = KernelCall(last.kernel, (last.args[0], BufferArg(X, "int8_t", True, 3000)))
    parts = folded([*calls[:-1], moved])
    assert [part.times for part in parts[:1]] == [5] and _unfolded(parts) == _plain([*calls[:-1], moved])
    backwards = [
        KernelCall("dot", (BufferArg(Y, "int8_t"), BufferArg(X, "int8_t", True, 640 - 32 * head))) for head in range(9)
    ]
    assert [part.times for part in folded(backwards)] == [1] * 9


@pytest.mark.parametrize("seed", range(20))
def test_loops_call_what_there_was(seed: int) -> None:
    rng = np.random.default_rng(seed)
    loops = [None, None, Loop(3), Loop(3), Loop(5)]

    def call(k: int) -> KernelCall:
        args: list[Arg] = [
            BufferArg((X, Y)[k % 2], "int8_t", k % 3 == 0, int(rng.choice([0, 32 * k, 8]))),
            ConstantArg(TABLES[int(rng.integers(64))], *(("uint8_t", int(rng.choice([0, 4]))) if k % 2 else ())),
            ParamsArg(PARAMS[int(rng.integers(2))]),
            Literal(int(rng.choice([1, k]))),
            Literal(float(rng.choice([0.5, 1.5]))),
        ]
        return KernelCall(f"kernel_{k % 2}", tuple(args[: 2 + k % 4]))

    calls: list[KernelCall] = []
    for _ in range(12):
        body = [call(int(rng.integers(4))) for _ in range(int(rng.integers(1, 4)))]
        for _ in range(int(rng.integers(1, 5))):
            loop = loops[int(rng.integers(5))]
            fresh = None if loop is None else Loop(loop.times)
            calls += [KernelCall(c.kernel, c.args, fresh) for c in body]
    parts = folded(calls)
    assert _unfolded(parts) == _plain(calls)
    assert sum(len(unit.calls) for part in parts for unit in part.units) <= len(calls)


def test_thousands_of_calls_take_no_time() -> None:
    rng = np.random.default_rng(0)
    offsets = np.cumsum(rng.integers(1, 9, 2000))
    uneven = [KernelCall("copy", (BufferArg(X, "int8_t"), BufferArg(Y, "int8_t", True, int(o)))) for o in offsets]
    even = [KernelCall("copy", (BufferArg(X, "int8_t"), BufferArg(Y, "int8_t", True, 8 * i))) for i in range(2000)]
    started = time.process_time()
    assert _unfolded(folded(uneven)) == _plain(uneven)
    (rounds,) = folded(even)
    assert rounds.times == 2000 and time.process_time() - started < 5


def test_zeros_of_both_signs_are_two_numbers() -> None:
    calls = [
        KernelCall("fill", (Literal(-0.0 if i == 2 else 0.0), BufferArg(Y, "float", True, 4 * i))) for i in range(9)
    ]
    assert [part.times for part in folded(calls)] == [1, 1, 1, 6]
