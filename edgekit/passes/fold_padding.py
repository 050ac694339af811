"""Move zero padding into the convolutions that read it."""

from __future__ import annotations

from edgekit.ir import DType, Graph, Node
from edgekit.passes.base import Pass

_READERS = ("conv2d", "depthwise_conv2d")


class FoldPadding(Pass):
    """conv(pad(x)) becomes conv(x) with more padding; pad is a float depthwise 1x1 convolution with unit weights.

    Requires nothing. Ensures that no such padding is read by convolutions only. Exact.
    """

    name = "fold-padding"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            readers = [reader for reader, _ in node.outputs[0].uses]
            if not _is_padding(node) or not readers or graph.is_output(node.output):
                continue
            if all(r.op in _READERS and r.input(0) is node.output for r in readers):
                for reader in readers:
                    pairs = zip(reader.attrs["padding"], node.attrs["padding"], strict=True)
                    reader.attrs["padding"] = tuple(a + b for a, b in pairs)
                node.output.replace_uses(node.input(0))
                graph.remove(node)
                changed = True
        return changed


def _is_padding(node: Node) -> bool:
    if node.op != "depthwise_conv2d" or node.optional_input(2) is not None or node.output.dtype is not DType.FLOAT32:
        return False
    weights = node.input(1)
    unit = weights.is_constant and weights.shape == (1, 1, node.input(0).shape[3]) and bool((weights.array == 1).all())
    return unit and tuple(node.attrs["stride"]) == (1, 1) and node.attrs["activation"] == "none"
