"""Quantizations of activations: one per group of values that must share one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgekit.ir import DType, Graph, Node, QuantType, Value
from edgekit.ops import spec_of
from edgekit.ops.conv2d import is_product
from edgekit.ops.int_products import product_reach
from edgekit.ops.matmul import matrix_shapes
from edgekit.quant.observers import Range


def activation_quants(
    graph: Graph, ranges: Mapping[Value, Range], grids: Mapping[Value, QuantType] | None = None
) -> dict[Value, QuantType]:
    """The quantization of every graph input and computed value.

    Data movement and pooling keep one quantization for all their operands; a group whose values all come from
    operators with one fixed quantization (softmax, sigmoid) has that.

    grids: those of values that are not to be even int8 codes (`edgekit.quant.activation_grids`).
    """
    groups = Groups(graph)
    chosen = {root: _choose(members, ranges) for root, members in groups.members().items()}
    fixed = {groups.root(value): quant for value, quant in (grids or {}).items()}
    chosen |= fixed
    for _ in range(len(chosen) + 1):
        if not _widen(graph, groups, chosen, ranges, set(fixed)):
            break
    return {value: chosen[groups.root(value)] for value in groups.values}


class Groups:
    """Union-find over the values of a graph; a group's root is its first value."""

    def __init__(self, graph: Graph) -> None:
        self.values = [v for v in graph.values() if not v.is_constant and v.dtype is DType.FLOAT32]
        self._order = {value: index for index, value in enumerate(self.values)}
        self._parent = {value: value for value in self.values}
        for node in graph.nodes:
            tied = [v for v in spec_of(node.op).tied(node) if v in self._order]
            for other in tied[1:]:
                self._join(tied[0], other)

    def root(self, value: Value) -> Value:
        while self._parent[value] is not value:
            self._parent[value] = self._parent[self._parent[value]]
            value = self._parent[value]
        return value

    def _join(self, a: Value, b: Value) -> None:
        first, second = sorted((self.root(a), self.root(b)), key=self._order.__getitem__)
        self._parent[second] = first

    def of(self, value: Value) -> list[Value]:
        """The values that share a quantization with this one, itself among them."""
        return [other for other in self.values if self.root(other) is self.root(value)]

    def members(self) -> dict[Value, list[Value]]:
        result: dict[Value, list[Value]] = {}
        for value in self.values:
            result.setdefault(self.root(value), []).append(value)
        return result


def _choose(members: list[Value], ranges: Mapping[Value, Range]) -> QuantType:
    fixed = {_fixed_quant(value) for value in members if not is_moved(value)}
    if len(fixed) == 1 and None not in fixed:
        (quant,) = fixed
        assert quant is not None
        return quant
    return QuantType.covering(min(ranges[v][0] for v in members), max(ranges[v][1] for v in members))


def is_moved(value: Value) -> bool:
    """Whether a value has the quantization of what it is made of."""
    return value.producer is not None and value in spec_of(value.producer.op).tied(value.producer)


def _fixed_quant(value: Value) -> QuantType | None:
    fixed = None if value.producer is None else spec_of(value.producer.op).fixed_output_quant
    return None if fixed is None else QuantType.per_tensor(*fixed)


def _widen(
    graph: Graph, groups: Groups, chosen: dict[Value, QuantType], ranges: Mapping[Value, Range], fixed: set[Value]
) -> bool:
    """Raise output scales that the integer arithmetic could not reach, but those of `fixed`; True where one was raised.

    It takes sums that cancel, or layers whose outputs were almost zero on all samples, to need this.
    """
    changed = False
    for node in graph.nodes:
        if node.outputs[0].dtype is not DType.FLOAT32:
            continue
        root = groups.root(node.outputs[0])
        least, quant = _least_scale(node, groups, chosen, ranges), chosen[root]
        if quant.scale[0] < least and root not in fixed and _fixed_quant(node.outputs[0]) is None:
            chosen[root] = QuantType.per_tensor(least * (1 + 1e-6), quant.zero_point[0])
            changed = True
    return changed


def _least_scale(node: Node, groups: Groups, chosen: Mapping[Value, QuantType], ranges: Mapping[Value, Range]) -> float:
    """The smallest output scale: no product multiplier above 1, no sum, mean or matrix product that overflows."""
    scales = [
        chosen[groups.root(v)].scale[0]
        for v in node.inputs
        if v is not None and not v.is_constant and v.dtype is DType.FLOAT32
    ]
    if is_product(node) and scales:
        return least_product_scale(node, scales[0])
    if node.op in ("add", "sub") and scales:
        return max(*scales, *_constant_scales(node, ranges)) * 2.0**-18
    if node.op == "mul" and scales:
        return float(np.prod([*scales, *_constant_scales(node, ranges)])) * 2.0**-12
    if node.op in ("div", "matmul"):
        first, second = (
            constant_quant(v, ranges) if v.is_constant else chosen[groups.root(v)]
            for v in (node.input(0), node.input(1))
        )
        if node.op == "div":
            return first.scale[0] / second.scale[0] * 2.0**-6
        # Sums stay below 2**31 after the shift, which is less than twice the ratio of scales.
        return first.scale[0] * second.scale[0] * matrix_shapes(node)[0][-1] * product_reach(first) * 2.0**-30
    if node.op == "mean":
        return scales[0] * 2.0**-10
    if node.op == "cum_sum" and scales:
        terms: int = node.input(0).shape[node.attrs["axis"]]
        return scales[0] * terms * 2.0**-21
    return 0.0


def least_product_scale(node: Node, x_scale: float) -> float:
    """The output scale of a product below which a multiplier would be above 1."""
    return x_scale * float(np.abs(node.input(1).array).max(initial=0.0)) / 127.0


def constant_quant(value: Value, ranges: Mapping[Value, Range]) -> QuantType:
    """The quantization of a constant operand that shares none: over all of its values, or what of them counts."""
    everything = float(value.array.min(initial=0.0)), float(value.array.max(initial=0.0))
    return QuantType.covering(*ranges.get(value, everything))


def _constant_scales(node: Node, ranges: Mapping[Value, Range]) -> list[float]:
    constants = [v for v in node.inputs if v is not None and v.is_constant and v.dtype is DType.FLOAT32]
    return [constant_quant(v, ranges).scale[0] for v in constants]
