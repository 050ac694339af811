"""Convolutions over 1 to 3 spatial axes in the file's own layout, where the NHWC layers do not apply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgekit.importers.onnx.builder import Layer
from edgekit.ir import DType, Value
from edgekit.ops.spatial import MAX_SPATIAL, reach_of
from edgekit.ops.window import same_padding

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Windows:
    """Attributes of a sliding window, one number per spatial axis."""

    kernel: Shape
    stride: Shape
    dilation: Shape
    before: Shape
    after: Shape

    @property
    def padding(self) -> Shape:
        return (*self.before, *self.after)


def spatial_axes(layer: Layer, codes: bool = False) -> int:
    """How many spatial axes the input has; raises UnsupportedModel for more than three, and for codes unless the layer
    has a form for them.
    """
    axes = layer.rank(0) - 2
    if axes < 1:
        raise layer.bad(f"the input has {axes + 2} axes, needs N, C and at least one more")
    if axes > MAX_SPATIAL:
        raise layer.unsupported(f"{axes} spatial axes", f"use at most {MAX_SPATIAL}")
    if layer.builder.quantized and not codes:
        raise layer.unsupported("no quantized form of this layer", "use 1-D or 2-D layers with constant weights")
    return axes


def per_axis(layer: Layer, name: str, axes: int, default: int = 1, least: int = 1) -> Shape:
    """A list attribute with one number per spatial axis."""
    numbers = layer.ints_attr(name, (default,) * axes, axes)
    if min(numbers) < least:
        raise layer.bad(f"attribute {name!r} must be at least {least}")
    return numbers


def windows_of(layer: Layer, size: Shape, kernel: Shape) -> Windows:
    """Stride, dilation and padding of a window over an input of spatial `size`."""
    axes = len(size)
    stride, dilation = per_axis(layer, "strides", axes), per_axis(layer, "dilations", axes)
    mode = layer.str_attr("auto_pad", "NOTSET")
    if mode == "VALID":
        before = after = (0,) * axes
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        pairs = [same_padding(*geometry) for geometry in zip(size, kernel, stride, dilation, strict=True)]
        before, after = (tuple(pair[side] for pair in pairs) for side in (0, 1))
        if mode == "SAME_LOWER":
            before, after = after, before
    elif mode == "NOTSET":
        before, after = pads_of(layer, axes)
    else:
        raise layer.bad(f"attribute 'auto_pad' is {mode!r}")
    return Windows(kernel, stride, dilation, before, after)


def pads_of(layer: Layer, axes: int) -> tuple[Shape, Shape]:
    """Attribute pads as (before, after)."""
    pads = layer.ints_attr("pads", (0,) * (2 * axes), 2 * axes)
    if min(pads) < 0:
        raise layer.unsupported("negative pads crop the input", "crop before the model, or use pads of at least 0")
    return pads[:axes], pads[axes:]


def kernel_of_weights(layer: Layer, weights: Value, axes: int) -> Shape:
    """The spatial shape of weights, which attribute kernel_shape repeats."""
    if len(weights.shape) != axes + 2:
        raise layer.bad(f"weights have {len(weights.shape)} axes, the input has {axes + 2}")
    kernel = weights.shape[2:]
    if layer.has_attr("kernel_shape") and layer.ints_attr("kernel_shape", None, axes) != kernel:
        raise layer.bad(f"attribute 'kernel_shape' differs from the weights' {list(kernel)}")
    return kernel


def general_conv(layer: Layer, x: Value, weights: Value, bias: Value | None, part: str = "") -> Value:
    """Conv with the kernel that takes any weights, over plain numbers of one type, or codes."""
    axes = spatial_axes(layer, codes=True)
    windows = windows_of(layer, x.shape[2:], kernel_of_weights(layer, weights, axes))
    attrs: dict[str, Any] = {
        "groups": layer.int_attr("group", 1), "stride": windows.stride, "dilation": windows.dilation,
        "padding": windows.padding,
    }  # fmt: skip
    return layer.emit("conv", [x, weights, bias], attrs, part)


def conv_transpose(layer: Layer) -> Value:
    """ConvTranspose; output_shape and auto_pad become padding."""
    x, axes = layer.value(0), layer.rank(0) - 2
    image = axes == 2 and _has_constant_weights(layer, x) and layer.int_attr("group", 1) == 1
    axes = axes if image else spatial_axes(layer)
    weights = layer.weights(layer.constant(1)) if image else layer.value(1)
    kernel = kernel_of_weights(layer, weights, axes)
    stride, dilation = per_axis(layer, "strides", axes), per_axis(layer, "dilations", axes)
    extra = per_axis(layer, "output_padding", axes, 0, 0)
    before, after, extra = _transposed_padding(layer, x.shape[2:], reach_of(kernel, dilation), stride, extra)
    groups = layer.int_attr("group", 1)
    if image and set(dilation) == {1}:
        size = tuple(
            (n - 1) * s + k - b - a + e
            for n, s, k, b, a, e in zip(x.shape[2:], stride, kernel, before, after, extra, strict=True)
        )
        return _image_conv_transpose(layer, x, {"stride": stride, "before": before, "size": size})
    attrs: dict[str, Any] = {
        "groups": groups, "stride": stride, "dilation": dilation, "padding": (*before, *after),
        "output_padding": extra,
    }  # fmt: skip
    spatial_axes(layer)
    bias = layer.value(2) if layer.has(2) else None
    return layer.emit("conv_transpose", [x, weights, bias], attrs)


def _has_constant_weights(layer: Layer, x: Value) -> bool:
    constant = layer.is_constant(1) and (not layer.has(2) or layer.is_constant(2))
    return constant and not layer.is_constant(0) and (layer.builder.quantized or x.dtype is DType.FLOAT32)


def _image_conv_transpose(layer: Layer, x: Value, attrs: dict[str, Any]) -> Value:
    """The form in NHWC, which codes have too; ONNX's weights [I,O,KH,KW] become [O,KH,KW,I]."""
    weights = layer.weights(layer.constant(1).transposed((1, 2, 3, 0)))
    bias = layer.weights(layer.constant(2)) if layer.has(2) else None
    if weights.shape[3] != x.shape[1] or (bias is not None and bias.shape != weights.shape[:1]):
        raise layer.bad(f"weights {list(weights.shape)} do not fit {x.shape[1]} channels, or the bias does not")
    operands = [layer.nhwc(x), weights, bias]
    return layer.nchw(layer.emit("transpose_conv2d", operands, attrs | {"activation": "none"}))


def _transposed_padding(
    layer: Layer, size: Shape, reach: Shape, stride: Shape, extra: Shape
) -> tuple[Shape, Shape, Shape]:  # fmt: skip
    """(before, after, output padding) that give the shape which the layer asks for."""
    axes, mode = len(size), layer.str_attr("auto_pad", "NOTSET")
    if mode not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise layer.bad(f"attribute 'auto_pad' is {mode!r}")
    if layer.has_attr("output_shape"):
        wanted = layer.ints_attr("output_shape")[-axes:]
        if len(wanted) != axes:
            raise layer.bad(f"attribute 'output_shape' needs {axes} numbers")
    elif mode.startswith("SAME"):
        wanted = tuple(n * s for n, s in zip(size, stride, strict=True))
    elif mode == "VALID":
        return (0,) * axes, (0,) * axes, extra
    else:
        return *pads_of(layer, axes), extra
    sizes = zip(size, stride, extra, reach, wanted, strict=True)
    total = [s * (n - 1) + e + r - w for n, s, e, r, w in sizes]
    cut = [max(t, 0) for t in total]
    before = tuple(t // 2 if mode == "SAME_UPPER" else t - t // 2 for t in cut)
    after = tuple(t - b for t, b in zip(cut, before, strict=True))
    return before, after, tuple(e + max(-t, 0) for e, t in zip(extra, total, strict=True))
