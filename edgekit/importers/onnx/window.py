"""Padding of convolutions and pooling: pads, auto_pad and ceil_mode as (top, left, bottom, right)."""

from __future__ import annotations

from edgekit.importers.onnx.builder import Layer
from edgekit.ops.window import same_padding

Pair = tuple[int, int]
Padding = tuple[int, int, int, int]


def strides_of(layer: Layer) -> Pair:
    """strides (h, w), default 1."""
    return _positive(layer, "strides")


def dilations_of(layer: Layer) -> Pair:
    """dilations (h, w), default 1."""
    return _positive(layer, "dilations")


def kernel_of(layer: Layer) -> Pair:
    """kernel_shape (h, w), which must be there."""
    height, width = _pair(layer, layer.ints_attr("kernel_shape", None, layer.rank(0) - 2), 1)
    if min(height, width) < 1:
        raise layer.bad("attribute 'kernel_shape' must be positive")
    return height, width


def _positive(layer: Layer, name: str) -> Pair:
    axes = layer.rank(0) - 2
    first, second = _pair(layer, layer.ints_attr(name, (1,) * axes, axes), 1)
    if min(first, second) < 1:
        raise layer.bad(f"attribute {name!r} must be positive")
    return first, second


def _pair(layer: Layer, numbers: tuple[int, ...], missing: int) -> Pair:
    """(h, w) of a list for one or two spatial axes; a line has height 1."""
    if len(numbers) not in (1, 2):
        raise layer.unsupported(f"{len(numbers)} spatial axes", "use 1-D or 2-D windows")
    return (missing, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])


def padding_of(layer: Layer, size: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Padding:
    """Explicit padding of an input of `size` (h, w)."""
    mode = layer.str_attr("auto_pad", "NOTSET")
    if mode == "VALID":
        return 0, 0, 0, 0
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        pairs = [same_padding(*geometry) for geometry in zip(size, kernel, stride, dilation, strict=True)]
        if mode == "SAME_LOWER":
            pairs = [(after, before) for before, after in pairs]
        return pairs[0][0], pairs[1][0], pairs[0][1], pairs[1][1]
    if mode != "NOTSET":
        raise layer.bad(f"attribute 'auto_pad' is {mode!r}")
    axes = layer.rank(0) - 2
    pads = layer.ints_attr("pads", (0,) * (2 * axes), 2 * axes)
    (top, left), (bottom, right) = _pair(layer, pads[:axes], 0), _pair(layer, pads[axes:], 0)
    if min(top, left, bottom, right) < 0:
        raise layer.unsupported("negative pads crop the input", "crop before the model, or use pads of at least 0")
    return top, left, bottom, right


def ceil_padding(padding: Padding, size: Pair, kernel: Pair, stride: Pair) -> Padding:
    """`padding` grown at the bottom and right so that rounding down gives what ceil_mode gives.

    As in PyTorch and onnxruntime, no window starts in the padding behind the input.
    """
    after = []
    for axis in range(2):
        before, behind = padding[axis], padding[2 + axis]
        windows = -(-(size[axis] + before + behind - kernel[axis]) // stride[axis]) + 1
        if (windows - 1) * stride[axis] >= size[axis] + before:
            windows -= 1
        after.append(max(behind, (windows - 1) * stride[axis] + kernel[axis] - size[axis] - before))
    return padding[0], padding[1], after[0], after[1]
