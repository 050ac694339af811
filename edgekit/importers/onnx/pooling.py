"""AveragePool, MaxPool, their global forms, and ReduceMean over height and width."""

from __future__ import annotations

import numpy as np

from edgekit.importers.onnx.builder import Constant, Layer
from edgekit.importers.onnx.window import Padding, Pair, ceil_padding, dilations_of, kernel_of, padding_of, strides_of
from edgekit.ir import Value


def max_pool(layer: Layer) -> Value:
    """Maximum over windows."""
    if layer.int_attr("storage_order", 0):
        raise layer.unsupported("column-major storage order", "export with storage_order 0")
    return _pool(layer, "max_pool2d")


def average_pool(layer: Layer) -> Value:
    """Average over windows; zeros that count make it a depthwise convolution with equal weights."""
    return _pool(layer, "avg_pool2d", bool(layer.int_attr("count_include_pad", 0)))


def _pool(layer: Layer, op: str, zeros_count: bool = False) -> Value:
    x = layer.value(0)
    nhwc = layer.nhwc(x)
    kernel, stride, size = kernel_of(layer), strides_of(layer), (x.shape[2], x.shape[3])
    if dilations_of(layer) != (1, 1):
        raise layer.unsupported("dilated pooling", "use dilations of 1")
    padding = padding_of(layer, size, kernel, stride, (1, 1))
    grown = padding
    if layer.int_attr("ceil_mode", 0) and layer.str_attr("auto_pad", "NOTSET") == "NOTSET":
        grown = ceil_padding(padding, size, kernel, stride)
    if zeros_count and any(padding):
        if grown != padding:
            raise layer.unsupported("count_include_pad with ceil_mode", "export with count_include_pad 0")
        return layer.nchw(_mean_with_zeros(layer, nhwc, kernel, stride, padding))
    attrs = {"kernel": kernel, "stride": stride, "padding": grown, "activation": "none"}
    return layer.nchw(layer.emit(op, [nhwc], attrs))


def _mean_with_zeros(layer: Layer, x: Value, kernel: Pair, stride: Pair, padding: Padding) -> Value:
    if layer.builder.quantized:
        raise layer.unsupported("count_include_pad in a quantized model", "export with count_include_pad 0")
    weights = np.full((*kernel, x.shape[3]), 1.0 / (kernel[0] * kernel[1]), np.float32)
    attrs = {"stride": stride, "padding": padding, "dilation": (1, 1), "activation": "none"}
    return layer.emit("depthwise_conv2d", [x, layer.weights(Constant(f"{layer.name} weights", weights))], attrs)


def global_max_pool(layer: Layer) -> Value:
    """Maximum over all of H and W."""
    x = layer.value(0)
    nhwc = layer.nhwc(x)
    attrs = {"kernel": (x.shape[2], x.shape[3]), "stride": (1, 1), "padding": (0, 0, 0, 0), "activation": "none"}
    return layer.nchw(layer.emit("max_pool2d", [nhwc], attrs))


def global_average_pool(layer: Layer) -> Value:
    """Mean over all of H and W, with a scale of its own (unlike avg_pool2d, which keeps its input's)."""
    return layer.nchw(layer.emit("mean", [layer.nhwc(layer.value(0))], {"axes": (1, 2), "keep_dims": True}))


def reduce_mean(layer: Layer) -> Value:
    """Mean over the spatial axes, of NCHW or NHWC tensors, or over the one spatial axis of a 3-D tensor."""
    x, keep = layer.value(0), bool(layer.int_attr("keepdims", 1))
    rank = len(x.shape)
    raw = layer.integers(1) if layer.has(1) else layer.ints_attr("axes", ())
    if not raw and layer.int_attr("noop_with_empty_axes", 0):
        return x
    axes = tuple(sorted({layer.axis(a, rank) for a in raw})) or tuple(range(rank))
    kept_shape = [1 if a in axes else d for a, d in enumerate(x.shape)]
    out_shape = kept_shape if keep else [d for a, d in enumerate(x.shape) if a not in axes]
    mean = {"axes": (1, 2), "keep_dims": True}
    if rank == 4 and axes == (2, 3):
        y = layer.nchw(layer.emit("mean", [layer.nhwc(x)], mean))
    elif rank == 4 and axes == (1, 2):
        y = layer.emit("mean", [x], mean)
    elif rank == 3 and axes == (1,):
        y = layer.emit("mean", [layer.reshape(x, (x.shape[0], x.shape[1], 1, x.shape[2]))], mean)
    elif rank == 3 and axes == (2,):
        moved = layer.transpose(layer.reshape(x, (*x.shape, 1)), (0, 2, 3, 1))
        y = layer.emit("mean", [moved], mean)
    else:
        raise layer.unsupported(f"mean over axes {list(axes)} of {rank}", "use global average pooling over H and W")
    return y if y.shape == tuple(out_shape) else layer.reshape(y, out_shape)
