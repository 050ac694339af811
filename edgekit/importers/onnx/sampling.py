"""GridSample, AffineGrid, RoiAlign, DeformConv and Col2Im."""

from __future__ import annotations

import math

import numpy as np

from edgekit.importers.onnx.builder import Layer
from edgekit.importers.onnx.spatial import kernel_of_weights, pads_of, per_axis, spatial_axes, windows_of
from edgekit.importers.onnx.spatial_pooling import float_input
from edgekit.importers.onnx.tensors import MAX_ELEMENTS
from edgekit.ir import Array, DType, Value

MAX_SAMPLES = 1 << 10


def grid_sample(layer: Layer) -> Value:
    """Elements at positions that another tensor holds."""
    x = float_input(layer)
    spatial_axes(layer)
    # Opset 16 named the modes by the two axes that it was made for.
    mode = layer.str_attr("mode", "linear").removeprefix("bi")
    padding = layer.str_attr("padding_mode", "zeros")
    if mode not in ("nearest", "linear", "cubic") or padding not in ("zeros", "border", "reflection"):
        raise layer.bad(f"mode {mode!r} with padding mode {padding!r}")
    attrs = {"mode": mode, "padding": padding, "aligned": bool(layer.int_attr("align_corners", 0))}
    return layer.emit("grid_sample", [x, layer.value(1)], attrs)


def affine_grid(layer: Layer) -> Value:
    """The positions that GridSample reads: one product of all points, known at import, with each matrix."""
    theta, size = float_input(layer), layer.integers(1)
    axes = len(size) - 2
    if axes not in (2, 3) or min(size) < 1 or math.prod(size[2:]) * 4 > MAX_ELEMENTS:
        raise layer.bad(f"makes a grid for the size {list(size)}")
    if theta.shape != (size[0], axes, axes + 1):
        raise layer.bad(f"needs matrices {[size[0], axes, axes + 1]}, has {list(theta.shape)}")
    layer.claim(8 * 4 * math.prod(size[2:]))
    aligned = bool(layer.int_attr("align_corners", 0))
    grids = np.meshgrid(*(_points(n, aligned) for n in size[2:]), indexing="ij")
    points = np.stack([*reversed(grids), np.ones_like(grids[0])], axis=-1).reshape(1, -1, axes + 1)
    constant = Value.constant(f"{layer.name} points", points)
    y = layer.emit("matmul", [constant, theta], {"transpose_a": False, "transpose_b": True}, "product")
    return layer.reshape(y, (size[0], *size[2:], axes), "")


def _points(count: int, aligned: bool) -> Array:
    """float32 positions of `count` elements between -1 and 1."""
    if aligned:
        step = np.float32(2) / np.float32(count - 1) if count > 1 else np.float32(0)
        start = np.float32(-1)
    else:
        step = np.float32(2) / np.float32(count)
        start = np.float32(-1) + step / np.float32(2)
    return np.asarray(start + np.arange(count, dtype=np.float32) * step, np.float32)


def roi_align(layer: Layer) -> Value:
    """Regions of images pooled to one size."""
    x, default = float_input(layer), "half_pixel" if layer.opset >= 16 else "output_half_pixel"
    where = layer.str_attr("coordinate_transformation_mode", default) if layer.opset >= 16 else default
    mode, samples = layer.str_attr("mode", "avg"), layer.int_attr("sampling_ratio", 0)
    size = (layer.int_attr("output_height", 1), layer.int_attr("output_width", 1))
    if where not in ("half_pixel", "output_half_pixel") or mode not in ("avg", "max"):
        raise layer.bad(f"mode {mode!r} with coordinates {where!r}")
    if not 0 <= samples <= MAX_SAMPLES or not 1 <= min(size) <= max(size) <= MAX_ELEMENTS:
        raise layer.bad(f"makes regions of {list(size)} from {samples} samples")
    attrs = {
        "size": size, "samples": samples, "scale": float(np.float32(layer.float_attr("spatial_scale", 1.0))),
        "half_pixel": where == "half_pixel", "mode": mode,
    }  # fmt: skip
    images = layer.value(2)
    if images.dtype is DType.INT32:
        images = layer.emit("cast", [images], {"to": "int64"}, "images")
    return layer.emit("roi_align", [x, layer.value(1), images], attrs)


def deform_conv(layer: Layer) -> Value:
    """2-D convolution whose places move."""
    x, axes = float_input(layer), spatial_axes(layer)
    if axes != 2:
        raise layer.unsupported(f"{axes} spatial axes", "use 2-D deformable convolutions")
    weights = layer.value(1)
    windows = windows_of(layer, x.shape[2:], kernel_of_weights(layer, weights, axes))
    attrs = {
        "groups": layer.int_attr("group", 1), "offset_groups": layer.int_attr("offset_group", 1),
        "stride": windows.stride, "dilation": windows.dilation, "padding": windows.padding,
    }  # fmt: skip
    optional = [layer.value(i) if layer.has(i) else None for i in (3, 4)]
    return layer.emit("deform_conv", [x, weights, layer.value(2), *optional], attrs)


def col2im(layer: Layer) -> Value:
    """Columns of blocks added up into an image."""
    x, image, block = float_input(layer), layer.integers(1), layer.integers(2)
    axes = len(image)
    if not 1 <= axes <= 3 or len(block) != axes or min(*image, *block) < 1 or math.prod(image) > MAX_ELEMENTS:
        raise layer.bad(f"makes an image {list(image)} of blocks {list(block)}")
    before, after = pads_of(layer, axes)
    attrs = {
        "image": image, "kernel": block, "stride": per_axis(layer, "strides", axes),
        "dilation": per_axis(layer, "dilations", axes), "padding": (*before, *after),
    }  # fmt: skip
    return layer.emit("col2im", [x], attrs)
