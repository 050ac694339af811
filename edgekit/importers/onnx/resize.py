"""Resize and Upsample."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgekit.importers.onnx.builder import Layer
from edgekit.ir import Array, Value

_ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda p: np.ceil(p - 0.5),
    "round_prefer_ceil": lambda p: np.floor(p + 0.5),
}


def resize(layer: Layer) -> Value:
    """Nearest-neighbour enlargement by whole factors, of NCHW or NHWC tensors."""
    x = layer.value(0)
    if len(x.shape) != 4:
        raise layer.unsupported(f"the input has {len(x.shape)} axes", "resize 4-D tensors only")
    mode = layer.str_attr("mode", "nearest")
    if mode != "nearest":
        raise layer.unsupported(f"mode {mode!r}", "use nearest-neighbour enlargement by whole factors")
    factors = [_whole_factor(layer, size, out) for size, out in zip(x.shape, _resized(layer, x.shape), strict=True)]
    for size, factor in zip(x.shape, factors, strict=True):
        _check_positions(layer, size, factor)
    if factors[:2] == [1, 1]:
        y = layer.emit("resize_nearest", [layer.nhwc(x)], {"factors": (factors[2], factors[3])})
        return layer.nchw(y)
    if factors[0] == factors[3] == 1:
        return layer.emit("resize_nearest", [x], {"factors": (factors[1], factors[2])})
    raise layer.unsupported(f"factors {factors}", "enlarge height and width only")


def _resized(layer: Layer, shape: tuple[int, ...]) -> list[int]:
    """The output shape, from scales or sizes, wherever this opset keeps them."""
    if layer.op == "Resize" and layer.opset >= 11:
        if layer.str_attr("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise layer.unsupported("keep_aspect_ratio_policy", "give the scales instead")
        axes = [layer.axis(a, 4) for a in layer.ints_attr("axes", (0, 1, 2, 3))]
        by_size = layer.has(3) and layer.constant(3).array.size > 0
        numbers = [float(v) for v in layer.integers(3)] if by_size else _scales(layer, 2)
    else:
        axes, by_size = [0, 1, 2, 3], False
        in_attribute = layer.op == "Upsample" and layer.opset < 9
        numbers = [float(v) for v in layer.floats_attr("scales")] if in_attribute else _scales(layer, 1)
    if len(numbers) != len(axes) or not all(0 < v < 1 << 20 for v in numbers):
        raise layer.bad("needs one positive scale or size per axis")
    result = list(shape)
    for axis, number in zip(axes, numbers, strict=True):
        result[axis] = int(number) if by_size else math.floor(shape[axis] * number)
    return result


def _scales(layer: Layer, index: int) -> list[float]:
    array = layer.constant(index).real()
    if array.dtype.kind != "f" or array.size > 4:
        raise layer.bad("scales must be up to four float numbers")
    return [float(v) for v in array.reshape(-1)]


def _whole_factor(layer: Layer, size: int, out: int) -> int:
    if size < 1 or out % size or out < size:
        raise layer.unsupported(f"resizes an axis from {size} to {out}", "enlarge by whole factors")
    return out // size


def _check_positions(layer: Layer, size: int, factor: int) -> None:
    """Refuse coordinate modes that do not give pixel i // factor."""
    if factor == 1:
        return
    i = np.arange(size * factor, dtype=np.float64)
    legacy = layer.op == "Upsample" or layer.opset < 11
    where = "asymmetric" if legacy else layer.str_attr("coordinate_transformation_mode", "half_pixel")
    rounding = "floor" if legacy else layer.str_attr("nearest_mode", "round_prefer_floor")
    half = (i + 0.5) / factor - 0.5
    positions = {
        "asymmetric": i / factor,
        "half_pixel": half,
        "half_pixel_symmetric": half,
        "pytorch_half_pixel": half,
        "align_corners": i * (size - 1) / max(size * factor - 1, 1),
    }
    if where not in positions or rounding not in _ROUNDINGS:
        raise layer.unsupported(f"coordinates {where!r}, rounding {rounding!r}", "use 'asymmetric' and 'floor'")
    if not np.array_equal(np.clip(_ROUNDINGS[rounding](positions[where]), 0, size - 1), i // factor):
        raise layer.unsupported(
            f"coordinates {where!r} with rounding {rounding!r} and factor {factor}", "use 'asymmetric' and 'floor'"
        )
