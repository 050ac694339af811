"""Which images can come in by rows."""

from __future__ import annotations

from edgekit.codegen.streaming.reach import runs_by_rows, streamed_inputs
from edgekit.ir import Graph, Node, Value


def fed_by(graph: Graph, image: Value) -> Node | None:
    """The node by which rows of an image come in, or None where they cannot: one that makes rows of it, or one that
    puts its channels last before the only one that does.
    """
    reader = graph.only_reader(image)
    if reader is None or len(image.shape) != 4 or image.shape[0] != 1:
        return None
    if _puts_channels_last(reader, image):
        following = graph.only_reader(reader.output)
        return reader if following is not None and runs_by_rows(following) and _reads_once(following) else None
    return reader if runs_by_rows(reader) and _reads_once(reader) else None


def fed_nodes(graph: Graph, reader: Node) -> list[Node]:
    """The nodes by which rows of an image come in, from the one that `fed_by` found."""
    following = None if runs_by_rows(reader) else graph.only_reader(reader.output)
    return [reader] if following is None else [reader, following]


def _reads_once(node: Node) -> bool:
    return len(streamed_inputs(node)) == 1 and node.output.shape[1] > 1


def _puts_channels_last(node: Node, image: Value) -> bool:
    """Whether a node turns NCHW to NHWC; for a single channel that is another shape alone."""
    if node.op == "reshape":
        return image.shape[1] == 1 and node.output.shape == (1, *image.shape[2:], 1)
    return node.op == "transpose" and tuple(node.attrs["perm"]) == (0, 2, 3, 1)
