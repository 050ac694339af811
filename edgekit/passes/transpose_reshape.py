"""Move a transpose below a reshape that keeps its axes apart, or merges axes that stay neighbours."""

from __future__ import annotations

from edgekit.ir import Graph, Node
from edgekit.passes.base import Pass, add_node, inverse, is_op, replace_node


class SinkTransposeBelowReshape(Pass):
    """reshape(transpose(x)) becomes transpose(reshape(x)).

    Requires nothing. Ensures that no reshape reads a transpose where its axes fall into groups, each of which is a run
    of neighbouring axes, in order, in x. Such are heads that flatten H and W and then permute. Exact.
    """

    name = "sink-transpose-below-reshape"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            if node.op == "reshape" and is_op(node.input(0), "transpose"):
                changed |= self._sink(graph, node)
        return changed

    def _sink(self, graph: Graph, node: Node) -> bool:
        transpose = node.input(0).producer
        assert transpose is not None
        perm, target = tuple(transpose.attrs["perm"]), node.output.shape
        groups = axis_groups(transpose.output.shape, target)
        if groups is None:
            return False
        # Each group: axes of the transposed tensor -> axes of the result. In x they must be a run.
        runs = [[perm[a] for a in sources] for sources, _ in groups]
        ones = {a for a, d in enumerate(transpose.input(0).shape) if d == 1}
        for run in runs:
            between = [a for a in range(min(run), max(run) + 1) if a not in ones]
            if run != between:
                return False
        order = sorted(range(len(groups)), key=lambda g: min(runs[g]))
        source_axes = [axis for g in order for axis in groups[g][1]]
        inner_shape = tuple(target[a] for a in source_axes)
        x = transpose.input(0)
        inner = add_node(graph, node, "reshape", node.name, [x], {"shape": inner_shape}, node.output)
        outer_perm = inverse(source_axes)
        outer = add_node(graph, node, "transpose", f"{node.name} transpose", [inner], {"perm": outer_perm}, node.output)
        replace_node(graph, node, outer)
        return True


def axis_groups(source: tuple[int, ...], target: tuple[int, ...]) -> list[tuple[list[int], list[int]]] | None:
    """The finest split of both shapes into runs of axes with equal products; None for tensors of one or no element.

    Source axes of size 1 are left out; target axes of size 1 stay with the group before them, or the first one.
    """
    lefts, rights = [a for a, d in enumerate(source) if d != 1], [a for a, d in enumerate(target) if d != 1]
    if 0 in source or not lefts:
        return None
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(lefts):
        left, right = [lefts[i]], [rights[j]]
        i, j = i + 1, j + 1
        product_left, product_right = source[left[0]], target[right[0]]
        while product_left != product_right:
            if product_left < product_right:
                left.append(lefts[i])
                product_left *= source[lefts[i]]
                i += 1
            else:
                right.append(rights[j])
                product_right *= target[rights[j]]
                j += 1
        groups.append((left, right))
    for axis in (a for a, d in enumerate(target) if d == 1):
        home = max((g for g in range(len(groups)) if groups[g][1][0] < axis), default=0)
        groups[home][1].append(axis)
        groups[home][1].sort()
    return groups
