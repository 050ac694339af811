"""Resize and Upsample: gathers along each axis for nearest neighbours, weighted sums for linear and cubic filters."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from edgekit.importers.onnx.builder import Layer
from edgekit.importers.onnx.resize_tables import (
    COORDINATES,
    ROUNDINGS,
    ResizedAxis,
    nearest_places,
    positions,
    taps_of,
    weighted_places,
)
from edgekit.importers.onnx.tensors import MAX_ELEMENTS
from edgekit.ir import DType, Value


def resize(layer: Layer) -> Value:
    """All modes; nearest-neighbour enlargement of images by whole factors has a layer of its own."""
    x = layer.value(0)
    mode, where = layer.str_attr("mode", "nearest"), _coordinates(layer)
    axes = _resized_axes(layer, x.shape, where)
    if mode == "nearest":
        return _nearest(layer, x, axes, where)
    if mode not in ("linear", "bilinear", "trilinear", "cubic"):
        raise layer.bad(f"attribute 'mode' is {mode!r}")
    if x.dtype is not DType.FLOAT32 and not layer.builder.quantized:
        raise layer.unsupported(f"mode {mode!r} of integers", "use mode 'nearest', or float32")
    return _outside(layer, *_filtered(layer, x, axes, where, mode == "cubic"), axes)


def _coordinates(layer: Layer) -> str:
    if layer.op == "Upsample" or layer.opset < 11:
        return "asymmetric"
    where = layer.str_attr("coordinate_transformation_mode", "half_pixel")
    if where not in COORDINATES:
        raise layer.bad(f"attribute 'coordinate_transformation_mode' is {where!r}")
    return where


def _resized_axes(layer: Layer, shape: tuple[int, ...], where: str) -> list[ResizedAxis]:
    """Every axis with its new size, from scales or sizes, wherever this opset keeps them."""
    rank, by_size = len(shape), False
    if 0 in shape:
        raise layer.bad(f"resizes an input without elements, of shape {list(shape)}")
    if layer.op == "Resize" and layer.opset >= 11:
        chosen = [layer.axis(a, rank) for a in layer.ints_attr("axes", tuple(range(rank)))]
        by_size = layer.has(3) and layer.constant(3).array.size > 0
        numbers = [float(v) for v in layer.integers(3)] if by_size else _scales(layer, 2)
    else:
        chosen = list(range(rank))
        in_attribute = layer.op == "Upsample" and layer.opset < 9
        numbers = [float(v) for v in layer.floats_attr("scales")] if in_attribute else _scales(layer, 1)
    if len(numbers) != len(chosen) or len(set(chosen)) != len(chosen) or not all(0 < v < 1 << 20 for v in numbers):
        raise layer.bad("needs one positive scale or size per axis")
    if by_size:
        factors = _aspect(layer, [n / shape[a] for a, n in zip(chosen, numbers, strict=True)])
        kept = layer.str_attr("keep_aspect_ratio_policy", "stretch") != "stretch"
        sizes = [
            math.floor(f * shape[a] + 0.5) if kept else int(n) for a, f, n in zip(chosen, factors, numbers, strict=True)
        ]
    else:
        factors, sizes = numbers, [math.floor(shape[a] * n) for a, n in zip(chosen, numbers, strict=True)]
    if min(sizes, default=1) < 1:
        raise layer.bad(f"resizes an axis to {min(sizes)}")
    result = [ResizedAxis(size, size, 1.0) for size in shape]
    for axis, factor, size in zip(chosen, factors, sizes, strict=True):
        result[axis] = ResizedAxis(shape[axis], size, factor)
    if math.prod(axis.out for axis in result) > MAX_ELEMENTS:
        raise layer.bad(f"makes {[axis.out for axis in result]}: over {MAX_ELEMENTS} elements")
    return _with_region(layer, result, chosen) if where == "tf_crop_and_resize" else result


def _aspect(layer: Layer, factors: list[float]) -> list[float]:
    """One factor for all axes where the layer keeps the ratio of the sizes."""
    policy = layer.str_attr("keep_aspect_ratio_policy", "stretch")
    if policy not in ("stretch", "not_larger", "not_smaller"):
        raise layer.bad(f"attribute 'keep_aspect_ratio_policy' is {policy!r}")
    if policy == "stretch":
        return factors
    return [min(factors) if policy == "not_larger" else max(factors)] * len(factors)


def _with_region(layer: Layer, axes: list[ResizedAxis], chosen: list[int]) -> list[ResizedAxis]:
    region = layer.constant(1).real().astype(np.float64).reshape(-1)
    if region.size != 2 * len(chosen) or not np.isfinite(region).all():
        raise layer.bad("needs a region of one start and one end per axis")
    for position, axis in enumerate(chosen):
        start, end = float(region[position]), float(region[len(chosen) + position])
        axes[axis] = replace(axes[axis], start=start, end=end)
    return axes


def _scales(layer: Layer, index: int) -> list[float]:
    array = layer.constant(index).real()
    if array.dtype.kind != "f" or array.size > 8:
        raise layer.bad("scales must be up to eight float numbers")
    return [float(v) for v in array.reshape(-1)]


def _nearest(layer: Layer, x: Value, axes: list[ResizedAxis], where: str) -> Value:
    legacy = layer.op == "Upsample" or layer.opset < 11
    rounding = "floor" if legacy else layer.str_attr("nearest_mode", "round_prefer_floor")
    if rounding not in ROUNDINGS:
        raise layer.bad(f"attribute 'nearest_mode' is {rounding!r}")
    factors = _whole_factors(layer, x, axes, where, rounding)
    if factors is not None and factors[:2] == [1, 1]:
        return layer.nchw(layer.emit("resize_nearest", [layer.nhwc(x)], {"factors": (factors[2], factors[3])}))
    if factors is not None and factors[0] == factors[3] == 1:
        return layer.emit("resize_nearest", [x], {"factors": (factors[1], factors[2])})
    y, inside = x, [_inside(axis, where) for axis in axes]
    for number, axis, part in _resized(axes, inside):
        places = Value.constant(f"{layer.name} places {number}", nearest_places(axis, where, rounding)[part])
        y = layer.emit("gather", [y, places], {"axis": number}, f"axis {number}")
    return _outside(layer, y, inside, axes)


def _whole_factors(
    layer: Layer, x: Value, axes: list[ResizedAxis], where: str, rounding: str
) -> list[int] | None:  # fmt: skip
    """Whole enlargements of a 4-D tensor whose element i is element i / factor; None for anything else."""
    if len(axes) != 4 or not (layer.builder.quantized or x.dtype is DType.FLOAT32) or where == "tf_crop_and_resize":
        return None
    factors = [a.out // a.size for a in axes]
    for axis, factor in zip(axes, factors, strict=True):
        if axis.out % axis.size or not factor:
            return None
        if not np.array_equal(nearest_places(axis, where, rounding), np.arange(axis.out) // factor):
            return None
    return factors


def _filtered(
    layer: Layer, x: Value, axes: list[ResizedAxis], where: str, cubic: bool
) -> tuple[Value, list[slice]]:  # fmt: skip
    """x with its axes resized one after the other, and which part of each new axis lies inside the input."""
    coefficient = layer.float_attr("cubic_coeff_a", -0.75) if cubic else None
    antialias, exclude = bool(layer.int_attr("antialias", 0)), bool(layer.int_attr("exclude_outside", 0))
    y, inside = x, [_inside(axis, where) for axis in axes]
    for number, axis, part in _resized(axes, inside):
        layer.claim(40 * axis.out * taps_of(axis, cubic, antialias))
        tables = [t[part] for t in weighted_places(axis, where, coefficient, antialias, exclude)]
        constants = [Value.constant(f"{layer.name} table {number}", t) for t in tables]
        y = layer.emit("resample", [y, *constants], {"axis": number}, f"axis {number}")
    return y, inside


def _inside(axis: ResizedAxis, where: str) -> slice:
    """The elements of a resized axis that are not extrapolated: all of them, but for a region beyond the input."""
    if where != "tf_crop_and_resize" or axis.is_kept:
        return slice(0, axis.out)
    place = positions(axis, where)
    inside = np.flatnonzero((place >= 0) & (place <= axis.size - 1))
    return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)


def _resized(axes: list[ResizedAxis], inside: list[slice]) -> list[tuple[int, ResizedAxis, slice]]:
    """(number, axis, part inside) of the axes that change and have such a part."""
    parts = zip(range(len(axes)), axes, inside, strict=True)
    return [(number, axis, part) for number, axis, part in parts if not axis.is_kept and part.start != part.stop]


def _outside(layer: Layer, y: Value, inside: list[slice], axes: list[ResizedAxis]) -> Value:
    """y with the extrapolation value around it."""
    if all((part.start, part.stop) == (0, axis.out) for part, axis in zip(inside, axes, strict=True)):
        return y
    if layer.builder.quantized:
        raise layer.unsupported("extrapolation in a quantized model", "use a region inside the input")
    value = layer.float_attr("extrapolation_value", 0.0)
    if any(part.start == part.stop for part in inside):
        constant = layer.number(value, y, "extrapolation")
        return layer.emit("expand", [constant], {"shape": tuple(axis.out for axis in axes)})
    before = tuple(part.start for part in inside)
    after = tuple(axis.out - part.stop for part, axis in zip(inside, axes, strict=True))
    return layer.emit("pad", [y], {"before": before, "after": after, "value": value})
