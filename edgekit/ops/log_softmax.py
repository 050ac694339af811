"""log_softmax over the last axis, in float32 with every rounding step defined, so that firmware can equal it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, Value
from edgekit.ops.math_f32 import exp, log
from edgekit.ops.reduce import ordered_sum
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, single_node_graph


def float_input(node: Node) -> bool:
    """input and output must be float32."""
    return node.input(0).dtype is DType.FLOAT32 and node.output.dtype is DType.FLOAT32


class LogSoftmax(OpSpec):
    """Input x [..,C] in float32: x - max - log(sum(exp(x - max)))."""

    name = "log_softmax"
    summary = "log-softmax over the last axis, float32"
    onnx = ("LogSoftmax",)
    tflite = ("LOG_SOFTMAX",)
    rewrite = "end the model at the logits"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (float_input,)

    def infer(self, node: Node) -> list[Shape]:
        return [node.input(0).shape]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        centred = inputs[0] - inputs[0].max(axis=-1, keepdims=True)
        return [centred - log(ordered_sum(exp(centred)))[..., None]]

    def cases(self) -> Iterable[Case]:
        for index, (shape, spread) in enumerate([((1, 10), 5.0), ((3, 17), 60.0), ((1, 300), 0.5), ((2, 1), 1.0)]):
            rng = np.random.default_rng(1400 + index)
            x, y = Value("x", shape, DType.FLOAT32), Value("y", shape, DType.FLOAT32)
            data = rng.normal(0, spread, shape).astype(np.float32)
            yield Case(f"c{index}", single_node_graph(self.name, [x], [y], {}), ((data,),))
