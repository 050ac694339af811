"""Operators whose form on codes is another operator: what a float node becomes in an integer graph."""

from __future__ import annotations

from typing import Any

from edgekit.ir import Node

_WITH_INTEGER_FORM = ("prelu", "matmul", "reduce_sum", "reduce_prod")


def integer_form(node: Node) -> tuple[str, dict[str, Any]]:
    """(operator, attributes) of a node on codes."""
    attrs = dict(node.attrs)
    if node.op in _WITH_INTEGER_FORM and all(not v.dtype.is_integer or v.quant is not None for v in node.outputs):
        return f"int_{node.op}", attrs
    if node.op == "log_softmax":
        return "int_log_softmax", attrs | {"beta": 1.0}
    if node.op == "mean" and (len(node.input(0).shape) != 4 or tuple(attrs["axes"]) != (1, 2)):
        return "int_mean", attrs
    if node.op in ("avg_pool2d", "max_pool2d"):
        return node.op, _padded_to_the_end(attrs)
    return node.op, attrs


def _padded_to_the_end(attrs: dict[str, Any]) -> dict[str, Any]:
    """Padding of codes never counts, so that what windows overhang is padding too."""
    top, left, bottom, right = attrs["padding"]
    high, wide = attrs.pop("overhang", (0, 0))
    if tuple(attrs.get("dilation", (1, 1))) == (1, 1):
        attrs.pop("dilation", None)
    return attrs | {"padding": (top, left, bottom + high, right + wide)}
