"""COSMA's experiment: `python -m benchmarks.cosma [--write]` prints, or writes to docs/cosma.md.

Bytes of int8 networks that move off the chip and back beyond the compulsory, where memory on the chip is as small as
the largest operator's inputs and outputs (M_R), or half way from there to the least peak of any order (M_H).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.nas_graphs import NETWORKS, NetworkGraph
from benchmarks.onnx_graphs import onnx_graph, vision_transformer
from benchmarks.operator_orders import problem_of as order_problem
from benchmarks.replacement_baselines import belady, greedy, moved_bytes
from edgekit.codegen.memory.block import Block
from edgekit.codegen.memory.joint import JointProblem, best_joint
from edgekit.codegen.memory.joint_bound import bound_over_orders
from edgekit.codegen.memory.joint_orders import cheaper_order
from edgekit.codegen.memory.order import EFFORT, best_order
from edgekit.codegen.memory.replacement import Replacement, ReplacementProblem, residences
from edgekit.codegen.memory.replacement_placement import solve_placed
from edgekit.codegen.memory.validate_placement import validate_placement

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cosma.md"
# States of the search over orders and moves together.
JOINT_EFFORT = 4_000_000
# Units of that of `cheaper_order`.
ORDERS_EFFORT = 4
ONNX = ("resnet50", "densenet121", "inception_v1", "inception_v2", "squeezenet", "shufflenet")

_HEAD = """# COSMA's experiment

[COSMA](https://arxiv.org/abs/2311.18246) chooses the order of operators, addresses, and what is moved to memory off
the chip and fetched again, so that the fewest bytes move beyond the compulsory (inputs once in, results once out;
weights do not count). `python -m benchmarks.cosma --write` makes this page with the solver that builds use
(`codegen/memory/replacement.py`): for a given order an integer program with a decision per gap between two uses. It is
solved for the order of creation, a greedy one, and the one with the least peak. Of each, 24 steps at a time are brought
into their cheapest order, then all steps at once by a beam search (`joint_orders.py`). The best result counts, placed
and validated within the budget.

- **M_R**: the inputs and outputs of the largest operator. **M_H**: half way from there to the least peak found.
- **bound**: no order of operators moves fewer bytes (`codegen/memory/joint_bound.py`; where it is not reached, a search
  over orders and moves together, `joint.py`); **bold** where reached, so that the result is proven to be the optimum
  over all orders. For its own order each result is proven.
- Peers: operators in the order of creation, or with the least peak; TFLite's allocator (what an operator needs comes
  largest first, into the smallest hole that has room); what leaves is the tensor that is used again latest (Belady),
  or the fewest bytes that make room (greedy). An operator's own tensors that stand in its way are moved by way of
  memory off the chip. This is our reading of COSMA's peers, whose programs are not public.
- Networks: int8, one byte per element, the light models of the onnx package with a convolution's normalization and ReLU
  as part of it; ViT-B/16; networks of searched cells.

Not proven is the randomly wired network: most of its operators may run before or after most others, so that the bound
takes in little of what stands beside an operator. The search over orders, with five times its states (20 million, a
minute), does not raise it.
"""


@dataclass(frozen=True)
class Row:
    """One network at one budget; bytes, and seconds of solving and placing.

    Attributes:
        peers: default order with Belady's and with greedy replacement, then the least peak's order with both.
    """

    name: str
    operators: int
    budget: int
    moved: int
    bound: int
    peers: tuple[int, ...]
    seconds: float
    bound_seconds: float


def solve_checked(problem: ReplacementProblem) -> Replacement | None:
    """The cheapest replacement with addresses within the capacity, which are validated; None where none was found."""
    found = solve_placed(problem)
    if found is None:
        return None
    solution, placement = found
    stays = residences(problem, solution)
    blocks = [Block(problem.tensors[stay.tensor].size, 1, stay.first, stay.last) for stay in stays]
    validate_placement(blocks, placement.offsets, problem.capacity)
    return solution


def joint_problem(graph: NetworkGraph, capacity: int) -> JointProblem:
    """Stores and fetches cost a tensor's bytes; inputs have a copy off the chip, results get one anyway."""
    made = {tensor for operator in graph.operators for tensor in operator.writes}
    read = {tensor for operator in graph.operators for tensor in operator.reads}
    return JointProblem(
        tuple(graph.sizes),
        tuple(size if tensor in made & read else 0 for tensor, size in enumerate(graph.sizes)),
        tuple(graph.sizes),
        tuple(operator.reads for operator in graph.operators),
        tuple(operator.writes for operator in graph.operators),
        capacity,
    )


def over_all_orders(problem: JointProblem, best: int, bound: int) -> tuple[int, int]:
    """The fewest bytes and the bound after a search over all orders."""
    found = best_joint(problem, best, JOINT_EFFORT)
    if found.order is not None:
        solution = solve_checked(problem.ordered(found.order))
        best = best if solution is None else min(best, solution.cost)
    return best, min(best, max(bound, found.lower_bound))


def measure(graph: NetworkGraph) -> list[Row]:
    """The rows of a network."""
    start = time.perf_counter()
    order, quick = (best_order(order_problem(graph), effort) for effort in (EFFORT, 1))
    ordering = time.perf_counter() - start
    largest = max(sum(graph.sizes[t] for t in {*o.reads, *o.writes}) for o in graph.operators)
    orders = (range(len(graph.operators)), order.positions)
    rows = []
    for budget in (largest, (largest + order.peak) // 2):
        start = time.perf_counter()
        problem = joint_problem(graph, budget)
        cheaper = cheaper_order(problem, (*orders, quick.positions), ORDERS_EFFORT)
        solution = None if cheaper is None else solve_checked(problem.ordered(cheaper.order))
        assert solution is not None
        best, seconds = solution.cost, time.perf_counter() - start + ordering
        start = time.perf_counter()
        bound = bound_over_orders(problem) if best else 0
        if bound < best:
            best, bound = over_all_orders(problem, best, bound)
        peers = tuple(moved_bytes(graph, o, budget, policy) for o in orders for policy in (belady, greedy))
        rows.append(
            Row(graph.name, len(graph.operators), budget, best, bound, peers, seconds,
                time.perf_counter() - start)
        )  # fmt: skip
        if largest == order.peak:
            break
    return rows


def saved(row: Row, peers: slice) -> float | None:
    """The mean part of the peers' bytes that do not move; None where they move none."""
    parts = [1 - row.moved / peer for peer in row.peers[peers] if peer]
    return sum(parts) / len(parts) if parts else None


def table(rows: Sequence[Row]) -> str:
    """The table, and the averages below it."""
    lines = [
        "| network | operators | budget | moved | bound | default order: Belady | greedy | least peak: Belady | greedy "
        "| saved | s | bound s |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        moved = f"**{row.moved}**" if row.moved == row.bound else str(row.moved)
        part = saved(row, slice(0, 2))
        cells = [row.name, row.operators, row.budget, moved, row.bound]
        cells += [*row.peers, "" if part is None else f"{part:.0%}", f"{row.seconds:.1f}", f"{row.bound_seconds:.1f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def summary(rows: Sequence[Row]) -> str:
    """Averages over networks where a peer moves anything, with and without the randomly wired one."""
    lines = []
    for text, peers in (("in the order of creation", slice(0, 2)), ("in the order of the least peak", slice(2, 4))):
        parts = {row.name: part for row in rows if (part := saved(row, peers)) is not None}
        regular = [part for name, part in parts.items() if not name.startswith("RandWire")]
        lines.append(
            f"Against TFLite's allocator {text}, {sum(parts.values()) / len(parts):.0%} of the bytes are saved on "
            f"average of {len(parts)} networks, {sum(regular) / len(regular):.0%} without the randomly wired one."
        )
    return "\n".join(lines)


def main() -> None:
    """Print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/cosma.md")
    write = parser.parse_args().write
    made: list[Callable[[], NetworkGraph]] = [*NETWORKS.values()]
    graphs = [*(onnx_graph(name) for name in ONNX), vision_transformer(), *(make() for make in made)]
    measured = [measure(graph) for graph in graphs]
    tight = [rows[0] for rows in measured]
    half = [rows[1] for rows in measured if len(rows) > 1]
    page = (
        f"{_HEAD}\n## At M_R\n\n{table(tight)}\n\n{summary(tight)}\n\n## At M_H\n\nOnly where every order needs more "
        f"than the largest operator.\n\n{table(half)}\n\n{summary(half)}\n"
    )
    if write:
        PAGE.write_text(page)
    else:
        print(page)


if __name__ == "__main__":
    main()
