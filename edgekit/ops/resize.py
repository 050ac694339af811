"""resize_nearest: nearest-neighbour enlargement of NHWC activations by whole factors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops.pool import same_quantization
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, bad_shape, random_codes, single_node_graph


class ResizeNearest(OpSpec):
    """Input x [N,H,W,C]; attr factors (h, w): output pixel (i, j) is input pixel (i // h, j // w)."""

    name = "resize_nearest"
    summary = "nearest-neighbour upsampling by whole factors"
    onnx = ("Resize", "Upsample")
    tflite = ("RESIZE_NEAREST_NEIGHBOR",)
    shares_quantization = True

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (same_quantization,)

    def infer(self, node: Node) -> list[Shape]:
        shape, (fh, fw) = node.input(0).shape, node.attrs["factors"]
        if len(shape) != 4 or min(fh, fw) < 1:
            raise bad_shape(node, "needs a 4-D input and factors of at least 1")
        return [(shape[0], shape[1] * fh, shape[2] * fw, shape[3])]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        fh, fw = node.attrs["factors"]
        return [inputs[0].repeat(fh, axis=1).repeat(fw, axis=2)]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        return self.float_reference(node, inputs)

    def cases(self) -> Iterable[Case]:
        rng = np.random.default_rng(900)
        quant = QuantType.per_tensor(0.1, 3)
        for factors in ((2, 2), (3, 1)):
            shape = (1, 3, 4, 5)
            y = Value("y", (), DType.INT8, quant)
            graph = single_node_graph(self.name, [Value("x", shape, DType.INT8, quant)], [y], {"factors": factors})
            y.shape = self.infer(graph.nodes[0])[0]
            yield Case(f"f{factors[0]}{factors[1]}", graph, ((random_codes(rng, shape),),))
