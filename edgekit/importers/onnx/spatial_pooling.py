"""Pooling over 1 to 3 spatial axes in the file's own layout, where the NHWC layers do not apply."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgekit.importers.onnx.builder import Layer
from edgekit.importers.onnx.spatial import Shape, Windows, spatial_axes, windows_of
from edgekit.ir import DType, Value
from edgekit.ops.spatial import reach_of


def pool_attrs(layer: Layer, x: Value, codes: bool = False) -> dict[str, Any]:
    """Attributes that avg_pool and max_pool share; `codes` says that the layer has a form for them."""
    axes = spatial_axes(layer, codes)
    kernel = layer.ints_attr("kernel_shape", None, axes)
    if min(kernel) < 1:
        raise layer.bad("attribute 'kernel_shape' must be positive")
    windows = windows_of(layer, x.shape[2:], kernel)
    ceil = layer.int_attr("ceil_mode", 0) and layer.str_attr("auto_pad", "NOTSET") == "NOTSET"
    return {
        "kernel": kernel, "stride": windows.stride, "dilation": windows.dilation, "padding": windows.padding,
        "overhang": _overhang(x.shape[2:], windows) if ceil else (0,) * axes,
    }  # fmt: skip


def _overhang(size: Shape, windows: Windows) -> Shape:
    """How far the last windows of ceil_mode reach behind the padding; none starts in the padding behind the input."""
    result = []
    for axis, reach in enumerate(reach_of(windows.kernel, windows.dilation)):
        padded = size[axis] + windows.before[axis] + windows.after[axis]
        stride = windows.stride[axis]
        last = -(-(padded - reach) // stride) * stride
        if last >= size[axis] + windows.before[axis]:
            last -= stride
        result.append(max(last + reach - padded, 0))
    return tuple(result)


def general_average_pool(layer: Layer, x: Value) -> Value:
    """AveragePool."""
    counts = bool(layer.int_attr("count_include_pad", 0))
    return layer.emit("avg_pool", [x], {**pool_attrs(layer, x), "divisor": "padded" if counts else "inside"})


def general_max_pool(layer: Layer, x: Value) -> list[Value]:
    """MaxPool, with the positions of the maxima where the layer has a second output."""
    attrs = {**pool_attrs(layer, x, codes=True), "column_major": bool(layer.int_attr("storage_order", 0))}
    return layer.builder.emit_several("max_pool", layer.name, [x], attrs, 1 + wants_positions(layer))


def wants_positions(layer: Layer) -> bool:
    """Whether the layer has the output Indices."""
    return len(layer.record.outputs) > 1 and layer.record.outputs[1] != ""


def max_unpool(layer: Layer) -> Value:
    """The elements at their positions among zeros, then zeros behind them where output_shape asks for more."""
    x, axes = layer.value(0), spatial_axes(layer)
    kernel = layer.ints_attr("kernel_shape", None, axes)
    windows = windows_of(layer, x.shape[2:], kernel)
    sizes = zip(x.shape[2:], windows.stride, windows.before, windows.after, kernel, strict=True)
    shape = (*x.shape[:2], *((n - 1) * s - b - a + k for n, s, b, a, k in sizes))
    if min(shape) < 1:
        raise layer.bad(f"makes the shape {list(shape)}")
    wanted = layer.integers(2) if layer.has(2) else shape
    if len(wanted) != len(shape) or min(wanted) < 1:
        raise layer.bad(f"output shape {list(wanted)} does not fit {list(x.shape)}")
    y = layer.emit("max_unpool", [x, layer.value(1)], {"shape": shape}, "" if wanted == shape else "places")
    if any(w < s for w, s in zip(wanted, shape, strict=True)):
        kept = tuple(map(min, wanted, shape))
        y = layer.emit("slice", [y], {"starts": (0,) * len(kept), "steps": (1,) * len(kept), "sizes": kept}, "crop")
    after = tuple(w - s for w, s in zip(wanted, y.shape, strict=True))
    return layer.emit("pad", [y], {"before": (0,) * len(after), "after": after, "value": 0}) if any(after) else y


def lp_pool(layer: Layer) -> Value:
    """The p-th root of the sum of p-th powers in each window."""
    x, p = float_input(layer), layer.int_attr("p", 2)
    attrs = {**pool_attrs(layer, x), "divisor": "none"}
    return root(layer, layer.emit("avg_pool", [powers(layer, x, p)], attrs, "sum"), p)


def global_lp_pool(layer: Layer) -> Value:
    """LpPool over all spatial axes."""
    x, p = float_input(layer), layer.int_attr("p", 2)
    axes = {"axes": tuple(range(2, len(x.shape))), "keep_dims": True}
    return root(layer, layer.emit("reduce_sum", [powers(layer, x, p)], axes, "sum"), p)


def global_pool(layer: Layer, x: Value, op: str) -> Value:
    """A reduction of all spatial axes."""
    return layer.emit(op, [x], {"axes": tuple(range(2, len(x.shape))), "keep_dims": True})


def float_input(layer: Layer) -> Value:
    """Input 0, which must be plain float32 numbers."""
    x = layer.value(0)
    if layer.builder.quantized or x.dtype is not DType.FLOAT32:
        raise layer.unsupported("computes in float32 only", "use float32, outside quantized models")
    return x


def powers(layer: Layer, x: Value, p: int) -> Value:
    """|x| to the power of p."""
    if p < 1:
        raise layer.bad(f"attribute 'p' is {p}, must be at least 1")
    if p == 2:
        return layer.emit("square", [x], {}, "square")
    magnitude = layer.emit("abs", [x], {}, "magnitude")
    return magnitude if p == 1 else layer.emit("power", [magnitude], {"exponent": float(p)}, "power")


def root(layer: Layer, x: Value, p: int) -> Value:
    """The p-th root."""
    if p == 1:
        return x
    return layer.emit("sqrt", [x], {}) if p == 2 else layer.emit("power", [x], {"exponent": 1 / p})


def lrn(layer: Layer) -> Value:
    """x / (bias + alpha / size * sum of squares over nearby channels) ** beta."""
    x, size = layer.value(0), layer.int_attr("size")
    if not 1 <= size <= 1 << 16 or len(x.shape) < 2:
        raise layer.bad(f"attribute 'size' is {size}, needs a window over channels")
    if x.dtype is not DType.FLOAT32 and not layer.builder.quantized:
        raise layer.unsupported(f"is {x.dtype.value}", "use float32")
    rows = (x.shape[0], x.shape[1], math.prod(x.shape[2:]), 1)
    squares = layer.reshape(layer.emit("square", [x], {}, "square"), rows, "channels")
    mean = layer.reshape(_mean_over_channels(layer, squares, size), x.shape, "means")
    none = {"activation": "none"}
    scaled = layer.emit("mul", [mean, _number(layer, "alpha", 1e-4)], none, "scaled")
    spread = layer.emit("add", [scaled, _number(layer, "bias", 1.0)], none, "biased")
    power = layer.emit("power", [spread], {"exponent": layer.float_attr("beta", 0.75)}, "power")
    return layer.emit("div", [x, power], none)


def _mean_over_channels(layer: Layer, x: Value, size: int) -> Value:
    """Means over `size` neighbours along axis 1 of [N,C,M,1], zeros beyond the ends among them."""
    # Channels c - floor((size - 1) / 2) to c + ceil((size - 1) / 2).
    before, after = (size - 1) // 2, size // 2
    attrs = {"kernel": (size, 1), "stride": (1, 1), "padding": (0, 0, 0, 0), "activation": "none"}
    if layer.builder.quantized:
        zeros = {"before": (0, before, 0, 0), "after": (0, after, 0, 0), "value": 0.0}
        return layer.emit("avg_pool2d", [layer.emit("pad", [x], zeros, "zeros")], attrs, "mean")
    counting = {"padding": (before, 0, after, 0), "dilation": (1, 1), "count_padding": True, "overhang": (0, 0)}
    return layer.emit("avg_pool2d", [x], attrs | counting, "mean")


def _number(layer: Layer, attribute: str, default: float) -> Value:
    return Value.constant(f"{layer.name} {attribute}", np.array(layer.float_attr(attribute, default), np.float32))
