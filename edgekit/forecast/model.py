"""The graph that a build would lower, without the data that a build needs."""

from __future__ import annotations

from edgekit.errors import BadUsage
from edgekit.ir import Graph
from edgekit.quant.affine import quantize_shape
from edgekit.source import is_float

PRECISIONS = ("int8", "float32")


def built_form(graph: Graph, name: str, precision: str) -> Graph:
    """An imported, optimised graph in the form that is built: a float one in int8 has scales that mean nothing.

    Raises BadUsage for float32 from a model that is quantized already, UnsupportedModel as `quantize_graph`.
    """
    if precision == "float32":
        if not is_float(graph):
            raise BadUsage(f"{name} is quantized already: analyze it with --precision int8")
        return graph
    return quantize_shape(graph) if is_float(graph) else graph
