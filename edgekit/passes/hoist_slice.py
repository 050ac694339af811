"""Picking one index of an axis as a slice, and slices above reshapes, next to the layer that computes the parts."""

from __future__ import annotations

import numpy as np

from edgekit.ir import Graph, Node
from edgekit.passes.base import Pass, add_node, replace_node
from edgekit.passes.transpose_reshape import axis_groups


class GatherToSlice(Pass):
    """gather of one constant index, or of a run of them, becomes a slice, and a reshape where the axis goes.

    Requires nothing. Ensures that no gather has constant indices that follow each other. Exact.
    """

    name = "gather-to-slice"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            if node.op == "gather" and node.input(1).is_constant and node.input(1).elements:
                changed |= self._rewrite(graph, node)
        return changed

    def _rewrite(self, graph: Graph, node: Node) -> bool:
        x, axis, output = node.input(0), node.attrs["axis"], node.output
        indices = node.input(1).array.reshape(-1).astype(np.int64)
        indices = np.where(indices < 0, indices + x.shape[axis], indices)
        first = int(indices[0])
        if not (indices == first + np.arange(len(indices))).all() or not 0 <= first <= x.shape[axis] - len(indices):
            return False
        starts = tuple(first if a == axis else 0 for a in range(len(x.shape)))
        sizes = tuple(len(indices) if a == axis else d for a, d in enumerate(x.shape))
        attrs = {"starts": starts, "steps": (1,) * len(sizes), "sizes": sizes}
        part = add_node(graph, node, "slice", node.name, [x], attrs, output)
        if sizes != output.shape:
            part = add_node(graph, node, "reshape", f"{node.name} reshape", [part], {"shape": output.shape}, output)
        replace_node(graph, node, part)
        return True


class HoistSlice(Pass):
    """slice(reshape(x)) becomes reshape(slice(x)) where the slice takes a run of one axis of x.

    Requires nothing. Ensures that no slice of one run of one axis reads a reshape that splits an axis into that one and
    those behind it. Exact.
    """

    name = "hoist-slice"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            reshape = node.input(0).producer if node.op == "slice" else None
            if reshape is not None and reshape.op == "reshape":
                changed |= self._hoist(graph, node, reshape)
        return changed

    def _hoist(self, graph: Graph, node: Node, reshape: Node) -> bool:
        x, middle, attrs = reshape.input(0), node.input(0).shape, node.attrs
        cut = [a for a, size in enumerate(attrs["sizes"]) if size != middle[a]]
        groups = axis_groups(x.shape, middle)
        if len(cut) != 1 or groups is None or any(step != 1 for step in attrs["steps"]):
            return False
        sources, targets = next((g for g in groups if cut[0] in g[1]), ([], []))
        # The axis must be the outermost of its group: then a run of it is a run of the group's one source axis.
        before = [middle[a] for a in targets if a < cut[0]]
        if len(sources) != 1 or any(d != 1 for d in before):
            return False
        (axis,) = sources
        step = x.shape[axis] // middle[cut[0]]
        starts = tuple(attrs["starts"][cut[0]] * step if a == axis else 0 for a in range(len(x.shape)))
        sizes = tuple(attrs["sizes"][cut[0]] * step if a == axis else d for a, d in enumerate(x.shape))
        moved = {"starts": starts, "steps": (1,) * len(sizes), "sizes": sizes}
        part = add_node(graph, node, "slice", node.name, [x], moved, node.output)
        whole = {"shape": node.output.shape}
        replace_node(graph, node, add_node(graph, node, "reshape", f"{node.name} reshape", [part], whole, node.output))
        return True
