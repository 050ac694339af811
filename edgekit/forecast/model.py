"""The graph that a build would lower, without the data that a build needs."""

from __future__ import annotations

from edgekit.errors import BadUsage
from edgekit.ir import Graph
from edgekit.quant.affine import quantize_shape
from edgekit.quant.bits import WEIGHT_BITS, uniform_bits
from edgekit.quant.prepare import prepared
from edgekit.quant.weight_quantizers import coded_weights
from edgekit.source import is_float


def built_form(graph: Graph, name: str, precision: str) -> Graph:
    """An imported, optimised graph in the form that is built: a float one in integers has scales that mean nothing.

    Raises BadUsage for float32 or weights of fewer bits from a model that is quantized already, UnsupportedModel as
    `quantize_graph`.
    """
    if precision == "float32":
        if not is_float(graph):
            raise BadUsage(f"{name} is quantized already: analyze it with --precision int8")
        return graph
    if not is_float(graph):
        if WEIGHT_BITS[precision] < 8:
            raise BadUsage(f"{name} is quantized already: analyze it with --precision int8")
        return graph
    graph = prepared(graph)
    bits = uniform_bits(graph, WEIGHT_BITS[precision])
    return quantize_shape(graph, coded_weights(graph, bits, "uniform"))
