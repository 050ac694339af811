"""quantize, dequantize and requantize: between real numbers and codes, and between two kinds of codes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Grid, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops.spec import Case, Constraint, OpSpec, Shape, random_codes, single_node_graph


def _quant(value: Value) -> QuantType:
    if value.quant is None:
        raise ValueError(f"value {value.name!r} has no quantization")
    return value.quant


def _one_scale(value: Value, kinds: Sequence[DType]) -> bool:
    """Whether a value holds codes of one of the types with one positive, finite scale."""
    quant = value.quant
    return value.dtype in kinds and quant is not None and quant.is_per_tensor and 0.0 < quant.scale[0] < math.inf


_CODES, _SMALL_CODES = (DType.INT8, DType.INT16), (DType.INT8, DType.UINT8)


def reads_floats(node: Node) -> bool:
    """the input must be float32 numbers; cast integers to float before it."""
    return node.input(0).dtype is DType.FLOAT32


def makes_codes(node: Node) -> bool:
    """the output must be int8 or int16 codes of one positive scale."""
    return _one_scale(node.output, _CODES)


def reads_codes(node: Node) -> bool:
    """the input must be int8 or int16 codes of one positive scale; integers without a scale are cast instead."""
    return _one_scale(node.input(0), _CODES)


def makes_floats(node: Node) -> bool:
    """the output must be float32 numbers."""
    return node.output.dtype is DType.FLOAT32


class _Conversion(OpSpec):
    """One tensor in another form; the importer chose the output's type and quantization."""

    def infer(self, node: Node) -> list[Shape]:
        return [node.input(0).shape]

    def infer_types(self, node: Node) -> list[DType]:
        return [node.output.dtype]


class Quantize(_Conversion):
    """float32 -> int8 or int16 codes."""

    name = "quantize"
    summary = "float32 to int8 or int16 codes, round half away from zero"
    onnx = ("QuantizeLinear",)
    tflite = ("QUANTIZE",)
    rewrite = "convert the model again"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (reads_floats, makes_codes)

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [_quant(node.output).quantize(inputs[0], node.output.dtype)]

    def cases(self) -> Iterable[Case]:
        rng = np.random.default_rng(1100)
        x = Value("x", (1, 67), DType.FLOAT32)
        y = Value("y", (1, 67), DType.INT8, QuantType.per_tensor(0.037, -3))
        data = rng.normal(0, 3, (1, 67)).astype(np.float32)
        data[0, :7] = [1e9, -1e9, 0.0185, -0.0185, np.nan, np.inf, -np.inf]
        yield Case("c0", single_node_graph(self.name, [x], [y], {}), ((data,),))
        y = Value("y", (1, 67), DType.INT16, QuantType.per_tensor(0.00037, 0))
        x = Value("x", (1, 67), DType.FLOAT32)
        yield Case("s16", single_node_graph(self.name, [x], [y], {}), ((data,),))


class Dequantize(_Conversion):
    """int8 or int16 codes -> float32."""

    name = "dequantize"
    summary = "int8 or int16 codes to float32"
    onnx = ("DequantizeLinear",)
    tflite = ("DEQUANTIZE",)
    rewrite = "convert the model again"

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (reads_codes, makes_floats)

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [_quant(node.input(0)).dequantize(inputs[0])]

    def cases(self) -> Iterable[Case]:
        x = Value("x", (1, 33), DType.INT8, QuantType.per_tensor(0.037, -3))
        y = Value("y", (1, 33), DType.FLOAT32)
        data = random_codes(np.random.default_rng(1200), (1, 33))
        yield Case("c0", single_node_graph(self.name, [x], [y], {}), ((data,),))
        x = Value("x", (1, 33), DType.INT16, QuantType.per_tensor(0.00037, 0))
        y = Value("y", (1, 33), DType.FLOAT32)
        wide = random_codes(np.random.default_rng(1201), (1, 33), DType.INT16)
        yield Case("s16", single_node_graph(self.name, [x], [y], {}), ((wide,),))


def requantize_scale(node: Node) -> tuple[int, int]:
    """(multiplier, shift) from the input's scale to the output's."""
    return fp.quantize_multiplier(float(fp.single_quant(node.input(0))[0]) / float(fp.single_quant(node.output)[0]))


def known_codes(node: Node) -> bool:
    """both sides must be codes of one positive scale: int8 or uint8, or, without grids, int16 with int8 or int16."""
    sides = (node.input(0), node.output)
    if all(v.quant is None and v.dtype is DType.FLOAT32 for v in sides):
        return True
    wide = DType.INT16 in {v.dtype for v in sides}
    return not (wide and _on_grids(node)) and all(_one_scale(v, _CODES if wide else _SMALL_CODES) for v in sides)


def _on_grids(node: Node) -> bool:
    """Whether a side is on a grid: a table of the nearest codes then, which no kernel has to compute."""
    return any(v.quant is not None and v.quant.grid is not None for v in (node.input(0), node.output))


def near_scales(node: Node) -> bool:
    """the input's scale must be below 2**22 times the output's (2**14 times where a side is int16)."""
    limit = 14 if DType.INT16 in (node.input(0).dtype, node.output.dtype) else 22
    exact = node.output.quant is None or _on_grids(node)
    return exact or not known_codes(node) or requantize_scale(node)[1] <= limit


class Requantize(_Conversion):
    """Codes -> codes of another scale, zero point, type or grid; float numbers stay as they are.

    attr float_scale: rounded from a product in float32, as TFLite's concatenation of uint8 codes does.
    """

    name = "requantize"
    summary = "8-bit or int16 codes to codes of another quantization"
    onnx = ("edgekit.OnGrid",)
    tflite = ("QUANTIZE", "CONCATENATION")
    rewrite = "convert again with scales of ordinary size"
    encodes = decodes = True

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (known_codes, near_scales)

    def table(self, node: Node) -> Array:
        """256 output codes, by the 8-bit input's code minus its type's minimum; from and to grids, the nearest."""
        info = np.iinfo(node.input(0).dtype.numpy)
        return self._rescaled(node, np.arange(info.min, info.max + 1, dtype=np.int64))

    def _rescaled(self, node: Node, codes: Array) -> Array:
        (sx, zx), (sy, zy) = fp.single_quant(node.input(0)), fp.single_quant(node.output)
        info, kind = np.iinfo(node.output.dtype.numpy), node.output.dtype.numpy
        if _on_grids(node):
            return _quant(node.output).quantize(fp.steps(node.input(0), codes) * sx, node.output.dtype)
        if node.attrs.get("float_scale"):
            factor = np.float32(sx) * (np.float32(1) / np.float32(sy))
            real = codes.astype(np.float32) * factor + np.float32(-zx) * factor
            rounded = np.trunc(real + np.copysign(np.float32(0.5), real)).astype(np.int64) + zy
            return np.asarray(np.clip(rounded, info.min, info.max), kind)
        span = (int(info.min), int(info.max))
        return fp.requantize(codes - zx, requantize_scale(node), zy, span).astype(kind)

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [self._rescaled(node, inputs[0].astype(np.int64))]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [inputs[0]]

    def cases(self) -> Iterable[Case]:
        rng = np.random.default_rng(1300)
        variants = [
            ("sign_flip", DType.UINT8, DType.INT8, (0.05, 128), (0.05, 0)),
            ("sign_flip_back", DType.INT8, DType.UINT8, (0.05, 0), (0.05, 128)),
            ("rescale", DType.INT8, DType.INT8, (0.05, 4), (0.031, -20)),
            ("widen", DType.INT8, DType.INT16, (0.05, 4), (0.0003, 0)),
            ("narrow", DType.INT16, DType.INT8, (0.0003, 0), (0.05, -20)),
            ("wide", DType.INT16, DType.INT16, (0.0003, 0), (0.0001, 0)),
        ]
        for name, from_type, to_type, from_quant, to_quant in variants:
            x = Value("x", (1, 39), from_type, QuantType.per_tensor(*from_quant))
            y = Value("y", (1, 39), to_type, QuantType.per_tensor(*to_quant))
            graph = single_node_graph(self.name, [x], [y], {})
            yield Case(name, graph, ((random_codes(rng, (1, 39), from_type),),))
        even = QuantType.per_tensor(0.05, 4)
        for name, grid in (("grid_signed", Grid(4, 0.6, 7, 127)), ("grid_even", Grid(4, 1.0, 2, 221)),
                           ("grid_coded", Grid(8, 0.5, 40, 20000))):  # fmt: skip
            quant = QuantType.on_grid(4.0 / grid.largest, grid)
            for part, (before, after) in (("", (even, quant)), ("_decoded", (quant, even))):
                x, y = Value("x", (1, 39), DType.INT8, before), Value("y", (1, 39), DType.INT8, after)
                codes = quant.quantize(rng.normal(0, 2, (1, 39)), DType.INT8) if part else random_codes(rng, (1, 39))
                yield Case(f"{name}{part}", single_node_graph(self.name, [x], [y], {}), ((codes,),))
