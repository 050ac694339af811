"""Operators that only move elements: Reshape and its kin, Transpose, Concat, Slice, Split, Expand, Tile, Gather."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from edgekit.importers.onnx.builder import Constant, Layer, Operand
from edgekit.ir import Value


def identity(layer: Layer) -> Operand:
    """The input itself."""
    return layer.operand(0)


def has_element(layer: Layer) -> Constant:
    """Whether an optional tensor is there, which shows in the file."""
    return Constant(layer.record.outputs[0], np.array(layer.has(0)))


def dropout(layer: Layer) -> Sequence[Operand]:
    """Nothing at inference; the mask, where it is asked for, is all true."""
    drops = not layer.has(1) or layer.scalar(1) != 0.0
    if layer.has(2) and layer.scalar(2) and drops:
        raise layer.unsupported("training mode", "export the model in inference mode")
    x = layer.operand(0)
    if len(layer.record.outputs) < 2:
        return (x,)
    shape = x.array.shape if isinstance(x, Constant) else x.shape
    return x, Constant(layer.record.outputs[1], np.ones(shape, bool))


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
    parts = [layer.codes(i) for i in range(len(layer.record.inputs))]
    if not parts:
        raise layer.bad("has no inputs")
    axis = layer.axis(layer.int_attr("axis"), len(parts[0].shape))
    # Empty parts add nothing; runs of concatenated shapes often hold some.
    parts = [p for p in parts if p.elements] or parts[:1]
    return parts[0] if len(parts) == 1 else layer.emit("concat", parts, {"axis": axis})


def slices(layer: Layer) -> Value:
    """Slice: starts, ends, axes and steps are attributes before opset 10, inputs after."""
    x = layer.value(0)
    ranges = slice_ranges(layer, x.shape)
    return _part(layer, x, [r.start for r in ranges], [r.step for r in ranges], [len(r) for r in ranges])


def _part(layer: Layer, x: Value, starts: list[int], steps: list[int], sizes: list[int], part: str = "") -> Value:
    if 0 in sizes and layer.builder.quantized:
        raise layer.unsupported(f"makes an empty tensor {sizes}", "remove the layer")
    starts = [start if size else 0 for start, size in zip(starts, sizes, strict=True)]
    return layer.emit("slice", [x], {"starts": tuple(starts), "steps": tuple(steps), "sizes": tuple(sizes)}, part)


def slice_ranges(layer: Layer, shape: tuple[int, ...]) -> list[range]:
    """The indices that a Slice takes of every axis."""
    rank = len(shape)
    if layer.opset < 10:
        starts, ends = layer.ints_attr_wide("starts"), layer.ints_attr_wide("ends")
        axes, steps = layer.ints_attr("axes", tuple(range(len(starts)))), (1,) * len(starts)
    else:
        starts, ends = layer.integers(1), layer.integers(2)
        axes = layer.integers(3) if layer.has(3) else tuple(range(len(starts)))
        steps = layer.integers(4) if layer.has(4) else (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise layer.bad("starts, ends, axes and steps differ in number")
    ranges = [range(size) for size in shape]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step == 0:
            raise layer.bad("a step is 0")
        axis = layer.axis(axis, rank)
        # A reversed slice ends before the first element, which Python writes as None.
        stop = None if step < 0 and end < -shape[axis] else end
        ranges[axis] = range(shape[axis])[slice(start, stop, step)]
    return ranges


def split(layer: Layer) -> list[Value]:
    """Parts along an axis: of given sizes, or as equal as can be."""
    x, count = layer.value(0), len(layer.record.outputs)
    if not x.shape:
        raise layer.bad("splits a scalar")
    axis = layer.axis(layer.int_attr("axis", 0), len(x.shape))
    size = x.shape[axis]
    if layer.has(1):
        sizes = list(layer.integers(1))
    elif layer.has_attr("split"):
        sizes = list(layer.ints_attr("split"))
    else:
        wanted = layer.int_attr("num_outputs", count)
        if wanted != count:
            raise layer.bad(f"attribute 'num_outputs' is {wanted}, the layer has {count} outputs")
        each = -(-size // max(count, 1))
        sizes = [min(each, size - each * i) for i in range(count)]
    if sum(sizes) != size or min(sizes, default=0) < 0 or len(sizes) != len(layer.record.outputs):
        raise layer.bad(f"parts {sizes} do not make an axis of {size} and {len(layer.record.outputs)} outputs")
    parts, start = [], 0
    for index, length in enumerate(sizes):
        starts = [start if a == axis else 0 for a in range(len(x.shape))]
        lengths = [length if a == axis else d for a, d in enumerate(x.shape)]
        parts.append(_part(layer, x, starts, [1] * len(x.shape), lengths, "" if len(sizes) == 1 else str(index)))
        start += length
    return parts


def expand(layer: Layer) -> Value:
    """Broadcast with a shape, in either direction."""
    x = layer.value(0)
    try:
        shape = np.broadcast_shapes(x.shape, layer.integers(1))
    except ValueError:
        raise layer.bad(f"{list(x.shape)} does not broadcast with {list(layer.integers(1))}") from None
    return layer.emit("expand", [x], {"shape": tuple(int(d) for d in shape)})


def tile(layer: Layer) -> Value:
    """Repetition along every axis."""
    x = layer.value(0)
    if layer.opset < 6:
        raise layer.unsupported("this form of Tile", "export with opset 6 or newer")
    repeats = layer.integers(1)
    if len(repeats) != len(x.shape) or min(repeats, default=1) < 1:
        raise layer.bad(f"repeats {list(repeats)} do not fit {list(x.shape)}")
    return layer.emit("tile", [x], {"repeats": repeats})


def gather(layer: Layer) -> Value:
    """Rows by constant or computed indices."""
    x, indices = layer.value(0), layer.indices(1)
    axis = layer.axis(layer.int_attr("axis", 0), len(x.shape))
    if indices.is_constant and indices.elements:
        low, high = int(indices.array.min()), int(indices.array.max())
        if low < -x.shape[axis] or high >= x.shape[axis]:
            raise layer.bad(f"indices {low} to {high} leave an axis of {x.shape[axis]}")
    return layer.emit("gather", [x, indices], {"axis": axis})


def depth_to_space(layer: Layer) -> Value:
    """Blocks of channels to blocks of pixels (NCHW): a reshape, a permutation and a reshape."""
    x, block = layer.value(0), layer.int_attr("blocksize")
    n, c, h, w = _image(layer, x)
    if block < 1 or c % (block * block):
        raise layer.bad(f"{c} channels are no multiple of {block} x {block}")
    depth = c // (block * block)
    mode = layer.str_attr("mode", "DCR")
    if mode == "DCR":
        split_shape, perm = (n, block, block, depth, h, w), (0, 3, 4, 1, 5, 2)
    elif mode == "CRD":
        split_shape, perm = (n, depth, block, block, h, w), (0, 1, 4, 2, 5, 3)
    else:
        raise layer.bad(f"attribute 'mode' is {mode!r}")
    moved = layer.transpose(layer.reshape(x, split_shape, "blocks"), perm, "permute")
    return layer.reshape(moved, (n, depth, h * block, w * block), "")


def space_to_depth(layer: Layer) -> Value:
    """Blocks of pixels to blocks of channels (NCHW)."""
    x, block = layer.value(0), layer.int_attr("blocksize")
    n, c, h, w = _image(layer, x)
    if block < 1 or h % block or w % block:
        raise layer.bad(f"an image of {h} x {w} has no blocks of {block}")
    blocks = layer.reshape(x, (n, c, h // block, block, w // block, block), "blocks")
    mode = layer.str_attr("mode", "DCR")
    perm = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return layer.reshape(layer.transpose(blocks, perm, "permute"), (n, c * block * block, h // block, w // block), "")


def _image(layer: Layer, x: Value) -> tuple[int, int, int, int]:
    if len(x.shape) != 4:
        raise layer.bad(f"the input has {len(x.shape)} axes, needs 4")
    n, c, h, w = x.shape
    return n, c, h, w
