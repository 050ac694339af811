"""Add, Sub, Mul, Div and BatchNormalization: sums of two tensors, and arithmetic with constants."""

from __future__ import annotations

import numpy as np

from edgekit.importers.onnx.affine import affine
from edgekit.importers.onnx.builder import Layer
from edgekit.ir import Array, Value

_ONE = np.ones((), np.float32)
_ZERO = np.zeros((), np.float32)


def add(layer: Layer) -> Value:
    """A sum of two computed tensors, or of one and a constant."""
    for variable, other in ((0, 1), (1, 0)):
        if layer.is_constant(other):
            return affine(layer, layer.value(variable), _ONE, _numbers(layer, other))
    return layer.emit("add", [layer.value(0), layer.value(1)], {"activation": "none"})


def sub(layer: Layer) -> Value:
    """A difference with a constant on either side."""
    if layer.is_constant(1):
        return affine(layer, layer.value(0), _ONE, -_numbers(layer, 1))
    if layer.is_constant(0):
        return affine(layer, layer.value(1), -_ONE, _numbers(layer, 0))
    raise layer.unsupported("a difference of two computed tensors", "negate the weights of one branch and add")


def mul(layer: Layer) -> Value:
    """A product with a constant."""
    for variable, other in ((0, 1), (1, 0)):
        if layer.is_constant(other):
            return affine(layer, layer.value(variable), _numbers(layer, other), _ZERO)
    raise layer.unsupported("a product of two computed tensors", "retrain without the gate (squeeze-excite, swish)")


def div(layer: Layer) -> Value:
    """A quotient by a constant."""
    if not layer.is_constant(1):
        raise layer.unsupported("a division by a computed tensor", "only division by constants is built")
    divisor = _numbers(layer, 1)
    if not divisor.all():
        raise layer.bad("divides by zero")
    return affine(layer, layer.value(0), (1.0 / divisor.astype(np.float64)).astype(np.float32), _ZERO)


def neg(layer: Layer) -> Value:
    """The negative."""
    return affine(layer, layer.value(0), -_ONE, _ZERO)


def batch_normalization(layer: Layer) -> Value:
    """Inference form, along axis 1."""
    x = layer.value(0)
    if layer.int_attr("training_mode", 0):
        raise layer.unsupported("training mode", "export the model in inference mode")
    if len(x.shape) < 2:
        raise layer.bad(f"the input has {len(x.shape)} axes, needs at least 2")
    gamma, beta, mean, variance = (layer.constant(i).real().astype(np.float64) for i in range(1, 5))
    channels = x.shape[1]
    if any(a.shape != (channels,) for a in (gamma, beta, mean, variance)):
        raise layer.bad(f"its four constants must have shape [{channels}]")
    spread = variance + layer.float_attr("epsilon", 1e-5)
    if not (spread > 0).all():
        raise layer.bad("a variance is not positive")
    scale = gamma / np.sqrt(spread)
    column = (channels,) + (1,) * (len(x.shape) - 2)
    return affine(layer, x, *(a.astype(np.float32).reshape(column) for a in (scale, beta - mean * scale)))


def _numbers(layer: Layer, index: int) -> Array:
    array = layer.constant(index).real()
    if array.dtype.kind != "f":
        raise layer.unsupported(f"input {index} is {array.dtype}", "use float32 arithmetic")
    return array.astype(np.float32)
