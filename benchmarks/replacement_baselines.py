"""What COSMA is compared with: TFLite's allocator on one memory, with Belady's or a greedy choice of what leaves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.nas_graphs import NetworkGraph


@dataclass
class _Memory:
    """Tensors on the chip by (start, end); `copied` have a copy off the chip, `moved` counts bytes beyond the
    compulsory: each input read once, each output written once.
    """

    graph: NetworkGraph
    capacity: int
    copied: set[int]
    at: dict[int, tuple[int, int]] = field(default_factory=dict)
    moved: int = 0

    def hole(self, size: int) -> int | None:
        """The start of the smallest hole with room."""
        best: tuple[int, int] | None = None
        edge = 0
        for start, end in [*sorted(self.at.values()), (self.capacity, self.capacity)]:
            if start - edge >= size and (best is None or start - edge < best[0]):
                best = (start - edge, edge)
            edge = max(edge, end)
        return None if best is None else best[1]

    def evict(self, tensor: int) -> None:
        if tensor not in self.copied:
            self.copied.add(tensor)
            self.moved += self.graph.sizes[tensor]
        del self.at[tensor]

    def compact(self) -> None:
        """Everything to the bottom, where what an operator needs stands in its own way; by way of off-chip memory."""
        edge = 0
        for tensor, (start, end) in sorted(self.at.items(), key=lambda item: item[1]):
            if start > edge:
                self.evict(tensor)
                self.moved += self.graph.sizes[tensor]
            self.at[tensor] = (edge, edge + end - start)
            edge += end - start


Policy = Callable[[_Memory, int, set[int], dict[int, int]], list[int]]


def belady(memory: _Memory, size: int, pinned: set[int], next_use: dict[int, int]) -> list[int]:
    """What is used again the latest, one tensor."""
    free = [tensor for tensor in memory.at if tensor not in pinned]
    return [max(free, key=lambda tensor: (next_use[tensor], memory.graph.sizes[tensor]))] if free else []


def greedy(memory: _Memory, size: int, pinned: set[int], next_use: dict[int, int]) -> list[int]:
    """The fewest bytes that make a hole of the size now, whatever they cost later."""
    best: tuple[int, list[int]] | None = None
    for start in sorted({0, *(end for _, end in memory.at.values())}):
        inside = [t for t, (low, high) in memory.at.items() if low < start + size and start < high]
        if start + size > memory.capacity or pinned & set(inside):
            continue
        total = sum(memory.graph.sizes[tensor] for tensor in inside)
        if best is None or total < best[0]:
            best = (total, inside)
    if best is not None:
        return best[1]
    return belady(memory, size, pinned, next_use)


def moved_bytes(graph: NetworkGraph, order: Sequence[int], capacity: int, policy: Policy) -> int:
    """Off-chip bytes beyond the compulsory of operators in an order.

    What an operator needs comes largest first, each tensor into the smallest hole that has room; the policy says what
    leaves where there is none.

    Raises ValueError where an operator alone needs more than the capacity.
    """
    uses: dict[int, list[int]] = {}
    for step, index in enumerate(order):
        for tensor in (*graph.operators[index].reads, *graph.operators[index].writes):
            uses.setdefault(tensor, []).append(step)
    made = {tensor for operator in graph.operators for tensor in operator.writes}
    read = {tensor for operator in graph.operators for tensor in operator.reads}
    # Inputs have a copy off the chip, and results get one anyway.
    memory = _Memory(graph, capacity, {t for t in uses if t not in made or t not in read})
    arrived: set[int] = set()
    for step, index in enumerate(order):
        operator = graph.operators[index]
        needed = {*operator.reads, *operator.writes}
        next_use = {t: next((s for s in uses[t] if s >= step), len(order)) for t in memory.at}
        for tensor in sorted(needed - set(memory.at), key=lambda t: (-graph.sizes[t], t)):
            _bring(memory, tensor, needed, next_use, policy)
            if tensor in arrived:
                memory.moved += graph.sizes[tensor]
            arrived.add(tensor)
        for tensor in [t for t in memory.at if uses[t][-1] <= step]:
            del memory.at[tensor]
    return memory.moved


def _bring(memory: _Memory, tensor: int, needed: set[int], next_use: dict[int, int], policy: Policy) -> None:
    size = memory.graph.sizes[tensor]
    while (start := memory.hole(size)) is None:
        leaving = policy(memory, size, needed, next_use)
        for other in leaving:
            memory.evict(other)
        if not leaving:
            memory.compact()
            if memory.hole(size) is None:
                raise ValueError(f"{memory.graph.name}: an operator needs more than {memory.capacity} B")
    memory.at[tensor] = (start, start + size)
