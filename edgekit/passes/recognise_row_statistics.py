"""Normalization in quantized models with scales between some of its steps: each part between scales is one operator."""

from __future__ import annotations

import numpy as np

from edgekit.ir import Array, DType, Graph, Node, QuantType, Value
from edgekit.passes.base import Pass, add_node, replace_node
from edgekit.passes.regions import MAX_COLUMNS, MAX_STEPS, evaluate_nodes, is_arithmetic, sample_rows

TOLERANCE = 1e-6
_CODES = np.arange(-128, 128).astype(np.int8)


class RecogniseRowStatistics(Pass):
    """mean((x - mean(x))^2), x - mean(x), and (x - mean(x)) / sqrt(s) with one s for each row, between codes.

    The file's quantizer gave x, s and the results scales, and what is between none: a sum of squares with its mean
    becomes int_variance, rows times a function of s int_row_scale. What else reads the steps between keeps them.
    Requires nothing. Ensures that no such part stands between quantized values of an integer graph.
    """

    name = "recognise-row-statistics"

    def run(self, graph: Graph) -> bool:
        order = {node: index for index, node in enumerate(graph.nodes)}
        changed = False
        for root in reversed(list(graph.nodes)):
            found = _part_before(root)
            if found is not None:
                nodes, sources = found
                made = _replacement(graph, sorted(nodes, key=order.__getitem__), sources)
                if made is not None:
                    replace_node(graph, root, made)
                    changed = True
        return changed


def _part_before(root: Node) -> tuple[set[Node], list[Value]] | None:
    """A node that makes codes with those without scales before it, and the one or two values that they read."""
    y = root.outputs[0]
    if len(root.outputs) != 1 or y.quant is None or y.dtype is not DType.INT8 or not is_arithmetic(root):
        return None
    nodes, sources, waiting = {root}, list[Value](), [root]
    while waiting:
        for value in waiting.pop().inputs:
            if value is None or value.is_constant or value in sources:
                continue
            if value.quant is not None:
                sources.append(value)
            elif value.producer is None or not is_arithmetic(value.producer):
                return None
            elif value.producer not in nodes:
                nodes.add(value.producer)
                waiting.append(value.producer)
        if len(nodes) > MAX_STEPS or len(sources) > 2:
            return None
    sources.sort(key=lambda value: -value.elements)
    rows = sources and all(v.dtype is DType.INT8 and v.shape for v in sources) and sources[0].elements > 0
    if not rows or len(nodes) < 2 or sources[0].shape[-1] > MAX_COLUMNS:
        return None
    # Of one source, what takes no mean is a function of single elements.
    statistic = len(sources) == 2 or any(node.op in ("mean", "reduce_sum") for node in nodes)
    return (nodes, sources) if statistic else None


def _replacement(graph: Graph, nodes: list[Node], sources: list[Value]) -> Value | None:
    """The root's value made by one operator, where it is one."""
    root, x = nodes[-1], sources[0]
    y, columns = root.output, x.shape[-1]
    rows = sample_rows(len(_CODES), columns)
    given = {x: rows}
    if len(sources) == 2:
        if sources[1].elements * columns != x.elements:
            return None
        given[sources[1]] = _real(sources[1])
    result = evaluate_nodes(nodes, x, given)
    if result is None:
        return None
    for centred in (True, False):
        lines = rows - rows.mean(axis=1, keepdims=True) if centred else rows
        if result.shape[1] == 1 and len(sources) == 1:
            factor = _one_factor((lines**2).mean(axis=1, keepdims=True), result)
            if factor is not None and factor > 0:
                return _added(graph, root, "int_variance", [x], {"centred": centred, "factor": factor})
        elif y.elements == x.elements:
            factors = _factors(lines, result, len(sources) == 2)
            if factors is not None and (centred or len(sources) == 2):
                operands = [x, _single(graph, root, x, sources), Value.constant(f"{root.name} factors", factors)]
                return _added(graph, root, "int_row_scale", operands, {"centred": centred})
    return None


def _real(codes: Value) -> Array:
    """float64 [256, 1]: what every code stands for."""
    assert codes.quant is not None
    return codes.quant.dequantize(_CODES).astype(np.float64).reshape(-1, 1)


def _one_factor(lines: Array, result: Array) -> float | None:
    """What all of `lines` are multiplied with, or None."""
    with np.errstate(all="ignore"):
        factor = float((lines * result).sum() / (lines * lines).sum())
    return factor if np.abs(lines * factor - result).max() <= TOLERANCE * np.abs(result).max() else None


def _factors(lines: Array, result: Array, per_row: bool) -> Array | None:
    """float32 [256] of what each of the rows is multiplied with, or [1] for all of them together; None for neither.

    Infinite results make an infinite factor; what is no number makes 0, as in tables of functions.
    """
    if not per_row:
        factor = _one_factor(lines, result)
        return None if factor is None else np.full(1, factor, np.float32)
    finite = np.isfinite(result).all(axis=1, keepdims=True)
    if not np.any(finite):
        return None
    known = np.where(finite, result, 0.0)
    with np.errstate(all="ignore"):
        factors = (lines * known).sum(axis=1) / (lines**2).sum(axis=1)
    error = np.abs(lines * factors[:, None] - known).max(axis=1)
    # Rows of nothing but zeros, such as centred ones of one column, have no factor: their error is no number.
    if not (error <= TOLERANCE * np.abs(known).max(axis=1)).all():
        return None
    poles = np.isinf(result).all(axis=1)
    signs = np.sign(lines[:, 0]) * np.sign(np.nan_to_num(result[:, 0], posinf=1.0, neginf=-1.0))
    table: Array = np.where(poles, np.copysign(np.inf, signs), factors).astype(np.float32)
    return table


def _single(graph: Graph, root: Node, x: Value, sources: list[Value]) -> Value | None:
    """The codes that rows are scaled by, in the shape of the rows' first elements."""
    if len(sources) < 2:
        return None
    s, shape = sources[1], (*x.shape[:-1], 1)
    return s if s.shape == shape else _added(graph, root, "reshape", [s], {"shape": shape}, s.quant)


def _added(
    graph: Graph,
    root: Node,
    op: str,
    inputs: list[Value | None] | list[Value],
    attrs: dict[str, object],
    quant: QuantType | None = None,
) -> Value:
    """A new node before the root with its quantization or another, and its shape, where that differs."""
    y = root.output
    made = add_node(graph, root, op, root.name, list(inputs), attrs, y, quant)
    if op == "reshape" or made.shape == y.shape:
        return made
    return add_node(graph, root, "reshape", f"{root.name} reshape", [made], {"shape": y.shape}, y)
