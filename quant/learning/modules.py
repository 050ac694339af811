"""A float graph's operators in torch, with gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from edgekit.errors import UnsupportedModel
from edgekit.ir import Node, Value
from edgekit.ops.conv2d import is_product

Operands = list[Tensor]


def run_node(node: Node, known: Mapping[Value, Tensor], weights: Tensor | None = None) -> Tensor:
    """The node's output; a product takes `weights` in place of its own where they are given.

    Raises UnsupportedModel for an operator without a form here.
    """
    operands: list[Tensor] = []
    for index, value in enumerate(node.inputs):
        if value is None:
            continue
        if index == 1 and weights is not None:
            operands.append(weights)
        elif value.is_constant:
            operands.append(torch.from_numpy(value.array.copy()))
        else:
            operands.append(known[value])
    if is_product(node):
        y = _PRODUCTS[node.op](node, operands)
    elif node.op in _OPERATORS:
        y = _OPERATORS[node.op](node, operands)
    else:
        raise UnsupportedModel(
            f"layer {node.name!r} ({node.op}): weights cannot be learned through it; use --quantizer "
            "powerquant, or uniform"
        )
    return _ACTIVATIONS[node.attrs.get("activation", "none")](y)


def _conv2d(node: Node, operands: Operands) -> Tensor:
    x, w = operands[0].permute(0, 3, 1, 2), operands[1].permute(0, 3, 1, 2)
    return _convolved(node, x, w, operands, int(node.attrs.get("groups", 1)))


def _depthwise_conv2d(node: Node, operands: Operands) -> Tensor:
    x, w = operands[0].permute(0, 3, 1, 2), operands[1].permute(2, 0, 1)[:, None]
    return _convolved(node, x, w, operands, x.shape[1])


def _convolved(node: Node, x: Tensor, w: Tensor, operands: Operands, groups: int) -> Tensor:
    top, left, bottom, right = node.attrs["padding"]
    padded = functional.pad(x, (left, right, top, bottom))
    bias = operands[2] if len(operands) > 2 else None
    y = functional.conv2d(padded, w, bias, node.attrs["stride"], 0, node.attrs["dilation"], groups)
    return y.permute(0, 2, 3, 1)


def _fully_connected(node: Node, operands: Operands) -> Tensor:
    return functional.linear(operands[0], operands[1], operands[2] if len(operands) > 2 else None)


def _matmul(node: Node, operands: Operands) -> Tensor:
    a, b = operands
    a = a.transpose(-1, -2) if node.attrs["transpose_a"] else a
    b = b.transpose(-1, -2) if node.attrs["transpose_b"] else b
    return a @ b


def _avg_pool2d(node: Node, operands: Operands) -> Tensor:
    attrs = node.attrs
    if any(attrs["padding"]) or any(attrs.get("overhang", (0, 0))) or attrs.get("dilation", (1, 1)) != (1, 1):
        raise UnsupportedModel(f"layer {node.name!r}: weights cannot be learned through a padded average")
    pooled = functional.avg_pool2d(operands[0].permute(0, 3, 1, 2), attrs["kernel"], attrs["stride"])
    return pooled.permute(0, 2, 3, 1)


def _mean(node: Node, operands: Operands) -> Tensor:
    return operands[0].mean(dim=node.attrs["axes"], keepdim=node.attrs["keep_dims"])


def _reshape(node: Node, operands: Operands) -> Tensor:
    return operands[0].reshape(node.output.shape)


def _layer_norm(node: Node, operands: Operands) -> Tensor:
    if not node.attrs["centred"]:
        raise UnsupportedModel(f"layer {node.name!r}: weights cannot be learned through an RMS normalization")
    x = operands[0]
    shape = x.shape[node.attrs["axis"] :]
    weight, bias = (*(o.reshape(shape) for o in operands[1:]), None, None)[:2]
    return functional.layer_norm(x, shape, weight, bias, node.attrs["epsilon"])


_PRODUCTS: dict[str, Callable[[Node, Operands], Tensor]] = {
    "conv2d": _conv2d,
    "depthwise_conv2d": _depthwise_conv2d,
    "fully_connected": _fully_connected,
}
_OPERATORS: dict[str, Callable[[Node, Operands], Tensor]] = {
    "add": lambda node, operands: operands[0] + operands[1],
    "mul": lambda node, operands: operands[0] * operands[1],
    "sub": lambda node, operands: operands[0] - operands[1],
    "relu": lambda node, operands: functional.relu(operands[0]),
    "gelu": lambda node, operands: functional.gelu(operands[0]),
    "gelu_tanh": lambda node, operands: functional.gelu(operands[0], approximate="tanh"),
    "silu": lambda node, operands: operands[0] * torch.sigmoid(node.attrs["alpha"] * operands[0]),
    "sigmoid": lambda node, operands: torch.sigmoid(operands[0]),
    "tanh": lambda node, operands: torch.tanh(operands[0]),
    "hard_swish": lambda node, operands: functional.hardswish(operands[0]),
    "softmax": lambda node, operands: torch.softmax(node.attrs["beta"] * operands[0], -1),
    "transpose": lambda node, operands: operands[0].permute(node.attrs["perm"]),
    "matmul": _matmul,
    "avg_pool2d": _avg_pool2d,
    "mean": _mean,
    "reshape": _reshape,
    "layer_norm": _layer_norm,
}
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda y: y,
    "relu": functional.relu,
    "relu6": functional.relu6,
    "relu_n1_to_1": lambda y: y.clamp(-1.0, 1.0),
}
