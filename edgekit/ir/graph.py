"""The graph: values own their producer and their uses, nodes change inputs only through methods.

File formats stay outside: an importer translates them into this and nothing here knows which one it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.ir.types import DType, QuantType

Array = npt.NDArray[Any]


class Value:
    """A tensor: a graph input, a constant, or one output of a node.

    Attributes:
        name: for people only (reports, errors); never used in C or in a path.
        shape: all dimensions are known integers.
        quant: how integer codes map to real numbers; None for floats and plain integers.
        data: the array, for a constant.
        producer: the node that computes it; None for inputs and constants.
    """

    def __init__(
        self,
        name: str,
        shape: Sequence[int],
        dtype: DType,
        quant: QuantType | None = None,
        data: Array | None = None,
    ) -> None:
        self.name = name
        self.shape = tuple(int(d) for d in shape)
        self.dtype = dtype
        self.quant = quant
        self.data = data
        self.producer: Node | None = None
        # Insertion-ordered, so that every visit is deterministic.
        self._uses: dict[tuple[Node, int], None] = {}

    @staticmethod
    def constant(name: str, data: Array, quant: QuantType | None = None) -> Value:
        """A constant of the array's own shape and type."""
        data = np.asarray(data, order="C")  # np.ascontiguousarray would turn a scalar into a vector
        return Value(name, data.shape, DType.of(data), quant, data)

    @property
    def uses(self) -> tuple[tuple[Node, int], ...]:
        """(node, input index) pairs, oldest first."""
        return tuple(self._uses)

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def array(self) -> Array:
        """The data of a constant; raises ValueError for any other value."""
        if self.data is None:
            raise ValueError(f"value {self.name!r} is not a constant")
        return self.data

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.elements * self.dtype.size

    def replace_uses(self, other: Value) -> None:
        """Let every node that reads this value read `other`; graph outputs are the graph's to replace."""
        for node, index in self.uses:
            node.set_input(index, other)

    def __repr__(self) -> str:
        return f"Value({self.name!r}, {list(self.shape)}, {self.dtype.value})"


class Node:
    """One operator. `op` names an OpSpec; `attrs` are plain Python values that the spec documents."""

    def __init__(
        self,
        op: str,
        name: str,
        inputs: Sequence[Value | None],
        outputs: Sequence[Value],
        attrs: dict[str, Any] | None = None,
    ) -> None:
        self.op = op
        self.name = name
        self.attrs: dict[str, Any] = dict(attrs or {})
        self._inputs: list[Value | None] = []
        for value in inputs:
            self.append_input(value)
        self.outputs = list(outputs)
        for value in outputs:
            if value.producer is not None:
                raise ValueError(f"value {value.name!r} already has a producer")
            value.producer = self

    @property
    def inputs(self) -> tuple[Value | None, ...]:
        """Operands in order; None for an optional one that is absent."""
        return tuple(self._inputs)

    def input(self, index: int) -> Value:
        """Operand `index`, which must be present; raises ValueError otherwise."""
        value = self.optional_input(index)
        if value is None:
            raise ValueError(f"node {self.name!r} ({self.op}) has no input {index}")
        return value

    def optional_input(self, index: int) -> Value | None:
        """Operand `index`, or None where it is absent."""
        return self._inputs[index] if index < len(self._inputs) else None

    @property
    def output(self) -> Value:
        """The only output; raises ValueError where there are several."""
        (value,) = self.outputs
        return value

    def set_input(self, index: int, value: Value | None) -> None:
        """Replace operand `index`."""
        old = self._inputs[index]
        if old is not None:
            del old._uses[(self, index)]
        self._inputs[index] = value
        if value is not None:
            value._uses[(self, index)] = None

    def append_input(self, value: Value | None) -> None:
        """Add an operand at the end."""
        self._inputs.append(None)
        self.set_input(len(self._inputs) - 1, value)

    def detach(self) -> None:
        """Drop all uses and outputs, so that the node can be removed from a graph."""
        for index in range(len(self._inputs)):
            self.set_input(index, None)
        for value in self.outputs:
            value.producer = None

    def __repr__(self) -> str:
        return f"Node({self.op}, {self.name!r})"


class Graph:
    """Inputs, outputs and nodes in an executable order."""

    def __init__(self, name: str, inputs: Sequence[Value], outputs: Sequence[Value], nodes: Sequence[Node]) -> None:
        self.name = name
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.nodes = list(nodes)
        self._last = 0

    def copied(self) -> Graph:
        """A graph of the same names and attributes that can be changed apart from this one; constants share arrays."""
        values = {v: Value(v.name, v.shape, v.dtype, v.quant, v.data) for v in self.values()}
        nodes = [
            Node(n.op, n.name, [None if v is None else values[v] for v in n.inputs], [values[v] for v in n.outputs],
                 n.attrs) for n in self.nodes
        ]  # fmt: skip
        return Graph(self.name, [values[v] for v in self.inputs], [values[v] for v in self.outputs], nodes)

    def values(self) -> Iterator[Value]:
        """Every value once: inputs, then operands and outputs in node order."""
        seen: dict[Value, None] = dict.fromkeys(self.inputs)
        for node in self.nodes:
            seen.update(dict.fromkeys(v for v in node.inputs if v is not None))
            seen.update(dict.fromkeys(node.outputs))
        seen.update(dict.fromkeys(self.outputs))
        return iter(seen)

    def replace_value(self, old: Value, new: Value) -> None:
        """Let all readers of `old`, the graph's outputs included, read `new`."""
        old.replace_uses(new)
        self.outputs = [new if v is old else v for v in self.outputs]

    def insert_before(self, anchor: Node, node: Node) -> None:
        """Place `node` right before `anchor`."""
        self.nodes.insert(self._index(anchor), node)

    def insert_after(self, anchor: Node, node: Node) -> None:
        """Place `node` right after `anchor`."""
        self.nodes.insert(self._index(anchor) + 1, node)

    def remove(self, node: Node) -> None:
        """Take out a node whose outputs nobody reads; raises ValueError otherwise."""
        for value in node.outputs:
            if value.uses or value in self.outputs:
                raise ValueError(f"cannot remove {node.name!r}: {value.name!r} is still read")
        del self.nodes[self._index(node)]
        node.detach()

    def _index(self, node: Node) -> int:
        """The node's position: looked for near the last one first, since passes go along the graph."""
        first = max(0, self._last - 64)
        try:
            self._last = self.nodes.index(node, first, first + 128)
        except ValueError:
            self._last = self.nodes.index(node)
        return self._last

    def is_output(self, value: Value) -> bool:
        return any(v is value for v in self.outputs)

    def only_reader(self, value: Value) -> Node | None:
        """The node that alone reads `value` (and it is no graph output), or None."""
        readers = {node for node, _ in value.uses}
        return readers.pop() if len(readers) == 1 and not self.is_output(value) else None
