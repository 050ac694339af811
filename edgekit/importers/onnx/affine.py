"""Scale and offset by constants (batch norm, Add, Mul, ..): a depthwise 1x1 convolution, which passes fold away."""

from __future__ import annotations

import numpy as np

from edgekit.importers.onnx.builder import Constant, Layer
from edgekit.ir import Array, QuantType, Value

UNIT_CODE = 64


def affine(layer: Layer, x: Value, scale: Array, offset: Array) -> Value:
    """x * scale + offset; both arrays broadcast to x's shape as in numpy.

    The axes that the arrays vary along become the channels: one axis by a transpose, a trailing block by a reshape.
    """
    rank = len(x.shape)
    try:
        if np.broadcast_shapes(x.shape, scale.shape, offset.shape) != x.shape:
            raise ValueError
    except ValueError:
        raise layer.unsupported(
            f"a constant of shape {list(scale.shape)} or {list(offset.shape)} does not broadcast to {list(x.shape)}",
            "expand the smaller operand to the result's shape",
        ) from None
    for name, array in (("scale", scale), ("offset", offset)):
        if not np.isfinite(array).all():
            raise layer.bad(f"the {name} has NaN or infinite numbers")
    if rank == 0 or x.elements == 0:
        raise layer.unsupported("the input is empty or a single number", "remove the layer")
    varying = [a for a in range(rank) if _varies(scale, a, rank) or _varies(offset, a, rank)]
    if rank == 4 and varying in ([], [1]):
        channels = _vectors(scale, offset, x.shape, 1)
        return layer.nchw(_depthwise(layer, layer.nhwc(x), *channels))
    if len(varying) == 1 and varying[0] != rank - 1:
        perm = [a for a in range(rank) if a != varying[0]] + varying
        moved = affine(layer, layer.transpose(x, perm), *(_moved(array, rank, perm) for array in (scale, offset)))
        return layer.transpose(moved, np.argsort(perm).tolist())
    first = varying[0] if varying else rank - 1
    rows = int(np.prod(x.shape[:first]))
    scales, offsets = (
        np.ascontiguousarray(np.broadcast_to(a, x.shape)[(0,) * first]).reshape(-1) for a in (scale, offset)
    )
    y = _depthwise(layer, layer.reshape(x, (1, rows, 1, x.elements // rows)), scales, offsets)
    return layer.reshape(y, x.shape)


def _varies(array: Array, axis: int, rank: int) -> bool:
    own = axis - (rank - array.ndim)
    return own >= 0 and array.shape[own] > 1


def _vectors(scale: Array, offset: Array, shape: tuple[int, ...], axis: int) -> tuple[Array, Array]:
    index = tuple(slice(None) if a == axis else 0 for a in range(len(shape)))
    first, second = (np.ascontiguousarray(np.broadcast_to(a, shape)[index]) for a in (scale, offset))
    return first, second


def _moved(array: Array, rank: int, perm: list[int]) -> Array:
    moved: Array = array.reshape((1,) * (rank - array.ndim) + array.shape).transpose(perm)
    return moved


def _depthwise(layer: Layer, x: Value, scale: Array, offset: Array) -> Value:
    weights, bias = scale.astype(np.float32).reshape(1, 1, -1), offset.astype(np.float32)
    constant = Constant(f"{layer.name} scale", weights)
    if layer.builder.quantized:
        constant = _quantized(layer, weights)
    operands = [x, layer.weights(constant)]
    if bias.any():
        operands.append(layer.weights(Constant(f"{layer.name} offset", bias)))
    attrs = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "activation": "none"}
    return layer.emit("depthwise_conv2d", operands, attrs)


def _quantized(layer: Layer, weights: Array) -> Constant:
    """One code per channel, the number itself in the scale: exact."""
    magnitude = np.abs(weights.reshape(-1))
    scales = tuple(float(np.float32(m / UNIT_CODE)) if m > 0 else 1.0 for m in magnitude)
    codes = (np.sign(weights) * UNIT_CODE).astype(np.int8)
    return Constant(f"{layer.name} scale", codes, QuantType(scales, (0,) * len(scales), 2))
