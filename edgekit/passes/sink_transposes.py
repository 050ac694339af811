"""Move transposes down through elementwise operators, concat, pad, slice and softmax, until they meet their inverse."""

from __future__ import annotations

import numpy as np

from edgekit.ir import Graph, Node, Value
from edgekit.ops.arithmetic import ARITHMETIC_OPS
from edgekit.ops.binary import PLAIN_BINARY_OPS
from edgekit.passes.base import Pass, add_node, inverse, is_op, replace_node

Perm = tuple[int, ...]

_JOINING = ("concat", "where", *(spec.name for spec in (*ARITHMETIC_OPS, *PLAIN_BINARY_OPS)))
# Operators of one tensor, and their attributes that have one entry per axis.
_PER_AXIS = {"pad": ("before", "after"), "slice": ("starts", "steps", "sizes")}


class SinkTransposes(Pass):
    """op(transpose(a), ..) becomes transpose(op(a, ..)).

    Requires nothing. Ensures that no elementwise operator or concat has more transposed operands of one permutation
    than the rewrite would add, where one number per channel (squeeze and excitation) is no operand to transpose; that
    no pad or slice reads a transpose; that no softmax reads a transpose that keeps the last axis. Exact.
    """

    name = "sink-transposes"

    def run(self, graph: Graph) -> bool:
        changed = False
        for node in list(graph.nodes):
            perm = _permutation_to_sink(node)
            if perm is not None:
                _sink(graph, node, perm)
                changed = True
        return changed


def _permutation_to_sink(node: Node) -> Perm | None:
    """The permutation to move below `node`, where that adds no transpose in sum."""
    if node.op == "softmax":
        perm = _perm_of(node.input(0))
        return perm if perm is not None and perm[-1] == len(perm) - 1 else None
    if node.op in _PER_AXIS:
        return _perm_of(node.input(0))
    if node.op not in _JOINING:
        return None
    operands = [v for v in node.inputs if v is not None]
    computed = [v for v in operands if not v.is_constant]
    perm = next((p for p in map(_perm_of, computed) if p is not None), None)
    if perm is None or any(not v.is_constant and len(v.shape) != len(perm) for v in operands):
        return None
    if any(v.is_constant and v.quant is not None and not v.quant.is_per_tensor for v in operands):
        return None
    alike = sum(_perm_of(v) == perm for v in computed)
    moved = sum(_perm_of(v) != perm and not _is_reshape(v, inverse(perm)) for v in computed)
    return perm if moved + 1 <= alike else None


def _perm_of(value: Value) -> Perm | None:
    if not is_op(value, "transpose"):
        return None
    assert value.producer is not None
    return tuple(value.producer.attrs["perm"])


def _is_reshape(value: Value, perm: Perm) -> bool:
    """Whether transposing leaves all numbers where they are: the axes that are not 1 keep their order."""
    moved = [axis for axis in perm if value.shape[axis] != 1]
    return moved == sorted(moved)


def _sink(graph: Graph, node: Node, perm: Perm) -> None:
    back = inverse(perm)
    operands = []
    for value in node.inputs:
        assert value is not None
        if value.is_constant:
            array = value.array.reshape((1,) * (len(perm) - value.array.ndim) + value.array.shape)
            operands.append(Value.constant(value.name, np.ascontiguousarray(array.transpose(back)), value.quant))
        elif _perm_of(value) == perm:
            assert value.producer is not None
            operands.append(value.producer.input(0))
        elif _is_reshape(value, back):
            shape = {"shape": tuple(value.shape[axis] for axis in back)}
            operands.append(add_node(graph, node, "reshape", f"{node.name} operand", [value], shape, value))
        else:
            operands.append(add_node(graph, node, "transpose", f"{node.name} operand", [value], {"perm": back}, value))
    attrs = dict(node.attrs)
    if node.op == "concat":
        attrs["axis"] = perm[attrs["axis"]]
    for key in _PER_AXIS.get(node.op, ()):
        attrs[key] = tuple(attrs[key][axis] for axis in back)
    inner = add_node(graph, node, node.op, node.name, operands, attrs, node.output)
    outer = add_node(graph, node, "transpose", f"{node.name} transpose", [inner], {"perm": perm}, node.output)
    replace_node(graph, node, outer)
