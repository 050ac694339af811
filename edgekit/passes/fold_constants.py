"""Compute nodes of constants at build time."""

from __future__ import annotations

from edgekit.errors import UnsupportedModel
from edgekit.ir import Graph, Node, Value
from edgekit.ops import spec_of
from edgekit.ops.effort import steps_of
from edgekit.ops.spatial import SPATIAL_OPS
from edgekit.ops.supported import broken_rules
from edgekit.passes.base import Pass

_WINDOWED = ("conv2d", "depthwise_conv2d", "avg_pool2d", "max_pool2d", *SPATIAL_OPS)
# Elements read and made in one sweep. Constants beyond this are no model's, but a small file's that grow.
MAX_FOLDED = 1 << 26


class FoldConstants(Pass):
    """Requires nothing. Ensures that no node reads constants only, save where its result is a graph output.

    Windowed operators are left: their cost is not bounded by their result, and no real model has them on constants.
    So is what breaks its operator's constraints, which is refused before it is built.
    A transpose of a quantized constant would move its channel axis, so only per-tensor codes are folded.
    """

    name = "fold-constants"

    def run(self, graph: Graph) -> bool:
        changed, elements = False, 0
        for node in list(graph.nodes):
            operands = [v for v in node.inputs if v is not None]
            foldable = operands and all(v.is_constant and (v.quant is None or v.quant.is_per_tensor) for v in operands)
            if (
                node.op in _WINDOWED
                or not foldable
                or any(graph.is_output(v) for v in node.outputs)
                or broken_rules(node)
                or _is_pending(node)
            ):
                continue
            elements += steps_of(node)
            if elements > MAX_FOLDED:
                raise UnsupportedModel(
                    f"layer {node.name!r} ({node.op}) brings the constants to compute to more than {MAX_FOLDED} "
                    "elements: compute them before the export"
                )
            arrays = spec_of(node.op).reference(node, [None if v is None else v.array for v in node.inputs])
            for value, array in zip(list(node.outputs), arrays, strict=True):
                graph.replace_value(value, Value.constant(value.name, array, value.quant))
            graph.remove(node)
            changed = True
        return changed


def _is_pending(node: Node) -> bool:
    """Codes whose quantization is not settled yet (a QDQ model being imported); plain int8 numbers come of such."""
    codes = any(v is not None and v.quant is not None for v in node.inputs)
    return codes and any(v.quant is None and v.dtype.value == "int8" for v in node.outputs)
