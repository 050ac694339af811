"""Is every layer of a graph within its operator's constraints?"""

from __future__ import annotations

from edgekit.ir import Graph
from edgekit.ops import spec_of
from edgekit.ops.spec import check_constraints, require_supported


def unsupported_layers(graph: Graph) -> list[str]:
    """One text per broken constraint, naming layer and rewrite."""
    return [text for node in graph.nodes for text in check_constraints(node, spec_of(node.op))]


def require_supported_graph(graph: Graph) -> None:
    """Raise UnsupportedModel naming every layer that breaks a constraint."""
    require_supported(unsupported_layers(graph))
