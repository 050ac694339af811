"""A float graph's nodes in torch, with gradients; products take the weights that are being learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from edgekit.errors import UnsupportedModel
from edgekit.ir import Node, Value
from edgekit.ops.conv2d import is_product
from edgekit.quant.learning.operators import OPERATORS, Operands, padded


def has_form(node: Node) -> bool:
    """Whether the node can be run here."""
    return node.op in (_PRODUCTS if is_product(node) else OPERATORS) and len(node.outputs) == 1


def require_form(node: Node) -> None:
    """Raises UnsupportedModel, which says what to do, for a node that cannot be run here."""
    if not has_form(node):
        raise UnsupportedModel(
            f"layer {node.name!r} ({node.op}): weights cannot be learned through it; use --quantizer "
            "powerquant, or uniform"
        )


def run_node(node: Node, known: Mapping[Value, Tensor], replaced: Mapping[int, Tensor] | None = None) -> Tensor:
    """The node's output, with the operands whose indices are in `replaced` taken from there.

    Constants that `known` lacks are read from the graph.

    Raises UnsupportedModel for an operator without a form here.
    """
    operands: list[Tensor] = []
    for index, value in enumerate(node.inputs):
        if replaced and index in replaced:
            operands.append(replaced[index])
        elif value is not None:
            operands.append(known[value] if value in known else constant(value))
    require_form(node)
    form = (_PRODUCTS if is_product(node) else OPERATORS)[node.op]
    return _ACTIVATIONS[node.attrs.get("activation", "none")](form(node, operands))


def softmax_at_end(output: Value) -> Node | None:
    """The softmax that makes a graph's output and that no node reads: losses compare its input instead."""
    node = output.producer
    return node if node is not None and node.op == "softmax" and not output.uses else None


def constant(value: Value) -> Tensor:
    """A constant's numbers; a copy, for torch writes to arrays that it shares."""
    return torch.from_numpy(value.array.copy())


def run_product(node: Node, x: Tensor) -> Tensor:
    """A product's sums, before its activation."""
    operands = [constant(v) for v in node.inputs[1:] if v is not None]
    return _PRODUCTS[node.op](node, [x, *operands])


def _conv2d(node: Node, operands: Operands) -> Tensor:
    x, w = operands[0].permute(0, 3, 1, 2), operands[1].permute(0, 3, 1, 2)
    return _convolved(node, x, w, operands, int(node.attrs.get("groups", 1)))


def _depthwise_conv2d(node: Node, operands: Operands) -> Tensor:
    x, w = operands[0].permute(0, 3, 1, 2), operands[1].permute(2, 0, 1)[:, None]
    return _convolved(node, x, w, operands, x.shape[1])


def _convolved(node: Node, x: Tensor, w: Tensor, operands: Operands, groups: int) -> Tensor:
    top, left, bottom, right = node.attrs["padding"]
    even = (top, left) == (bottom, right)
    x, width = (x, (top, left)) if even else (padded(node, x, 0.0), (0, 0))
    bias = operands[2] if len(operands) > 2 else None
    y = functional.conv2d(x, w, bias, node.attrs["stride"], width, node.attrs["dilation"], groups)
    return y.permute(0, 2, 3, 1)


def _transpose_conv2d(node: Node, operands: Operands) -> Tensor:
    """All that the input reaches, of which the node's size is cut out; behind it there is nothing but the bias."""
    x, w = operands[0].permute(0, 3, 1, 2), operands[1].permute(3, 0, 1, 2)
    whole = functional.conv_transpose2d(x, w, None, node.attrs["stride"])
    (top, left), (high, wide) = node.attrs["before"], node.attrs["size"]
    below, beside = (max(0, n) for n in (top + high - whole.shape[2], left + wide - whole.shape[3]))
    y = functional.pad(whole, (0, beside, 0, below))[:, :, top : top + high, left : left + wide].permute(0, 2, 3, 1)
    return y + operands[2] if len(operands) > 2 else y


def _fully_connected(node: Node, operands: Operands) -> Tensor:
    return functional.linear(operands[0], operands[1], operands[2] if len(operands) > 2 else None)


_PRODUCTS: dict[str, Callable[[Node, Operands], Tensor]] = {
    "conv2d": _conv2d,
    "depthwise_conv2d": _depthwise_conv2d,
    "fully_connected": _fully_connected,
    "transpose_conv2d": _transpose_conv2d,
}
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda y: y,
    "relu": functional.relu,
    "relu6": functional.relu6,
    "relu_n1_to_1": lambda y: y.clamp(-1.0, 1.0),
}
