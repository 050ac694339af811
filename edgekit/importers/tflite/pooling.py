"""Pooling, reductions, softmax, normalization and interpolation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgekit.importers.tflite.layer import MAX_FOLDED_ELEMENTS, Layer
from edgekit.importers.tflite.products import window
from edgekit.ir import DType, Value

Translator = Callable[[Layer], "Value | list[Value]"]

# TFLite's least norm that rows are divided by.
L2_EPSILON = 1e-6


def pool(op: str) -> Translator:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""

    def translate(layer: Layer) -> Value:
        kernel = (layer.options.FilterHeight(), layer.options.FilterWidth())
        attrs = window(layer, kernel, (1, 1)) | {"kernel": kernel, "activation": layer.activation()}
        if op == "avg_pool2d" and layer.legacy_uint8:
            attrs["half_up"] = True
        return layer.result(op, [layer.value(0)], attrs)

    return translate


def softmax(layer: Layer) -> Value:
    """SOFTMAX over the last axis."""
    beta = float(layer.options.Beta())
    if not np.isfinite(beta) or beta <= 0:
        raise layer.bad(f"has beta {beta}")
    return layer.result("softmax", [layer.value(0)], {"beta": beta})


def log_softmax(layer: Layer) -> Value:
    """LOG_SOFTMAX over the last axis."""
    x = layer.value(0)
    if x.quant is None:
        return layer.result("log_softmax", [x], {})
    return layer.result("int_log_softmax", [x], {"beta": 1.0})


def _axes(layer: Layer) -> tuple[int, ...]:
    x = layer.value(0)
    return tuple(sorted({layer.axis(a, len(x.shape)) for a in layer.ints(1)}))


def mean(layer: Layer) -> Value:
    """MEAN."""
    x, axes, keep = layer.value(0), _axes(layer), bool(layer.options.KeepDims())
    attrs = {"axes": axes, "keep_dims": keep}
    if x.quant is None and x.dtype is not DType.FLOAT32:
        raise layer.unsupported(f"means of {x.dtype.value}", "cast to float32 before it")
    if x.quant is None or (x.dtype is DType.INT8 and axes == (1, 2) and len(x.shape) == 4):
        return layer.result("mean", [x], attrs)
    return layer.result("int_mean", [x], attrs)


def reduction(op: str) -> Translator:
    """SUM, REDUCE_MAX, REDUCE_MIN and REDUCE_PROD."""

    def translate(layer: Layer) -> Value:
        x, attrs = layer.value(0), {"axes": _axes(layer), "keep_dims": bool(layer.options.KeepDims())}
        if x.quant is not None and op in ("reduce_sum", "reduce_prod"):
            return layer.result(f"int_{op}", [x], attrs)
        return layer.result(op, [x], attrs)

    return translate


def truth(op: str) -> Translator:
    """REDUCE_ANY and REDUCE_ALL: maxima and minima of zeros and ones."""

    def translate(layer: Layer) -> Value:
        attrs = {"axes": _axes(layer), "keep_dims": bool(layer.options.KeepDims())}
        ones = layer.emit("cast", [layer.value(0)], {"to": "uint8"}, "ones")
        return layer.result("cast", [layer.emit(op, [ones], attrs, "reduced")], {"to": "bool"})

    return translate


def l2_normalization(layer: Layer) -> Value:
    """L2_NORMALIZATION over the last axis."""
    x = layer.value(0)
    if layer.activation() != "none":
        raise layer.unsupported("a fused activation", "apply it after")
    if x.quant is not None:
        return layer.result("l2_normalization", [x], {})
    none = {"activation": "none"}
    squares = layer.emit("mul", [x, x], none, "squares")
    attrs = {"axes": (len(x.shape) - 1,), "keep_dims": True}
    norm = layer.emit("sqrt", [layer.emit("reduce_sum", [squares], attrs, "sum")], {}, "norm")
    least = Value.constant(f"{layer.name} epsilon", np.array(L2_EPSILON, np.float32))
    return layer.result("div", [x, layer.emit("max", [norm, least], {}, "at least epsilon")], none)


def local_response_normalization(layer: Layer) -> Value:
    """x / (bias + alpha * sum of squares of neighbouring channels) ** beta; the sum is a 1x1 convolution."""
    layer.float_only()
    x, options = layer.value(0), layer.options
    radius, numbers = int(options.Radius()), (options.Bias(), options.Alpha(), options.Beta())
    if len(x.shape) != 4 or radius < 0 or not all(math.isfinite(n) for n in numbers):
        raise layer.bad(f"input {list(x.shape)}, radius {radius} and factors {numbers} make no sum")
    bias, alpha, beta = (np.float32(n) for n in numbers)
    channels = x.shape[3]
    if channels * channels > MAX_FOLDED_ELEMENTS:
        raise layer.unsupported(f"sums over {channels} channels", "normalize fewer channels, or compute it outside")
    distance = np.abs(np.arange(channels)[:, None] - np.arange(channels))
    band = np.where(distance <= radius, alpha, np.float32(0)).reshape(channels, 1, 1, channels)
    none = {"activation": "none"}
    attrs = none | {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1)}
    weights = Value.constant(f"{layer.name} neighbours", band.astype(np.float32))
    offset = Value.constant(f"{layer.name} bias", np.full(channels, bias, np.float32))
    squares = layer.emit("mul", [x, x], none, "squares")
    total = layer.emit("conv2d", [squares, weights, offset], attrs, "sum")
    power = Value.constant(f"{layer.name} power", np.array(-beta, np.float32))
    return layer.result("mul", [x, layer.emit("pow", [total, power], {}, "factor")], none)


def resize_bilinear(layer: Layer) -> Value:
    """RESIZE_BILINEAR."""
    x, sizes, options = layer.value(0), layer.ints(1), layer.options
    if len(x.shape) != 4 or len(sizes) != 2 or min(sizes) < 1 or math.prod(sizes) > 1 << 26:
        raise layer.bad(f"resizes {list(x.shape)} to {list(sizes)}")
    attrs = {
        "size": sizes, "align_corners": bool(options.AlignCorners()),
        "half_pixel_centers": bool(options.HalfPixelCenters()),
    }  # fmt: skip
    return layer.result("resize_bilinear", [x], attrs)
