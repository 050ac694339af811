"""Merge nodes that compute the same thing."""

from __future__ import annotations

from typing import Any

from edgekit.ir import Graph
from edgekit.passes.base import Pass


class MergeDuplicates(Pass):
    """Requires nothing. Ensures that no two nodes have the same operator, operands, attributes and result type.

    A node that makes a graph output is not merged away, so that all outputs stay distinct.
    """

    name = "merge-duplicates"

    def run(self, graph: Graph) -> bool:
        changed, seen = False, dict[Any, Any]()
        for node in list(graph.nodes):
            if len(node.outputs) != 1:
                continue
            y = node.output
            attrs = tuple(sorted((key, str(value)) for key, value in node.attrs.items()))
            key = (node.op, tuple(id(v) for v in node.inputs), attrs, y.dtype, y.quant)
            first = seen.setdefault(key, node)
            if first is not node and not graph.is_output(y):
                graph.replace_value(y, first.output)
                graph.remove(node)
                changed = True
        return changed
