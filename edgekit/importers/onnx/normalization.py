"""BatchNormalization: a scale and an offset per channel."""

from __future__ import annotations

import numpy as np

from edgekit.importers.onnx.affine import affine
from edgekit.importers.onnx.builder import Layer
from edgekit.ir import DType, Value


def batch_normalization(layer: Layer) -> Value | list[Value]:
    """Along axis 1; in training mode with the batch's own statistics."""
    x = layer.value(0)
    if layer.int_attr("training_mode", 0):
        return _training(layer, x)
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
    column = (channels,) + (1,) * (len(x.shape) - 2)
    with np.errstate(over="ignore", invalid="ignore"):  # `affine` refuses what is not finite
        scale = gamma / np.sqrt(spread)
        parts = [a.astype(np.float32).reshape(column) for a in (scale, beta - mean * scale)]
    return affine(layer, x, *parts)


def _computed(layer: Layer, x: Value) -> Value:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta with computed statistics."""
    return _normalized(layer, x, _column(layer, 3, x), _column(layer, 4, x))


def _training(layer: Layer, x: Value) -> list[Value]:
    """The result, and the running mean and variance, which take in the batch's."""
    if layer.builder.quantized or x.dtype is not DType.FLOAT32 or len(x.shape) < 2:
        raise layer.unsupported("training mode", "export the model in inference mode")
    attrs = {"axes": tuple(a for a in range(len(x.shape)) if a != 1), "keep_dims": True}
    none = {"activation": "none"}
    mean = layer.emit("mean", [x], attrs, "mean")
    centred = layer.emit("sub", [x, mean], none, "batch centred")
    variance = layer.emit("mean", [layer.emit("square", [centred], {}, "squares")], attrs, "batch variance")
    momentum = layer.float_attr("momentum", 0.9)
    results = [_normalized(layer, x, mean, variance)]
    for index, fresh, part in ((3, mean, "running mean"), (4, variance, "running variance")):
        kept = layer.emit("mul", [layer.value(index), layer.number(momentum, x)], none, f"{part} kept")
        own = layer.reshape(fresh, (x.shape[1],), f"{part} own")
        new = layer.emit("mul", [own, layer.number(1.0 - momentum, x)], none, f"{part} new")
        results.append(layer.emit("add", [kept, new], none, part))
    return results


def _normalized(layer: Layer, x: Value, mean: Value, variance: Value) -> Value:
    gamma, beta = _column(layer, 1, x), _column(layer, 2, x)
    none = {"activation": "none"}
    epsilon = layer.number(layer.float_attr("epsilon", 1e-5), variance, "epsilon")
    spread = layer.emit("sqrt", [layer.emit("add", [variance, epsilon], none, "variance")], {}, "deviation")
    scale = layer.emit("div", [gamma, spread], none, "scale")
    centred = layer.emit("sub", [x, mean], none, "centred")
    return layer.emit("add", [layer.emit("mul", [centred, scale], none, "scaled"), beta], none)


def _column(layer: Layer, index: int, x: Value) -> Value:
    """An operand of one number per channel as it broadcasts with x."""
    value = layer.value(index)
    return layer.reshape(value, (value.elements,) + (1,) * (len(x.shape) - 2), f"operand {index}")
