"""AveragePool, MaxPool, their global forms, and ReduceMean over height and width."""

from __future__ import annotations

from typing import Any

from edgekit.importers.onnx.builder import NCHW_TO_NHWC, Layer
from edgekit.importers.onnx.reductions import reduced_axes
from edgekit.importers.onnx.spatial_pooling import (
    general_average_pool,
    general_max_pool,
    global_pool,
    wants_positions,
)
from edgekit.importers.onnx.window import ceil_padding, dilations_of, kernel_of, padding_of, strides_of
from edgekit.ir import DType, Value


def max_pool(layer: Layer) -> Value | list[Value]:
    """Maximum over windows, and where it stands."""
    if _has_nhwc_form(layer) and not wants_positions(layer):
        return _pool(layer, "max_pool2d")
    return general_max_pool(layer, layer.value(0))


def average_pool(layer: Layer) -> Value:
    """Average over windows; zeros that count make it a depthwise convolution with equal weights."""
    if not _has_nhwc_form(layer):
        return general_average_pool(layer, layer.value(0))
    return _pool(layer, "avg_pool2d", bool(layer.int_attr("count_include_pad", 0)))


def _has_nhwc_form(layer: Layer) -> bool:
    return layer.rank(0) in (3, 4) and (layer.builder.quantized or layer.value(0).dtype is DType.FLOAT32)


def _pool(layer: Layer, op: str, zeros_count: bool = False) -> Value:
    x = layer.value(0)
    if len(x.shape) == 3:
        n, channels, length = x.shape
        image = layer.transpose(layer.reshape(x, (n, channels, 1, length), "image"), NCHW_TO_NHWC, "to NHWC")
        y = layer.nchw(_pool2d(layer, image, op, zeros_count))
        return layer.reshape(y, (y.shape[0], y.shape[1], y.shape[3]), "line")
    return layer.nchw(_pool2d(layer, layer.nhwc(x), op, zeros_count))


def _pool2d(layer: Layer, nhwc: Value, op: str, zeros_count: bool) -> Value:
    kernel, stride, size = kernel_of(layer), strides_of(layer), (nhwc.shape[1], nhwc.shape[2])
    dilation = dilations_of(layer)
    if layer.builder.quantized and dilation != (1, 1):
        raise layer.unsupported("dilated pooling", "use dilations of 1")
    padding = padding_of(layer, size, kernel, stride, dilation)
    grown, reach = padding, tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    if layer.int_attr("ceil_mode", 0) and layer.str_attr("auto_pad", "NOTSET") == "NOTSET":
        grown = ceil_padding(padding, size, (reach[0], reach[1]), stride)
    attrs: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": padding, "activation": "none"}
    if layer.builder.quantized:
        if zeros_count and any(padding):
            zeros = {"before": (0, *padding[:2], 0), "after": (0, *padding[2:], 0), "value": 0.0}
            nhwc = layer.emit("pad", [nhwc], zeros, "padding")
            grown = (0, 0, grown[2] - padding[2], grown[3] - padding[3])
        return layer.emit(op, [nhwc], attrs | {"padding": grown})
    attrs |= {
        "dilation": dilation,
        "count_padding": zeros_count,
        "overhang": (grown[2] - padding[2], grown[3] - padding[3]),
    }
    return layer.emit(op, [nhwc], attrs)


def global_max_pool(layer: Layer) -> Value:
    """Maximum over all spatial axes."""
    x = layer.value(0)
    if not _has_image_form(layer, x):
        return global_pool(layer, x, "reduce_max")
    nhwc = layer.nhwc(x)
    attrs = {"kernel": (x.shape[2], x.shape[3]), "stride": (1, 1), "padding": (0, 0, 0, 0), "activation": "none"}
    return layer.nchw(layer.emit("max_pool2d", [nhwc], attrs))


def global_average_pool(layer: Layer) -> Value:
    """Mean over all spatial axes, with a scale of its own (unlike avg_pool2d, which keeps its input's)."""
    x = layer.value(0)
    if not _has_image_form(layer, x):
        return global_pool(layer, x, "mean")
    return layer.nchw(layer.emit("mean", [layer.nhwc(x)], {"axes": (1, 2), "keep_dims": True}))


def _has_image_form(layer: Layer, x: Value) -> bool:
    """Whether a global pooling works on an NHWC image; raises BadModel without spatial axes."""
    if len(x.shape) < 3:
        raise layer.bad(f"the input has {len(x.shape)} axes, needs N, C and at least one more")
    return len(x.shape) == 4 and (layer.builder.quantized or x.dtype is DType.FLOAT32)


def reduce_mean(layer: Layer) -> Value:
    """Mean over any axes; over spatial axes, of NCHW, NHWC or 3-D tensors, in the form that int8 has."""
    x, keep = layer.value(0), bool(layer.int_attr("keepdims", 1))
    rank = len(x.shape)
    axes = reduced_axes(layer, rank)
    if axes is None:
        return x
    kept_shape = [1 if a in axes else d for a, d in enumerate(x.shape)]
    out_shape = kept_shape if keep else [d for a, d in enumerate(x.shape) if a not in axes]
    mean = {"axes": (1, 2), "keep_dims": True}
    if rank == 4 and axes == (2, 3):
        y = layer.nchw(layer.emit("mean", [layer.nhwc(x)], mean))
    elif rank == 4 and axes == (1, 2):
        y = layer.emit("mean", [x], mean)
    elif rank == 3 and axes == (1,):
        y = layer.emit("mean", [layer.reshape(x, (x.shape[0], x.shape[1], 1, x.shape[2]))], mean)
    else:
        y = layer.emit("mean", [x], {"axes": axes, "keep_dims": keep})
    return y if y.shape == tuple(out_shape) else layer.reshape(y, out_shape)
