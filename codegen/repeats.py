"""Calls of a layer that repeat, with other tables or further on in their buffers, as loops: heads of an attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TypeAlias

from edgekit.codegen.program import Arg, BufferArg, Constant, ConstantArg, KernelCall, Literal, Loop, Params, ParamsArg

# Calls that a loop must save to be worth its own code, and the most that one round can have.
LEAST_SAVED, MOST_UNITS = 4, 64

Table: TypeAlias = Constant | Params


@dataclass(frozen=True)
class Unit:
    """Calls of one inner loop, or a single call without one."""

    loop: Loop | None
    calls: tuple[KernelCall, ...]


@dataclass(frozen=True)
class Change:
    """What an argument is in later rounds: one table after the other, or `step` bytes or numbers more each time."""

    tables: tuple[Table, ...] = ()
    step: int = 0


# By the numbers of a unit, a call in it and an argument: what is not the same in all rounds.
Changes: TypeAlias = dict[tuple[int, int, int], Change]


@dataclass(frozen=True)
class Rounds:
    """Calls made several times; `units` are those of the first round."""

    times: int
    units: tuple[Unit, ...]
    changes: Changes

    @property
    def pointers(self) -> list[tuple[Table, ...]]:
        """The lists of tables that the rounds go through, once each."""
        return list(dict.fromkeys(change.tables for change in self.changes.values() if change.tables))


def folded(calls: Sequence[KernelCall]) -> list[Rounds]:
    """A layer's calls in order; what does not repeat is one round of one unit."""
    units, at, found = _units(calls), 0, list[Rounds]()
    while at < len(units):
        period, times = _most_saving(units, at)
        rounds = [units[at + k * period : at + (k + 1) * period] for k in range(times)]
        found.append(Rounds(times, tuple(rounds[0]), _changes(rounds) if times > 1 else {}))
        at += times * period
    return found


def _units(calls: Sequence[KernelCall]) -> list[Unit]:
    units: list[Unit] = []
    for loop, group in groupby(calls, key=lambda call: call.loop):
        body = tuple(group)
        units += [Unit(None, (call,)) for call in body] if loop is None else [Unit(loop, body)]
    return units


def _most_saving(units: Sequence[Unit], at: int) -> tuple[int, int]:
    """(units of a round, rounds) that leave out the most calls from here on; (1, 1) where that is not worth a loop."""
    best, most = (1, 1), LEAST_SAVED - 1
    left = len(units) - at
    for period in range(1, min(MOST_UNITS, left // 2) + 1):
        if not _alike(units[at], units[at + period]):
            continue
        times = _times(units, at, period)
        saved = (times - 1) * sum(len(unit.calls) for unit in units[at : at + period])
        if saved > most:
            best, most = (period, times), saved
        if times * period > left - period:
            # Longer rounds leave out less.
            break
    return best


def _alike(a: Unit, b: Unit) -> bool:
    """Whether two units are the same but for arguments."""
    times = [None if unit.loop is None else unit.loop.times for unit in (a, b)]
    return times[0] == times[1] and [_form(call) for call in a.calls] == [_form(call) for call in b.calls]


def _form(call: KernelCall) -> tuple[object, ...]:
    return call.kernel, [type(arg) for arg in call.args]


def _times(units: Sequence[Unit], at: int, period: int) -> int:
    """How many rounds of `period` units there are from `at` on; at least one."""
    steps: list[int] | None = None
    times = 1
    while at + (times + 1) * period <= len(units):
        found = _steps(units, at + (times - 1) * period, period)
        if found is None or (steps is not None and found != steps):
            break
        steps, times = found, times + 1
    return times


def _steps(units: Sequence[Unit], at: int, period: int) -> list[int] | None:
    """How far each argument of a round is from the next round's; None where the rounds do not go together."""
    steps: list[int] = []
    for a, b in zip(units[at : at + period], units[at + period : at + 2 * period], strict=True):
        if not _alike(a, b):
            return None
        for call, other in zip(a.calls, b.calls, strict=True):
            for pair in zip(call.args, other.args, strict=True):
                change = _change(pair)
                if change is None:
                    return None
                steps.append(change.step)
    return steps


def _changes(rounds: Sequence[Sequence[Unit]]) -> Changes:
    """Of rounds that go together."""
    changes: Changes = {}
    for u, unit in enumerate(rounds[0]):
        for c, call in enumerate(unit.calls):
            for a in range(len(call.args)):
                change = _change([one[u].calls[c].args[a] for one in rounds])
                assert change is not None
                if change != Change():
                    changes[u, c, a] = change
    return changes


def _change(args: Sequence[Arg]) -> Change | None:
    first = args[0]
    if isinstance(first, BufferArg):
        others = {(arg.buffer, arg.c_type, arg.writes, arg.advance) for arg in args if isinstance(arg, BufferArg)}
        return _steady([arg.offset for arg in args if isinstance(arg, BufferArg)]) if len(others) == 1 else None
    if isinstance(first, Literal):
        numbers = [arg for arg in args if isinstance(arg, Literal)]
        if len({arg.advance for arg in numbers}) > 1:
            return None
        # By what is written: 0.0 and -0.0 are two numbers.
        if len({repr(arg.value) for arg in numbers}) == 1:
            return Change()
        whole = [arg.value for arg in numbers if isinstance(arg.value, int)]
        return _steady(whole) if len(whole) == len(numbers) else None
    if isinstance(first, ConstantArg):
        tables = [arg for arg in args if isinstance(arg, ConstantArg)]
        if len({(arg.c_type, arg.advance, arg.constant.c_type) for arg in tables}) > 1:
            return None
        if len({arg.constant for arg in tables}) == 1:
            return _steady([arg.offset for arg in tables])
        return Change(tuple(arg.constant for arg in tables)) if len({arg.offset for arg in tables}) == 1 else None
    params = [arg.params for arg in args if isinstance(arg, ParamsArg)]
    if len(set(params)) == 1:
        return Change()
    return Change(tuple(params)) if len({p.c_type for p in params}) == 1 else None


def _steady(numbers: Sequence[int]) -> Change | None:
    """The same amount more each time; addresses are counted upwards."""
    steps = {b - a for a, b in pairwise(numbers)}
    return Change(step=steps.pop()) if len(steps) == 1 and min(steps) >= 0 else None
