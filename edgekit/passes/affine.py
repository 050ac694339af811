"""Recognise and describe per-channel scale and offset: a depthwise 1x1 convolution in float."""

from __future__ import annotations

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


def scale_factor(node: Node) -> float:
    """The one number that a node multiplies all elements with; 0 where it does anything else."""
    if not is_pointwise_affine(node) or node.attrs["activation"] != "none":
        return 0.0
    weights: list[float] = real_constant(node.input(1)).reshape(-1).tolist()
    bias = node.optional_input(2)
    single = len(set(weights)) == 1 and (bias is None or not real_constant(bias).any())
    return weights[0] if single else 0.0


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


def set_weights(node: Node, weights: Array, bias: Array | None) -> None:
    """New float constants of a product; the bias is appended where there was none."""
    node.set_input(1, Value.constant(node.input(1).name, weights))
    if bias is None:
        return
    old = node.optional_input(2)
    value = Value.constant(f"{node.name} bias" if old is None else old.name, bias)
    if len(node.inputs) > 2:
        node.set_input(2, value)
    else:
        node.append_input(value)
