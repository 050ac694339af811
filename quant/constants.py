"""Constants of a float graph that integers can stand for."""

from __future__ import annotations

import numpy as np

from edgekit.errors import UnsupportedModel
from edgekit.ir import DType, Graph, Node
from edgekit.ops.conv2d import is_product

# Operators whose result may be finite where a constant is not: limits that are out of reach, and masks.
_LIMITS_AND_MASKS = ("min", "max", "add", "where")


def require_codable(graph: Graph) -> None:
    """Raise UnsupportedModel naming every layer with a float constant that has NaN, or infinite numbers that no codes
    can saturate for.
    """
    problems = []
    for node in graph.nodes:
        for index, value in enumerate(node.inputs):
            if value is None or not value.is_constant or value.dtype is not DType.FLOAT32:
                continue
            if np.isnan(value.array).any():
                problems.append(f"layer {node.name!r} ({node.op}): constant {value.name!r} has NaN")
            elif not _may_be_infinite(node, index) and np.isinf(value.array).any():
                problems.append(f"layer {node.name!r} ({node.op}): constant {value.name!r} has infinite numbers")
    if problems:
        advice = "mend the model, or use --precision float32"
        raise UnsupportedModel(f"the model has constants without integer codes; {advice}:\n  " + "\n  ".join(problems))


def _may_be_infinite(node: Node, index: int) -> bool:
    """Biases may: masks of keys become some (`edgekit.quant.scores`)."""
    return node.op in _LIMITS_AND_MASKS or (is_product(node) and index == 2)
