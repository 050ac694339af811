"""reshape and transpose: the same codes in another shape or order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops.pool import same_quantization
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, random_codes, single_node_graph


class _Movement(OpSpec):
    shares_quantization = True

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (same_quantization,)

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        return self.float_reference(node, inputs)

    def _case(self, name: str, shape: Shape, attrs: dict[str, object]) -> Case:
        rng = np.random.default_rng(len(shape))
        quant = QuantType.per_tensor(0.1, 3)
        y = Value("y", (), DType.INT8, quant)
        graph = single_node_graph(self.name, [Value("x", shape, DType.INT8, quant)], [y], attrs)
        y.shape = self.infer(graph.nodes[0])[0]
        return Case(name, graph, ((random_codes(rng, shape),),))


class Reshape(_Movement):
    """Input x; attr shape."""

    name = "reshape"
    summary = "new shape over the same elements; free where the buffer can be shared"
    onnx = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast")
    tflite = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")

    def infer(self, node: Node) -> list[Shape]:
        shape = tuple(int(d) for d in node.attrs["shape"])
        if any(d < 0 for d in shape) or int(np.prod(shape, dtype=object)) != node.input(0).elements:
            raise bad_shape(node, f"cannot reshape to {list(shape)}")
        return [shape]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [inputs[0].reshape(node.output.shape)]

    def cases(self) -> Iterable[Case]:
        yield self._case("c0", (1, 3, 4, 5), {"shape": (1, 60)})


class Transpose(_Movement):
    """Input x; attr perm."""

    name = "transpose"
    summary = "permutation of up to 4 axes"
    onnx = ("Transpose",)
    tflite = ("TRANSPOSE",)

    def infer(self, node: Node) -> list[Shape]:
        shape, perm = node.input(0).shape, tuple(node.attrs["perm"])
        if sorted(perm) != list(range(len(shape))):
            raise bad_shape(node, f"{list(perm)} is no permutation of the axes")
        return [tuple(shape[p] for p in perm)]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [np.ascontiguousarray(inputs[0].transpose(node.attrs["perm"]))]

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (same_quantization, up_to_four_axes)

    def cases(self) -> Iterable[Case]:
        yield self._case("nhwc", (1, 3, 4, 5), {"perm": (0, 2, 3, 1)})
        yield self._case("nchw", (1, 4, 5, 3), {"perm": (0, 3, 1, 2)})
        yield self._case("reverse", (2, 3, 4, 5), {"perm": (3, 2, 1, 0)})
        yield self._case("matrix", (6, 7), {"perm": (1, 0)})


def up_to_four_axes(node: Node) -> bool:
    """a transposed tensor may have at most 4 axes longer than 1."""
    return sum(d > 1 for d in node.input(0).shape) <= 4
