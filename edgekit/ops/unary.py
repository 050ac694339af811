"""Elementwise functions of one tensor: in integers a table of 256 codes, made from the rounded real result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.spec import Case, OpSpec, Shape, random_codes, single_node_graph

FloatFunction = Callable[[Array], Array]


class Unary(OpSpec):
    """Input x of any shape; int8 to int8 through a table, float by the function itself."""

    def __init__(
        self,
        name: str,
        function: FloatFunction,
        onnx: tuple[str, ...],
        tflite: tuple[str, ...],
        fixed_output_quant: tuple[float, int] | None = None,
    ) -> None:
        self.name, self.onnx, self.tflite = name, onnx, tflite
        self.summary = f"elementwise {name}, a 256-entry table in int8"
        self.function = function
        self.fixed_output_quant = fixed_output_quant

    def infer(self, node: Node) -> list[Shape]:
        return [node.input(0).shape]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [self.function(inputs[0].astype(np.float64)).astype(np.float32)]

    def table(self, node: Node) -> Array:
        """int8 [256]: entry (code + 128) is the output's code."""
        (sx, zx), (sy, zy) = fp.single_quant(node.input(0)), fp.single_quant(node.output)
        real = self.function((np.arange(-128, 128, dtype=np.float64) - zx) * sx)
        scaled = real / sy
        codes: Array = np.clip(np.trunc(scaled + np.copysign(0.5, scaled)) + zy, -128, 127).astype(np.int8)
        return codes

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [self.table(node)[inputs[0].astype(np.int64) + 128]]

    def cases(self) -> Iterable[Case]:
        rng = np.random.default_rng(1000)
        shape = (1, 5, 51)
        scale, zero = self.fixed_output_quant or (0.03, -7)
        x = Value("x", shape, DType.INT8, QuantType.per_tensor(0.04, 11))
        y = Value("y", shape, DType.INT8, QuantType.per_tensor(scale, zero))
        yield Case("c0", single_node_graph(self.name, [x], [y], {}), ((random_codes(rng, shape),),))


def _sigmoid(x: Array) -> Array:
    positive = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, positive) / (1.0 + positive)


UNARY_OPS: tuple[Unary, ...] = (
    Unary("relu", lambda x: np.maximum(x, 0.0), ("Relu",), ("RELU",)),
    Unary("relu6", lambda x: np.clip(x, 0.0, 6.0), ("Clip",), ("RELU6",)),
    Unary("sigmoid", _sigmoid, ("Sigmoid",), ("LOGISTIC",), (1 / 256, -128)),
    Unary("tanh", np.tanh, ("Tanh",), ("TANH",), (1 / 128, 0)),
)
