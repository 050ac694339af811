"""Float operators without weights in torch, with gradients: what `edgekit.ops` defines, up to rounding."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edgekit.ir import Node
from edgekit.ops.resize_bilinear import places_f32

Operands = list[Tensor]


def padded(node: Node, x: Tensor, value: float, around: bool = True) -> Tensor:
    """[N,C,H,W] with the node's padding, and behind it what the last windows reach of a pooling's ceil mode."""
    top, left, bottom, right = node.attrs["padding"] if around else (0, 0, 0, 0)
    below, beside = node.attrs.get("overhang", (0, 0))
    return functional.pad(x, (left, right + beside, top, bottom + below), value=value)


def _window_sums(node: Node, x: Tensor) -> Tensor:
    channels = x.shape[1]
    ones = torch.ones(channels, 1, *node.attrs["kernel"], device=x.device)
    return functional.conv2d(x, ones, None, node.attrs["stride"], 0, node.attrs.get("dilation", (1, 1)), channels)


def _avg_pool2d(node: Node, operands: Operands) -> Tensor:
    x = operands[0].permute(0, 3, 1, 2)
    ones = torch.ones(1, 1, *x.shape[2:], device=x.device)
    if node.attrs.get("count_padding", False):
        top, left, bottom, right = node.attrs["padding"]
        counted = padded(node, functional.pad(ones, (left, right, top, bottom), value=1.0), 0.0, around=False)
    else:
        counted = padded(node, ones, 0.0)
    return (_window_sums(node, padded(node, x, 0.0)) / _window_sums(node, counted)).permute(0, 2, 3, 1)


def _max_pool2d(node: Node, operands: Operands) -> Tensor:
    x = padded(node, operands[0].permute(0, 3, 1, 2), -math.inf)
    dilation = node.attrs.get("dilation", (1, 1))
    return functional.max_pool2d(x, node.attrs["kernel"], node.attrs["stride"], 0, dilation).permute(0, 2, 3, 1)


def _matmul(node: Node, operands: Operands) -> Tensor:
    a, b = operands
    a = a.transpose(-1, -2) if node.attrs["transpose_a"] else a
    b = b.transpose(-1, -2) if node.attrs["transpose_b"] else b
    return a @ b


def _layer_norm(node: Node, operands: Operands) -> Tensor:
    x = operands[0]
    axes = tuple(range(node.attrs["axis"], x.dim()))
    if node.attrs["centred"]:
        x = x - x.mean(dim=axes, keepdim=True)
    y = x * ((x * x).mean(dim=axes, keepdim=True) + node.attrs["epsilon"]).rsqrt()
    rest = iter(operands[1:])
    y = y * next(rest) if node.optional_input(1) is not None else y
    return y + next(rest) if node.optional_input(2) is not None else y


def _slice(node: Node, operands: Operands) -> Tensor:
    y, attrs = operands[0], node.attrs
    for axis, (start, step, size) in enumerate(zip(attrs["starts"], attrs["steps"], attrs["sizes"], strict=True)):
        if (start, step, size) != (0, 1, y.shape[axis]):
            y = y.index_select(axis, start + step * torch.arange(size, device=y.device))
    return y


def _pad(node: Node, operands: Operands) -> Tensor:
    widths = zip(reversed(node.attrs["before"]), reversed(node.attrs["after"]), strict=True)
    return functional.pad(operands[0], [width for pair in widths for width in pair], value=float(node.attrs["value"]))


def _gather(node: Node, operands: Operands) -> Tensor:
    x, indices = operands
    axis = node.attrs["axis"]
    size = x.shape[axis]
    rows = torch.where(indices < 0, indices + size, indices).clamp(0, size - 1).long()
    taken = x.index_select(axis, rows.reshape(-1))
    return taken.reshape(*x.shape[:axis], *rows.shape, *x.shape[axis + 1 :])


def _resize_nearest(node: Node, operands: Operands) -> Tensor:
    high, wide = node.attrs["factors"]
    return operands[0].repeat_interleave(high, dim=1).repeat_interleave(wide, dim=2)


def _sums_along(x: Tensor, axis: int, places: Tensor, weights: Tensor) -> Tensor:
    """Along an axis, sums of the elements at places [O,T] times weights [O,T]."""
    taken = x.index_select(axis, places.reshape(-1)).unflatten(axis, places.shape)
    return (taken * weights.reshape(*weights.shape, *[1] * (x.dim() - 1 - axis))).sum(axis + 1)


def _resize_bilinear(node: Node, operands: Operands) -> Tensor:
    y = operands[0]
    for axis in range(2):
        places, share = places_f32(node, axis)
        weights = torch.from_numpy(np.stack([1 - share, share], axis=1)).to(y.device)
        y = _sums_along(y, 1 + axis, torch.from_numpy(places).to(y.device), weights)
    return y


def _reduced(node: Node, x: Tensor, function: Callable[[Tensor, int], Tensor]) -> Tensor:
    """One axis after the other, from the last."""
    for axis in sorted(node.attrs["axes"], reverse=True):
        x = function(x, axis)
    return x.reshape(node.output.shape)


def _unary(function: Callable[..., Tensor], *parameters: str) -> Callable[[Node, Operands], Tensor]:
    return lambda node, operands: function(operands[0], *(float(node.attrs[name]) for name in parameters))


def _selu(x: Tensor, alpha: float, gamma: float) -> Tensor:
    return gamma * torch.where(x <= 0, alpha * torch.expm1(x.clamp(max=0.0)), x)


def _shrink(x: Tensor, lambd: float, bias: float) -> Tensor:
    return torch.where(x < -lambd, x + bias, torch.where(x > lambd, x - bias, x * 0))


_SAME_IN_TORCH = (
    "relu", "sigmoid", "tanh", "abs", "neg", "sign", "floor", "ceil", "round", "exp", "log", "sqrt", "rsqrt", "square",
    "reciprocal", "erf", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh",
)  # fmt: skip

OPERATORS: dict[str, Callable[[Node, Operands], Tensor]] = {
    **{name: _unary(getattr(torch, name)) for name in _SAME_IN_TORCH},
    "relu6": _unary(functional.relu6),
    "clip": _unary(torch.clamp, "low", "high"),
    "leaky_relu": _unary(functional.leaky_relu, "alpha"),
    "elu": _unary(functional.elu, "alpha"),
    "selu": _unary(_selu, "alpha", "gamma"),
    "celu": _unary(functional.celu, "alpha"),
    "gelu": _unary(functional.gelu),
    "gelu_tanh": _unary(lambda x: functional.gelu(x, approximate="tanh")),
    "silu": _unary(lambda x, alpha: x * torch.sigmoid(alpha * x), "alpha"),
    "mish": _unary(functional.mish),
    "hard_sigmoid": _unary(lambda x, alpha, beta: (alpha * x + beta).clamp(0.0, 1.0), "alpha", "beta"),
    "hard_swish": _unary(functional.hardswish),
    "softplus": _unary(functional.softplus),
    "softsign": _unary(functional.softsign),
    "thresholded_relu": _unary(lambda x, alpha: torch.where(x > alpha, x, 0.0), "alpha"),
    "shrink": _unary(_shrink, "lambd", "bias"),
    "power": _unary(torch.pow, "exponent"),
    "add": lambda node, operands: operands[0] + operands[1],
    "sub": lambda node, operands: operands[0] - operands[1],
    "mul": lambda node, operands: operands[0] * operands[1],
    "div": lambda node, operands: operands[0] / operands[1],
    "min": lambda node, operands: torch.minimum(*operands),
    "max": lambda node, operands: torch.maximum(*operands),
    "prelu": lambda node, operands: torch.where(operands[0] < 0, operands[0] * operands[1], operands[0]),
    "where": lambda node, operands: torch.where(*operands),
    "matmul": _matmul,
    "softmax": lambda node, operands: torch.softmax(node.attrs["beta"] * operands[0], -1),
    "log_softmax": lambda node, operands: torch.log_softmax(operands[0], -1),
    "layer_norm": _layer_norm,
    "avg_pool2d": _avg_pool2d,
    "max_pool2d": _max_pool2d,
    "mean": lambda node, operands: operands[0].mean(dim=node.attrs["axes"], keepdim=node.attrs["keep_dims"]),
    "reduce_sum": lambda node, operands: _reduced(node, operands[0], torch.sum),
    "reduce_prod": lambda node, operands: _reduced(node, operands[0], torch.prod),
    "reduce_max": lambda node, operands: _reduced(node, operands[0], torch.amax),
    "reduce_min": lambda node, operands: _reduced(node, operands[0], torch.amin),
    "requantize": lambda node, operands: operands[0],
    "reshape": lambda node, operands: operands[0].reshape(node.output.shape),
    "transpose": lambda node, operands: operands[0].permute(node.attrs["perm"]),
    "slice": _slice,
    "pad": _pad,
    "expand": lambda node, operands: operands[0].expand(node.output.shape),
    "tile": lambda node, operands: operands[0].repeat(*node.attrs["repeats"]),
    "concat": lambda node, operands: torch.cat(operands, dim=node.attrs["axis"]),
    "gather": _gather,
    "resize_nearest": _resize_nearest,
    "resize_bilinear": _resize_bilinear,
    "resample": lambda node, operands: _sums_along(operands[0], node.attrs["axis"], *operands[1:]),
}
