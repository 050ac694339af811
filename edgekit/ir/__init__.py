"""The intermediate representation: values, nodes, graphs. Knows no file format and no operator."""

from edgekit.ir.codebook import LEAST_GROUP, Codebook, is_group
from edgekit.ir.dump import dump_graph
from edgekit.ir.graph import Array, Graph, Node, Value
from edgekit.ir.serialize import load_graph, save_graph
from edgekit.ir.types import DType, Grid, QuantType

__all__ = [
    "LEAST_GROUP",
    "Array",
    "Codebook",
    "DType",
    "Graph",
    "Grid",
    "Node",
    "QuantType",
    "Value",
    "dump_graph",
    "is_group",
    "load_graph",
    "save_graph",
]
