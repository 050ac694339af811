"""Pad: zeros around an image, as a depthwise 1x1 convolution with padding, which a pass moves into the layer after."""

from __future__ import annotations

import numpy as np

from edgekit.importers.onnx.builder import Constant, Layer
from edgekit.ir import Value


def pad(layer: Layer) -> Value:
    """Zero padding of height and width, of NCHW or NHWC tensors."""
    x = layer.value(0)
    if layer.builder.quantized or len(x.shape) != 4:
        raise layer.unsupported("padding of this tensor", "use the pads of the Conv or pooling after it")
    if layer.str_attr("mode", "constant") != "constant" or _fill(layer) != 0.0:
        raise layer.unsupported("padding with anything but zeros", "pad with zeros")
    before, after = _amounts(layer)
    if min(*before, *after) < 0:
        raise layer.unsupported("negative padding crops", "crop before the model")
    used = {axis for axis in range(4) if before[axis] or after[axis]}
    if used <= {2, 3}:
        return layer.nchw(_padded(layer, layer.nhwc(x), (before[2], before[3], after[2], after[3])))
    if used <= {1, 2}:
        return _padded(layer, x, (before[1], before[2], after[1], after[2]))
    raise layer.unsupported(f"padding of axes {sorted(used)}", "pad height and width only")


def _fill(layer: Layer) -> float:
    if layer.opset >= 11:
        return layer.scalar(2) if layer.has(2) else 0.0
    return layer.float_attr("value", 0.0)


def _amounts(layer: Layer) -> tuple[list[int], list[int]]:
    """Zeros (before, after) each of the four axes."""
    pads = layer.integers(1) if layer.opset >= 11 else layer.ints_attr("pads")
    axes = [layer.axis(a, 4) for a in (layer.integers(3) if layer.has(3) else range(4))]
    if len(pads) != 2 * len(axes):
        raise layer.bad(f"has {len(pads)} pads for {len(axes)} axes")
    before, after = [0] * 4, [0] * 4
    for position, axis in enumerate(axes):
        before[axis], after[axis] = pads[position], pads[len(axes) + position]
    return before, after


def _padded(layer: Layer, x: Value, padding: tuple[int, int, int, int]) -> Value:
    ones = layer.weights(Constant(f"{layer.name} ones", np.ones((1, 1, x.shape[3]), np.float32)))
    attrs = {"stride": (1, 1), "padding": padding, "dilation": (1, 1), "activation": "none"}
    return layer.emit("depthwise_conv2d", [x, ones], attrs)
