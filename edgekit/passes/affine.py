"""Recognise and describe per-channel scale and offset: a depthwise 1x1 convolution in float."""

from __future__ import annotations

import math

import numpy as np

from edgekit.ir import Array, DType, Node, Value
from edgekit.ops.spec import real_constant

LINEAR = ("conv2d", "depthwise_conv2d", "fully_connected")


def is_affine(node: Node) -> bool:
    """A float depthwise 1x1 convolution with constant weights, one per channel, stride 1 and no padding."""
    return is_pointwise_affine(node) and is_float_product(node)


def is_pointwise_affine(node: Node) -> bool:
    """`is_affine`, of numbers or codes."""
    if node.op != "depthwise_conv2d" or any(v is not None and not v.is_constant for v in node.inputs[1:]):
        return False
    kh, kw, outputs = node.input(1).shape
    plain = tuple(node.attrs["stride"]) == (1, 1) and not any(node.attrs["padding"])
    return (kh, kw) == (1, 1) and outputs == node.input(0).shape[3] and plain


def scaled_value(node: Node) -> tuple[Value, float] | None:
    """What a node multiplies with one number, and the number; None where it does anything else."""
    if node.attrs.get("activation") != "none":
        return None
    if is_pointwise_affine(node):
        bias = node.optional_input(2)
        offset = bias is not None and real_constant(bias).any()
        return None if offset else _scaled(node.input(0), node.input(1), node)
    if node.op == "mul" and node.input(0).is_constant:
        return _scaled(node.input(1), node.input(0), node)
    if node.op in ("mul", "div") and node.input(1).is_constant:
        scaled = _scaled(node.input(0), node.input(1), node)
        return scaled if scaled is None or node.op == "mul" else (scaled[0], 1.0 / scaled[1])
    return None


def _scaled(x: Value, constant: Value, node: Node) -> tuple[Value, float] | None:
    numbers: list[float] = list(set(real_constant(constant).reshape(-1).tolist()))
    single = len(numbers) == 1 and math.isfinite(numbers[0]) and numbers[0] != 0
    return (x, numbers[0]) if single and x.shape == node.output.shape else None


def is_float_product(node: Node) -> bool:
    """A product with constant float weights and bias."""
    if node.op not in LINEAR or node.input(0).dtype is not DType.FLOAT32:
        return False
    bias = node.optional_input(2)
    weights = node.input(1)
    return weights.is_constant and weights.dtype is DType.FLOAT32 and (bias is None or bias.is_constant)


def scale_and_offset(node: Node) -> tuple[Array, Array | None]:
    """float32 [C] of an affine node; no offset is None."""
    bias = node.optional_input(2)
    return node.input(1).array.reshape(-1), None if bias is None else bias.array


def output_channel_axis(node: Node) -> int:
    """Where the weights of a product have the output channel."""
    return 2 if node.op == "depthwise_conv2d" else 0


def _narrowed(numbers: Array) -> Array | None:
    """float64 numbers in float32; None where that makes one infinite."""
    with np.errstate(over="ignore"):
        narrow = numbers.astype(np.float32)
    return narrow if (np.isinf(narrow) == np.isinf(numbers)).all() else None


def set_weights(node: Node, weights: Array, bias: Array | None) -> bool:
    """New constants of a product, float64 ones in float32; the bias is appended where there was none.

    Returns whether that could be: not where float32 would make a number infinite, and the product stays as it is.
    """
    narrow, offsets = _narrowed(weights), None if bias is None else _narrowed(bias)
    # Masks of minus infinity may be in a bias already.
    if narrow is None or not np.isfinite(narrow).all() or (bias is not None and offsets is None):
        return False
    node.set_input(1, Value.constant(node.input(1).name, narrow))
    if offsets is None:
        return True
    old = node.optional_input(2)
    value = Value.constant(f"{node.name} bias" if old is None else old.name, offsets)
    if len(node.inputs) > 2:
        node.set_input(2, value)
    else:
        node.append_input(value)
    return True
