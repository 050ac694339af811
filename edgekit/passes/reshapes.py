"""Merge and drop reshapes."""

from __future__ import annotations

from edgekit.ir import Graph
from edgekit.passes.base import Pass, is_op, replace_node


class MergeReshapes(Pass):
    """Requires nothing. Ensures that no reshape keeps its input's shape or reads another reshape.

    A transpose that only moves axes of size 1 counts as a reshape and becomes one.
    """

    name = "merge-reshapes"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            if node.op == "transpose" and _moves_only_ones(node.input(0).shape, node.attrs["perm"]):
                node.op, node.attrs = "reshape", {"shape": node.output.shape}
                changed = True
            if node.op != "reshape":
                continue
            source = node.input(0)
            if is_op(source, "reshape"):
                assert source.producer is not None
                node.set_input(0, source.producer.input(0))
                changed = True
            if node.input(0).shape == node.output.shape and not _needed(graph, node.input(0), node.output):
                replace_node(graph, node, node.input(0))
                changed = True
        return changed


def _moves_only_ones(shape: tuple[int, ...], perm: tuple[int, ...]) -> bool:
    moved = [axis for axis in perm if shape[axis] > 1]
    return moved == sorted(moved)


def _needed(graph: Graph, source: object, output: object) -> bool:
    """An identity stays where it separates a graph output from a graph input or from another output."""
    is_output = any(v is output for v in graph.outputs)
    return is_output and (any(v is source for v in graph.inputs) or any(v is source for v in graph.outputs))
