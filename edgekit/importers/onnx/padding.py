"""Pad: zeros around an image as a depthwise 1x1 convolution, which a pass moves into the layer after, or a node."""

from __future__ import annotations

import numpy as np

from edgekit.importers.onnx.builder import Constant, Layer
from edgekit.importers.onnx.tensors import MAX_ELEMENTS
from edgekit.ir import DType, Value


def pad(layer: Layer) -> Value:
    """Padding, or cropping where an amount is negative, with a constant, the edge, a reflection, or the other side."""
    x, mode = layer.value(0), layer.str_attr("mode", "constant")
    before, after = _amounts(layer, len(x.shape))
    if mode in ("edge", "reflect", "wrap"):
        return _mirrored(layer, x, mode, before, after)
    if mode != "constant":
        raise layer.bad(f"attribute 'mode' is {mode!r}")
    fill, image = _fill(layer), len(x.shape) == 4 and min(*before, *after) >= 0
    used = {axis for axis in range(len(x.shape)) if before[axis] or after[axis]}
    floats = x.dtype is DType.FLOAT32 and fill == 0.0
    if image and floats and not layer.builder.quantized and used <= {2, 3}:
        return layer.nchw(_padded(layer, layer.nhwc(x), (before[2], before[3], after[2], after[3])))
    if image and floats and not layer.builder.quantized and used <= {1, 2}:
        return _padded(layer, x, (before[1], before[2], after[1], after[2]))
    if min((*before, *after), default=0) < 0:
        x = _cropped(layer, x, before, after)
    positive = {"before": tuple(max(b, 0) for b in before), "after": tuple(max(a, 0) for a in after), "value": fill}
    return layer.emit("pad", [x], positive)


def _cropped(layer: Layer, x: Value, before: list[int], after: list[int]) -> Value:
    starts = tuple(max(-b, 0) for b in before)
    sizes = tuple(d - s - max(-a, 0) for d, s, a in zip(x.shape, starts, after, strict=True))
    if min(sizes) < 1:
        raise layer.bad(f"crops {list(x.shape)} to {list(sizes)}")
    return layer.emit("slice", [x], {"starts": starts, "steps": (1,) * len(sizes), "sizes": sizes}, "crop")


def _mirrored(layer: Layer, x: Value, mode: str, before: list[int], after: list[int]) -> Value:
    """One gather per padded axis, with indices that repeat, reflect or wrap around."""
    for axis, (first, last) in enumerate(zip(before, after, strict=True)):
        size = x.shape[axis]
        if not first and not last:
            continue
        if size + first + last > MAX_ELEMENTS:
            raise layer.bad(f"pads axis {axis} to {size + first + last}, over the limit of {MAX_ELEMENTS}")
        layer.claim(32 * (size + first + last))
        places = np.arange(-first, size + last)
        if mode == "edge":
            indices = np.clip(places, 0, size - 1)
        elif mode == "wrap":
            indices = places % size
        else:
            period = max(2 * (size - 1), 1)
            folded = places % period
            indices = np.where(folded < size, folded, period - folded)
        constant = Value.constant(f"{layer.name} indices {axis}", indices.astype(np.int32))
        x = layer.emit("gather", [x, constant], {"axis": axis}, f"axis {axis}")
    return x


def _fill(layer: Layer) -> float | int | bool:
    if layer.opset < 11:
        return layer.float_attr("value", 0.0)
    fill: float | int | bool = layer.constant(2).real().reshape(-1)[0].item() if layer.has(2) else 0.0
    if layer.builder.quantized and fill != fill:
        raise layer.bad("fills with NaN, which has no code")
    return fill


def _amounts(layer: Layer, rank: int) -> tuple[list[int], list[int]]:
    """Elements (before, after) each axis; negative ones crop."""
    pads = layer.integers(1) if layer.opset >= 11 else layer.ints_attr("pads")
    axes = [layer.axis(a, rank) for a in (layer.integers(3) if layer.has(3) else range(rank))]
    if len(pads) != 2 * len(axes):
        raise layer.bad(f"has {len(pads)} pads for {len(axes)} axes")
    before, after = [0] * rank, [0] * rank
    for position, axis in enumerate(axes):
        before[axis], after[axis] = pads[position], pads[len(axes) + position]
    return before, after


def _padded(layer: Layer, x: Value, padding: tuple[int, int, int, int]) -> Value:
    ones = layer.weights(Constant(f"{layer.name} ones", np.ones((1, 1, x.shape[3]), np.float32)))
    attrs = {"stride": (1, 1), "padding": padding, "dilation": (1, 1), "activation": "none"}
    return layer.emit("depthwise_conv2d", [x, ones], attrs)
