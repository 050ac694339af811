"""How much work a graph is for the numpy references, and the limits of what is built at all.

A model file of a hundred bytes can ask for terabytes of arithmetic and gigabytes of activations. No microcontroller
has a use for either, so models beyond these limits are refused before anything of them is computed.
"""

from __future__ import annotations

import math

from edgekit.errors import UnsupportedModel
from edgekit.ir import Graph, Node
from edgekit.ops import spec_of

# All activations of one inference together; external memories of boards hold 64 MB at most, one step at a time.
MAX_ACTIVATION_BYTES = 1 << 29
MAX_INPUT_BYTES = 1 << 26
# Steps of one inference: one per element read or written and per place of a window, an eighth per
# multiply-accumulate of a matrix product. 12 G multiply-accumulates take a microcontroller longer than 10 s.
MAX_STEPS = 3 << 29
# Nodes after the passes.
MAX_NODES = 12_000
STEPS_PER_TERM = 512
_ONE_BY_ONE = ("depthwise_conv2d",)


def steps_of(node: Node) -> int:
    """Elementary steps of a node's reference, at least one per element that it reads or writes."""
    values = [v for v in (*node.inputs, *node.outputs) if v is not None]
    moved = sum(v.elements for v in values)
    kernel = node.attrs.get("kernel")
    windows = node.outputs[0].elements * (math.prod(kernel) if isinstance(kernel, (tuple, list)) else 1)
    macs = spec_of(node.op).macs(node)
    products = macs if node.op in _ONE_BY_ONE else macs // 8
    # References add the terms of a sum one after the other, each for all outputs at once.
    terms = macs // max(node.outputs[0].elements, 1)
    return max(moved, windows, products + STEPS_PER_TERM * terms, _padded(node))


def _padded(node: Node) -> int:
    """Elements of an NHWC input with its padding around it, which the references of windows make."""
    padding, shape = node.attrs.get("padding"), node.input(0).shape if node.inputs else ()
    if not isinstance(padding, (tuple, list)) or len(padding) != 4 or len(shape) != 4:
        return 0
    top, left, bottom, right = padding
    return int(shape[0] * (shape[1] + top + bottom) * (shape[2] + left + right) * shape[3])


def require_moderate(graph: Graph) -> None:
    """Raise UnsupportedModel, naming the costliest layers, where a graph is beyond what edgekit builds."""
    if len(graph.nodes) > MAX_NODES:
        raise UnsupportedModel(f"{graph.name} has {len(graph.nodes)} layers, over the limit of {MAX_NODES}")
    inputs = sum(v.nbytes for v in graph.inputs)
    if inputs > MAX_INPUT_BYTES:
        raise UnsupportedModel(f"{graph.name} has inputs of {inputs} bytes, over the limit of {MAX_INPUT_BYTES}")
    made = {node: sum(v.nbytes for v in node.outputs) for node in graph.nodes}
    _require(graph, made, MAX_ACTIVATION_BYTES, "bytes of activations")
    _require(graph, {node: steps_of(node) for node in graph.nodes}, MAX_STEPS, "operations")


def _require(graph: Graph, costs: dict[Node, int], limit: int, what: str) -> None:
    total = sum(costs.values())
    if total > limit:
        worst = sorted(costs.items(), key=lambda item: -item[1])[:3]
        layers = ", ".join(f"{node.name!r} ({node.op}: {cost})" for node, cost in worst)
        raise UnsupportedModel(
            f"{graph.name} takes {total} {what}, over the limit of {limit}; most in {layers}: use a smaller input or"
            " model"
        )
