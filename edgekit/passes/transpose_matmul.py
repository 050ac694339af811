"""Transposes of matrices before a matrix product, which can read either operand transposed."""

from __future__ import annotations

from edgekit.ir import Graph, Node
from edgekit.passes.base import Pass, add_node, compose, is_op

_PRODUCTS = ("matmul", "int_matmul")


class FoldTransposeIntoMatmul(Pass):
    """matmul(a, transpose(b)) becomes matmul with transpose_b, and what is left of the transpose.

    Requires nothing. Ensures that no matrix product reads a transpose that brings the last axis to the last but one
    place. Exact.
    """

    name = "transpose-matmul"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            if node.op in _PRODUCTS:
                for index, key in enumerate(("transpose_a", "transpose_b")):
                    changed |= self._fold(graph, node, index, key)
        return changed

    def _fold(self, graph: Graph, node: Node, index: int, key: str) -> bool:
        transpose = node.input(index).producer
        if transpose is None or not is_op(node.input(index), "transpose"):
            return False
        perm = tuple(transpose.attrs["perm"])
        rank = len(perm)
        if rank < 2 or perm[-2] != rank - 1:
            return False
        swap = (*range(rank - 2), rank - 1, rank - 2)
        source, rest = transpose.input(0), compose(perm, swap)
        if rest != tuple(range(rank)):
            source = add_node(graph, node, "transpose", transpose.name, [source], {"perm": rest}, transpose.output)
        node.set_input(index, source)
        node.attrs[key] = not node.attrs[key]
        return True
