"""BatchNormalization: a scale and an offset per channel."""

from __future__ import annotations

import numpy as np

from edgekit.importers.onnx.affine import affine
from edgekit.importers.onnx.builder import Layer
from edgekit.ir import Value


def batch_normalization(layer: Layer) -> Value:
    """Inference form, along axis 1."""
    x = layer.value(0)
    if layer.int_attr("training_mode", 0):
        raise layer.unsupported("training mode", "export the model in inference mode")
    if len(x.shape) < 2:
        raise layer.bad(f"the input has {len(x.shape)} axes, needs at least 2")
    if not all(layer.is_constant(i) for i in range(1, 5)):
        return _computed(layer, x)
    channels = x.shape[1]
    layer.claim(5 * 8 * channels)
    gamma, beta, mean, variance = (layer.constant(i).real().astype(np.float64) for i in range(1, 5))
    if any(a.shape != (channels,) for a in (gamma, beta, mean, variance)):
        raise layer.bad(f"its four constants must have shape [{channels}]")
    spread = variance + layer.float_attr("epsilon", 1e-5)
    if not (spread > 0).all():
        raise layer.bad("a variance is not positive")
    scale = gamma / np.sqrt(spread)
    column = (channels,) + (1,) * (len(x.shape) - 2)
    return affine(layer, x, *(a.astype(np.float32).reshape(column) for a in (scale, beta - mean * scale)))


def _computed(layer: Layer, x: Value) -> Value:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta with computed statistics."""
    column = (-1,) + (1,) * (len(x.shape) - 2)
    gamma, beta, mean, variance = (_column(layer, layer.value(i), column) for i in range(1, 5))
    none = {"activation": "none"}
    epsilon = layer.number(layer.float_attr("epsilon", 1e-5), variance, "epsilon")
    spread = layer.emit("sqrt", [layer.emit("add", [variance, epsilon], none, "variance")], {}, "deviation")
    scale = layer.emit("div", [gamma, spread], none, "scale")
    centred = layer.emit("sub", [x, mean], none, "centred")
    return layer.emit("add", [layer.emit("mul", [centred, scale], none, "scaled"), beta], none)


def _column(layer: Layer, value: Value, column: tuple[int, ...]) -> Value:
    return layer.reshape(value, (value.elements, *column[1:]))
