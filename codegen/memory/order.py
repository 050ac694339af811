"""The order of a program's steps that keeps the fewest bytes live, found by best-first dynamic programming."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush

from edgekit.codegen.program import Buffer, BufferArg, Program, Step, StepOrder

# How often a step is tried after a set of executed ones: a few seconds' worth.
EFFORT = 300_000
# Of longer programs, the dependencies alone may take too long.
MAX_STEPS = 2000


def order_steps(program: Program, effort: int = EFFORT) -> Program:
    """The program with its steps in the order of the fewest live bytes, and what is known about that.

    It stays as it is unless another order is better. Steps are exchanged only where neither touches what the other
    writes. The lower bound holds even where `effort` ends the search early. Programs of more than MAX_STEPS steps stay
    as they are, with nothing known.
    """
    if len(program.steps) > MAX_STEPS:
        return program
    memory = _Memory(program)
    given = list(range(len(program.steps)))
    candidates = [(memory.peak(given), given)]
    memory.effort = effort
    greedy = memory.greedy()
    found, bound = _best_first(memory)
    candidates += [(memory.peak(order), order) for order in (greedy, found) if order is not None]
    peak, order = min(candidates, key=lambda candidate: candidate[0])
    return in_order(program, StepOrder(tuple(order), peak, min(bound, peak)))


def in_order(program: Program, order: StepOrder) -> Program:
    """The program, as lowered, with its steps in an order that was found for it."""
    steps = [replace(program.steps[position], index=index) for index, position in enumerate(order.positions)]
    return replace(program, steps=steps, order=order)


@dataclass(frozen=True)
class _Use:
    """A buffer and the set of steps that touch it; `stays`: live to the end, `given`: live from the start."""

    size: int
    users: int
    stays: bool
    given: bool


class _Memory:
    """Live bytes by set of executed steps; sets are integers with a bit per step. Every `run` takes from `effort`."""

    def __init__(self, program: Program) -> None:
        self.effort = 0
        self.count = len(program.steps)
        self.everything = (1 << self.count) - 1
        self.before = _dependencies(program.steps)
        self.after: list[list[int]] = [[] for _ in program.steps]
        for later, mask in enumerate(self.before):
            for earlier in _bits(mask):
                self.after[earlier].append(later)
        inputs = {port.buffer for port in program.inputs if not port.row_axis}
        outputs = {port.buffer for port in program.outputs}
        users: dict[Buffer, int] = dict.fromkeys([*inputs, *outputs], 0)
        for step in program.steps:
            for buffer in step.buffers():
                users[buffer] = users.get(buffer, 0) | 1 << step.index
        uses = {b: _Use(b.size, mask, b in outputs, b in inputs) for b, mask in users.items()}
        self.uses = [[uses[buffer] for buffer in step.buffers()] for step in program.steps]
        self._in_place = [[(uses[a], uses[b]) for a, b in step.in_place if a is not b] for step in program.steps]
        self.start = sum(use.size for use in uses.values() if use.given)
        self.end = sum(use.size for use in uses.values() if use.stays)

    def ready(self, done: int) -> int:
        """The steps that may run next."""
        return sum(1 << step for step in _bits(self.everything & ~done) if not self.before[step] & ~done)

    def advance(self, ready: int, step: int, done: int) -> int:
        """The steps that may run next after one of `ready` has run; `done` includes it."""
        ready ^= 1 << step
        for later in self.after[step]:
            if not self.before[later] & ~done:
                ready |= 1 << later
        return ready

    def run(self, step: int, done: int, live: int) -> tuple[int, int]:
        """Bytes live while a step runs, and after it."""
        self.effort -= 1
        bit = 1 << step
        born = sum(use.size for use in self.uses[step] if not use.given and not use.users & done)
        died = sum(use.size for use in self.uses[step] if not use.stays and not use.users & ~done & ~bit)
        shared, taken = 0, set()
        for source, target in self._in_place[step]:
            dies = not source.stays and not source.users & ~done & ~bit
            fresh = not target.given and not target.users & done
            if dies and fresh and source.size == target.size and id(target) not in taken:
                shared += source.size
                taken.add(id(target))
        return live + born - shared, live + born - died

    def peak(self, order: Iterable[int]) -> int:
        """The most bytes live in an order."""
        done, live, most = 0, self.start, self.start
        for step in order:
            during, live = self.run(step, done, live)
            most = max(most, during)
            done |= 1 << step
        return most

    def greedy(self) -> list[int] | None:
        """Of the steps that may run, always the one that leaves the fewest bytes; None where that takes all effort."""
        done, live, ready, order = 0, self.start, self.ready(0), list[int]()
        while ready:
            if self.effort <= 0:
                return None
            _, _, step = min((*self.run(s, done, live)[::-1], s) for s in _bits(ready))
            live = self.run(step, done, live)[1]
            done |= 1 << step
            ready = self.advance(ready, step, done)
            order.append(step)
        return order

    def bound(self) -> int:
        """Bytes of all inputs or outputs, or that some step touches by itself, but for what it may write over."""
        most = max(self.start, self.end)
        for step, uses in enumerate(self.uses):
            shared = sum(source.size for source, target in self._in_place[step] if source.size == target.size)
            most = max(most, sum(use.size for use in uses) - shared)
        return most


def _dependencies(steps: list[Step]) -> list[int]:
    """Per step, the earlier ones that write what it touches or touch what it writes."""
    touched: dict[Buffer, int] = {}
    written: dict[Buffer, int] = {}
    result = []
    for step in steps:
        writes = {a.buffer for call in step.calls for a in call.args if isinstance(a, BufferArg) and a.writes}
        mask = 0
        for buffer in step.buffers():
            mask |= (touched if buffer in writes else written).get(buffer, 0)
        for buffer in step.buffers():
            touched[buffer] = touched.get(buffer, 0) | 1 << step.index
            if buffer in writes:
                written[buffer] = written.get(buffer, 0) | 1 << step.index
        result.append(mask)
    return result


def _best_first(memory: _Memory) -> tuple[list[int] | None, int]:
    """The best order, or None where effort did not suffice, and a lower bound on every order's peak.

    States are sets of executed steps, by the least peak that leads there; among equal peaks the one with most steps
    done, then the fewest bytes, goes first. The first complete one is optimal. A step that needs no higher peak and
    leaves no more bytes than before runs at once: in every order that has it later it can come now.
    """
    peak = memory.bound()
    start, steps, live = _run_free(memory, 0, memory.ready(0), memory.start, peak)
    heap = [(peak, memory.count - start.bit_count(), live, start)]
    least = {start: peak}
    came_from: dict[int, tuple[int, list[int]]] = {start: (0, steps)}
    closed: set[int] = set()
    while heap and memory.effort > 0:
        peak, _, live, done = heappop(heap)
        if done == memory.everything:
            return _path(came_from, done), peak
        if done in closed:
            continue
        closed.add(done)
        ready = memory.ready(done)
        for step in _bits(ready):
            during, after = memory.run(step, done, live)
            top, now = max(peak, during), done | 1 << step
            reached, steps, after = _run_free(memory, now, memory.advance(ready, step, now), after, top)
            if top < least.get(reached, top + 1):
                least[reached] = top
                came_from[reached] = (done, [step, *steps])
                heappush(heap, (top, memory.count - reached.bit_count(), after, reached))
    return None, heap[0][0] if heap else peak


def _run_free(memory: _Memory, done: int, ready: int, live: int, peak: int) -> tuple[int, list[int], int]:
    """Run what raises neither the peak nor the live bytes, while there is such: what is done then, how, and live."""
    steps: list[int] = []
    again = True
    while again and memory.effort > 0:
        again = False
        for step in _bits(ready):
            during, after = memory.run(step, done, live)
            if during <= peak and after <= live:
                done |= 1 << step
                ready, live, again = memory.advance(ready, step, done), after, True
                steps.append(step)
    return done, steps, live


def _path(came_from: dict[int, tuple[int, list[int]]], done: int) -> list[int]:
    order: list[int] = []
    while done:
        done, steps = came_from[done]
        order[:0] = steps
    return order


def _bits(mask: int) -> Iterator[int]:
    while mask:
        bit = mask & -mask
        yield bit.bit_length() - 1
        mask ^= bit
