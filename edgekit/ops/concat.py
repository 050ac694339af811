"""concat: tensors joined along one axis, all of one quantization."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, random_codes, random_numbers, single_node_graph


def all_same_quantization(node: Node) -> bool:
    """all inputs and the output must have the same quantization."""
    return all(v is not None and v.quant == node.output.quant for v in node.inputs)


def one_part_type(node: Node) -> bool:
    """all parts must have one type."""
    return all(v is not None and v.dtype is node.output.dtype for v in node.inputs)


class Concat(OpSpec):
    """Inputs of equal shape but for attr axis."""

    name = "concat"
    summary = "concatenation along one axis"
    onnx = ("Concat",)
    tflite = ("CONCATENATION", "PACK")
    shares_quantization = True
    rewrite = "give all parts one type and, where they are codes, one scale"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (all_same_quantization, one_part_type)

    def infer(self, node: Node) -> list[Shape]:
        axis, shapes = node.attrs["axis"], [v.shape for v in node.inputs if v is not None]
        first = shapes[0]
        if not 0 <= axis < len(first) or any(
            len(s) != len(first) or s[:axis] != first[:axis] or s[axis + 1 :] != first[axis + 1 :] for s in shapes
        ):
            raise bad_shape(node, f"parts differ outside axis {axis}")
        if len({v.dtype for v in node.inputs if v is not None}) > 1:
            raise bad_shape(node, "parts differ in type")
        return [(*first[:axis], sum(s[axis] for s in shapes), *first[axis + 1 :])]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        return [np.concatenate([x for x in inputs if x is not None], axis=node.attrs["axis"])]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        return self.float_reference(node, inputs)

    def cases(self) -> Iterable[Case]:
        rng = np.random.default_rng(800)
        quant = QuantType.per_tensor(0.1, 3)
        for axis, shapes in (
            (3, [(1, 4, 5, 3), (1, 4, 5, 2), (1, 4, 5, 7)]),
            (1, [(1, 4, 6), (1, 9, 6)]),
            (0, [(2, 3), (1, 3)]),
        ):
            parts = [Value(f"x{i}", s, DType.INT8, quant) for i, s in enumerate(shapes)]
            y = Value("y", (), DType.INT8, quant)
            graph = single_node_graph(self.name, parts, [y], {"axis": axis})
            y.shape = self.infer(graph.nodes[0])[0]
            yield Case(f"axis{axis}", graph, (tuple(random_codes(rng, s) for s in shapes),))
        for dtype in (DType.FLOAT32, DType.INT64):
            x, y = Value("x", (2, 3, 4), dtype), Value("y", (), dtype)
            part = Value.constant("c", random_numbers(rng, (2, 1, 4), dtype))
            graph = single_node_graph(self.name, [x, part], [y], {"axis": 1})
            y.shape = self.infer(graph.nodes[0])[0]
            yield Case(dtype.suffix, graph, ((random_numbers(rng, x.shape, dtype),),))
