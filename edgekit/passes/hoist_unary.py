"""Move elementwise functions up over data movement, next to the layer that they can be fused into."""

from __future__ import annotations

from edgekit.ir import Graph, Node
from edgekit.ops.unary import UNARY_OPS
from edgekit.passes.base import Pass, add_node, replace_node

_UNARY = tuple(spec.name for spec in UNARY_OPS)
_MOVEMENT = ("reshape", "transpose", "concat", "resize_nearest")


class HoistUnary(Pass):
    """f(move(x)) becomes move(f(x)), for reshape, transpose, concat and resize_nearest.

    Requires nothing. Ensures that no elementwise function reads a reshape or transpose, nor a concat or resize that it
    alone reads. Exact: the function sees the same codes, and movement keeps the quantization that it now gets.
    """

    name = "hoist-unary"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            move = node.input(0).producer if node.op in _UNARY else None
            if move is None or move.op not in _MOVEMENT:
                continue
            alone = graph.only_reader(move.output) is node
            if not alone and move.op in ("concat", "resize_nearest"):
                continue
            self._swap(graph, node, move)
            changed = True
        return changed

    def _swap(self, graph: Graph, node: Node, move: Node) -> None:
        parts = []
        for index in range(len(move.inputs)):
            name = node.name if len(move.inputs) == 1 else f"{node.name} {index}"
            source = move.input(index)
            parts.append(add_node(graph, node, node.op, name, [source], dict(node.attrs), node.output))
        moved = add_node(graph, node, move.op, f"{node.name} {move.op}", parts, dict(move.attrs), node.output)
        replace_node(graph, node, moved)
