"""What a pass is, and the small graph edits that passes share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from edgekit.ir import Graph, Node, QuantType, Value
from edgekit.ops import spec_of


class Pass(ABC):
    """A rewrite of a graph in place.

    Each pass's docstring says what it requires and ensures. All of them keep every output's real value (float graphs:
    up to float32 rounding of folded constants; integer graphs: bit for bit), shape, type and quantization.
    """

    name: str

    @abstractmethod
    def run(self, graph: Graph) -> bool:
        """Rewrite; True where anything changed."""


def add_node(
    graph: Graph,
    anchor: Node,
    op: str,
    name: str,
    inputs: Sequence[Value | None],
    attrs: dict[str, Any],
    like: Value,
    quant: QuantType | None = None,
) -> Value:
    """A new node right before `anchor`; its output has `like`'s type, and `quant` or else `like`'s quantization."""
    output = Value(like.name, (), like.dtype, quant or like.quant)
    node = Node(op, name, inputs, [output], attrs)
    (output.shape,) = spec_of(op).infer(node)
    graph.insert_before(anchor, node)
    return output


def replace_node(graph: Graph, node: Node, value: Value) -> None:
    """Let readers of the node's only output read `value`, and take the node out."""
    old = node.output
    if graph.is_output(old) and value.producer is not None and not graph.is_output(value):
        # Outputs keep the names that users know.
        value.name = old.name
    graph.replace_value(old, value)
    graph.remove(node)


def compose(first: Sequence[int], second: Sequence[int]) -> tuple[int, ...]:
    """The one permutation that equals transposing by `first`, then by `second`."""
    return tuple(first[axis] for axis in second)


def inverse(perm: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes `perm`."""
    result = [0] * len(perm)
    for position, axis in enumerate(perm):
        result[axis] = position
    return tuple(result)


def is_op(value: Value | None, op: str) -> bool:
    """Whether a node of that operator makes the value."""
    return value is not None and value.producer is not None and value.producer.op == op
