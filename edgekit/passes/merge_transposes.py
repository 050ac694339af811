"""Merge transposes that follow each other."""

from __future__ import annotations

from edgekit.ir import Graph
from edgekit.passes.base import Pass, compose, is_op, replace_node


class MergeTransposes(Pass):
    """Requires nothing. Ensures that no transpose is the identity or reads another transpose."""

    name = "merge-transposes"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            if node.op != "transpose":
                continue
            source = node.input(0)
            if is_op(source, "transpose"):
                assert source.producer is not None
                node.attrs["perm"] = compose(source.producer.attrs["perm"], node.attrs["perm"])
                node.set_input(0, source.producer.input(0))
                changed = True
            if list(node.attrs["perm"]) == sorted(node.attrs["perm"]) and not graph.is_output(node.output):
                replace_node(graph, node, node.input(0))
                changed = True
            elif list(node.attrs["perm"]) == sorted(node.attrs["perm"]):
                # Kept as a reshape, which MergeReshapes drops where no output needs it.
                node.op, node.attrs = "reshape", {"shape": node.output.shape}
                changed = True
        return changed
