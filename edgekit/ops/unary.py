"""Elementwise functions of one tensor: in integers a table of 256 codes, made from the rounded real result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from edgekit.ir import Array, DType, Grid, Node, QuantType, Value
from edgekit.ops import fixed_point as fp
from edgekit.ops import math_f32 as m
from edgekit.ops.math_f32 import F32
from edgekit.ops.spec import (
    Case,
    Constraint,
    OpSpec,
    Shape,
    is_quantized,
    random_codes,
    random_numbers,
    single_node_graph,
)
from edgekit.ops.tflite_int16 import INT16_FUNCTIONS, int16_form
from edgekit.ops.tflite_int16 import evaluate as evaluate_int16
from edgekit.ops.tflite_tables import TABLES, hard_swish_shift, tflite_table

Function = Callable[..., Array]

# Integers that the few functions with whole results accept; all others take float32 only.
_SIGNED = (DType.INT8, DType.INT16, DType.INT32, DType.INT64)
_INTEGERS = (*_SIGNED, DType.UINT8, DType.UINT16, DType.UINT32, DType.UINT64)


def tflite_definition(node: Node) -> bool:
    """quantized by TFLite, the function needs a kernel there, hard_swish an output scale of 1/128 of the input's."""
    if not node.attrs.get("tflite") or not is_quantized(node) or node.input(0).dtype is not DType.INT8:
        return True
    return node.op in TABLES and (node.op != "hard_swish" or hard_swish_shift(node) <= 0)


class Unary(OpSpec):
    """Input x of any shape; codes through a table, plain numbers by the function itself.

    Attributes:
        exact: the function on plain numbers, with the node's `parameters` as keywords; its float32 steps are those of
            runtime_c/src/ek_<name>.c.
        real: the function on float64, for tables; None where `exact` serves.
        parameters: (name, value in conformance cases) of the float attributes.
        types: element types that the plain form takes.
    """

    def __init__(
        self,
        name: str,
        exact: Function,
        real: Function | None = None,
        onnx: tuple[str, ...] = (),
        tflite: tuple[str, ...] = (),
        parameters: tuple[tuple[str, float], ...] = (),
        types: tuple[DType, ...] = (DType.FLOAT32,),
        fixed_output_quant: tuple[float, int] | None = None,
    ) -> None:
        self.name, self.onnx, self.tflite = name, onnx, tflite
        self.summary = f"elementwise {name}, a 256-entry table in int8"
        self.exact, self.real, self.parameters, self.types = exact, real or exact, parameters, types
        self.fixed_output_quant = fixed_output_quant
        self.encodes = True

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (self._has_type, tflite_definition)

    def _has_type(self, node: Node) -> bool:
        """the input must be int8 codes or a type that the function has (float32; whole-number functions: integers)."""
        if is_quantized(node) and node.input(0).dtype is DType.INT16:
            return bool(node.attrs.get("tflite")) and int16_form(node)
        if is_quantized(node):
            return node.input(0).dtype is DType.INT8 and node.output.dtype is DType.INT8
        return node.input(0).dtype in self.types

    def infer(self, node: Node) -> list[Shape]:
        return [node.input(0).shape]

    def arguments(self, node: Node) -> dict[str, float]:
        """The float attributes of a node, in the order of the kernel's arguments."""
        return {name: float(node.attrs[name]) for name, _ in self.parameters}

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        arguments = {key: F32(value) for key, value in self.arguments(node).items()}
        with np.errstate(all="ignore"):
            return [np.asarray(self.exact(inputs[0], **arguments), inputs[0].dtype).reshape(inputs[0].shape)]

    def table(self, node: Node) -> Array:
        """int8 [256]: entry (code + 128) is the output's code. attr tflite: as TFLite's kernels define it."""
        if node.attrs.get("tflite"):
            return tflite_table(node, self.arguments(node))
        (sx, zx), (sy, zy) = fp.single_quant(node.input(0)), fp.single_quant(node.output)
        with np.errstate(all="ignore"):
            real = self.real((np.arange(-128, 128, dtype=np.float64) - zx) * sx, **self.arguments(node))
        # Poles saturate; what is no number at all (the logarithm of a negative code) gets the code of zero.
        scaled = np.nan_to_num(np.asarray(real, np.float64) / sy, nan=0.0, posinf=1e9, neginf=-1e9)
        if (quant := node.output.quant) is not None and quant.grid is not None:
            return np.asarray(quant.quantize(scaled * sy, DType.INT8), np.int8)
        codes: Array = np.clip(np.trunc(scaled + np.copysign(0.5, scaled)) + zy, -128, 127).astype(np.int8)
        return codes

    def int_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        if inputs[0].dtype == np.int16:
            return [evaluate_int16(node, inputs[0], self.arguments(node))]
        return [self.table(node)[inputs[0].astype(np.int64) + 128]]

    def cases(self) -> Iterable[Case]:
        rng = np.random.default_rng(1000)
        shape, attrs = (1, 5, 51), dict(self.parameters)
        scale, zero = self.fixed_output_quant or (0.03, -7)
        x = Value("x", shape, DType.INT8, QuantType.per_tensor(0.04, 11))
        y = Value("y", shape, DType.INT8, QuantType.per_tensor(scale, zero))
        yield Case("c0", single_node_graph(self.name, [x], [y], dict(attrs)), ((random_codes(rng, shape),),))
        if self.name in ("gelu", "sigmoid"):
            y = Value("y", shape, DType.INT8, QuantType.on_grid(3.0 / 16000, Grid(8, 0.5, 40, 16000)))
            yield Case("coded", single_node_graph(self.name, [x], [y], dict(attrs)), ((random_codes(rng, shape),),))
        yield from self._tflite_cases()
        for dtype in self.types:
            x, y = Value("x", shape, dtype), Value("y", shape, dtype)
            yield Case(
                dtype.suffix,
                single_node_graph(self.name, [x], [y], dict(attrs)),
                ((random_numbers(rng, shape, dtype),),),
            )

    def _tflite_cases(self) -> Iterable[Case]:
        rng, shape, attrs = np.random.default_rng(1020), (3, 41), {**dict(self.parameters), "tflite": True}
        scale = self.fixed_output_quant[0] if self.fixed_output_quant else 0.05
        if self.name in TABLES:
            x = Value("x", shape, DType.INT8, QuantType.per_tensor(0.04, 11))
            y = Value("y", shape, DType.INT8, QuantType.per_tensor(scale, -7))
            yield Case("tflite", single_node_graph(self.name, [x], [y], dict(attrs)), ((random_codes(rng, shape),),))
        if self.name in INT16_FUNCTIONS:
            for index, x_scale in enumerate((2.0**-12, 0.0003)):
                x = Value("x", shape, DType.INT16, QuantType.per_tensor(x_scale, 0))
                y_scale = 2.0**-15 if self.name in ("sigmoid", "tanh") else 0.0002
                y = Value("y", shape, DType.INT16, QuantType.per_tensor(y_scale, 0))
                graph = single_node_graph(self.name, [x], [y], dict(attrs))
                yield Case(f"s16_{index}", graph, ((random_codes(rng, shape, DType.INT16),),))


def _wide_sigmoid(x: Array) -> Array:
    positive = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, positive) / (1.0 + positive)


def _below(x: Array, limit: Array | float, low: Array) -> Array:
    """`low` where x is below the limit, x elsewhere; NaN stays."""
    return np.where(x < limit, low, x)


def clamp(x: Array, low: Array | float, high: Array | float) -> Array:
    """x between two limits; NaN stays, and -0 between 0 and 1."""
    x = np.where(x < low, low, x)
    return np.where(x > high, high, x)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) without overflow."""
    return clamp(x, F32(0), F32(np.inf)) + m.log1p(m.exp(-np.abs(x)))


def _wide_softplus(x: Array) -> Array:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def _gelu(x: Array) -> Array:
    return np.asarray(F32(0.5) * x * (F32(1) + m.erf(x * m.SQRT_HALF)))


def _gelu_tanh(x: Array) -> Array:
    inner = F32(0.7978846) * (x + F32(0.044715) * x * x * x)
    return np.asarray(F32(0.5) * x * (F32(1) + m.tanh(inner)))


def _wide_erf(x: Array) -> Array:
    import math

    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x))


def _sign(x: Array) -> Array:
    return np.where(x > 0, x.dtype.type(1), np.where(x < 0, x.dtype.type(0) - x.dtype.type(x.dtype.kind != "u"), x))


def _shrink(x: Array, lambd: float, bias: float) -> Array:
    return np.where(x < -lambd, x + bias, np.where(x > lambd, x - bias, x * 0))


def _hard_sigmoid(x: Array, alpha: float, beta: float) -> Array:
    one = x.dtype.type(1)
    return clamp(x * alpha + beta, x.dtype.type(0), one)


def _hard_swish(x: Array) -> Array:
    kind = x.dtype.type
    return x * clamp(x * kind(F32(1 / 6)) + kind(0.5), kind(0), kind(1))


_POS_INF, _NUMBERS = float("inf"), (DType.FLOAT32, *_SIGNED)

UNARY_OPS: tuple[Unary, ...] = (
    Unary("relu", lambda x: _below(x, 0, x.dtype.type(0)), None, ("Relu",), ("RELU",)),
    Unary("relu6", lambda x: clamp(x, x.dtype.type(0), x.dtype.type(6)), None, ("Clip",), ("RELU6",)),
    Unary(
        "clip", lambda x, low, high: clamp(x, x.dtype.type(low), x.dtype.type(high)), None, ("Clip",),
        ("RELU_N1_TO_1", "RELU_0_TO_1"), (("low", -1.25), ("high", 2.5)),
    ),
    Unary("sigmoid", m.sigmoid, _wide_sigmoid, ("Sigmoid",), ("LOGISTIC",), fixed_output_quant=(1 / 256, -128)),
    Unary("tanh", m.tanh, np.tanh, ("Tanh",), ("TANH",), fixed_output_quant=(1 / 128, 0)),
    Unary("leaky_relu", lambda x, alpha: np.where(x < 0, x * alpha, x), None, ("LeakyRelu",), ("LEAKY_RELU",),
          (("alpha", 0.125),)),
    Unary("elu", lambda x, alpha: np.where(x < 0, m.expm1(x) * alpha, x),
          lambda x, alpha: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x), ("Elu",), ("ELU",),
          (("alpha", 1.5),)),
    Unary("selu", lambda x, alpha, gamma: np.where(x <= 0, m.expm1(x) * alpha, x) * gamma,
          lambda x, alpha, gamma: gamma * np.where(x <= 0, alpha * np.expm1(np.minimum(x, 0)), x), ("Selu",), (),
          (("alpha", 1.6732632), ("gamma", 1.050701))),
    Unary("celu", lambda x, alpha: np.where(x < 0, m.expm1(x / alpha) * alpha, x),
          lambda x, alpha: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0) / alpha), x), ("Celu",), (),
          (("alpha", 2.0),)),
    Unary("gelu", _gelu, lambda x: 0.5 * x * (1 + _wide_erf(x / np.sqrt(2.0))), ("Gelu",), ("GELU",)),
    Unary("gelu_tanh", _gelu_tanh,
          lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))), ("Gelu",), ("GELU",)),
    Unary("silu", lambda x, alpha: x * m.sigmoid(x * alpha), lambda x, alpha: x * _wide_sigmoid(x * alpha), ("Swish",),
          (), (("alpha", 1.0),)),
    Unary("mish", lambda x: x * m.tanh(softplus(x)), lambda x: x * np.tanh(_wide_softplus(x)), ("Mish",)),
    Unary("hard_sigmoid", _hard_sigmoid, None, ("HardSigmoid",), (), (("alpha", 0.2), ("beta", 0.5))),
    Unary("hard_swish", _hard_swish, None, ("HardSwish",), ("HARD_SWISH",)),
    Unary("softplus", softplus, _wide_softplus, ("Softplus",)),
    Unary("softsign", lambda x: x / (x.dtype.type(1) + np.abs(x)), None, ("Softsign",)),
    Unary("thresholded_relu", lambda x, alpha: np.where(x > alpha, x, x.dtype.type(0)), None, ("ThresholdedRelu",), (),
          (("alpha", 1.0),)),
    Unary("shrink", _shrink, None, ("Shrink",), (), (("lambd", 1.5), ("bias", 0.5))),
    Unary("abs", lambda x: np.where(x < 0, x.dtype.type(0) - x, np.abs(x)), None, ("Abs",), ("ABS",), (), _NUMBERS),
    Unary("neg", lambda x: -x, None, ("Neg",), ("NEG",), (), _NUMBERS),
    Unary("sign", _sign, None, ("Sign",), ("SIGN",), (), _NUMBERS),
    Unary("floor", np.floor, None, ("Floor",), ("FLOOR",)),
    Unary("ceil", np.ceil, None, ("Ceil",), ("CEIL",)),
    Unary("round", np.rint, None, ("Round",), ("ROUND",)),
    Unary("exp", m.exp, np.exp, ("Exp",), ("EXP",)),
    Unary("log", m.log, np.log, ("Log",), ("LOG",)),
    Unary("sqrt", m.sqrt, np.sqrt, ("Sqrt",), ("SQRT",)),
    Unary("rsqrt", lambda x: F32(1) / m.sqrt(x), lambda x: 1 / np.sqrt(x), (), ("RSQRT",)),
    Unary("square", lambda x: x * x, None, (), ("SQUARE",)),
    Unary("power", lambda x, exponent: m.power(x, exponent), lambda x, exponent: np.power(x, exponent), ("Pow",),
          ("POW",), (("exponent", 1.5),)),
    Unary("reciprocal", lambda x: x.dtype.type(1) / x, None, ("Reciprocal",)),
    Unary("erf", m.erf, _wide_erf, ("Erf",)),
    Unary("sin", m.sin, np.sin, ("Sin",), ("SIN",)),
    Unary("cos", m.cos, np.cos, ("Cos",), ("COS",)),
    Unary("tan", m.tan, np.tan, ("Tan",)),
    Unary("asin", m.asin, np.arcsin, ("Asin",)),
    Unary("acos", m.acos, np.arccos, ("Acos",)),
    Unary("atan", m.atan, np.arctan, ("Atan",)),
    Unary("sinh", m.sinh, np.sinh, ("Sinh",)),
    Unary("cosh", m.cosh, np.cosh, ("Cosh",)),
    Unary("asinh", m.asinh, np.arcsinh, ("Asinh",)),
    Unary("acosh", m.acosh, np.arccosh, ("Acosh",)),
    Unary("atanh", m.atanh, np.arctanh, ("Atanh",)),
)  # fmt: skip


class Predicate(OpSpec):
    """A question to every number: not, is_nan, is_inf; bitwise_not answers in the input's own type."""

    def __init__(self, name: str, function: Function, onnx: tuple[str, ...], tflite: tuple[str, ...],
                 types: tuple[DType, ...], result: DType | None) -> None:  # fmt: skip
        self.name, self.onnx, self.tflite, self.types, self.result = name, onnx, tflite, types, result
        self.summary, self.function = f"elementwise {name}", function

    @property
    def constraints(self) -> Sequence[Constraint]:
        return (self._has_type,)

    def _has_type(self, node: Node) -> bool:
        """the input must be plain numbers of a type that the question makes sense for."""
        return not is_quantized(node) and node.input(0).dtype in self.types

    def infer(self, node: Node) -> list[Shape]:
        return [node.input(0).shape]

    def infer_types(self, node: Node) -> list[DType]:
        return [self.result or node.input(0).dtype]

    def float_reference(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        assert inputs[0] is not None
        return [np.asarray(self.function(inputs[0]), node.output.dtype.numpy)]

    def cases(self) -> Iterable[Case]:
        rng, shape = np.random.default_rng(1050), (3, 41)
        for dtype in self.types:
            data = random_numbers(rng, shape, dtype)
            if dtype is DType.FLOAT32:
                data.reshape(-1)[:4] = [np.nan, np.inf, -np.inf, 0.0]
            y = Value("y", shape, self.result or dtype)
            yield Case(dtype.suffix, single_node_graph(self.name, [Value("x", shape, dtype)], [y], {}), ((data,),))


PREDICATE_OPS: tuple[Predicate, ...] = (
    Predicate("logical_not", np.logical_not, ("Not",), ("LOGICAL_NOT",), (DType.BOOL,), DType.BOOL),
    Predicate("is_nan", np.isnan, ("IsNaN",), (), (DType.FLOAT32,), DType.BOOL),
    Predicate("is_pos_inf", np.isposinf, ("IsInf",), (), (DType.FLOAT32,), DType.BOOL),
    Predicate("is_neg_inf", np.isneginf, ("IsInf",), (), (DType.FLOAT32,), DType.BOOL),
    Predicate("bitwise_not", np.bitwise_not, ("BitwiseNot",), (), _INTEGERS, None),
)
