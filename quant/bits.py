"""How many bits the weights of each layer have."""

from __future__ import annotations

from edgekit.ir import Graph, Node
from edgekit.ops.conv2d import is_product
from edgekit.quant.weights import channel_rows

# What `--precision` calls weights of one width; activations have 8 bits in all of them.
WEIGHT_BITS = {"int8": 8, "w4": 4, "w3": 3, "w2": 2}


def products_of(graph: Graph) -> list[Node]:
    """The layers whose weights may have fewer than 8 bits, in order: convolutions and fully connected layers.

    A product with one weight for each channel is a change of scale: the weight is exact in any number of bits.
    """
    return [node for node in graph.nodes if is_product(node) and channel_rows(node).shape[1] > 1]


def uniform_bits(graph: Graph, bits: int) -> dict[str, int]:
    """`bits` for the weights of every product by its name, but 8 for the first that each of the graph's inputs reaches
    and the last that each of its outputs comes from.

    Those see the raw input and make the answer: they cost most accuracy and are few of the weights.
    """
    products = products_of(graph)
    outer = _first_of_inputs(graph, products) | _last_of_outputs(graph, products)
    return {node.name: 8 if node in outer else bits for node in products}


def _first_of_inputs(graph: Graph, products: list[Node]) -> set[Node]:
    first = set[Node]()
    for source in graph.inputs:
        reached = {source}
        for node in graph.nodes:
            if not reached.isdisjoint(node.inputs):
                if node in products:
                    first.add(node)
                    break
                reached.update(node.outputs)
    return first


def _last_of_outputs(graph: Graph, products: list[Node]) -> set[Node]:
    last = set[Node]()
    for output in graph.outputs:
        needed = {output}
        for node in reversed(graph.nodes):
            if not needed.isdisjoint(node.outputs):
                if node in products:
                    last.add(node)
                    break
                needed.update(value for value in node.inputs if value is not None)
    return last
