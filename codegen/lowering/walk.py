"""Walks over several tensors at once: shapes and strides with as few axes as possible, for the kernels' loops."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgekit.errors import UnsupportedModel
from edgekit.ir import Node

MAX_RANK = 8


def strides_of(shape: Sequence[int]) -> list[int]:
    """Elements between neighbours along each axis of a dense tensor."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def broadcast_strides(shape: Sequence[int], result: Sequence[int]) -> list[int]:
    """Strides of a dense tensor of `shape` walked as `result`; 0 along axes that repeat."""
    padded = [1] * (len(result) - len(shape)) + list(shape)
    return [0 if own == 1 else stride for own, stride in zip(padded, strides_of(padded), strict=True)]


def merged(node: Node, shape: Sequence[int], *strides: Sequence[int]) -> tuple[list[int], list[list[int]]]:
    """The same walk with neighbouring axes joined wherever every operand allows it; at least one axis.

    Raises UnsupportedModel where more than 8 axes are left.
    """
    if 0 in shape:
        return [0], [[0] for _ in strides]
    axes: list[tuple[int, list[int]]] = []
    for axis, size in enumerate(shape):
        steps = [operand[axis] for operand in strides]
        if size == 1:
            continue
        if axes and all(before == step * size for before, step in zip(axes[-1][1], steps, strict=True)):
            axes[-1] = (axes[-1][0] * size, steps)
        else:
            axes.append((size, steps))
    axes = axes or [(1, [0] * len(strides))]
    if len(axes) > MAX_RANK:
        raise UnsupportedModel(
            f"layer {node.name!r} ({node.op}): walks over {len(axes)} axes, at most {MAX_RANK} are built; "
            "join axes before it"
        )
    return [size for size, _ in axes], [[steps[i] for _, steps in axes] for i in range(len(strides))]


def padded(values: Sequence[int], fill: int = 0) -> list[int]:
    """Eight numbers, as parameter structs hold them."""
    return [*values, *[fill] * (MAX_RANK - len(values))]
