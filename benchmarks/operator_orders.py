"""The order of operators with the fewest live bytes: `python -m benchmarks.operator_orders`.

Networks of searched cells and randomly wired ones: the peak in the order of creation over the one that is found, the
lower bound, and seconds of processor time.
"""

from __future__ import annotations

import time

from benchmarks.nas_graphs import NETWORKS, NetworkGraph, random_wired
from edgekit.codegen.memory.order import best_order
from edgekit.codegen.memory.order_problem import OrderProblem, peak_of

RANDOM = 8


def problem_of(graph: NetworkGraph) -> OrderProblem:
    """A graph's operators, each of which reads what others made; nothing works in place."""
    maker = {tensor: number for number, operator in enumerate(graph.operators) for tensor in operator.writes}
    return OrderProblem(
        tuple(graph.sizes),
        tuple(tensor == 0 for tensor in range(len(graph.sizes))),
        tuple(tensor == graph.output for tensor in range(len(graph.sizes))),
        tuple(tuple(dict.fromkeys((*o.reads, *o.writes))) for o in graph.operators),
        tuple(tuple(sorted({maker[t] for t in o.reads if t in maker})) for o in graph.operators),
        ((),) * len(graph.operators),
    )


def main() -> None:
    """Print the table."""
    graphs = [make() for make in NETWORKS.values()] + [random_wired(32, seed) for seed in range(1, RANDOM)]
    print("| network | operators | creation / found | peak, B | lower bound, B | seconds |\n|---|---|---|---|---|---|")
    for graph in graphs:
        problem = problem_of(graph)
        start = time.process_time()
        order = best_order(problem)
        seconds = time.process_time() - start
        ratio = peak_of(problem, range(problem.steps)) / order.peak
        cells = [graph.name, problem.steps, f"{ratio:.2f}", order.peak, order.lower_bound, f"{seconds:.2f}"]
        print("|" + "|".join(f" {cell} " for cell in cells) + "|", flush=True)


if __name__ == "__main__":
    main()
