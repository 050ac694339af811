"""Cycles of the layers that have weights, where several run as one step."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.codegen.program import Program
from edgekit.ir import Graph
from edgekit.ops import spec_of
from edgekit.ops.conv2d import is_product


def product_cycles(graph: Graph, program: Program, cycles: Sequence[float]) -> dict[str, float]:
    """Cycles by the name of each convolution and fully connected layer.

    Those of a step that computes several (attention, chains, streams) are shared out by their multiplications, with all
    else that the step does. Layers of another kind that are steps of their own have none.

    Args:
        graph: what the program was lowered from; cycles: by step.
    """
    macs = {node.name: max(1, spec_of(node.op).macs(node)) for node in graph.nodes if is_product(node)}
    found = dict.fromkeys(macs, 0.0)
    for step, spent in zip(program.steps, cycles, strict=True):
        inside = [name for name in step.names if name in macs]
        total = sum(macs[name] for name in inside)
        for name in inside:
            found[name] += spent * macs[name] / total
    return found
