"""Remove nodes that no output depends on."""

from __future__ import annotations

from edgekit.ir import Graph
from edgekit.passes.base import Pass


class RemoveDeadCode(Pass):
    """Requires nothing. Ensures that every node's outputs are read or are graph outputs."""

    name = "dead-code"

    def run(self, graph: Graph) -> bool:
        before = len(graph.nodes)
        for node in reversed(list(graph.nodes)):
            if not any(value.uses or graph.is_output(value) for value in node.outputs):
                graph.remove(node)
        return len(graph.nodes) != before
