"""Constants of a float graph that integers can stand for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgekit.errors import UnsupportedModel
from edgekit.ir import DType, Graph, Node, Value
from edgekit.ops.conv2d import is_product
from edgekit.quant.observers import Range

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


def infinite_ranges(graph: Graph, ranges: Mapping[Value, Range]) -> dict[Value, Range]:
    """What codes of constants with infinite numbers need to cover that are added to others: as much as brings any sum
    to an end of its range.
    """
    found: dict[Value, Range] = {}
    for node in graph.nodes:
        if node.op != "add" or len(constants := [v for v in node.inputs if v is not None and v.is_constant]) != 1:
            continue
        (constant,), (x,) = constants, [v for v in node.inputs if v is not None and not v.is_constant]
        if x not in ranges or node.output not in ranges or np.isfinite(constant.array).all():
            continue
        finite, (low, high) = constant.array[np.isfinite(constant.array)], found.get(constant, (0.0, 0.0))
        low, high = min(low, float(finite.min(initial=0.0))), max(high, float(finite.max(initial=0.0)))
        if np.isneginf(constant.array).any():
            low = min(low, ranges[node.output][0] - ranges[x][1])
        if np.isposinf(constant.array).any():
            high = max(high, ranges[node.output][1] - ranges[x][0])
        found[constant] = low, high
    return found


def _may_be_infinite(node: Node, index: int) -> bool:
    """Biases may: masks of keys become some (`edgekit.quant.scores`)."""
    return node.op in _LIMITS_AND_MASKS or (is_product(node) and index == 2)
