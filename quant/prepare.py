"""Rewrites of a float graph that only quantization needs."""

from __future__ import annotations

from edgekit.ir import Graph
from edgekit.passes import optimise
from edgekit.passes.unroll_recurrent import UnrollRecurrent


def prepared(graph: Graph) -> Graph:
    """The graph, in place, with layers that have no form on codes replaced by layers that have one."""
    return optimise(graph) if UnrollRecurrent().run(graph) else graph
