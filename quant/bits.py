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
    """`bits` for the weights of every product by its name, but 8 for the first and the last.

    Those two see the raw input and make the answer: they cost most accuracy and are few of the weights.
    """
    names = [node.name for node in products_of(graph)]
    return {name: 8 if name in (names[0], names[-1]) else bits for name in names}
