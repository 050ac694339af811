"""quantize, dequantize and requantize: between real numbers and codes, and between two kinds of codes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.spec import Case, OpSpec, Shape, random_codes, single_node_graph


def _quant(value: Value) -> QuantType:
    if value.quant is None:
        raise ValueError(f"value {value.name!r} has no quantization")
    return value.quant


class Quantize(OpSpec):
    """float32 -> int8 codes."""

    name = "quantize"
    summary = "float32 to int8 codes, round half away from zero"
    onnx = ("QuantizeLinear",)
    tflite = ("QUANTIZE",)

    def infer(self, node: Node) -> list[Shape]:
        return [node.input(0).shape]

    def infer_types(self, node: Node) -> list[DType]:
        return [node.output.dtype]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [_quant(node.output).quantize(inputs[0], node.output.dtype)]

    def cases(self) -> Iterable[Case]:
        rng = np.random.default_rng(1100)
        x = Value("x", (1, 67), DType.FLOAT32)
        y = Value("y", (1, 67), DType.INT8, QuantType.per_tensor(0.037, -3))
        data = rng.normal(0, 3, (1, 67)).astype(np.float32)
        data[0, :4] = [1e9, -1e9, 0.0185, -0.0185]
        yield Case("c0", single_node_graph(self.name, [x], [y], {}), ((data,),))


class Dequantize(OpSpec):
    """int8 codes -> float32."""

    name = "dequantize"
    summary = "int8 codes to float32"
    onnx = ("DequantizeLinear",)
    tflite = ("DEQUANTIZE",)

    def infer(self, node: Node) -> list[Shape]:
        return [node.input(0).shape]

    def infer_types(self, node: Node) -> list[DType]:
        return [node.output.dtype]

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [_quant(node.input(0)).dequantize(inputs[0])]

    def cases(self) -> Iterable[Case]:
        x = Value("x", (1, 33), DType.INT8, QuantType.per_tensor(0.037, -3))
        y = Value("y", (1, 33), DType.FLOAT32)
        data = random_codes(np.random.default_rng(1200), (1, 33))
        yield Case("c0", single_node_graph(self.name, [x], [y], {}), ((data,),))


class Requantize(OpSpec):
    """8-bit codes -> 8-bit codes of another scale, zero point or signedness."""

    name = "requantize"
    summary = "8-bit codes to 8-bit codes of another quantization"
    tflite = ("QUANTIZE",)

    def infer(self, node: Node) -> list[Shape]:
        return [node.input(0).shape]

    def infer_types(self, node: Node) -> list[DType]:
        return [node.output.dtype]

    def table(self, node: Node) -> Array:
        """256 output codes, by the input's code minus the input type's minimum."""
        x, y = node.input(0), node.output
        (sx, zx), (sy, zy) = fp.single_quant(x), fp.single_quant(y)
        info_x, info_y = np.iinfo(x.dtype.numpy), np.iinfo(y.dtype.numpy)
        centred = np.arange(info_x.min, info_x.max + 1, dtype=np.int64) - zx
        multiplier = fp.quantize_multiplier(float(sx) / float(sy))
        return fp.requantize(centred, multiplier, zy, (int(info_y.min), int(info_y.max))).astype(y.dtype.numpy)

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [self.table(node)[inputs[0].astype(np.int64) - np.iinfo(inputs[0].dtype).min]]

    def cases(self) -> Iterable[Case]:
        rng = np.random.default_rng(1300)
        variants = [
            ("sign_flip", DType.UINT8, DType.INT8, (0.05, 128), (0.05, 0)),
            ("sign_flip_back", DType.INT8, DType.UINT8, (0.05, 0), (0.05, 128)),
            ("rescale", DType.INT8, DType.INT8, (0.05, 4), (0.031, -20)),
        ]
        for name, from_type, to_type, from_quant, to_quant in variants:
            x = Value("x", (1, 39), from_type, QuantType.per_tensor(*from_quant))
            y = Value("y", (1, 39), to_type, QuantType.per_tensor(*to_quant))
            graph = single_node_graph(self.name, [x], [y], {})
            yield Case(name, graph, ((random_codes(rng, (1, 39), from_type),),))
