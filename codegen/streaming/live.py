"""Which whole values are live beside a layer, in the order of the graph."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.codegen.rows import is_row_wise
from edgekit.codegen.streaming.reach import streamed_inputs
from edgekit.ir import Graph, Node, Value


class Live:
    """Bytes of whole values.

    Args:
        nodes: those of the graph in the order in which they run.
        overwriting: results may take the place of what they are made of.
    """

    def __init__(self, graph: Graph, nodes: Sequence[Node], overwriting: bool) -> None:
        self._nodes, self._overwriting = nodes, overwriting
        self._names: dict[Value, Value] = {}
        self._born: dict[Value, int] = dict.fromkeys(graph.inputs, -1)
        self._dies: dict[Value, int] = dict.fromkeys(graph.inputs, 0)
        for position, node in enumerate(nodes):
            for value in streamed_inputs(node):
                self._dies[self._root(value)] = position
            for value in node.outputs:
                if node.op == "reshape" and not node.input(0).is_constant:
                    self._names[value] = self._root(node.input(0))
                else:
                    self._born[value] = self._dies[value] = position
        for value in graph.outputs:
            self._dies[self._root(value)] = len(nodes)

    def _root(self, value: Value) -> Value:
        return self._names.get(value, value)

    def during(self, start: int, end: int, image: Value | None = None) -> int:
        """Bytes live while nodes from `start` run as a stream that leaves its last output, less a fed image."""
        before = sum(
            value.nbytes
            for value, born in self._born.items()
            if born < start <= self._dies[value] and value is not image
        )
        return before + sum(value.nbytes for value in self._nodes[end - 1].outputs)

    def replaceable(self, start: int, end: int) -> list[Value]:
        """The whole values of the size of what a stream leaves that nothing but its nodes reads any more."""
        if not self._overwriting:
            return []
        nodes = self._nodes[start:end]
        read = dict.fromkeys(value for node in nodes for value in streamed_inputs(node))
        output = nodes[-1].output
        return [v for v in read if self._born.get(v, end) < start and self._dies[v] < end and v.nbytes == output.nbytes]

    def alone(self, position: int) -> int:
        """Bytes live while one node runs by itself."""
        node = self._nodes[position]
        if node.op == "reshape":
            return 0
        live = self.during(position, position + 1)
        in_place = is_row_wise(node) and node.op != "fully_connected"
        return live - self._overwritten(position, position + 1) if in_place else live

    def of_chain(self, start: int, end: int) -> int:
        """Bytes live while nodes run as a chain, the rows of which may take the place of those that it reads."""
        return self.during(start, end) - self._overwritten(start, end)

    def _overwritten(self, start: int, end: int) -> int:
        """Bytes of the last output where it may stand in the place of a value that dies in these nodes."""
        if not self._overwriting:
            return 0
        nbytes, made = self._nodes[end - 1].output.nbytes, {v for n in self._nodes[start:end] for v in n.outputs}
        read = (v for node in self._nodes[start:end] for v in streamed_inputs(node) if v not in made)
        return nbytes if any(v.nbytes == nbytes and self._dies[self._root(v)] < end for v in read) else 0
