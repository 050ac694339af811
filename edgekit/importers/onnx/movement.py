"""Reshape, Flatten, Squeeze, Unsqueeze, Transpose, Concat, Resize, Upsample, and operators that pass their input on."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from onnx import TensorProto

from edgekit.importers.onnx.builder import Layer, Operand
from edgekit.ir import Array, Value


def identity(layer: Layer) -> Operand:
    """The input itself."""
    return layer.operand(0)


def cast(layer: Layer) -> Operand:
    """Nothing, from float32 to float32."""
    if layer.int_attr("to") != TensorProto.FLOAT:
        raise layer.unsupported("a computed tensor in another type", "compute in float32 throughout")
    return layer.operand(0)


def dropout(layer: Layer) -> Operand:
    """Nothing at inference."""
    if layer.has(2) and layer.scalar(2):
        raise layer.unsupported("training mode", "export the model in inference mode")
    return layer.operand(0)


def target_shape(layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The result shape of Reshape, Flatten, Squeeze or Unsqueeze on an input of `shape`."""
    return _SHAPES[layer.op](layer, shape)


def reshape(layer: Layer) -> Value:
    """Reshape, Flatten, Squeeze and Unsqueeze."""
    x = layer.value(0)
    return layer.reshape(x, target_shape(layer, x.shape), "")


def _reshape_shape(layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
    wanted = list(layer.integers(1))
    if not layer.int_attr("allowzero", 0):
        if any(d == 0 and i >= len(shape) for i, d in enumerate(wanted)):
            raise layer.bad(f"shape {wanted} copies an axis that the input does not have")
        wanted = [shape[i] if d == 0 else d for i, d in enumerate(wanted)]
    if wanted.count(-1) > 1 or any(d < -1 for d in wanted):
        raise layer.bad(f"shape {wanted} has more than one unknown, or negative, axis")
    total, known = math.prod(shape), math.prod(d for d in wanted if d != -1)
    if -1 in wanted and known:
        wanted[wanted.index(-1)] = total // known
    if math.prod(wanted) != total:
        raise layer.bad(f"cannot reshape {list(shape)} to {wanted}")
    return tuple(wanted)


def _flatten_shape(layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
    axis = layer.int_attr("axis", 1)
    if not -len(shape) <= axis <= len(shape):
        raise layer.bad(f"axis {axis} is outside a tensor of {len(shape)} axes")
    if axis < 0:
        axis += len(shape)
    return math.prod(shape[:axis]), math.prod(shape[axis:])


def _axes(layer: Layer) -> tuple[int, ...] | None:
    """Axes from the attribute (before opset 13) or the second input."""
    if layer.has(1):
        return layer.integers(1)
    return layer.ints_attr("axes") if layer.has_attr("axes") else None


def _squeeze_shape(layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
    axes = _axes(layer)
    if axes is None:
        return tuple(d for d in shape if d != 1)
    dropped = {layer.axis(a, len(shape)) for a in axes}
    if any(shape[a] != 1 for a in dropped):
        raise layer.bad(f"axes {sorted(dropped)} of {list(shape)} are not all 1")
    return tuple(d for a, d in enumerate(shape) if a not in dropped)


def _unsqueeze_shape(layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
    axes = _axes(layer)
    if axes is None:
        raise layer.bad("axes are missing")
    rank = len(shape) + len(axes)
    added = {layer.axis(a, rank) for a in axes}
    if len(added) != len(axes):
        raise layer.bad(f"axes {list(axes)} repeat")
    rest = iter(shape)
    return tuple(1 if a in added else next(rest) for a in range(rank))


_SHAPES: dict[str, Callable[[Layer, tuple[int, ...]], tuple[int, ...]]] = {
    "Reshape": _reshape_shape,
    "Flatten": _flatten_shape,
    "Squeeze": _squeeze_shape,
    "Unsqueeze": _unsqueeze_shape,
}


def permutation(layer: Layer, rank: int) -> tuple[int, ...]:
    """Attribute perm, default reversed."""
    perm = layer.ints_attr("perm", tuple(reversed(range(rank))))
    if sorted(perm) != list(range(rank)):
        raise layer.bad(f"perm {list(perm)} is no permutation of {rank} axes")
    return perm


def transpose(layer: Layer) -> Value:
    x = layer.value(0)
    return layer.transpose(x, permutation(layer, len(x.shape)), "")


def concat(layer: Layer) -> Value:
    """Parts joined along an axis; one part is that part."""
    parts = [layer.value(i) for i in range(len(layer.record.inputs))]
    if not parts:
        raise layer.bad("has no inputs")
    axis = layer.axis(layer.int_attr("axis"), len(parts[0].shape))
    return parts[0] if len(parts) == 1 else layer.emit("concat", parts, {"axis": axis})


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
