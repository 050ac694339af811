"""Functions of one or two tensors, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from edgekit.importers.tflite.layer import Layer
from edgekit.ir import DType, Value

Translator = Callable[[Layer], "Value | list[Value]"]


def unary(op: str, quantized: bool = True, **attrs: float) -> Translator:
    """A function of one tensor; `quantized` ones have TFLite's own int8 (and int16) definition."""

    def translate(layer: Layer) -> Value:
        return function(layer, op, quantized, attrs)

    return translate


def function(layer: Layer, op: str, quantized: bool, attrs: dict[str, Any]) -> Value:
    """The node of a function of one tensor."""
    x = layer.value(0)
    if x.quant is not None and not quantized:
        layer.float_only()
    return layer.result(op, [x], attrs | ({"tflite": True} if x.quant is not None else {}))


def leaky_relu(layer: Layer) -> Value:
    """LEAKY_RELU with its slope."""
    return function(layer, "leaky_relu", True, {"alpha": _finite(layer, layer.options.Alpha())})


def gelu(layer: Layer) -> Value:
    """GELU, exact or by tanh."""
    return function(layer, "gelu_tanh" if layer.options.Approximate() else "gelu", True, {})


def _finite(layer: Layer, value: float) -> float:
    if not math.isfinite(value):
        raise layer.bad(f"has an attribute of {value}")
    return float(value)


def prelu(layer: Layer) -> Value:
    """PRELU with slopes that broadcast."""
    x, slopes = layer.value(0), layer.value(1)
    return layer.result("prelu" if x.quant is None else "int_prelu", [x, slopes], {})


def arithmetic(op: str) -> Translator:
    """ADD, SUB, MUL and DIV with a fused activation."""

    def translate(layer: Layer) -> Value:
        a, b, activation = layer.value(0), layer.value(1), layer.activation()
        if op == "div" and a.quant is not None:
            if activation != "none":
                raise layer.unsupported(f"{activation} of quotients of codes", "apply it in a layer of its own")
            return layer.result("int_div", [a, b], {})
        if a.quant is not None and a.dtype is DType.INT16 and op in ("add", "sub"):
            _general_scales(layer)
        if activation != "none" and a.quant is None and a.dtype is not DType.FLOAT32:
            raise layer.unsupported(f"activation {activation} of {a.dtype.value}", "apply it in a layer of its own")
        return layer.result(op, [a, b], {"activation": activation})

    return translate


def _general_scales(layer: Layer) -> None:
    """Refuse TFLite's other int16 sum, which shifts by powers of two."""
    scales = [t.quant.scale[0] for t in (*layer.inputs, *layer.outputs) if t is not None and t.quant is not None]
    if layer.options.PotScaleInt16() and all(math.frexp(s)[0] == 0.5 for s in scales):
        raise layer.unsupported("int16 scales that are powers of two", "convert with pot_scale_int16 off")


def binary(op: str, swapped: bool = False, tied: bool = False) -> Translator:
    """A function of two tensors of plain numbers; `tied` ones keep int8 codes of one quantization."""

    def translate(layer: Layer) -> Value:
        if not tied:
            layer.float_only()
        a, b = layer.value(0), layer.value(1)
        return layer.result(op, [b, a] if swapped else [a, b], {})

    return translate


def comparison(op: str, swapped: bool = False, negated: bool = False) -> Translator:
    """A comparison; codes of two scales are brought to one by TFLite's definition."""

    def translate(layer: Layer) -> Value:
        a, b = layer.value(0), layer.value(1)
        name = op if a.quant is None and b.quant is None else f"int_{op}"
        operands = [b, a] if swapped else [a, b]
        if not negated:
            return layer.result(name, operands, {})
        return layer.result("logical_not", [layer.emit(name, operands, {}, "equal")], {})

    return translate


def squared_difference(layer: Layer) -> Value:
    """(a - b) squared."""
    a, b = layer.value(0), layer.value(1)
    if a.quant is not None:
        return layer.result("squared_difference", [a, b], {})
    difference = layer.emit("sub", [a, b], {"activation": "none"}, "difference")
    return layer.result("mul", [difference, difference], {"activation": "none"})


def square(layer: Layer) -> Value:
    """SQUARE."""
    layer.float_only()
    x = layer.value(0)
    return layer.result("mul", [x, x], {"activation": "none"})


def floor_div(layer: Layer) -> Value:
    """FLOOR_DIV: floats and non-negative whole numbers alike, rounded down."""
    layer.float_only()
    a, b = layer.value(0), layer.value(1)
    if a.dtype is DType.FLOAT32:
        return layer.result("floor", [layer.emit("div", [a, b], {"activation": "none"}, "quotient")], {})
    # The remainder of the divisor's sign makes the rest divide evenly.
    rest = layer.emit("mod", [a, b], {}, "remainder")
    even = layer.emit("sub", [a, rest], {"activation": "none"}, "even")
    return layer.result("div", [even, b], {"activation": "none"})


def floor_mod(layer: Layer) -> Value:
    """FLOOR_MOD: the remainder has the divisor's sign."""
    layer.float_only()
    a, b = layer.value(0), layer.value(1)
    if a.dtype is not DType.FLOAT32:
        return layer.result("mod", [a, b], {})
    rest = layer.emit("fmod", [a, b], {}, "remainder")
    zero = Value.constant("zero", np.zeros((), np.float32))
    wrong = layer.emit("less", [layer.emit("mul", [rest, b], {"activation": "none"}, "sign"), zero], {}, "wrong sign")
    moved = layer.emit("add", [rest, b], {"activation": "none"}, "moved")
    return layer.result("where", [wrong, moved, rest], {})


def add_n(layer: Layer) -> Value:
    """ADD_N: sums from the left."""
    layer.float_only()
    total = layer.value(0)
    if len(layer.operands) == 1:
        return layer.result("reshape", [total], {"shape": total.shape})
    for index in range(1, len(layer.operands) - 1):
        total = layer.emit("add", [total, layer.value(index)], {"activation": "none"}, f"sum {index}")
    return layer.result("add", [total, layer.value(len(layer.operands) - 1)], {"activation": "none"})


def select(layer: Layer) -> Value:
    """SELECT and SELECT_V2; SELECT's condition of one axis chooses along the first axis."""
    c, a, b = (layer.value(i) for i in range(3))
    if layer.op == "SELECT" and len(c.shape) == 1 and len(a.shape) > 1:
        c = layer.reshaped(c, (*c.shape, *[1] * (len(a.shape) - 1)))
    return layer.result("where", [c, a, b], {})


def cast(layer: Layer) -> Value:
    """CAST of plain numbers."""
    layer.float_only()
    x, target = layer.value(0), layer.outputs[0].dtype
    if x.dtype is target:
        return layer.result("reshape", [x], {"shape": x.shape})
    return layer.result("cast", [x], {"to": target.value})


def quantize(layer: Layer) -> Value:
    """QUANTIZE: floats to codes, or codes to codes of another scale or width."""
    x = layer.value(0)
    return layer.result("quantize" if x.dtype is DType.FLOAT32 else "requantize", [x], {})


def dequantize(layer: Layer) -> Value:
    """DEQUANTIZE; constants become the numbers that they are."""
    x = layer.value(0)
    if x.dtype is DType.FLOAT32 and x.is_constant:
        return x
    if x.quant is not None and x.is_constant:
        return Value.constant(layer.outputs[0].name, x.quant.dequantize(x.array))
    if x.quant is None:
        raise layer.bad("reads a tensor without scales")
    return layer.result("dequantize", [x], {})
