"""Which axes of a graph's input are space or time: along them, what is seen may lie elsewhere."""

from __future__ import annotations

from edgekit.ir import Graph, Node, Value
from edgekit.ops.conv2d import is_product

# Axes of fewer positions are no space or time.
LEAST_AXIS = 8


def space_axes(graph: Graph) -> tuple[int, ...]:
    """The long axes of the only input, without its channels: what the first product has as its last axis.

    Of several inputs none: what moves in one need not in another.

    Through transposes, reshapes that only add or drop axes of 1, and whatever keeps the shape, axes are followed.
    Beyond anything else they are not known, and the input's last axis counts as its channels.
    """
    shape = graph.inputs[0].shape
    if len(shape) <= 2 or len(graph.inputs) > 1:
        return ()
    axes = _axes_of_first_product(graph)
    channels = len(shape) - 1 if axes is None else axes[-1]
    return tuple(axis for axis, size in enumerate(shape) if axis and size >= LEAST_AXIS and axis != channels)


def _axes_of_first_product(graph: Graph) -> tuple[int | None, ...] | None:
    """The input's axis for each axis of what the first product reads, None where it is not known."""
    source = graph.inputs[0]
    known: dict[Value, tuple[int | None, ...]] = {source: tuple(range(len(source.shape)))}
    for node in graph.nodes:
        read = next((value for value in node.inputs if value in known), None)
        if is_product(node):
            return None if read is None else known[read]
        axes = None if read is None else _after(node, read.shape, known[read])
        if axes is not None:
            known[node.output] = axes
    return None


def _after(node: Node, shape: tuple[int, ...], axes: tuple[int | None, ...]) -> tuple[int | None, ...] | None:
    made = node.output.shape
    if node.op == "transpose":
        return tuple(axes[axis] for axis in node.attrs["perm"])
    if node.op == "reshape" and [n for n in made if n > 1] == [n for n in shape if n > 1]:
        longer = iter(axis for axis, n in zip(axes, shape, strict=True) if n > 1)
        return tuple(next(longer) if n > 1 else None for n in made)
    return axes if made == shape else None
